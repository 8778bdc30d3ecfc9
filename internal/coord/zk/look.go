package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// Sight is what somebody sees in ZooKeeper who only looks.
type Sight struct {
	Took     time.Duration // until there was a session
	Timeout  time.Duration // of the session, as the server granted it
	Began    bool          // there is something under the root
	Open     bool          // anybody who reaches ZooKeeper may change it
	Groups   []GroupSight  // by name: those of the ring, and those that want to be
	Messages int           // message nodes
}

// GroupSight is a group of comet nodes.
type GroupSight struct {
	Name  string
	Nodes int // that serve or stand by
}

// Look begins a session of its own, reads, and ends it. It changes nothing and takes no
// part in anything. It returns by the end of ctx, or a few seconds after.
func Look(ctx context.Context, cfg Config, log *slog.Logger) (Sight, error) {
	if err := cfg.Validate(); err != nil {
		return Sight{}, err
	}
	start := time.Now()
	c, err := connect(ctx, &cfg, log, true, nil)
	if err != nil {
		return Sight{}, err
	}
	defer c.close()
	if err := c.ready(); err != nil {
		return Sight{}, fmt.Errorf("no session with ZooKeeper: %w", err)
	}
	s := Sight{Took: time.Since(start), Timeout: c.timeout()}
	err = s.read(c.conn, paths(cfg.Root))
	if cause := context.Cause(c.life); err != nil && cause != nil { //nolint:contextcheck // the connection's is made of ctx
		err = cause
	}
	if err != nil {
		return s, fmt.Errorf("read from ZooKeeper: %w", err)
	}
	return s, nil
}

// read fills in what is under the root; nothing is no error.
func (s *Sight) read(conn *zk.Conn, p paths) error {
	list, _, err := conn.GetACL(string(p))
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Began = true
	s.Open = slices.ContainsFunc(list, func(a zk.ACL) bool {
		return a.Scheme == "world" && a.Perms&(zk.PermWrite|zk.PermCreate|zk.PermDelete) != 0
	})
	nodes := map[string]int{}
	if err := ringGroups(conn, p, nodes); err != nil {
		return err
	}
	if err := candidates(conn, p, nodes); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		s.Groups = append(s.Groups, GroupSight{name, nodes[name]})
	}
	messages, err := names(conn, p.messages())
	s.Messages = len(messages)
	return err
}

// ringGroups notes the groups that own keys.
func ringGroups(conn *zk.Conn, p paths, nodes map[string]int) error {
	data, _, err := conn.Get(p.ring())
	if errors.Is(err, zk.ErrNoNode) {
		return nil // nobody has served yet
	}
	if err != nil {
		return err
	}
	ring, err := decodeRing(data)
	if err != nil {
		return fmt.Errorf("%s: %w", p.ring(), err)
	}
	for _, place := range ring.Places {
		nodes[place.Group] += 0
	}
	return nil
}

// candidates counts the nodes of each group. One that goes meanwhile, or that cannot be
// understood, is none.
func candidates(conn *zk.Conn, p paths, nodes map[string]int) error {
	all, err := names(conn, p.comets())
	if err != nil {
		return err
	}
	for _, name := range all {
		data, _, err := conn.Get(p.comet(name))
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		if cand, err := decodeCandidate(name, data); err == nil {
			nodes[cand.Member.Group]++
		}
	}
	return nil
}

// names lists what is at a path; nothing, if that is not there.
func names(conn *zk.Conn, path string) ([]string, error) {
	all, _, err := conn.Children(path)
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	return all, err
}
