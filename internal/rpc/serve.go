package rpc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"gopush/internal/push"
)

// Bounds of what one stream may occupy on its server, in bytes. A small item
// counts as itemCost, so that at most some 16,000 items are open; a frame of a
// service that takes frames counts as frameCost, for at most 4,096 of them: so many
// writes may wait for a part of the store that is down before those for other parts
// wait as well. A stream at its bound is not read, which its sender feels as a full
// window.
const (
	streamBudget = 64 << 20
	itemCost     = 4 << 10
	frameCost    = 16 << 10
	answersFrame = 1024    // answers in one frame, some KB each at the most
	answersBytes = 1 << 20 // of one frame; an answer that is larger is sent alone
)

// inflow is one stream as its server sees it. recv is called by one goroutine,
// send by another.
type inflow[Q, A any] interface {
	// greet tells the client that the stream is read.
	greet() error
	// recv waits for the next frame; io.EOF when the client sends no more.
	recv() ([]Q, error)
	send(answers []A, draining bool) error
}

// hall serves the streams of one kind.
type hall[Q, A any] struct {
	drain <-chan struct{} // closed: ask clients to go elsewhere; nil: never
	// cost is what an item of a frame of n occupies of streamBudget.
	cost func(item Q, n int) int64
	// size is about what an answer takes, at least its bytes on the wire: once
	// it is known it takes the place of the item's cost. nil: answers are small.
	size func(answer A) int
	// apart has each item accepted by itself, as soon as there is room for it.
	apart bool
	// accept takes a frame and sees to it that out.put is called once for each
	// of its items, with the cost. It may start goroutines with out.wg.
	accept func(ctx context.Context, items []Q, cost int64, out *outbox[A])

	used atomic.Int64 // what all streams occupy
	open atomic.Int64 // items of all streams that have no answer yet
}

// serve reads frames until the client has finished and all is answered, or the
// stream breaks: then the items' contexts end and their answers are dropped.
func (h *hall[Q, A]) serve(ctx context.Context, f inflow[Q, A]) error {
	if err := f.greet(); err != nil {
		return broken(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	out := h.newOutbox()
	defer out.close()
	defer cancel()
	out.wg.Go(func() {
		defer cancel() // answers can no longer be sent: stop working for them
		out.write(ctx, h.drain, f.send)
	})
	if err := h.read(ctx, f, out); !errors.Is(err, io.EOF) {
		return broken(err)
	}
	out.finish()
	out.wg.Wait()
	return nil
}

func broken(err error) error {
	return statusOf(push.Wrap(push.KindOutcomeUnknown, err, "the stream broke"))
}

func (h *hall[Q, A]) newOutbox() *outbox[A] {
	return &outbox[A]{wake: make(chan struct{}, 1), room: make(chan struct{}, 1), size: h.size, total: &h.used, items: &h.open}
}

func (h *hall[Q, A]) read(ctx context.Context, f inflow[Q, A], out *outbox[A]) error {
	for {
		items, err := f.recv()
		if err != nil {
			return err
		}
		for len(items) > 0 {
			n := len(items)
			if h.apart {
				n = 1
			}
			if err := h.take(ctx, items[:n], out); err != nil {
				return err
			}
			items = items[n:]
		}
	}
}

// take accepts items together, once there is room for them.
func (h *hall[Q, A]) take(ctx context.Context, items []Q, out *outbox[A]) error {
	sum := int64(0)
	for _, item := range items {
		sum += h.cost(item, len(items))
	}
	each := min(sum, streamBudget) / int64(len(items))
	if err := out.admit(ctx, len(items), each); err != nil {
		return err
	}
	h.accept(ctx, items, each, out)
	return nil
}

// outbox gathers the answers of one stream and sends what has gathered.
type outbox[A any] struct {
	// immutable
	wake  chan struct{}  // holds one token: look for answers
	room  chan struct{}  // holds one token: less is occupied
	size  func(A) int    // of the hall
	total *atomic.Int64  // used of the hall
	items *atomic.Int64  // open of the hall
	wg    sync.WaitGroup // the writer, and the goroutines of accept

	mu       sync.Mutex
	answers  []A
	costs    []int64 // of answers, one each
	open     int     // accepted, and their answers not sent
	used     int64   // by what is open
	full     bool    // the reader waits for room
	finished bool    // nothing more will be accepted
}

// admit waits for room for n items of a cost each. What is larger than all the
// room there is gets it when there is nothing else.
func (o *outbox[A]) admit(ctx context.Context, n int, each int64) error {
	sum := int64(n) * each
	for {
		o.mu.Lock()
		if o.full = o.used > 0 && o.used+sum > streamBudget; !o.full {
			o.used += sum
			o.open += n
			o.mu.Unlock()
			o.total.Add(sum)
			o.items.Add(int64(n))
			return nil
		}
		o.mu.Unlock()
		select {
		case <-o.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// put gives one answer; cost is what its item occupied until now.
func (o *outbox[A]) put(a A, cost int64) {
	grown := int64(0)
	if o.size != nil {
		grown = max(itemCost, int64(o.size(a))) - cost
		o.total.Add(grown)
	}
	o.mu.Lock()
	o.answers = append(o.answers, a)
	o.costs = append(o.costs, cost+grown)
	o.used += grown
	full := o.full && grown < 0
	o.mu.Unlock()
	nudge(o.wake)
	if full {
		nudge(o.room)
	}
}

// nudge leaves a token in c.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// finish lets write return once everything accepted is answered.
func (o *outbox[A]) finish() {
	o.mu.Lock()
	o.finished = true
	o.mu.Unlock()
	nudge(o.wake)
}

// write sends answers until all are sent, ctx ends or send fails.
func (o *outbox[A]) write(ctx context.Context, drain <-chan struct{}, send func([]A, bool) error) {
	for {
		answers, cost, over := o.take()
		if over {
			return
		}
		draining := ended(drain)
		if draining {
			drain = nil // say it once
		}
		if len(answers) > 0 || draining {
			if send(answers, draining) != nil {
				return
			}
			o.sent(len(answers), cost)
			continue
		}
		select {
		case <-o.wake:
			runtime.Gosched() // as in session.write: others may be about to answer
		case <-drain:
		case <-ctx.Done():
			return
		}
	}
}

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// take is what the next frame holds; over says that nothing will follow.
func (o *outbox[A]) take() (answers []A, cost int64, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, bytes := 0, 0
	for n < min(len(o.answers), answersFrame) {
		if o.size != nil {
			if bytes += o.size(o.answers[n]); n > 0 && bytes > answersBytes {
				break
			}
		}
		cost += o.costs[n]
		n++
	}
	answers = o.answers[:n:n]
	o.answers, o.costs = o.answers[n:], o.costs[n:]
	if len(o.answers) == 0 {
		o.answers, o.costs = nil, o.costs[:0]
	}
	return answers, cost, o.finished && o.open == 0
}

// sent frees what n answers occupied.
func (o *outbox[A]) sent(n int, cost int64) {
	o.total.Add(-cost)
	o.items.Add(-int64(n))
	o.mu.Lock()
	o.open -= n
	o.used -= cost
	full := o.full
	o.mu.Unlock()
	if full {
		nudge(o.room)
	}
}

// close waits for the goroutines and frees what was never sent.
func (o *outbox[A]) close() {
	o.wg.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total.Add(-o.used)
	o.items.Add(-int64(o.open))
	o.used, o.open = 0, 0
}
