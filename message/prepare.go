package message

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"gopush/internal/push"
	"gopush/internal/rpc"
)

// pending is one write of a frame on its way to the store.
type pending struct {
	index   int
	asked   *push.Write
	write   push.Write // what is stored: duplicates and conflicts are dropped
	written push.Written
	err     error // it is refused
	entered bool  // it has to leave
}

// prepare checks the writes of a frame, finds their places in the chain, and
// drops what is there already. What it has to ask the store for all of them it
// asks at once; most frames need nothing.
func (s *Service) prepare(ctx context.Context, writes []push.Write, all []pending) {
	var unplaced []*pending
	for i := range writes {
		p := &all[i]
		p.index, p.asked = i, &writes[i]
		if p.err = s.accept(p.asked); p.err != nil {
			continue
		}
		p.entered = true
		p.written.Prev = p.asked.Prev
		p.written.Outcomes = make([]push.Outcome, len(p.asked.Messages))
		if p.asked.Prev == push.PrevUnknown {
			unplaced = append(unplaced, p)
		}
	}
	s.place(ctx, unplaced)
	s.lookUp(ctx, all)
	for i := range all {
		if p := &all[i]; p.err == nil {
			p.err = s.chain(ctx, p)
		}
	}
}

// place finds the id before the first message of each write.
func (s *Service) place(ctx context.Context, unplaced []*pending) {
	if len(unplaced) == 0 {
		return
	}
	together(unplaced, func(p *pending) {
		prev, err := s.prev(s.store.of(ctx, p.asked), *p.asked)
		if p.written.Prev = prev; err != nil {
			p.err = before(err)
		}
	})
}

// accept refuses writers whose epoch is over, and what no comet sends. What is accepted has
// entered, and must leave.
func (s *Service) accept(w *push.Write) error {
	if err := check(*w); err != nil {
		return err
	}
	return s.admit(fenceOf(w))
}

func fenceOf(w *push.Write) rpc.Fence { return rpc.Fence{Group: w.Group, Epoch: w.Epoch} }

func pointers[T any](all []T) []*T {
	refs := make([]*T, len(all))
	for i := range all {
		refs[i] = &all[i]
	}
	return refs
}

// question is an idempotency key that is to be looked up.
type question struct {
	of      *pending
	message int // its index in the write
	err     error
}

// lookUp finds the outcomes of messages with idempotency keys. Where a key is in
// a write more than once, that of the first is found.
func (s *Service) lookUp(ctx context.Context, all []pending) {
	var questions []question
	for i := range all {
		if all[i].err == nil {
			questions = all[i].questions(questions)
		}
	}
	if len(questions) == 0 {
		return
	}
	together(pointers(questions), func(q *question) {
		p := q.of
		p.written.Outcomes[q.message], q.err = s.repeat(s.store.of(ctx, p.asked), *p.asked, p.written.Prev, &p.asked.Messages[q.message])
	})
	for i := range questions {
		if q := &questions[i]; q.err != nil && q.of.err == nil {
			q.of.err = before(q.err)
		}
	}
}

// questions adds what has to be looked up for one write.
func (p *pending) questions(all []question) []question {
	var asked map[string]bool
	for i := range p.asked.Messages {
		key := p.asked.Messages[i].IdempotencyKey
		if key == "" || asked[key] {
			continue
		}
		if asked == nil && len(p.asked.Messages) > 1 {
			asked = make(map[string]bool)
		}
		if asked != nil {
			asked[key] = true
		}
		all = append(all, question{of: p, message: i})
	}
	return all
}

// chain decides about the messages of a write in their order: those that are
// stored follow one another.
func (s *Service) chain(ctx context.Context, p *pending) (err error) {
	p.write = *p.asked
	p.write.Messages = make([]push.Message, 0, len(p.asked.Messages))
	prev := p.written.Prev
	var stored map[string]*push.Message // by idempotency key
	for i, m := range p.asked.Messages {
		out := &p.written.Outcomes[i]
		first := stored[m.IdempotencyKey]
		switch {
		case m.IdempotencyKey == "":
			*out = push.Outcome{Status: push.Stored, ID: m.ID}
		case first != nil:
			*out = compare(first.ID, BodySum(first.Body) == BodySum(m.Body))
		case out.Status == 0:
			// The first one of its key was not stored, and had the answer.
			if *out, err = s.repeat(s.store.of(ctx, p.asked), *p.asked, p.written.Prev, &m); err != nil {
				return before(err)
			}
		}
		if out.Status != push.Stored {
			continue
		}
		if m.IdempotencyKey != "" {
			if stored == nil {
				stored = make(map[string]*push.Message)
			}
			stored[m.IdempotencyKey] = &p.asked.Messages[i]
		}
		m.Prev, prev = prev, m.ID
		p.write.Messages = append(p.write.Messages, m)
	}
	return nil
}

// maxTogether bounds the calls of the store that one frame makes at a time.
const maxTogether = 64

// together runs f for all, at the same time if there are several: a store may
// make one request of what it is asked at once.
func together[T any](all []*T, f func(*T)) {
	if len(all) == 1 {
		f(all[0])
		return
	}
	spread(all, f)
}

func spread[T any](all []*T, f func(*T)) {
	var next atomic.Int64
	var c crew
	defer c.wait()
	for range min(len(all), maxTogether) {
		c.run(func() {
			for i := next.Add(1); i <= int64(len(all)); i = next.Add(1) {
				f(all[i-1])
			}
		})
	}
}

// crew is goroutines that one call waits for. Where one of them panics, the call
// does, so that whoever recovers for the call recovers for them.
type crew struct {
	wg     sync.WaitGroup
	once   sync.Once
	failed any
}

func (c *crew) run(f func()) {
	c.wg.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				c.once.Do(func() { c.failed = fmt.Sprintf("%v\n%s", r, debug.Stack()) })
			}
		}()
		f()
	})
}

func (c *crew) wait() {
	c.wg.Wait()
	if c.failed != nil {
		panic(c.failed)
	}
}
