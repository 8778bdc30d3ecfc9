package comet

import (
	"slices"
	"sync"
	"syscall"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// chunk bounds the events of one write, so that a recall or an expiry finds the
// rest still in the queue.
const chunk = 16

// closeWait is how long a client may take to answer a Close frame.
const closeWait = 2 * time.Second

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// maxPooled is the largest buffer that goes back to the pool.
const maxPooled = 64 << 10

// publish tells a channel's members of an event and has it written to them.
func (n *Node) publish(ch *channel, ev *event) {
	woken, members := ch.publish(ev)
	// The owner of the public stream has the nodes that follow as its members.
	if ev.kind == evMessage && members > 0 && (ch == n.public || !ch.key.Public()) {
		n.met.due.Add(float64(members))
	}
	if len(woken) <= inlineFanOut {
		over := n.fanOut(ch, ev, members, len(woken))
		for _, s := range woken {
			n.spawn(func() {
				s.flush()
				over.one()
			})
		}
		return
	}
	// To many: a goroutine for each would cost more than the write. A few go
	// through all, and leave behind a flusher only where a write would block.
	share := (len(woken) + fanOutWorkers - 1) / fanOutWorkers
	over := n.fanOut(ch, ev, members, (len(woken)+share-1)/share)
	for part := range slices.Chunk(woken, share) {
		n.spawn(func() {
			for i, s := range part {
				s.flushNow(i%timedOneIn == 0)
			}
			over.one()
		})
	}
}

// fanOutWorkers is how many goroutines share one event's deliveries to many.
const fanOutWorkers = 8

// timedOneIn is how many deliveries of a fan-out to many there are to one that is timed:
// to time each of them would cost as much as a fiftieth of the delivery.
const timedOneIn = 8

// flushNow is flush for a goroutine that must not wait: what would block is left
// to a flusher.
func (s *subscriber) flushNow(timed bool) {
	var room [chunk]*event
	for {
		events, f := s.next(room[:0])
		switch {
		case f != nil:
			s.node.spawn(s.flush)
			return
		case len(events) == 0:
			return
		case len(events) > 1 || s.form == formSSE || events[0].kind == evClose || !s.tryWrite(events[0], timed):
			rest := slices.Clone(events)
			s.node.spawn(func() {
				if s.write(rest) {
					s.flush()
				}
			})
			return
		}
	}
}

// tryWrite writes one event without waiting. False: nothing of it was written.
func (s *subscriber) tryWrite(ev *event, timed bool) bool {
	b := ev.bytes(s.form)
	conn, ok := s.conn.(syscall.Conn)
	if !ok || len(b) == 0 || expired(ev, s.node.deps.Now().UnixMilli()) {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	k := 0
	err = raw.Write(func(fd uintptr) bool {
		k, err = syscall.Write(int(fd), b)
		return true
	})
	if err != nil || k <= 0 {
		return false
	}
	s.node.met.sent(ev, timed)
	if k < len(b) {
		s.rest(b[k:])
	}
	return true
}

// rest writes the end of an event whose beginning is on the wire, before
// anything else: the flusher's role stays taken until then.
func (s *subscriber) rest(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append([]*event{{kind: evRaw, raw: b}}, s.queue...)
	s.bytes += len(b) + 64
}

// flush writes what is queued and reads what is missing until neither is left.
func (s *subscriber) flush() {
	var room [chunk]*event
	for {
		events, f := s.next(room[:0])
		switch {
		case len(events) > 0:
			if !s.write(events) {
				return
			}
			clear(room[:])
		case f != nil:
			s.catchUp(f)
		default:
			return
		}
	}
}

// next takes a chunk of the queue, or else a feed that is behind. Neither: the
// flusher ends.
func (s *subscriber) next(events []*event) ([]*event, *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.queue), chunk)
	for _, ev := range s.queue[:n] {
		s.bytes -= ev.size()
		events = append(events, ev)
	}
	clear(s.queue[:n])
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = s.room[:0]
	}
	if n > 0 {
		return events, nil
	}
	f := s.behind()
	s.flushing = f != nil
	return events, f
}

// write puts a chunk on the wire; false when the connection is over.
func (s *subscriber) write(events []*event) bool {
	now := s.node.deps.Now().UnixMilli()
	last := events[len(events)-1]
	var err error
	if len(events) == 1 && s.form != formSSE && !expired(last, now) {
		err = s.put(last.bytes(s.form))
	} else {
		p, _ := writeBuffers.Get().(*[]byte)
		buf := (*p)[:0]
		for _, ev := range events {
			buf = s.append(buf, ev, now)
		}
		err = s.put(buf)
		if cap(buf) <= maxPooled {
			*p = buf
			writeBuffers.Put(p)
		}
	}
	s.node.met.delivered(events, now, err)
	switch {
	case err != nil:
		s.die()
		return false
	case last.kind == evClose:
		s.hangUp()
		return false
	default:
		return true
	}
}

func (s *subscriber) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.node.cfg.WriteTimeout)); err != nil {
		return err
	}
	if _, err := s.conn.Write(b); err != nil {
		return err
	}
	// A deadline that passes while nothing is written would fail tryWrite.
	return s.conn.SetWriteDeadline(time.Time{})
}

func expired(ev *event, now int64) bool { return ev.kind == evMessage && ev.msg.Expired(now) }

// append adds an event's bytes. A message whose life ended in the queue is
// replaced by the gap that it leaves.
func (s *subscriber) append(buf []byte, ev *event, now int64) []byte {
	if expired(ev, now) {
		ev = &event{kind: evGap, public: ev.public, gap: push.Gap{After: ev.msg.Prev, Until: ev.msg.ID, Reason: push.GapExpired}}
	}
	if s.form == formSSE {
		return s.appendSSE(buf, ev)
	}
	return append(buf, ev.bytes(s.form)...)
}

// hangUp gives a websocket client time to answer the Close frame; its reader
// then closes the connection. Others are closed at once.
func (s *subscriber) hangUp() {
	s.mu.Lock()
	s.closeWritten = true
	gone := s.readerGone
	s.mu.Unlock()
	plain := s.form == formTCP || s.form == formTCPPlain || s.form == formSSE
	if gone || plain || s.conn.SetReadDeadline(time.Now().Add(closeWait)) != nil {
		_ = s.conn.Close()
	}
}

// appendSSE adds an event in the frame of server-sent events. Its id carries both
// cursors, so that Last-Event-ID resumes both streams.
func (s *subscriber) appendSSE(buf []byte, ev *event) []byte {
	name, moved := "", push.ID(0)
	switch ev.kind {
	case evMessage:
		name, moved = "message", ev.msg.ID
	case evTransient:
		name = "message"
	case evGap:
		name, moved = "gap", ev.gap.Until
	case evRecall:
		name = "recall"
	case evLive:
		name = "live"
	default:
		return append(buf, ev.raw...)
	}
	switch {
	case moved == 0:
	case ev.public:
		s.sentPublic = moved
	default:
		s.sentID = moved
	}
	return wire.AppendEvent(buf, name, s.sentID, s.sentPublic, moved > 0, ev.bytes(formSSE))
}
