package web

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
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
// happened is tried again, with a fresh view, while ctx leaves enough time for a try;
// repeatable says that an unknown outcome may be tried again too. The error is the last one. The
// context of a call may end before ctx does.
func (s *Server) onOwner(ctx context.Context, key push.Key, repeatable bool, call func(context.Context, coord.Group, Comet) error) error {
	var pause backoff
	doubted, enough := false, push.Enough(left(ctx))
	for {
		// A fresh view each time: the refusal may come from an owner of the past.
		g, c, err := s.owner(key)
		if err == nil {
			err = s.attempt(ctx, key, g, repeatable, func(ctx context.Context) error { return call(ctx, g, c) })
		}
		if err == nil {
			return nil
		}
		doubted = doubted || again(err, true) && !again(err, false)
		if !again(err, repeatable) || !s.pause(ctx, &pause, err) || left(ctx) <= enough {
			if doubted {
				err = inDoubt(err)
			}
			return err
		}
		s.metrics.retry(err)
	}
}

// lastAnswers is how long a node that has been succeeded may take to give the answers
// that are on their way: in an orderly hand-over all of them are.
const lastAnswers = 500 * time.Millisecond

// attempt makes one call. One that may be repeated is given up when the key has got
// another owner meanwhile: the old one may hang, and has nothing to say any more. Any
// other call is waited for, as only its answer tells what has happened.
func (s *Server) attempt(ctx context.Context, key push.Key, g coord.Group, repeatable bool, call func(context.Context) error) error {
	if !repeatable {
		return call(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		if s.succeeded(ctx, key, g) {
			cancel()
		}
	})
	defer watcher.Wait()
	defer cancel()
	return call(ctx)
}

// succeeded returns true when another term than g's has owned the key for a while;
// false when ctx ended before.
func (s *Server) succeeded(ctx context.Context, key push.Key, g coord.Group) bool {
	for {
		changed := s.deps.Directory.Changed()
		if s.deposed(key, g) {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
	timer := time.NewTimer(lastAnswers)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// deposed reports whether another term than g's owns the key.
func (s *Server) deposed(key push.Key, g coord.Group) bool {
	now, ok := s.deps.Directory.View().Owner(key)
	return ok && (now.Group != g.Group || now.Epoch != g.Epoch)
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

// left is the time until ctx ends; one without an end has a year.
func left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return 365 * 24 * time.Hour
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
