package rpc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"gopush/internal/push"
)

// Bounds of what one stream may occupy on its server, in bytes. A small item
// counts as itemCost, so that at most some 16,000 items are open; a frame of a
// service that takes frames counts as frameCost, for at most 256 of them. A
// stream at its bound is not read, which its sender feels as a full window.
const (
	streamBudget = 64 << 20
	itemCost     = 4 << 10
	frameCost    = 256 << 10
	answersFrame = 1024 // answers in one frame, some KB each at the most
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
	// accept takes a frame and sees to it that out.put is called once for each
	// of its items, with the cost. It may start goroutines with out.wg.
	accept func(ctx context.Context, items []Q, cost int64, out *outbox[A])
}

// serve reads frames until the client has finished and all is answered, or the
// stream breaks: then the items' contexts end and their answers are dropped.
func (h *hall[Q, A]) serve(ctx context.Context, f inflow[Q, A]) error {
	if err := f.greet(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	out := &outbox[A]{wake: make(chan struct{}, 1), budget: semaphore.NewWeighted(streamBudget)}
	defer out.wg.Wait()
	defer cancel()
	out.wg.Go(func() {
		defer cancel() // answers can no longer be sent: stop working for them
		out.write(ctx, h.drain, f.send)
	})
	if err := h.read(ctx, f, out); !errors.Is(err, io.EOF) {
		return statusOf(push.Wrap(push.KindOutcomeUnknown, err, "the stream broke"))
	}
	out.finish()
	out.wg.Wait()
	return nil
}

func (h *hall[Q, A]) read(ctx context.Context, f inflow[Q, A], out *outbox[A]) error {
	for {
		items, err := f.recv()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			continue
		}
		n, sum := int64(len(items)), int64(0)
		for _, item := range items {
			sum += h.cost(item, len(items))
		}
		each := min(sum, streamBudget) / n
		if err := out.budget.Acquire(ctx, each*n); err != nil {
			return err
		}
		out.expect(len(items))
		h.accept(ctx, items, each, out)
	}
}

// outbox gathers the answers of one stream and sends what has gathered.
type outbox[A any] struct {
	wake   chan struct{} // holds one token
	budget *semaphore.Weighted
	wg     sync.WaitGroup // the writer, and the goroutines of accept

	mu       sync.Mutex
	answers  []A
	costs    []int64 // of answers, one each
	open     int     // accepted, and their answers not sent
	finished bool    // nothing more will be accepted
}

func (o *outbox[A]) expect(n int) {
	o.mu.Lock()
	o.open += n
	o.mu.Unlock()
}

// put gives one answer; cost is what its item occupied until it is sent.
func (o *outbox[A]) put(a A, cost int64) {
	o.mu.Lock()
	o.answers = append(o.answers, a)
	o.costs = append(o.costs, cost)
	o.mu.Unlock()
	o.nudge()
}

func (o *outbox[A]) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// finish lets write return once everything accepted is answered.
func (o *outbox[A]) finish() {
	o.mu.Lock()
	o.finished = true
	o.mu.Unlock()
	o.nudge()
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
	n := min(len(o.answers), answersFrame)
	for _, c := range o.costs[:n] {
		cost += c
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
	o.budget.Release(cost)
	o.mu.Lock()
	o.open -= n
	o.mu.Unlock()
}
