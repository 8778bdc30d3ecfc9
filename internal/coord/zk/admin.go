package zk

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// Register shows the RPC address (host:port) of a message node to all, as soon
// as there is a session and through any number of them, until leave is called.
func (c *Coordinator) Register(addr string) (leave func()) {
	id := unique("message")
	c.tell(coord.Register{ID: id, Addr: addr})
	return func() { c.tell(coord.Unregister{ID: id}) }
}

// Drain asks a comet node to hand over: it marks the node's place in line.
func (c *Coordinator) Drain(ctx context.Context, node string) error {
	return c.operate(ctx, func(s *session) error {
		names, _, err := s.conn.Children(c.paths.comets())
		if err != nil {
			return err
		}
		for _, name := range names {
			data, stat, err := s.conn.Get(c.paths.comet(name))
			if err != nil && !errors.Is(err, zk.ErrNoNode) {
				return err
			}
			if cand, bad := decodeCandidate(name, data); err == nil && bad == nil && cand.ID == node {
				_, err = s.conn.Set(c.paths.comet(name), encodeCandidate(cand.ID, cand.Member, true), stat.Version)
				return err
			}
		}
		return push.E(push.KindNotFound, "there is no comet node %q; list the nodes again", node)
	})
}

// RemoveGroup takes a group without nodes out of the ring, and returns when
// that has been noted for those who change the ring.
func (c *Coordinator) RemoveGroup(ctx context.Context, group string) error {
	if err := coord.Removable(c.View(), group); err != nil {
		return err
	}
	c.tell(coord.Remove{Group: group})
	for {
		changed := c.Changed()
		view := c.View()
		switch _, there := view.Groups[group]; {
		case !there:
			return nil
		case coord.Removable(view, group) != nil:
			return coord.Removable(view, group)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("removing the group %s: %w", group, context.Cause(ctx))
		case <-c.life.Done():
			return ErrClosed
		}
	}
}

// operate makes calls for an operator; they may outlast ctx, but not the
// session.
func (c *Coordinator) operate(ctx context.Context, f func(s *session) error) error {
	c.mu.Lock()
	s := c.session
	if s == nil {
		defer c.mu.Unlock()
		return push.Wrap(push.KindMoving, c.trouble, "there is no session with ZooKeeper; try again")
	}
	done := make(chan error, 1)
	s.work.Go(func() { done <- f(s) })
	c.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
