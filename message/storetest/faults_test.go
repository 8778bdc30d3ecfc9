package storetest

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"gopush/internal/push"
	"gopush/message"
)

// faulty is a twin of which single methods are replaced by worse ones.
type faulty struct {
	*twin
	calls   atomic.Int64 // of Read and Find
	save    func(ctx context.Context, writes []push.Write) []error
	read    func(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	newest  func(ctx context.Context, key push.Key) (push.ID, error)
	find    func(ctx context.Context, key push.Key, idem string) (message.Found, error)
	discard func(ctx context.Context, key push.Key, id push.ID) error
	recall  func(ctx context.Context, key push.Key, id push.ID) error
	delete  func(ctx context.Context, key push.Key, upTo push.ID) error
}

// pause lets a reader look at what is there so far and ask about it, if there is
// one.
func (f *faulty) pause() {
	for start, n := f.calls.Load(), 0; f.calls.Load() < start+3 && n < 500; n++ {
		runtime.Gosched()
	}
}

// or takes f, if it is there, instead of g.
func or[F any](f, g F, there bool) F {
	if there {
		return f
	}
	return g
}

func (f *faulty) Save(ctx context.Context, writes []push.Write) []error {
	return or(f.save, f.twin.Save, f.save != nil)(ctx, writes)
}

func (f *faulty) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	f.calls.Add(1)
	return or(f.read, f.twin.Read, f.read != nil)(ctx, key, span)
}

func (f *faulty) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	return or(f.newest, f.twin.Newest, f.newest != nil)(ctx, key)
}

func (f *faulty) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	f.calls.Add(1)
	return or(f.find, f.twin.Find, f.find != nil)(ctx, key, idem)
}

func (f *faulty) Discard(ctx context.Context, key push.Key, id push.ID) error {
	return or(f.discard, f.twin.Discard, f.discard != nil)(ctx, key, id)
}

func (f *faulty) Recall(ctx context.Context, key push.Key, id push.ID) error {
	return or(f.recall, f.twin.Recall, f.recall != nil)(ctx, key, id)
}

func (f *faulty) Delete(ctx context.Context, key push.Key, upTo push.ID) error {
	return or(f.delete, f.twin.Delete, f.delete != nil)(ctx, key, upTo)
}

// reading replaces what a span asks, and what a page answers.
func reading(before func(*push.Span), after func(push.Span, *push.Page)) func(*faulty) {
	return func(f *faulty) {
		f.read = func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
			asked := span
			if before != nil {
				before(&span)
			}
			page, err := f.twin.Read(ctx, key, span)
			if after != nil {
				after(asked, &page)
			}
			return page, err
		}
	}
}

// saving does something about each message right before it is saved.
func saving(each func(*twin, *history, *push.Message)) func(*faulty) {
	return func(f *faulty) {
		f.save = func(ctx context.Context, writes []push.Write) []error {
			for i := range writes {
				writes[i].Messages = slices.Clone(writes[i].Messages)
				if h, err := f.lock(ctx, writes[i].Key); err == nil {
					for j := range writes[i].Messages {
						each(f.twin, h, &writes[i].Messages[j])
					}
					f.mu.Unlock()
				}
			}
			return f.twin.Save(ctx, writes)
		}
	}
}

// split saves each message alone.
func split(f *faulty) {
	f.save = func(ctx context.Context, writes []push.Write) []error {
		errs := make([]error, len(writes))
		for i, w := range writes {
			for _, m := range w.Messages {
				one := []push.Write{{Key: w.Key, Messages: []push.Message{m}}}
				if err := f.twin.Save(ctx, one)[0]; err != nil {
					errs[i] = err
				}
				f.pause()
			}
		}
		return errs
	}
}

// keyLast saves messages before their idempotency keys.
func keyLast(f *faulty) {
	f.save = func(ctx context.Context, writes []push.Write) []error {
		for _, w := range writes {
			bare := slices.Clone(w.Messages)
			for i := range bare {
				bare[i].IdempotencyKey = ""
			}
			_ = f.twin.Save(ctx, []push.Write{{Key: w.Key, Messages: bare}})
			f.pause()
		}
		return f.twin.Save(ctx, writes)
	}
}

