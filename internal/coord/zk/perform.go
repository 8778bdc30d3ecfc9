package zk

import (
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
)

// do begins an action; its end is told to the machine. The caller holds the
// coordinator's mu, so each action has a goroutine of its own, as the calls may
// block. There is at most one per candidate, message node and ring.
func (s *session) do(a coord.Action) {
	switch a.(type) {
	case coord.Refresh:
		s.reader.ask()
	case coord.Touch:
		sent := s.c.mono()
		s.work.Go(func() { s.touch(sent) })
	default:
		s.work.Go(func() {
			outcome := s.outcome(s.perform(a))
			if outcome == coord.Conflict {
				pause(s.life, 10*time.Millisecond+rand.N(20*time.Millisecond)) // so that two do not stay in each other's way
			}
			s.c.report(s, coord.Answered{Action: a, Outcome: outcome})
		})
	}
}

// touch proves the session, and reads the ring. A read alone would prove
// nothing: the server answers it by itself, even if it is cut off from the
// others that are about to end the session.
func (s *session) touch(sent time.Duration) {
	if _, err := s.conn.Sync(s.c.paths.ring()); err != nil {
		s.c.report(s, coord.Answered{Action: coord.Touch{}, Outcome: s.outcome(err)})
		return
	}
	data, stat, err := s.conn.Get(s.c.paths.ring())
	if err == nil {
		var ring coord.Ring
		if ring, err = decodeRing(data); err == nil {
			s.c.report(s, coord.SawRing{Ring: ring, Stamp: int64(stat.Version)}, coord.Touched{Sent: sent})
			return
		}
	}
	s.c.report(s, coord.Answered{Action: coord.Touch{}, Outcome: s.outcome(err)})
}

// perform carries an action out.
func (s *session) perform(a coord.Action) error {
	p, acl := s.c.paths, s.c.cfg.acl()
	switch a := a.(type) {
	case coord.Create:
		_, err := s.conn.Create(p.comet(a.ID+"-"), encodeCandidate(a.ID, a.Member, false), zk.FlagEphemeral|zk.FlagSequence, acl)
		return err
	case coord.Delete:
		return gone(s.conn.Delete(p.comet(a.Name), -1))
	case coord.Begin:
		return s.begin(a)
	case coord.Lift:
		return s.all(
			&zk.CheckVersionRequest{Path: p.term(a.Group), Version: version(a.Stamp)},
			&zk.SetDataRequest{Path: p.ceiling(a.Group), Data: encodeCeiling(a.Ceiling), Version: version(a.CeilingStamp)},
		)
	case coord.Amend:
		_, err := s.conn.Set(p.term(a.Tenure.Member.Group), encodeTenure(a.Tenure), version(a.Stamp))
		return err
	case coord.Rewrite:
		_, err := s.conn.Set(p.ring(), encodeRing(a.Ring), version(a.Stamp))
		return err
	case coord.Announce:
		_, err := s.conn.Create(p.message(a.ID), encodeMessage(a.Addr), zk.FlagEphemeral, acl)
		if errors.Is(err, zk.ErrNodeExists) {
			return nil // an earlier try, whose answer was lost
		}
		return err
	case coord.Retract:
		return gone(s.conn.Delete(p.message(a.ID), -1))
	default:
		return nil
	}
}

// begin writes a new term: all or nothing, and only if nothing has changed.
func (s *session) begin(a coord.Begin) error {
	group := a.Tenure.Member.Group
	return s.all(
		&zk.CheckVersionRequest{Path: s.c.paths.ring(), Version: version(a.RingStamp)},
		s.write(s.c.paths.term(group), encodeTenure(a.Tenure), a.Stamp),
		s.write(s.c.paths.ceiling(group), encodeCeiling(a.Ceiling), a.CeilingStamp),
	)
}

// version is a stamp as ZooKeeper counts. To it a negative one means "whatever
// is there", which is never meant here.
func version(stamp int64) int32 {
	if stamp < 0 || stamp > math.MaxInt32 {
		return math.MaxInt32
	}
	return int32(stamp)
}

// write is the part of a transaction that writes a lasting node.
func (s *session) write(path string, data []byte, stamp int64) any {
	if stamp == coord.NoStamp {
		return &zk.CreateRequest{Path: path, Data: data, Acl: s.c.cfg.acl()}
	}
	return &zk.SetDataRequest{Path: path, Data: data, Version: version(stamp)}
}

// all carries a transaction out.
func (s *session) all(ops ...any) error {
	_, err := s.conn.Multi(ops...)
	return err
}

// gone takes a node that is not there as deleted.
func gone(err error) error {
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

// outcome says what an error means. An error that is nobody's fault but the
// operator's is logged, and the next try delayed.
func (s *session) outcome(err error) coord.Outcome {
	switch {
	case err == nil:
		return coord.Done
	case errors.Is(err, zk.ErrBadVersion), errors.Is(err, zk.ErrNoNode), errors.Is(err, zk.ErrNodeExists):
		return coord.Conflict
	case !lost(err) && s.life.Err() == nil:
		s.c.fail(s, err)
		s.c.log.Error("could not write to ZooKeeper", slog.Any("error", err))
		pause(s.life, time.Second)
	}
	return coord.Unknown
}
