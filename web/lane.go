package web

import (
	"context"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// lane keeps the pushes of one key in order within a pipeline. Once one of them
// is refused nothing more is sent until all that are on their way have come
// back; then those that were refused go again, before the rest. The pipeline
// owns it; it exists only while it has work.
type lane struct {
	key      push.Key
	waiting  []*item     // not sent yet, in order
	refused  []*item     // to be sent again
	flying   int         // on their way
	owner    coord.Group // where those are
	accepted int         // the highest seq that was accepted
	doubted  int         // the highest seq that may have been
	stopped  bool        // something was refused
	parked   bool        // it waits until due
	due      time.Time   // when parked
	pause    backoff
	reason   error // of the last refusal
}

// contextStep is how long pushes share a context: they end at most that much
// after their own deadline. A context with a timer for each push of a batch
// would cost as much as the rest of its way through this package.
const contextStep = 250 * time.Millisecond

// sharedContext hands out contexts that end life after the call, or up to
// contextStep later.
type sharedContext struct {
	parent context.Context
	life   time.Duration
	made   []madeContext // oldest first
}

type madeContext struct {
	ctx    context.Context
	cancel context.CancelFunc
	at     time.Time
}

// get returns the newest context while it is young enough. Those that have ended
// by themselves are let go on the way, so that a batch of hours keeps a few.
func (s *sharedContext) get() context.Context {
	now := time.Now()
	if n := len(s.made); n > 0 && now.Sub(s.made[n-1].at) < contextStep {
		return s.made[n-1].ctx
	}
	for len(s.made) > 0 && s.made[0].ctx.Err() != nil {
		s.made[0].cancel()
		s.made = s.made[1:]
	}
	ctx, cancel := context.WithTimeout(s.parent, s.life+contextStep)
	s.made = append(s.made, madeContext{ctx, cancel, now})
	return ctx
}

// close ends them all, and the tries under them.
func (s *sharedContext) close() {
	for _, m := range s.made {
		m.cancel()
	}
}
