package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// tick is the unit of an id.
const tick = 100 * time.Nanosecond

// term is the time in which one member serves its group. In one process nothing
// can take it away, so it holds until it is resigned or coordination ends.
type term struct {
	c      *Coordinator // immutable
	member coord.Member // immutable
	epoch  int64        // immutable
	floor  push.ID      // immutable

	ceiling atomic.Int64
	over    atomic.Bool
	done    chan struct{}
}

var _ coord.Term = (*term)(nil)

// Campaign waits until no other term of the group is left, and begins one whose
// ids are above all that any group was ever allowed: a key may have moved here
// from any of them.
func (c *Coordinator) Campaign(ctx context.Context, m coord.Member) (coord.Term, error) {
	if err := checkGroup(m.Group); err != nil {
		return nil, err
	}
	for {
		t, rival, err := c.try(ctx, m)
		if err != nil {
			return nil, err
		}
		if t != nil {
			c.log.DebugContext(ctx, "term begun", slog.String("group", m.Group), slog.Int64("epoch", t.epoch),
				slog.Int64("floor", int64(t.floor)))
			return t, nil
		}
		select {
		case <-rival.done:
		case <-c.end:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting to serve for %s: %w", m.Group, context.Cause(ctx))
		}
	}
}

// try begins a term, or returns the one that is in the way.
func (c *Coordinator) try(ctx context.Context, m coord.Member) (begun, rival *term, err error) {
	if err := c.acquire(ctx); err != nil {
		return nil, nil, err
	}
	defer c.release()
	c.mu.Lock()
	rival = c.terms[m.Group]
	c.mu.Unlock()
	if rival != nil {
		return nil, rival, nil
	}
	// Only the holder of disk adds terms, so the place is still free below.
	if _, err := reshape(c.picture.Load().Groups, m); err != nil {
		return nil, nil, err
	}
	next, floor, err := c.advance(m.Group)
	if err != nil {
		return nil, nil, err
	}
	t := &term{c: c, member: m, epoch: next.epoch, floor: floor, done: make(chan struct{})}
	t.ceiling.Store(int64(next.ceiling))
	if err := c.install(t); err != nil {
		return nil, nil, err
	}
	return t, nil, nil
}

// advance makes the next epoch of the group durable. The caller holds disk.
func (c *Coordinator) advance(group string) (next state, floor push.ID, err error) {
	floor = max(push.IDAt(c.now()), 0) // a clock before 1970 counts as none
	for _, s := range c.states {
		floor = max(floor, s.ceiling)
	}
	if floor > push.MaxID-2*c.lease {
		return state{}, 0, errors.New("the range of message ids is used up; the clock or the coordination state was far in the future")
	}
	next = state{group: group, epoch: c.states[group].epoch + 1, ceiling: aligned(floor + c.lease)}
	return next, floor, c.persist(next)
}

// persist writes s and then remembers it. The caller holds disk.
func (c *Coordinator) persist(s state) error {
	if err := c.dir.save(s, slices.Collect(maps.Keys(c.states))); err != nil {
		return err
	}
	c.states[s.group] = s
	return nil
}

// aligned rounds up to what an id can be.
func aligned(id push.ID) push.ID { return (id + push.Step - 1) / push.Step * push.Step }

// install shows t to everybody.
func (c *Coordinator) install(t *term) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	r, err := reshape(c.picture.Load().Groups, t.member)
	if err != nil {
		return err
	}
	c.terms[t.member.Group] = t
	c.change(func(v *coord.View) {
		v.Ring = r
		v.Groups[t.member.Group] = coord.Group{Member: t.member, Epoch: t.epoch, Floor: t.floor, Serving: true}
	})
	return nil
}

// What the term is does not change, except that it ends and the ceiling rises.

func (t *term) Epoch() int64          { return t.epoch }
func (t *term) Floor() push.ID        { return t.floor }
func (t *term) Ceiling() push.ID      { return push.ID(t.ceiling.Load()) }
func (t *term) Valid() bool           { return !t.over.Load() }
func (t *term) Done() <-chan struct{} { return t.done }

// Raise makes a ceiling at or above to durable. A term that is over raises
// nothing.
func (t *term) Raise(ctx context.Context, to push.ID) error {
	if to <= t.Ceiling() {
		return nil
	}
	if to > push.MaxID-push.Step {
		return fmt.Errorf("the ceiling %s is above every id", to)
	}
	if err := t.c.acquire(ctx); err != nil {
		return err
	}
	defer t.c.release()
	// A successor may have begun above this ceiling while we waited.
	if !t.Valid() {
		return fmt.Errorf("the term %d of %s is over", t.epoch, t.member.Group)
	}
	next := state{group: t.member.Group, epoch: t.epoch, ceiling: aligned(to)}
	if next.ceiling <= t.Ceiling() {
		return nil // another Raise came first
	}
	// First on disk, then in use: ids above what is on disk could come again.
	if err := t.c.persist(next); err != nil {
		return err
	}
	t.ceiling.Store(int64(next.ceiling))
	return nil
}

// Resign ends the term; a candidate that waits for the group begins its own.
func (t *term) Resign(context.Context) error {
	t.finish()
	return nil
}

// finish takes the term out of the picture, once.
func (t *term) finish() {
	if t.over.Swap(true) {
		return
	}
	c := t.c
	c.mu.Lock()
	delete(c.terms, t.member.Group)
	c.change(func(v *coord.View) {
		g := v.Groups[t.member.Group]
		g.Serving = false
		v.Groups[t.member.Group] = g
	})
	c.mu.Unlock()
	close(t.done)
}
