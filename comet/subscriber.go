package comet

import (
	"net"
	"sync"
	"time"

	"gopush/internal/push"
)

// subscriber is one connection's side of delivery. Its reader goroutine belongs
// to the listener that accepted it; its flusher, which does all the writing, runs
// only while there is something to write or to catch up on.
type subscriber struct {
	node  *Node    // immutable
	conn  net.Conn // immutable; written by the flusher, read by the reader
	form  form     // immutable
	proto string   // immutable; the metrics label

	private, public feed

	mu sync.Mutex
	// guarded by mu:
	queue    []*event
	room     [1]*event // the queue's first backing array
	bytes    int
	flushing bool // a flusher runs, or begin has not been called yet
	closing  bool // an evClose is queued or written, or the connection is dead
	// Of the reader, and of what is to be written last, whoever ends second closes the
	// connection.
	readerGone, closeWritten bool
	timer                    *time.Timer // pings; nil: none
	pass                     *pass       // nil: tokens are not needed

	// owned by the flusher: the cursors of what was written, for SSE's ids
	sentID, sentPublic push.ID
}

// feed is a subscriber's place in one stream.
type feed struct {
	sub   *subscriber // immutable
	ch    *channel    // immutable; nil: the stream is off for this connection
	index int         // guarded by ch.mu

	// guarded by sub.mu:
	state  feedState
	cursor push.ID // everything up to it was queued, or is not wanted
	start  push.ID // where a feed that began at the tip turned out to begin
	quiet  bool    // it began at 0 and has not been live: no gap is a loss to it
	wait   time.Duration
}

type feedState uint8

const (
	// feedTip wants whatever comes next; the cursor is not known yet.
	feedTip feedState = iota
	// feedLive is exactly at the channel's last event.
	feedLive
	// feedBehind has to read from the store.
	feedBehind
	// feedWaiting is behind, and waits because the store did not answer.
	feedWaiting
	// feedOver is left for good.
	feedOver
)

// reads reports whether a feed in that state is behind.
func (s feedState) reads() bool { return s == feedBehind || s == feedWaiting }

// turn changes the state; the node counts the feeds that are behind. Guarded by
// sub.mu.
func (f *feed) turn(to feedState) {
	if f.state == feedOver {
		return
	}
	was, is := f.state.reads(), to.reads()
	f.state = to
	switch {
	case is && !was:
		f.sub.node.met.behind.Add(1)
	case was && !is:
		f.sub.node.met.behind.Add(-1)
	}
}

// over ends both feeds of a connection that has left its channels.
func (s *subscriber) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.private.turn(feedOver)
	s.public.turn(feedOver)
}

func newSubscriber(n *Node, conn net.Conn, f form, proto string) *subscriber {
	s := &subscriber{node: n, conn: conn, form: f, proto: proto, flushing: true}
	s.private.sub, s.public.sub = s, s
	s.queue = s.room[:0]
	return s
}

func (f *feed) setSlot(i int) { f.index = i }
func (f *feed) slot() int     { return f.index }

// deliver hands an event on, or notes that the connection has to read it from
// the store. Runs under the channel's lock and never blocks.
func (f *feed) deliver(ev *event) {
	s := f.sub
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	switch ev.kind {
	case evMessage:
		f.message(ev)
	case evTransient:
		if f.state.reads() || s.full() {
			s.node.met.missed()
		} else {
			s.push(ev)
		}
	case evRecall:
		f.recall(ev)
	case evDelete:
		f.purge(func(id push.ID) bool { return id <= ev.msg.ID })
	default:
	}
	if s.wants() {
		s.flushing = true
		f.ch.woken = append(f.ch.woken, s)
	}
}

// message is the cursor rule: what follows on goes out at once, what is known
// already is dropped, anything else has to be read.
func (f *feed) message(ev *event) {
	s := f.sub
	switch {
	case f.state.reads():
	case f.state == feedTip:
		f.start, f.cursor = ev.msg.Prev, ev.msg.ID
		f.turn(feedLive)
		s.push(ev)
	case ev.msg.ID <= f.cursor:
	case ev.msg.Prev > f.cursor:
		f.turn(feedBehind)
	case s.full():
		f.turn(feedBehind)
		s.node.met.slow()
	default:
		f.cursor = ev.msg.ID
		s.push(ev)
	}
}

