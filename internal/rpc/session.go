package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"gopush/internal/push"
)

var (
	errClosed   = errors.New("the client is closed")
	errDraining = errors.New("the node is draining")
	errRefused  = errors.New("the stream was refused")
)

// session is one stream of a pipe, from its opening to its end. Its run writes
// frames; a second goroutine reads answers.
type session[Q, A any] struct {
	// immutable
	p      *pipe[Q, A]
	ctx    context.Context
	cancel context.CancelCauseFunc
	wake   chan struct{} // holds one token: look at the queue

	// guarded by p.mu
	pending  map[uint64]*call[Q, A] // sent and unanswered
	draining bool                   // sends nothing more, waits for answers
	ended    bool
	answered bool // the peer has answered something

	// owned by the goroutine that reads
	settled []settlement[Q, A]
}

type settlement[Q, A any] struct {
	call   *call[Q, A]
	answer A
}

func newSession[Q, A any](p *pipe[Q, A]) *session[Q, A] {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &session[Q, A]{
		p: p, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), pending: make(map[uint64]*call[Q, A]),
	}
}

// nudge makes the writer look at the queue again.
func (s *session[Q, A]) nudge() { nudge(s.wake) }

// run opens the stream and writes to it until the session ends.
func (s *session[Q, A]) run() {
	defer s.cancel(errClosed)
	f, err := s.open()
	if err != nil {
		s.end(err)
		return
	}
	s.p.wg.Go(func() { s.read(f) })
	if err := s.write(f); err != nil {
		s.end(err)
		return
	}
	// Draining: read goes on until the peer has answered everything.
	<-s.ctx.Done()
}

// open bounds the opening alone; the stream lives as long as the session.
func (s *session[Q, A]) open() (flow[Q, A], error) {
	limit := time.AfterFunc(s.p.window.openTimeout, func() {
		s.cancel(fmt.Errorf("no stream after %v", s.p.window.openTimeout))
	})
	defer limit.Stop()
	f, err := s.p.line.open(s.ctx)
	if err != nil && s.ctx.Err() != nil {
		err = errors.Join(context.Cause(s.ctx), err)
	}
	return f, err
}

// write sends frames until the session ends or drains.
func (s *session[Q, A]) write(f flow[Q, A]) error {
	for {
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
		// Let everybody who is about to call do so: their items share the frame.
		// With nobody else to run this costs next to nothing.
		runtime.Gosched()
		for {
			items, draining := s.take()
			if draining {
				return f.finish()
			}
			if len(items) == 0 {
				break
			}
			if err := f.send(items); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
}

// take moves the next frame's calls from the queue to pending: from here on
// they may have been sent.
func (s *session[Q, A]) take() (items []Q, draining bool) {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.draining || s.ended {
		return nil, s.draining
	}
	now, bytes := time.Now(), 0
	for c := p.queue.peek(); c != nil && len(items) < p.window.FrameItems; c = p.queue.peek() {
		if c.state == callSettled {
			p.queue.drop()
			p.release(c)
			continue
		}
		if bytes += c.size; len(items) > 0 && bytes > p.window.FrameBytes {
			break
		}
		p.queue.drop()
		c.state, c.home = callSent, s
		s.pending[c.tag] = c
		p.line.stamp(c.item, c.tag, millisLeft(c.deadline, now))
		items = append(items, c.item)
		var none Q
		c.item = none // a call that waits for its answer needs its item no more
	}
	return items, false
}

// millisLeft is what a node is given of what is left of a deadline, at least 1; 0 for none.
// A tenth of it, and at most homeward, is kept for its answer's way back: a refusal that
// comes in time says more than that no answer did.
func millisLeft(deadline, now time.Time) uint32 {
	if deadline.IsZero() {
		return 0
	}
	left := deadline.Sub(now)
	left = (left - min(left/10, homeward) + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(left, 1), 1<<31))
}

const homeward = 100 * time.Millisecond

// read settles calls until the stream ends.
func (s *session[Q, A]) read(f flow[Q, A]) {
	for {
		answers, draining, err := f.recv()
		if err != nil {
			s.end(err)
			return
		}
		s.settle(answers)
		if draining {
			s.drain()
		}
	}
}

// settle gives the answers to their calls. An answer to nobody is a late one.
func (s *session[Q, A]) settle(answers []A) {
	p := s.p
	p.mu.Lock()
	if !s.answered && len(answers) > 0 {
		s.answered = true
		p.retry.reset()
	}
	for _, a := range answers {
		tag := p.line.tagOf(a)
		if c, ok := s.pending[tag]; ok {
			delete(s.pending, tag)
			c.state = callSettled
			p.release(c)
			s.settled = append(s.settled, settlement[Q, A]{c, a})
		}
	}
	p.mu.Unlock()
	for _, x := range s.settled {
		x.call.unhook()
		x.call.done(x.answer, nil)
	}
	clear(s.settled)
	s.settled = s.settled[:0]
}

// drain stops sending on this stream; what was sent is still answered.
func (s *session[Q, A]) drain() {
	p := s.p
	p.mu.Lock()
	if s.draining || s.ended {
		p.mu.Unlock()
		return
	}
	s.draining = true
	p.retry.pause(time.Now(), backoffMost, errDraining)
	refused := s.detach()
	p.mu.Unlock()
	s.nudge()
	p.refuse(refused, errDraining)
}

// detach takes the pipe away from s, if it is its session, and returns the
// calls that were not sent. Under mu.
func (s *session[Q, A]) detach() []*call[Q, A] {
	p := s.p
	if p.current != s {
		return nil
	}
	p.current = nil
	var refused []*call[Q, A]
	for c := p.queue.peek(); c != nil; c = p.queue.peek() {
		p.queue.drop()
		if c.state == callWaiting {
			c.state = callSettled
			refused = append(refused, c)
		}
		p.release(c)
	}
	return refused
}

// refuse ends calls that were surely not sent.
func (p *pipe[Q, A]) refuse(calls []*call[Q, A], cause error) {
	for _, c := range calls {
		c.finish(p.unsent(cause, "the %s node %s cannot be reached", p.line.verb.peer, p.line.addr))
	}
}

// end settles everything that the session still holds. The first call counts.
func (s *session[Q, A]) end(cause error) {
	p := s.p
	p.mu.Lock()
	if s.ended {
		p.mu.Unlock()
		return
	}
	s.ended = true
	delete(p.sessions, s)
	if !s.answered && !s.draining {
		p.retry.fail(time.Now(), cause)
	}
	refused := s.detach()
	lost := make([]*call[Q, A], 0, len(s.pending))
	for tag, c := range s.pending {
		delete(s.pending, tag)
		c.state = callSettled
		p.release(c)
		lost = append(lost, c)
	}
	p.mu.Unlock()
	s.cancel(cause)
	quiet := s.draining || errors.Is(cause, errClosed)
	if !quiet || len(lost)+len(refused) > 0 {
		p.log.Info("stream ended", slog.String("peer", p.line.addr), slog.String("role", p.line.verb.peer),
			slog.Int("lost", len(lost)), slog.Int("unsent", len(refused)), slog.Any("error", cause))
	}
	p.refuse(refused, cause)
	for _, c := range lost {
		c.finish(push.Wrap(p.line.verb.lost(), cause, "the stream to the %s node %s broke", p.line.verb.peer, p.line.addr))
	}
}
