package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gopush/internal/coord"
	"gopush/internal/coord/held"
	"gopush/internal/push"
)

// term is one candidacy, and the term that it becomes.
type term struct {
	*held.Term
	c *Coordinator // immutable
}

var _ coord.Term = (*term)(nil)

// Campaign waits until m is the primary of its group, through any number of
// sessions.
func (c *Coordinator) Campaign(ctx context.Context, m coord.Member) (coord.Term, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	for {
		t, err := c.candidate(m)
		if err != nil {
			return nil, err
		}
		select {
		case <-t.Won():
			c.log.InfoContext(ctx, "term begun", slog.String("group", m.Group), slog.String("id", t.ID),
				slog.Int64("epoch", t.Epoch()), slog.Int64("floor", int64(t.Floor())))
			return t, nil
		case <-t.Done():
			state, _ := t.State()
			if state.Failed {
				return nil, errors.New(state.Why)
			}
			c.log.InfoContext(ctx, "candidacy begins anew", slog.String("group", m.Group), slog.String("why", state.Why))
		case <-c.life.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			t.leave()
			return nil, fmt.Errorf("waiting to serve for %s: %w", m.Group, context.Cause(ctx))
		}
	}
}

// candidate takes a place at the end of the line, as soon as there is a session.
func (c *Coordinator) candidate(m coord.Member) (*term, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	t := &term{Term: held.NewTerm(unique(m.Group), m, c.mono), c: c}
	c.terms[t.ID] = t
	c.step(coord.Campaign{ID: t.ID, Member: m})
	return t, nil
}

// leave gives it up.
func (t *term) leave() {
	t.Finish()
	t.c.tell(coord.Leave{ID: t.ID})
}

// errOver says that the term is not one any more.
func (t *term) errOver() error {
	return push.E(push.KindMoving, "the term %d of %s is over; look the node up again", t.Epoch(), t.Member.Group)
}

// wait returns when f is true, when the term is over, or when ctx ends.
func (t *term) wait(ctx context.Context, what string, f func(held.State) bool) error {
	for {
		state, news := t.State()
		if f(state) {
			return nil
		}
		select {
		case <-news:
		case <-t.Done():
			if state, _ := t.State(); f(state) {
				return nil
			}
			return t.errOver()
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

// Raise makes the ceiling durable at or above to.
func (t *term) Raise(ctx context.Context, to push.ID) error {
	if to <= t.Ceiling() {
		return nil
	}
	if to > push.MaxID-push.Step {
		return fmt.Errorf("the ceiling %s is above every id", to)
	}
	t.c.tell(coord.Raise{ID: t.ID, To: to})
	return t.wait(ctx, "waiting for a higher id ceiling", func(held.State) bool { return t.Ceiling() >= to })
}

// Confirm writes that nothing is in flight here for keys that are moving.
func (t *term) Confirm(ctx context.Context, version int64) error {
	if t.c.View().PendingVersion != version {
		return push.E(push.KindConflict, "version %d of the ring is not pending any more", version)
	}
	t.c.tell(coord.Confirm{ID: t.ID, Version: version})
	for {
		changed := t.c.Changed()
		state, news := t.State()
		switch {
		case state.Confirmed >= version:
			return nil
		case t.c.View().PendingVersion != version:
			return push.E(push.KindConflict, "version %d of the ring is not pending any more", version)
		}
		select {
		case <-changed:
		case <-news:
		case <-t.Done():
			return t.errOver()
		case <-ctx.Done():
			return fmt.Errorf("confirming version %d of the ring: %w", version, context.Cause(ctx))
		}
	}
}

// Resign ends the term; it returns when a successor need not wait any more.
func (t *term) Resign(ctx context.Context) error {
	t.leave()
	for {
		state, news := t.State()
		if state.Left {
			return nil
		}
		select {
		case <-news:
		case <-t.c.life.Done():
			return nil // the session ends, and the place with it
		case <-ctx.Done():
			return fmt.Errorf("resigning from %s: %w", t.Member.Group, context.Cause(ctx))
		}
	}
}
