package rpc

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gopush/internal/push"
)

// flow is one open stream as a pipe sees it. send is called by one goroutine,
// recv by another.
type flow[Q, A any] interface {
	// send hands one frame of items to the stream.
	send(items []Q) error
	// recv waits for the next answers; draining asks to send nothing more.
	recv() (answers []A, draining bool, err error)
	// finish says that nothing more will be sent; answers still come.
	finish() error
}

// line is what a pipe must know of its kind of item and answer.
type line[Q, A any] struct {
	verb verb
	addr string
	open func(ctx context.Context) (flow[Q, A], error)
	// stamp writes the tag and what is left of the deadline into an item.
	stamp func(item Q, tag uint64, timeoutMillis uint32)
	tagOf func(answer A) uint64
}

// pipe makes many calls over one stream at a time. Calls wait in a queue;
// whatever has gathered while a frame was being sent is the next frame. Answers
// come back in any order. No timer and no goroutine per call.
//
// A pipe opens its stream with the first call, and again after it broke, not
// more often than its pacing allows.
type pipe[Q, A any] struct {
	line   line[Q, A]
	window WindowConfig
	log    *slog.Logger
	wg     sync.WaitGroup // sessions, and callbacks of ended contexts

	mu       sync.Mutex
	queue    queue[Q, A]
	items    int // in the queue or sent and unanswered
	bytes    int
	lastTag  uint64
	current  *session[Q, A] // nil: the next call opens one
	sessions map[*session[Q, A]]struct{}
	retry    pacing
	closing  bool          // takes no more calls
	idle     chan struct{} // closed once closing and items is 0
}

// call is one item on its way.
type call[Q, A any] struct {
	// immutable
	size     int
	deadline time.Time // zero: none
	done     func(A, error)
	unhook   func() bool // forgets the context

	// guarded by the pipe's mu
	item  Q
	tag   uint64
	state callState
	home  *session[Q, A] // once sent
}

type callState uint8

const (
	callFresh   callState = iota // not in the queue yet
	callWaiting                  // in the queue, surely not sent
	callSent                     // handed to a stream
	callSettled                  // done was or is about to be called
)

func newPipe[Q, A any](l line[Q, A], w WindowConfig, log *slog.Logger) *pipe[Q, A] {
	return &pipe[Q, A]{
		line: l, window: w, log: log,
		sessions: make(map[*session[Q, A]]struct{}), idle: make(chan struct{}),
	}
}

// call sends item, of about size bytes, and calls done exactly once: on the
// goroutine that reads answers, on that of the context's end, or before call
// returns when the item is refused. done must not block, and must not close the
// pipe.
//
// Errors: KindBusy when the window is full, KindTooLarge, the verb's unsent
// kind when nothing has happened and nothing will, KindOutcomeUnknown when the
// item may have reached the peer; for a verb that changes nothing it is the
// unsent kind as well. After such an error the answer is dropped.
func (p *pipe[Q, A]) call(ctx context.Context, item Q, size int, done func(A, error)) {
	c := &call[Q, A]{item: item, size: size, done: done, unhook: hooked}
	if ctx.Done() != nil {
		if ctx.Err() != nil {
			c.finish(p.unsent(context.Cause(ctx), "the call ended before it was sent"))
			return
		}
		c.deadline, _ = ctx.Deadline()
		c.unhook = context.AfterFunc(ctx, func() { p.expire(c, context.Cause(ctx)) })
	}
	if err := p.enqueue(c); err != nil {
		c.finish(err)
	}
}

// outcome is what done gets.
type outcome[A any] struct {
	answer A
	err    error
}

// wait sends item and waits for its answer, until end or the end of ctx. The
// errors are those of call. It costs less: nothing is registered with ctx.
func (p *pipe[Q, A]) wait(ctx context.Context, item Q, size int, end time.Time) (A, error) {
	var none A
	if ctx.Err() != nil {
		return none, p.unsent(context.Cause(ctx), "the call ended before it was sent")
	}
	got := make(chan outcome[A], 1)
	c, err := p.start(item, size, end, func(a A, err error) { got <- outcome[A]{a, err} })
	if err != nil {
		return none, err
	}
	limit := time.NewTimer(time.Until(end))
	defer limit.Stop()
	select {
	case o := <-got:
		return o.answer, o.err
	case <-ctx.Done():
		p.expire(c, context.Cause(ctx))
	case <-limit.C:
		p.expire(c, context.DeadlineExceeded)
	}
	o := <-got // at once: it is settled, if not by expire, then by an answer
	return o.answer, o.err
}

