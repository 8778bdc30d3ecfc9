package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"gopush/internal/push"
)

// together runs all, the last one's end asks the others to end, and joins what
// they say.
func (s *Subject) together(last func() error, others ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(s.ctx)
	errs := make([]error, len(others)+1)
	var wg sync.WaitGroup
	for i, f := range others {
		wg.Go(func() { errs[i] = f(ctx) })
	}
	errs[len(others)] = last()
	cancel()
	wg.Wait()
	return errors.Join(errs...)
}

const (
	tornRounds = 60
	tornBurst  = 16
)

// A burst is there as a whole or not at all, whoever looks and when.
func checkTorn(s *Subject) error {
	st := s.stream("torn")
	write := func() error {
		for range tornRounds {
			burst := make([]push.Message, 0, tornBurst)
			for i := range tornBurst {
				m := st.message(strconv.Itoa(i), life)
				m.IdempotencyKey = m.ID.String()
				burst = append(burst, m)
			}
			if err := st.save(burst...); err != nil {
				return err
			}
		}
		return nil
	}
	look := func(ctx context.Context) error {
		var cursor push.ID
		for ctx.Err() == nil {
			page, err := s.read(st.key, push.Span{After: cursor, Limit: tornRounds * tornBurst})
			if err != nil {
				return err
			}
			cursor = page.Next
			if n := len(page.Messages); n%tornBurst != 0 {
				return fmt.Errorf("a reader saw %d messages of bursts of %d: one was torn", n, tornBurst)
			}
		}
		return nil
	}
	return s.together(write, look, look)
}

// A reader that follows a writer gets every message once, in order, and each
// names the one before it.
func checkFollow(s *Subject) error {
	st := s.stream("follow")
	first, err := st.add("first", life)
	if err != nil {
		return err
	}
	var wrote []push.Message
	write := func() error {
		for i := range 150 {
			burst := []push.Message{st.message("one", life)}
			if i%4 == 0 {
				burst = append(burst, st.message("two", life), st.message("three", life))
			}
			if err := st.save(burst...); err != nil {
				return err
			}
			wrote = append(wrote, burst...)
		}
		return nil
	}
	seen := make([][]push.Message, 2)
	follow := func(i int) func(context.Context) error {
		return func(ctx context.Context) error {
			cursor := first.ID
			for done := false; !done; {
				done = ctx.Err() != nil // one more look after the writer's end
				page, err := s.read(st.key, push.Span{After: cursor, Limit: 7})
				if err != nil {
					return err
				}
				if len(page.Gaps) > 0 {
					return fmt.Errorf("a follower is told of the gap %+v", page.Gaps[0])
				}
				seen[i] = append(seen[i], page.Messages...)
				cursor, done = page.Next, done && !page.More
			}
			return nil
		}
	}
	if err := s.together(write, follow(0), follow(1)); err != nil {
		return err
	}
	for _, got := range seen {
		if !slices.EqualFunc(got, wrote, equal) {
			return fmt.Errorf("a follower got %d messages, or others, instead of the %d that were written", len(got), len(wrote))
		}
	}
	return nil
}

// Writers of different keys do not touch each other.
func checkWriters(s *Subject) error {
	const writers, each = 64, 8
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			st := s.stream("writer " + strconv.Itoa(i))
			all, err := st.fill(each)
			if err == nil {
				err = st.expect(push.Span{}, messages(all...))
			}
			if err == nil && i%2 == 0 {
				err = s.Store.Delete(s.ctx, st.key, all[each/2].ID)
				err = errors.Join(err, st.expect(push.Span{}, messages(all[each/2+1:]...)))
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Once a message is visible, its idempotency key is known.
func checkFindFirst(s *Subject) error {
	st := s.stream("find first")
	write := func() error {
		for range 100 {
			m := st.message("body", life)
			m.IdempotencyKey = "k" + m.ID.String()
			if err := st.save(m); err != nil {
				return err
			}
		}
		return nil
	}
	look := func(ctx context.Context) error {
		var cursor push.ID
		for ctx.Err() == nil {
			page, err := s.read(st.key, push.Span{After: cursor, Limit: 100})
			if err != nil {
				return err
			}
			cursor = page.Next
			for _, m := range page.Messages {
				if err := st.finds("k"+m.ID.String(), &m); err != nil {
					return fmt.Errorf("message %d is visible: %w", m.ID, err)
				}
			}
		}
		return nil
	}
	return s.together(write, look)
}

// A call whose context is over fails, with a kind, and the store goes on.
func checkCancelled(s *Subject) error {
	st := s.stream("cancelled")
	m, err := st.add("there", life)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	next := st.message("never acknowledged", life)
	errs := s.Store.Save(ctx, []push.Write{{Key: st.key, Messages: []push.Message{next}}, {Key: s.key("other"), Messages: []push.Message{next}}})
	if len(errs) != 2 {
		return fmt.Errorf("a cancelled save of two writes has %d results", len(errs))
	}
	_, readErr := s.Store.Read(ctx, st.key, push.Span{Limit: 1})
	_, newestErr := s.Store.Newest(ctx, st.key)
	_, findErr := s.Store.Find(ctx, st.key, "x")
	for what, err := range map[string]error{
		"save": errs[0], "second save": errs[1], "read": readErr, "newest": newestErr, "find": findErr,
		"discard": s.Store.Discard(ctx, st.key, next.ID),
		"recall":  s.Store.Recall(ctx, st.key, m.ID),
		"delete":  s.Store.Delete(ctx, st.key, m.ID),
	} {
		if _, ok := errors.AsType[*push.Error](err); !ok || !push.KindOf(err).Retryable() {
			return fmt.Errorf("a cancelled %s gave %v, which has no kind that says to try again", what, err)
		}
	}
	// It may have happened, as unknown as it is; a repeat settles it.
	if err := errors.Join(st.save(next), s.Store.Delete(s.ctx, st.key, next.ID)); err != nil {
		return err
	}
	return st.expect(push.Span{}, push.Page{})
}
