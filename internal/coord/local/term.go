package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/held"
	"gopush/internal/push"
)

// tick is the unit of an id.
const tick = 100 * time.Nanosecond

// term is the time in which one member serves its group. In one process nothing
// can take it away, so it holds until it is resigned or coordination ends.
type term struct {
	*held.Term
	c    *Coordinator  // immutable
	wake chan struct{} // there is something to write
}

var _ coord.Term = (*term)(nil)

// Campaign waits until no other term of the group is left, and begins one whose
// ids are above all that any group was ever allowed: a key may have moved here
// from any of them.
func (c *Coordinator) Campaign(ctx context.Context, m coord.Member) (coord.Term, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	t, err := c.candidate(m)
	if err != nil {
		return nil, err
	}
	if err := c.elect(ctx, t); err != nil {
		c.mu.Lock()
		c.withdraw(t)
		c.mu.Unlock()
		return nil, err
	}
	c.log.DebugContext(ctx, "term begun", slog.String("group", m.Group), slog.Int64("epoch", t.Epoch()),
		slog.Int64("floor", int64(t.Floor())))
	return t, nil
}

// candidate takes a place at the end of the line.
func (c *Coordinator) candidate(m coord.Member) (*term, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	t := &term{Term: held.NewTerm(c.unique(m.Group), m, mono), c: c, wake: make(chan struct{}, 1)}
	c.terms[t.ID] = t
	c.step(coord.Campaign{ID: t.ID, Member: m})
	return t, nil
}

// elect writes what the candidacy needs written until it is won.
func (c *Coordinator) elect(ctx context.Context, t *term) error {
	for {
		select {
		case <-t.Won():
			return nil
		case <-c.end:
			return ErrClosed
		case <-t.Done():
			state, _ := t.State()
			return errors.New(state.Why)
		case <-t.wake:
			if err := t.write(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("waiting to serve for %s: %w", t.Member.Group, context.Cause(ctx))
		}
	}
}

// withdraw gives a candidacy or term up. The caller holds mu.
func (c *Coordinator) withdraw(t *term) {
	t.Finish()
	c.step(coord.Leave{ID: t.ID})
	if a, ok := c.todo[t.ID]; ok { // nobody is going to write it
		delete(c.todo, t.ID)
		c.step(coord.Answered{Action: a, Outcome: coord.Conflict})
	}
}

// write writes what there is to write for t.
func (t *term) write(ctx context.Context) error {
	if err := t.c.acquire(ctx); err != nil {
		return err
	}
	defer t.c.release()
	_, err := t.c.writeOut(t)
	return err
}

// writeOut does it, if there is anything. The caller holds disk.
func (c *Coordinator) writeOut(t *term) (wrote bool, err error) {
	a, next, ok := c.next(t)
	if !ok {
		return false, nil
	}
	err = c.persist(next)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.step(coord.Answered{Action: a, Outcome: coord.Conflict})
		return false, err
	}
	switch a := a.(type) {
	case coord.Begin:
		c.memory.begun(a)
	case coord.Lift:
		c.memory.lifted(a)
	default:
	}
	c.step(coord.Answered{Action: a, Outcome: coord.Done})
	return true, nil
}

// next takes the action that t has to write out, and what the file has to hold.
func (c *Coordinator) next(t *term) (a coord.Action, s state, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok = c.todo[t.ID]
	delete(c.todo, t.ID)
	switch a := a.(type) {
	case coord.Begin:
		s = state{group: a.Tenure.Member.Group, epoch: a.Tenure.Epoch, ceiling: a.Ceiling}
	case coord.Lift:
		s = state{group: a.Group, epoch: t.Epoch(), ceiling: a.Ceiling}
	default:
	}
	return a, s, ok
}

// persist writes s and then remembers it. The caller holds disk.
func (c *Coordinator) persist(s state) error {
	if err := c.dir.save(s, slices.Collect(maps.Keys(c.states))); err != nil {
		return err
	}
	c.states[s.group] = s
	return nil
}

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
	// The first write may be what an earlier Raise failed to write.
	for to > t.Ceiling() {
		t.c.mu.Lock()
		t.c.step(coord.Raise{ID: t.ID, To: to})
		t.c.mu.Unlock()
		// First on disk, then in use: ids above what is on disk could come again.
		wrote, err := t.c.writeOut(t)
		if err != nil {
			return err
		}
		if !wrote { // a successor may have begun above this ceiling while we waited
			return fmt.Errorf("the term %d of %s is over", t.Epoch(), t.Member.Group)
		}
	}
	return nil
}

// Confirm has nothing to wait for: keys do not move here.
func (t *term) Confirm(context.Context, int64) error { return nil }

// Resign ends the term; a candidate that waits for the group begins its own.
func (t *term) Resign(context.Context) error {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.c.withdraw(t)
	return nil
}