// start sends item, and leaves it to the caller to expire the call. An error says that done
// will not be called.
func (p *pipe[Q, A]) start(item Q, size int, end time.Time, done func(A, error)) (*call[Q, A], error) {
	c := &call[Q, A]{item: item, size: size, deadline: end, unhook: hooked, done: done}
	if err := p.enqueue(c); err != nil {
		return nil, err
	}
	return c, nil
}

// hooked stands for a context that never ends.
func hooked() bool { return true }

// finish is called by whoever moved c to callSettled, once.
func (c *call[Q, A]) finish(err error) {
	c.unhook()
	var none A
	c.done(none, err)
}

// enqueue puts c into the queue, or settles it and says why not.
func (p *pipe[Q, A]) enqueue(c *call[Q, A]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.state == callSettled {
		return p.unsent(context.Canceled, "the call ended before it was sent")
	}
	if err := p.admit(c.size); err != nil {
		c.state = callSettled
		return err
	}
	p.lastTag++
	c.tag, c.state = p.lastTag, callWaiting
	p.items++
	p.bytes += c.size
	p.queue.push(c)
	p.current.nudge()
	return nil
}

// admit checks the bounds and sees to it that there is a session. Under mu.
func (p *pipe[Q, A]) admit(size int) error {
	w := &p.window
	switch {
	case p.closing:
		return p.unsent(errClosed, "the connection is closed")
	case size > maxItem:
		return push.E(push.KindTooLarge, "an item of %d bytes is over the limit of %d", size, maxItem)
	case p.items >= w.Items || (p.items > 0 && p.bytes+size > w.Bytes):
		return push.E(push.KindBusy, "%d calls of %d bytes to %s are unanswered", p.items, p.bytes, p.line.addr)
	case p.current != nil:
		return nil
	}
	if wait := p.retry.wait(time.Now()); wait > 0 {
		e := p.unsent(p.retry.cause, "the %s node %s cannot be reached", p.line.verb.peer, p.line.addr)
		e.RetryAfter = wait
		return e
	}
	p.current = newSession(p)
	p.sessions[p.current] = struct{}{}
	p.wg.Go(p.current.run)
	return nil
}

// expire ends a call whose context ended.
func (p *pipe[Q, A]) expire(c *call[Q, A], cause error) {
	p.mu.Lock()
	was := c.state
	c.state = callSettled
	switch was {
	case callWaiting:
		// Its place in the queue, and so in the window, is freed by the writer:
		// a stalled stream must not gather an endless queue of dead calls.
		var none Q
		c.item = none
		p.bytes -= c.size
		c.size = 0
	case callSent:
		delete(c.home.pending, c.tag)
		p.release(c)
	default:
		// Settled, or fresh: then enqueue sees it.
		p.mu.Unlock()
		return
	}
	p.wg.Add(1) // before Close can wait: it settles every call first
	p.mu.Unlock()
	defer p.wg.Done()
	if was == callSent {
		c.finish(push.Wrap(p.line.verb.lost(), cause, "the %s node %s did not answer in time", p.line.verb.peer, p.line.addr))
		return
	}
	c.finish(p.unsent(cause, "the call ended before it was sent"))
}

// release gives c's place in the window back. Under mu.
func (p *pipe[Q, A]) release(c *call[Q, A]) {
	p.items--
	p.bytes -= c.size
	if p.closing && p.items == 0 {
		close(p.idle)
	}
}

func (p *pipe[Q, A]) unsent(cause error, format string, args ...any) *push.Error {
	return push.Wrap(p.line.verb.unsent, cause, format, args...)
}

// outstanding is the number of calls without an answer.
func (p *pipe[Q, A]) outstanding() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items
}

// reachable reports whether a call made now would be put on a stream.
func (p *pipe[Q, A]) reachable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current != nil || p.retry.wait(time.Now()) <= 0
}

// shut refuses new calls; the channel is closed when the last old one is done.
func (p *pipe[Q, A]) shut() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.closing = true
		if p.items == 0 {
			close(p.idle)
		}
	}
	return p.idle
}

// close refuses new calls, ends what is pending, and waits for all goroutines.
func (p *pipe[Q, A]) close() {
	p.shut()
	p.mu.Lock()
	open := make([]*session[Q, A], 0, len(p.sessions))
	for s := range p.sessions {
		open = append(open, s)
	}
	p.mu.Unlock()
	for _, s := range open {
		s.end(errClosed)
	}
	p.wg.Wait()
}
