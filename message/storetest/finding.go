package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// keyed makes the next message with an idempotency key.
func (st *stream) keyed(body, idem string, live time.Duration) push.Message {
	m := st.message(body, live)
	m.IdempotencyKey = idem
	return m
}

// finds looks an idempotency key up and compares; nil: it is not to be known.
func (st *stream) finds(idem string, want *push.Message) error {
	got, err := st.Store.Find(st.ctx, st.key, idem)
	switch {
	case err != nil:
		return fmt.Errorf("find %.20q: %w", idem, err)
	case want == nil && got.ID != 0:
		return fmt.Errorf("find %.20q gave %d; it is free", idem, got.ID)
	case want != nil && (got.ID != want.ID || got.Sum != message.BodySum(want.Body) || got.InDoubt):
		return fmt.Errorf("find %.20q gave %+v, want message %d", idem, got, want.ID)
	}
	return nil
}

// An idempotency key leads to its message, in its own subscription key alone.
func checkFind(s *Subject) error {
	st, other := s.stream("find"), s.stream("find other")
	long := strings.Repeat("k", message.MaxIdempotencyKey)
	a, b, c := st.keyed("a", "one", life), st.keyed("b", "two", life), st.keyed("c", long, life)
	if err := errors.Join(st.save(a), st.save(b, c)); err != nil {
		return err
	}
	for idem, want := range map[string]*push.Message{
		"one": &a, "two": &b, long: &c, "on": nil, "ones": nil, "three": nil, long[1:]: nil,
	} {
		if err := errors.Join(st.finds(idem, want), other.finds(idem, nil)); err != nil {
			return err
		}
	}
	// A repeat changes nothing.
	if err := errors.Join(st.save(a), st.finds("one", &a)); err != nil {
		return err
	}
	// A later message takes the key over; the earlier one, landing late, does not
	// take it back.
	d := st.keyed("d", "one", life)
	if err := errors.Join(st.save(d), st.finds("one", &d)); err != nil {
		return err
	}
	return errors.Join(st.save(a), st.finds("one", &d))
}

// An idempotency key is known as long as its message, at least a day; also when
// the message was withdrawn.
func checkFindOutlives(s *Subject) error {
	st := s.stream("find outlives")
	short, long := st.keyed("short", "short", time.Second), st.keyed("long", "long", 48*time.Hour)
	gone, deleted := st.keyed("gone", "gone", life), st.keyed("deleted", "deleted", life)
	for _, m := range []push.Message{short, long, gone, deleted} {
		if err := st.save(m); err != nil {
			return err
		}
	}
	if err := errors.Join(s.Store.Recall(s.ctx, st.key, gone.ID), s.Store.Delete(s.ctx, st.key, deleted.ID)); err != nil {
		return err
	}
	s.Clock.Advance(24*time.Hour - time.Second)
	for idem, m := range map[string]*push.Message{"short": &short, "long": &long, "gone": &gone, "deleted": &deleted} {
		if err := st.finds(idem, m); err != nil {
			return err
		}
	}
	s.Clock.Advance(23 * time.Hour)
	return st.finds("long", &long)
}

// Discarding an id frees its idempotency key, for good.
func checkDiscardFrees(s *Subject) error {
	st := s.stream("discard frees")
	landed, lost := st.keyed("landed", "one", life), st.keyed("lost", "two", life)
	if err := st.save(landed); err != nil {
		return err
	}
	if err := errors.Join(s.Store.Discard(s.ctx, st.key, landed.ID), s.Store.Discard(s.ctx, st.key, lost.ID)); err != nil {
		return err
	}
	if err := errors.Join(st.finds("one", nil), st.finds("two", nil)); err != nil {
		return err
	}
	// Late writes claim nothing.
	if err := errors.Join(st.save(landed), st.save(lost)); err != nil {
		return err
	}
	if err := errors.Join(st.finds("one", nil), st.finds("two", nil)); err != nil {
		return fmt.Errorf("after a late save: %w", err)
	}
	st.prev = 0
	again, too := st.keyed("again", "one", life), st.keyed("too", "two", life)
	if err := errors.Join(st.save(again, too), st.finds("one", &again), st.finds("two", &too)); err != nil {
		return err
	}
	if err := errors.Join(st.save(landed), st.save(lost), st.finds("one", &again), st.finds("two", &too)); err != nil {
		return fmt.Errorf("after a later save: %w", err)
	}
	return st.expect(push.Span{}, messages(again, too))
}
