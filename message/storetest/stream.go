package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"gopush/internal/push"
)

// life is how long a message of a check lives, if the check does not say.
const life = 12 * time.Hour

// ids makes ids as a comet does: by the clock, and always higher.
type ids struct {
	clock *Clock
	mu    sync.Mutex
	last  push.ID // guarded by mu
}

func (g *ids) next() push.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last+push.Step, push.IDAt(g.clock.Now()))
	return g.last
}

// key is a key of this check.
func (s *Subject) key(name string) push.Key { return push.Key(s.tag + name) }

// stream writes to one key as its owner would: each message names the one
// before it.
type stream struct {
	*Subject
	key  push.Key
	prev push.ID
}

func (s *Subject) stream(name string) *stream { return &stream{Subject: s, key: s.key(name)} }

// message makes the next message of the stream, without storing it.
func (st *stream) message(body string, live time.Duration) push.Message {
	m := push.Message{
		ID: st.ids.next(), Prev: st.prev, Body: []byte(body), ExpiresAt: st.Clock.Now().Add(live).UnixMilli(),
	}
	st.prev = m.ID
	return m
}

// add stores one message.
func (st *stream) add(body string, live time.Duration) (push.Message, error) {
	m := st.message(body, live)
	return m, st.save(m)
}

// fill stores n messages, a row each.
func (st *stream) fill(n int) ([]push.Message, error) {
	all := make([]push.Message, 0, n)
	for i := range n {
		m, err := st.add(fmt.Sprintf(`"body %d"`, i), life)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// save stores messages as one row.
func (st *stream) save(ms ...push.Message) error {
	return errors.Join(st.Store.Save(st.ctx, []push.Write{{Key: st.key, Prev: ms[0].Prev, Messages: ms}})...)
}

// read reads and holds the page to what is true of every page.
func (s *Subject) read(key push.Key, span push.Span) (push.Page, error) {
	page, err := s.Store.Read(s.ctx, key, span)
	if err != nil {
		return page, fmt.Errorf("read %+v: %w", span, err)
	}
	if err := sound(span, page); err != nil {
		return page, fmt.Errorf("read %+v: %w\n%s", span, err, show(page))
	}
	return page, nil
}

// expect reads and compares.
func (st *stream) expect(span push.Span, want push.Page) error {
	if span.Limit == 0 {
		span.Limit = 1000
	}
	got, err := st.read(st.key, span)
	if err != nil {
		return err
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("read %+v: %w\ngot\n%swant\n%s", span, err, show(got), show(want))
	}
	return nil
}

// messages is a page that holds these alone.
func messages(ms ...push.Message) push.Page { return push.Page{Messages: ms} }

// gap is a page's only gap.
func gap(after, until push.ID, reason push.GapReason) []push.Gap {
	return []push.Gap{{After: after, Until: until, Reason: reason}}
}

// recalled is what is left of a message.
func recalled(m push.Message) push.Message {
	m.Recalled, m.Body = true, nil
	return m
}