// recall takes a message back out of the queue and says so.
func (f *feed) recall(ev *event) {
	s := f.sub
	for i, q := range s.queue {
		if q.kind == evMessage && q.public == ev.public && q.msg.ID == ev.msg.ID {
			s.bytes -= q.size()
			s.queue[i] = ev
			s.bytes += ev.size()
			return
		}
	}
	if !s.form.v2() {
		return
	}
	if len(s.queue) > 8*s.node.cfg.QueueMessages {
		s.stop(closeOverloaded)
		return
	}
	s.push(ev)
}

// purge drops queued messages that gone selects; the store says what is left.
func (f *feed) purge(gone func(push.ID) bool) {
	s := f.sub
	kept := s.queue[:0]
	for _, q := range s.queue {
		if q.kind == evMessage && q.public == f.isPublic() && gone(q.msg.ID) {
			s.bytes -= q.size()
			if f.state != feedWaiting {
				f.turn(feedBehind)
			}
			f.cursor = min(f.cursor, q.msg.Prev)
			continue
		}
		kept = append(kept, q)
	}
	clear(s.queue[len(kept):])
	s.queue = kept
}

func (f *feed) isPublic() bool { return f == &f.sub.public }

// full reports whether the queue's bound is reached; while memory is short one event is
// enough, as the store has the others. Guarded by mu.
func (s *subscriber) full() bool {
	return len(s.queue) >= s.node.cfg.QueueMessages || s.bytes >= s.node.cfg.QueueBytes ||
		len(s.queue) > 0 && s.node.deps.Pressed()
}

// push queues an event. Guarded by mu.
func (s *subscriber) push(ev *event) {
	s.queue = append(s.queue, ev)
	s.bytes += ev.size()
}

// wants reports whether a flusher has to be started. Guarded by mu.
func (s *subscriber) wants() bool {
	return !s.flushing && (len(s.queue) > 0 || s.behind() != nil)
}

// kick starts the flusher if there is work and none runs. Guarded by mu.
func (s *subscriber) kick() {
	if s.wants() {
		s.flushing = true
		s.node.spawn(s.flush)
	}
}

// behind is a feed that has to read, its own key's first. Guarded by mu.
func (s *subscriber) behind() *feed {
	switch {
	case s.closing:
		return nil
	case s.private.state == feedBehind:
		return &s.private
	case s.public.state == feedBehind:
		return &s.public
	default:
		return nil
	}
}

// begin sends first before anything that was queued since the feeds joined, and
// lets the flusher run from here on.
func (s *subscriber) begin(first ...*event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range first {
		s.bytes += ev.size()
	}
	s.queue = append(first, s.queue...)
	s.flushing = false
	s.kick()
}

// reply queues bytes that belong to no stream. A client that asks faster than it
// reads is closed.
func (s *subscriber) reply(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	if len(s.queue) > 4*s.node.cfg.QueueMessages {
		s.stop(closeOverloaded)
		return
	}
	s.push(&event{kind: evRaw, raw: raw})
	s.kick()
}

// shut ends the connection in order: what is queued goes out, then the ending.
func (s *subscriber) shut(e ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(e)
}

// stop is shut with mu held.
func (s *subscriber) stop(e ending) {
	if s.closing {
		return
	}
	s.closing = true
	s.node.met.closed(e.reason)
	s.push(&event{kind: evClose, raw: e.bytes(s.form)})
	s.kick()
}

// die ends a connection that cannot be written to any more.
func (s *subscriber) die() {
	s.mu.Lock()
	s.closing = true
	clear(s.queue)
	s.queue, s.bytes = s.room[:0], 0
	s.mu.Unlock()
	_ = s.conn.Close()
}

// readerDone is the reader's last act. If an ending is still to be written, the
// flusher closes the connection after it.
func (s *subscriber) readerDone() {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.pass != nil {
		s.pass.timer.Stop()
	}
	s.readerGone = true
	pending := s.closing && s.flushing && !s.closeWritten
	s.closing = true
	s.mu.Unlock()
	if !pending || s.conn.SetWriteDeadline(time.Now().Add(closeWait)) != nil {
		s.die()
	}
}