// renamed changes keys.
func renamed(rename func(push.Key) push.Key) func(*faulty) {
	return func(f *faulty) {
		f.save = func(ctx context.Context, writes []push.Write) []error {
			writes = slices.Clone(writes)
			for i := range writes {
				writes[i].Key = rename(writes[i].Key)
			}
			return f.twin.Save(ctx, writes)
		}
		f.read = func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
			return f.twin.Read(ctx, rename(key), span)
		}
	}
}

// deaf does not listen to contexts.
func deaf(f *faulty) {
	f.save = func(ctx context.Context, writes []push.Write) []error {
		return f.twin.Save(context.WithoutCancel(ctx), writes)
	}
}

// kindless answers with bare errors.
func kindless(f *faulty) {
	f.newest = func(ctx context.Context, key push.Key) (push.ID, error) {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return f.twin.Newest(ctx, key)
	}
}

// careless recalls whatever it is told.
func careless(f *faulty) {
	f.recall = func(ctx context.Context, key push.Key, id push.ID) error {
		_ = f.twin.Recall(ctx, key, id)
		return ctx.Err()
	}
}

// greedy deletes of every key that begins alike.
func greedy(f *faulty) {
	f.delete = func(ctx context.Context, key push.Key, upTo push.ID) error {
		f.mu.Lock()
		for other, h := range f.keys {
			if strings.HasPrefix(string(other), string(key)) {
				h.deleted = max(h.deleted, upTo)
			}
		}
		f.mu.Unlock()
		return f.twin.Delete(ctx, key, upTo)
	}
}

// forgetful deletes rows, but remembers no watermark.
func forgetful(f *faulty) {
	f.delete = func(ctx context.Context, key push.Key, upTo push.ID) error {
		h, err := f.lock(ctx, key)
		if err != nil {
			return err
		}
		defer f.mu.Unlock()
		for id := range h.saved {
			if id <= upTo {
				delete(h.saved, id)
			}
		}
		return nil
	}
}

// tracing leaves the row of a discarded message to readers, as a recalled one.
func tracing(f *faulty) {
	f.discard = func(ctx context.Context, key push.Key, id push.ID) error {
		_ = f.twin.Recall(ctx, key, id)
		return ctx.Err()
	}
}

// holding does not give a discarded message's idempotency key free.
func holding(f *faulty) {
	f.discard = func(ctx context.Context, key push.Key, id push.ID) error {
		h, err := f.lock(ctx, key)
		if err != nil {
			return err
		}
		defer f.mu.Unlock()
		h.discarded[id] = true
		return nil
	}
}

// readableOnly takes the newest message that can be read for the newest id.
func readableOnly(f *faulty) {
	f.newest = func(ctx context.Context, key push.Key) (push.ID, error) {
		page, err := f.twin.Read(ctx, key, push.Span{Limit: 1 << 20})
		if n := len(page.Messages); err == nil && n > 0 {
			return page.Messages[n-1].ID, nil
		}
		return 0, err
	}
}

// inventive has something under every key.
func inventive(f *faulty) {
	f.newest = func(ctx context.Context, key push.Key) (push.ID, error) {
		id, err := f.twin.Newest(ctx, key)
		return max(id, 1), err
	}
}

// global finds idempotency keys of all keys.
func global(f *faulty) {
	f.find = func(ctx context.Context, key push.Key, idem string) (message.Found, error) {
		f.mu.Lock()
		keys := slices.Collect(func(yield func(push.Key) bool) {
			for k := range f.keys {
				if !yield(k) {
					return
				}
			}
		})
		f.mu.Unlock()
		for _, k := range append(keys, key) {
			if found, err := f.twin.Find(ctx, k, idem); err != nil || found.ID != 0 {
				return found, err
			}
		}
		return message.Found{}, nil
	}
}

// shortMemory forgets an idempotency key when its message is not readable any more.
func shortMemory(f *faulty) {
	f.find = func(ctx context.Context, key push.Key, idem string) (message.Found, error) {
		found, err := f.twin.Find(ctx, key, idem)
		if err != nil || found.ID == 0 {
			return found, err
		}
		page, err := f.twin.Read(ctx, key, push.Span{After: found.ID - 1, Until: found.ID, Limit: 1})
		if len(page.Messages) == 0 || page.Messages[0].Recalled {
			return message.Found{}, err
		}
		return found, err
	}
}

