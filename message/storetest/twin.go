package storetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// twin is the dumbest store that can be: it forgets nothing, and works out every
// answer from all that it was ever told. It is what stores are compared with.
type twin struct {
	clock *Clock
	mu    sync.Mutex
	keys  map[push.Key]*history // guarded by mu
}

var _ message.Store = (*twin)(nil)

type history struct {
	saved     map[push.ID]push.Message
	recalled  map[push.ID]bool
	discarded map[push.ID]bool
	deleted   push.ID
	idem      map[string]claim             // what each idempotency key stands for
	beside    map[string]map[push.ID]claim // everything that it was used for
}

// claim is what an idempotency key stands for, for how long.
type claim struct {
	id    push.ID
	sum   message.Sum
	until int64
}

func newTwin(clock *Clock) *twin { return &twin{clock: clock, keys: make(map[push.Key]*history)} }

func (w *twin) lock(ctx context.Context, key push.Key) (*history, error) {
	if err := ctx.Err(); err != nil {
		return nil, push.Wrap(push.KindStoreUnavailable, err, "too late")
	}
	w.mu.Lock()
	h := w.keys[key]
	if h == nil {
		h = &history{
			saved: make(map[push.ID]push.Message), recalled: make(map[push.ID]bool),
			discarded: make(map[push.ID]bool), idem: make(map[string]claim), beside: make(map[string]map[push.ID]claim),
		}
		w.keys[key] = h
	}
	return h, nil
}

// Save keeps copies.
func (w *twin) Save(ctx context.Context, writes []push.Write) []error {
	errs := make([]error, len(writes))
	for i, write := range writes {
		h, err := w.lock(ctx, write.Key)
		if errs[i] = err; err != nil {
			continue
		}
		for _, m := range write.Messages {
			h.save(m, w.clock.Now())
		}
		w.mu.Unlock()
	}
	return errs
}

func (h *history) save(m push.Message, now time.Time) {
	m.Body = slices.Clone(m.Body)
	h.saved[m.ID] = m
	if m.IdempotencyKey == "" {
		return
	}
	c := claim{id: m.ID, sum: message.BodySum(m.Body), until: max(m.ExpiresAt, now.Add(24*time.Hour).UnixMilli())}
	if h.idem[m.IdempotencyKey].id < m.ID && m.ID > h.deleted && !h.discarded[m.ID] {
		h.idem[m.IdempotencyKey] = c
	}
	if h.beside[m.IdempotencyKey] == nil {
		h.beside[m.IdempotencyKey] = make(map[push.ID]claim)
	}
	h.beside[m.IdempotencyKey][m.ID] = c
}

// rows are the messages on record, ascending, without those that were discarded
// or deleted.
func (h *history) rows() []push.Message {
	var rows []push.Message
	for _, id := range slices.Sorted(maps.Keys(h.saved)) {
		if h.discarded[id] || id <= h.deleted {
			continue
		}
		m := h.saved[id]
		if m.Body = slices.Clone(m.Body); h.recalled[id] {
			m = recalled(m)
		}
		rows = append(rows, m)
	}
	return rows
}

// Read works a page out.
func (w *twin) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	h, err := w.lock(ctx, key)
	if err != nil {
		return push.Page{}, err
	}
	defer w.mu.Unlock()
	p := push.Page{Next: span.After}
	gap := func(until push.ID, why push.GapReason) {
		if span.Until > 0 {
			until = min(until, span.Until)
		}
		if until > p.Next {
			if span.After > 0 {
				p.Gaps = append(p.Gaps, push.Gap{After: p.Next, Until: until, Reason: why})
			}
			p.Next = until
		}
	}
	gap(h.deleted, push.GapDeleted)
	living, expired := h.living(p.Next, span.Until, w.clock.millis())
	if n := span.Newest; n > 0 && len(living) > n {
		living = living[len(living)-n:]
		gap(living[0].Prev, push.GapLimit)
		if expired < living[0].ID {
			expired = 0 // it is beyond the newest, whatever became of it
		}
	}
	size := 0
	for _, m := range living {
		if m.ID <= p.Next || (span.Until > 0 && m.ID > span.Until) {
			continue
		}
		size += len(m.Body)
		if n := len(p.Messages); n == span.Limit || (n > 0 && span.Bytes > 0 && size > span.Bytes) {
			p.More = true
			return p, nil
		}
		gap(m.Prev, push.GapExpired)
		p.Messages, p.Next = append(p.Messages, m), m.ID
	}
	gap(expired, push.GapExpired)
	return p, nil
}

// living are the rows above after that have not expired; with them comes the
// highest id up to until that has.
func (h *history) living(after, until push.ID, now int64) (rows []push.Message, expired push.ID) {
	for _, m := range h.rows() {
		switch {
		case m.Expired(now):
			if until == 0 || m.ID <= until {
				expired = m.ID
			}
		case m.ID > after:
			rows = append(rows, m)
		}
	}
	return rows, expired
}

// Newest counts all but the discarded.
func (w *twin) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	h, err := w.lock(ctx, key)
	if err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	newest := h.deleted
	for _, m := range h.rows() {
		newest = max(newest, m.ID)
	}
	return newest, nil
}

// Find forgets a claim when its time is over.
func (w *twin) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	h, err := w.lock(ctx, key)
	if err != nil {
		return message.Found{}, err
	}
	defer w.mu.Unlock()
	return h.idem[idem].found(w.clock.millis()), nil
}

// found is the claim's answer, while it lasts.
func (c claim) found(now int64) message.Found {
	if c.until <= now {
		return message.Found{}
	}
	return message.Found{ID: c.id, Sum: c.sum}
}

// findsBeside is the answer of a store that keeps claims beside each other: the
// highest one that lasts and was not discarded. It differs from Find's only where
// Store.Find leaves the answer open.
func (w *twin) findsBeside(key push.Key, idem string) message.Found {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.keys[key]
	if h == nil {
		return message.Found{}
	}
	var best message.Found
	for id, c := range h.beside[idem] {
		if f := c.found(w.clock.millis()); f.ID > best.ID && !h.discarded[id] {
			best = f
		}
	}
	return best
}

// Discard notes it.
func (w *twin) Discard(ctx context.Context, key push.Key, id push.ID) error {
	h, err := w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	h.discarded[id] = true
	maps.DeleteFunc(h.idem, func(_ string, c claim) bool { return c.id == id })
	return nil
}

// Recall notes it.
func (w *twin) Recall(ctx context.Context, key push.Key, id push.ID) error {
	h, err := w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	m, ok := h.saved[id]
	if !ok || h.discarded[id] || id <= h.deleted || m.Expired(w.clock.millis()) {
		return push.E(push.KindNotFound, "no message %d", id)
	}
	h.recalled[id] = true
	return nil
}

// Delete notes it.
func (w *twin) Delete(ctx context.Context, key push.Key, upTo push.ID) error {
	h, err := w.lock(ctx, key)
	if err != nil {
		return err
	}
	defer w.mu.Unlock()
	h.deleted = max(h.deleted, upTo)
	return nil
}

// deleted is the key's watermark.
func (w *twin) deleted(key push.Key) push.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.keys[key]; h != nil {
		return h.deleted
	}
	return 0
}

// Close has nothing to do.
func (w *twin) Close() error { return nil }
