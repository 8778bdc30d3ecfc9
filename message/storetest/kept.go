package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gopush/internal/kept"
	"gopush/internal/push"
	"gopush/message"
)

// Shelf is a store whose rows lie open.
type Shelf struct {
	message.Store
	// Rows is all that the store holds, a line for each row, in an order of its own.
	Rows func() ([]string, error)
	// Put puts such rows into the store, which is empty.
	Put func(rows []string) error
}

// story is something that happens to one key of a store.
type story struct {
	name string
	key  push.Key
	do   func(*Subject) error
}

// Ids of the stories, at the time of their clock.
const (
	firstKept push.ID = 17672256000000000 // 2026-01-01
	stepKept  push.ID = 16
)

func keptID(n int) push.ID { return firstKept + push.ID(n)*stepKept }

// stories have every kind of row. What is for those who are online leaves none.
func stories() []story {
	return []story{
		{"private", "phone-1", func(s *Subject) error { return keep(s, "phone-1", 0, 1, "retry-1") }},
		{"public", push.PublicKey, func(s *Subject) error { return keep(s, push.PublicKey, 0, 1, "") }},
		{"burst", "phone-2", func(s *Subject) error { return keep(s, "phone-2", 0, 3, "retry-1") }},
		{"recalled", "phone-3", func(s *Subject) error {
			return first(keep(s, "phone-3", 0, 2, ""), func() error { return s.Store.Recall(s.ctx, "phone-3", keptID(1)) })
		}},
		{"deleted", "phone-4", func(s *Subject) error {
			return first(keep(s, "phone-4", 0, 2, ""), func() error { return s.Store.Delete(s.ctx, "phone-4", keptID(1)) },
				func() error { return keep(s, "phone-4", 2, 1, "") })
		}},
		{"discarded", "phone-5", func(s *Subject) error {
			return first(keep(s, "phone-5", 0, 1, "retry-1"), func() error { return s.Store.Discard(s.ctx, "phone-5", keptID(1)) },
				func() error { return keep(s, "phone-5", 1, 1, "retry-1") })
		}},
	}
}

func first(err error, then ...func() error) error {
	for _, do := range then {
		if err == nil {
			err = do()
		}
	}
	return err
}

// keep saves n messages behind the one with the number after, as one write. The first one has the
// idempotency key, if there is one.
func keep(s *Subject, key push.Key, after, n int, idem string) error {
	w := push.Write{Key: key, Group: "node1", Epoch: 3}
	for i := after + 1; i <= after+n; i++ {
		m := push.Message{
			ID: keptID(i), ExpiresAt: s.Clock.millis() + time.Hour.Milliseconds(), Body: fmt.Appendf(nil, `{"n":%d}`, i), IdempotencyKey: idem,
		}
		if i > 1 {
			m.Prev = keptID(i - 1)
		}
		idem = ""
		w.Messages = append(w.Messages, m)
	}
	return s.Store.Save(s.ctx, []push.Write{w})[0]
}

// Kept holds a store to the rows that are in the files of dir: it reads in them what was
// read when they were written, and what it writes today is among them. update adds that.
// open gives an empty store each time.
func Kept(t *testing.T, dir string, update bool, open func(t *testing.T, clock *Clock) Shelf) {
	t.Helper()
	for _, st := range stories() {
		t.Run(st.name, func(t *testing.T) {
			clock := &Clock{now: firstKept.Time()}
			shelf := open(t, clock)
			s := NewSubject(t.Context(), shelf.Store, clock)
			if err := st.do(s); err != nil {
				t.Fatal(err)
			}
			rows, err := shelf.Rows()
			if err != nil {
				t.Fatal(err)
			}
			means, err := readAll(t.Context(), shelf.Store, st.key)
			if err != nil {
				t.Fatal(err)
			}
			kept.Check(t, dir, st.name, update, kept.Sample{Bytes: kept.Lines(rows...), Means: means}, func(bytes string) (string, error) {
				again := open(t, &Clock{now: firstKept.Time()})
				if err := again.Put(kept.Split(bytes)); err != nil {
					return "", err
				}
				return readAll(t.Context(), again.Store, st.key)
			})
		})
	}
}

// readAll is everything that can be asked of a key, as lines.
func readAll(ctx context.Context, from message.Store, key push.Key) (string, error) {
	var lines []string
	for _, after := range []push.ID{0, keptID(0), keptID(1)} {
		page, err := from.Read(ctx, key, push.Span{After: after, Limit: 10})
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("after %d: next %d, more %t", after, page.Next, page.More))
		for _, m := range page.Messages {
			lines = append(lines, fmt.Sprintf("  id %d, prev %d, expires %d, body %s, idempotency key %q, recalled %t",
				m.ID, m.Prev, m.ExpiresAt, m.Body, m.IdempotencyKey, m.Recalled))
		}
		for _, g := range page.Gaps {
			lines = append(lines, fmt.Sprintf("  gap from %d to %d: %s", g.After, g.Until, g.Reason))
		}
	}
	newest, err := from.Newest(ctx, key)
	if err != nil {
		return "", err
	}
	found, err := from.Find(ctx, key, "retry-1")
	if err != nil {
		return "", err
	}
	return kept.Lines(append(lines, fmt.Sprintf("newest: %d", newest), fmt.Sprintf("retry-1: %d, %x, %t", found.ID, found.Sum, found.InDoubt))...), nil
}