// oneAnswer answers a save of several writes with a single result.
func oneAnswer(f *faulty) {
	f.save = func(ctx context.Context, writes []push.Write) []error {
		errs := f.twin.Save(ctx, writes)
		return errs[:min(1, len(errs))]
	}
}

// blind does not see the public stream.
func blind(f *faulty) {
	f.read = func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
		if key.Public() {
			key = "public"
		}
		return f.twin.Read(ctx, key, span)
	}
}

// aliasing keeps the memory of its caller.
func aliasing(f *faulty) {
	f.save = func(ctx context.Context, writes []push.Write) []error {
		errs := f.twin.Save(ctx, writes)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, w := range writes {
			for _, m := range w.Messages {
				f.keys[w.Key].saved[m.ID] = m
			}
		}
		return errs
	}
}

func float(id push.ID) push.ID { return push.ID(float64(id)) }

// faults are the ways in which a store can be wrong, each with a check that has
// to find it.
var faults = map[string]struct {
	plant func(*faulty)
	found []string
}{
	"inclusive cursor": {reading(func(s *push.Span) { s.After = max(s.After-1, 0) }, nil), []string{"exclusive cursor", "limit", "follow", "model"}},
	"exclusive bound":  {reading(func(s *push.Span) { s.Until = max(s.Until-1, 0) }, nil), []string{"exclusive cursor"}},
	"lost more":        {reading(nil, func(_ push.Span, p *push.Page) { p.More = false }), []string{"limit", "bytes", "paging", "model"}},
	"always more": {reading(nil, func(s push.Span, p *push.Page) {
		p.More = len(p.Messages) == s.Limit
	}), []string{"limit", "model"}},
	"wrong order": {reading(nil, func(_ push.Span, p *push.Page) { slices.Reverse(p.Messages) }), []string{"order", "paging", "model"}},
	"wrong next": {reading(nil, func(_ push.Span, p *push.Page) {
		if p.More {
			p.Next += push.Step
		}
	}), []string{"paging"}},
	"one too many": {reading(func(s *push.Span) { s.Limit++ }, nil), []string{"limit", "paging"}},
	"no bytes":     {reading(func(s *push.Span) { s.Bytes = 0 }, nil), []string{"bytes", "model"}},
	"no newest n":  {reading(func(s *push.Span) { s.Newest = 0 }, nil), []string{"newest n", "given up rows", "model"}},
	"no gaps":      {reading(nil, func(_ push.Span, p *push.Page) { p.Gaps = nil }), []string{"gaps of expired messages", "newest n", "delete", "model"}},
	"no gap at the end": {reading(nil, func(_ push.Span, p *push.Page) {
		if n := len(p.Gaps); n > 0 && (len(p.Messages) == 0 || p.Gaps[n-1].After >= p.Messages[len(p.Messages)-1].ID) {
			p.Gaps = p.Gaps[:n-1]
		}
	}), []string{"gaps of expired messages", "expiry"}},
	"one reason": {reading(nil, func(_ push.Span, p *push.Page) {
		for i := range p.Gaps {
			p.Gaps[i].Reason = push.GapExpired
		}
	}), []string{"newest n", "delete"}},
	"gaps from the beginning": {reading(func(s *push.Span) { s.After = max(s.After, 1) }, nil), []string{"no gaps from the beginning"}},
	"gaps by row": {reading(nil, func(_ push.Span, p *push.Page) {
		for i := 1; i < len(p.Messages); i++ {
			if a, b := p.Messages[i-1].ID, p.Messages[i].Prev; a != b {
				p.Gaps = append(p.Gaps, gap(a, p.Messages[i].ID-1, push.GapExpired)...)
			}
		}
	}), []string{"given up rows"}},
	"rounded ids": {reading(nil, func(_ push.Span, p *push.Page) {
		for i := range p.Messages {
			p.Messages[i].ID = float(p.Messages[i].ID)
		}
	}), []string{"exact ids"}},
	"late end": {func(f *faulty) {
		saving(func(_ *twin, _ *history, m *push.Message) { m.ExpiresAt++ })(f)
		reading(nil, func(_ push.Span, p *push.Page) {
			for i := range p.Messages {
				p.Messages[i].ExpiresAt--
			}
		})(f)
	}, []string{"expiry", "model"}},
	"burst of one life": {func(f *faulty) {
		f.save = func(ctx context.Context, writes []push.Write) []error {
			for _, w := range writes {
				for i := range w.Messages {
					w.Messages[i].ExpiresAt = w.Messages[0].ExpiresAt
				}
			}
			return f.twin.Save(ctx, writes)
		}
	}, []string{"expiry"}},
	"renewed life": {saving(func(w *twin, h *history, m *push.Message) {
		if _, again := h.saved[m.ID]; again {
			m.ExpiresAt = max(m.ExpiresAt, w.clock.millis()+1000)
		}
	}), []string{"repeated save"}},
	"recall undone":  {saving(func(_ *twin, h *history, m *push.Message) { delete(h.recalled, m.ID) }), []string{"late save after recall", "model"}},
	"discard undone": {saving(func(_ *twin, h *history, m *push.Message) { delete(h.discarded, m.ID) }), []string{"late save after discard", "discard frees"}},
	"delete undone":  {saving(func(_ *twin, h *history, m *push.Message) { h.deleted = min(h.deleted, m.ID-1) }), []string{"late save after delete", "model"}},
	"claim by the latest": {saving(func(_ *twin, h *history, m *push.Message) {
		delete(h.idem, m.IdempotencyKey)
	}), []string{"find", "discard frees", "model"}},
	"short burst": {func(f *faulty) {
		f.save = func(ctx context.Context, writes []push.Write) []error {
			writes = slices.Clone(writes)
			for i := range writes {
				writes[i].Messages = writes[i].Messages[:min(len(writes[i].Messages), 100)]
			}
			return f.twin.Save(ctx, writes)
		}
	}, []string{"full burst"}},
	"lost body": {saving(func(_ *twin, _ *history, m *push.Message) { m.Body = bytes.TrimSpace(m.Body) }), []string{"bodies"}},
	"lost writes": {func(f *faulty) {
		n := 0
		f.save = func(ctx context.Context, writes []push.Write) []error {
			if f.mu.Lock(); len(writes) > 0 {
				n++
			}
			skip := n%16 == 15
			f.mu.Unlock()
			if skip {
				return make([]error, len(writes))
			}
			return f.twin.Save(ctx, writes)
		}
	}, []string{"many writers", "follow"}},
	"torn":      {split, []string{"torn bursts"}},
	"key last":  {keyLast, []string{"find before visible"}},
	"short key": {renamed(func(k push.Key) push.Key { return k[:min(len(k), push.MaxKeyBytes-1)] }), []string{"neighbouring keys"}},
	"one letter": {renamed(func(k push.Key) push.Key {
		return push.Key(strings.TrimRight(string(k), "bc"))
	}), []string{"neighbouring keys", "model"}},
	"no public":     {blind, []string{"public stream"}},
	"deaf":          {deaf, []string{"cancelled"}},
	"kindless":      {kindless, []string{"cancelled"}},
	"careless":      {careless, []string{"recall of nothing", "model"}},
	"greedy":        {greedy, []string{"neighbouring keys", "model"}},
	"forgetful":     {forgetful, []string{"delete", "late save after delete", "newest", "model"}},
	"tracing":       {tracing, []string{"discard", "late save after discard", "model"}},
	"holding":       {holding, []string{"discard frees"}},
	"readable only": {readableOnly, []string{"newest", "model"}},
	"inventive":     {inventive, []string{"unknown key"}},
	"global":        {global, []string{"find", "model"}},
	"short memory":  {shortMemory, []string{"find outlives"}},
	"one answer":    {oneAnswer, []string{"several keys in one save"}},
	"aliasing":      {aliasing, []string{"bodies"}},
	"body of the recalled": {reading(nil, func(_ push.Span, p *push.Page) {
		for i := range p.Messages {
			if p.Messages[i].Recalled {
				p.Messages[i].Body = []byte("secret")
			}
		}
	}), []string{"recall", "late save after recall"}},
}
