package comet

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/id"
	"gopush/internal/push"
)

// service is one term in which this node serves its group: the lease, and the
// ids that it allows. A nil service serves nothing.
type service struct {
	term  coord.Term       // immutable
	ids   *id.Source       // immutable
	now   func() time.Time // immutable
	ahead time.Duration    // immutable; how far the ceiling is kept ahead
	end   func()           // ends the service early: a message node has seen a higher epoch
	ended <-chan struct{}  // closed by end
	// leaving: nothing new is taken on, and what is in flight is finished under
	// the lease.
	leaving atomic.Bool

	raising sync.Mutex // one Raise at a time; held over it, by raisers only
}

func newService(term coord.Term, now func() time.Time, ahead time.Duration) *service {
	ended := make(chan struct{})
	return &service{
		term: term, ids: id.New(term.Floor(), term.Ceiling()), now: now, ahead: ahead,
		ended: ended, end: sync.OnceFunc(func() { close(ended) }),
	}
}

func errMoving() error {
	return push.E(push.KindMoving, "this node does not serve the key's group right now; look the node up again")
}

// valid reports whether the node may acknowledge and deliver right now.
func (s *service) valid() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return s.term.Valid()
	}
}

// takes reports whether the node may take something new on.
func (s *service) takes() bool { return s.valid() && !s.leaving.Load() }

// highest is an id that no cursor of the node's keys is above: the ceiling, or the
// floor where keys have come whose ids went further elsewhere.
func (s *service) highest() push.ID { return max(s.term.Ceiling(), s.term.Floor()) }

func (s *service) epoch() int64 {
	if s == nil {
		return 0
	}
	return s.term.Epoch()
}

// tryReserve takes k consecutive ids if the ceiling allows them.
func (s *service) tryReserve(k int) (push.ID, bool) {
	if !s.valid() {
		return 0, false
	}
	return s.give(k)
}

// give takes ids above the floor, which rises when keys come here.
func (s *service) give(k int) (push.ID, bool) {
	s.ids.Lift(s.term.Floor())
	return s.ids.Reserve(s.now(), k)
}

// reserve takes k consecutive ids, raising the ceiling first if need be.
func (s *service) reserve(ctx context.Context, k int) (push.ID, error) {
	for {
		if !s.valid() {
			return 0, errMoving()
		}
		if first, ok := s.give(k); ok {
			return first, nil
		}
		if err := s.raise(ctx); err != nil {
			return 0, push.Wrap(push.KindMoving, err, "the node could not extend its range of ids; try again")
		}
	}
}

// raise makes room for ids up to now and s.ahead more.
func (s *service) raise(ctx context.Context) error {
	s.raising.Lock()
	defer s.raising.Unlock()
	s.ids.Lift(s.term.Floor())
	to := push.IDAt(s.now().Add(s.ahead))
	// The clock may be far behind what was given already.
	to = max(to, s.ids.High()+push.ID(s.ahead/(100*time.Nanosecond)))
	if s.term.Ceiling() < to {
		if err := s.term.Raise(ctx, to); err != nil {
			return err
		}
	}
	s.ids.Raise(s.term.Ceiling())
	return nil
}

// keep raises the ceiling ahead of need until the service is over, an operator
// wants it handed over, or ctx ends.
func (s *service) keep(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(s.ahead / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.term.Done():
			return
		case <-s.ended:
			return
		case <-s.term.Asked():
			return
		case <-tick.C:
			if err := s.raise(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}
