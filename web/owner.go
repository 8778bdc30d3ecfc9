package web

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// owner finds the comet node that owns key right now.
func (s *Server) owner(key push.Key) (coord.Group, Comet, error) {
	g, ok := s.deps.Directory.View().Owner(key)
	if !ok {
		return g, nil, errNoNode()
	}
	return g, s.deps.Comet(g.RPC), nil
}

// errNoNode covers an empty ring and a group between two primaries alike: to a
// pusher both mean to wait.
func errNoNode() error {
	return push.E(push.KindNoNode, "no node serves the key right now; try again")
}

// onOwner has call done by the owner of key. A refusal that says that nothing
// happened is tried again, with a fresh view, until ctx ends; repeatable says
// that an unknown outcome may be tried again too. The error is the last one.
func (s *Server) onOwner(ctx context.Context, key push.Key, repeatable bool, call func(coord.Group, Comet) error) error {
	var pause backoff
	for {
		// A fresh view each time: the refusal may come from an owner of the past.
		g, c, err := s.owner(key)
		if err == nil {
			err = call(g, c)
		}
		if err == nil || !again(err, repeatable) {
			return err
		}
		if !s.pause(ctx, &pause, err) {
			return err
		}
		s.metrics.retry(err)
	}
}

// again reports whether a call that failed with err may be made again without
// doing its work twice.
func again(err error, repeatable bool) bool {
	switch push.KindOf(err) {
	case push.KindWrongNode, push.KindMoving, push.KindNoNode, push.KindBusy, push.KindStoreUnavailable:
		return true
	case push.KindOutcomeUnknown, push.KindFenced:
		return repeatable
	default:
		return false
	}
}

// pause waits before the next try; a change of the cluster ends the wait of
// those that look for an owner. It reports false when ctx has ended.
func (s *Server) pause(ctx context.Context, b *backoff, err error) bool {
	var changed <-chan struct{}
	switch push.KindOf(err) {
	case push.KindWrongNode, push.KindMoving, push.KindNoNode:
		changed = s.deps.Directory.Changed()
	default:
	}
	timer := time.NewTimer(b.next(err))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// Bounds of the pause between two tries.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 320 * time.Millisecond
)

// backoff gives growing, jittered pauses, so that those who were refused
// together do not come back together.
type backoff struct{ tries int }

// next gives at least half of the full pause, and never less than err asks for.
func (b *backoff) next(err error) time.Duration {
	d := min(firstPause<<min(b.tries, 8), maxPause)
	b.tries++
	return max(d/2, asked(err)) + rand.N(d/2)
}

// asked is the pause that a refusal asks for, as far as a push can wait.
func asked(err error) time.Duration {
	if e, ok := errors.AsType[*push.Error](err); ok {
		return min(e.RetryAfter, time.Second)
	}
	return 0
}
