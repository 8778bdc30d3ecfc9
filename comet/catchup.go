package comet

import (
	"context"
	"time"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// pageBytes bounds the bodies of one page; while memory is short it is a page of one
// message.
const pageBytes = 128 << 10

// catchUp reads one page for a feed that is behind, and lets it go live once it
// has met the channel's last event.
func (s *subscriber) catchUp(f *feed) {
	n := s.node
	ctx, cancel := context.WithTimeout(n.life, n.cfg.AttemptTimeout)
	defer cancel()
	span := n.tracer.Begin("", "comet catch-up", trace.Internal)
	var failed error
	defer func() { span.End(failed) }()
	select {
	case n.catchUps <- struct{}{}:
		defer func() { <-n.catchUps }()
	case <-ctx.Done():
		failed = ctx.Err()
		s.later(f)
		return
	}
	f.ch.mu.Lock()
	rev := f.ch.rev
	f.ch.mu.Unlock()
	s.mu.Lock()
	after := f.cursor
	s.mu.Unlock()
	n.met.readAsked()
	wanted := push.Span{After: after, Limit: n.cfg.PageMessages, Bytes: pageBytes, Newest: n.limits.Load().Newest}
	if n.deps.Pressed() {
		wanted.Limit = 1
	}
	page, err := n.deps.Messages.Read(span.In(ctx), f.ch.key, wanted)
	if err != nil {
		failed = err
		n.met.readFailed()
		s.later(f)
		return
	}
	span.Number("gopush.messages", int64(len(page.Messages)))
	f.accept(page, rev, after)
}

// accept queues a page. One that was read before a recall or a delete is thrown
// away: it may hold what is gone.
func (f *feed) accept(page push.Page, rev uint32, after push.ID) {
	s := f.sub
	f.ch.mu.Lock()
	defer f.ch.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || f.ch.rev != rev || f.cursor != after || f.state != feedBehind {
		return
	}
	f.wait = 0
	f.enqueue(page)
	f.cursor = max(f.cursor, page.Next)
	if page.More || f.cursor < f.ch.last {
		return
	}
	f.turn(feedLive)
	f.quiet = false
	if s.form.v2() && s.caughtUp() {
		s.push(&event{kind: evLive})
	}
}

// enqueue merges the page's messages and gaps, both of which ascend.
func (f *feed) enqueue(page push.Page) {
	s, public := f.sub, f.isPublic()
	gaps := page.Gaps
	if f.quiet {
		gaps = nil
	}
	for i := range page.Messages {
		m := &page.Messages[i]
		for len(gaps) > 0 && gaps[0].Until < m.ID {
			s.push(&event{kind: evGap, public: public, gap: gaps[0]})
			gaps = gaps[1:]
		}
		ev := &event{kind: evMessage, public: public, msg: *m}
		if m.Recalled {
			ev.kind = evRecall
		}
		s.push(ev)
	}
	for _, g := range gaps {
		s.push(&event{kind: evGap, public: public, gap: g})
	}
}

// later puts the feed off after a read that failed; meanwhile the flusher does
// other things, or ends.
func (s *subscriber) later(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.turn(feedWaiting)
	f.wait = min(max(2*f.wait, firstRetry), 4*lastRetry)
	time.AfterFunc(f.wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.state == feedWaiting && !s.closing {
			f.turn(feedBehind)
			s.kick()
		}
	})
}
