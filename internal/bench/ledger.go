package bench

import (
	"fmt"
	"sync"
	"sync/atomic"

	"gopush/internal/push"
)

// state is what is known of a push.
type state uint8

const (
	planned state = iota
	trying
	acked
	refused // nothing of it may appear
	unknown // it may be stored
	unsent
)

// entry is one push. Which one is told by its place.
type entry struct {
	id    push.ID // of the ack, or of the first delivery; 0: neither
	floor push.ID // the highest id that was acknowledged before the first try
	state state
}

// stream is what is known of one key, or of the public messages.
type stream struct {
	number int      // -1: public
	key    push.Key // empty: public
	found  *findings

	mu        sync.Mutex
	pushes    []entry // guarded by mu, as all below
	highest   push.ID // acknowledged
	followers []*follower
}

// follower is one reader's place in one stream.
type follower struct {
	stream *stream
	reader string
	cursor push.ID // guarded by stream.mu, as all below
	// skipped: what lay before the cursor was told to be gone, so the next message
	// may follow on anything.
	skipped bool
	seen    bits
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(n int) bool { return n/64 < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bits) add(n int) {
	for n/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

// follow adds a reader that is at the cursor.
func (s *stream) follow(reader string, cursor push.ID) *follower {
	f := &follower{stream: s, reader: reader, cursor: cursor}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers = append(s.followers, f)
	return f
}

// plan takes in the next push of the stream, and returns its number.
func (s *stream) plan() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = append(s.pushes, entry{})
	return len(s.pushes) - 1
}

// try says that the push is about to be sent, for the first time or again.
func (s *stream) try(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := &s.pushes[n]; e.state == planned {
		e.state, e.floor = trying, s.highest
	}
}

// settle notes the outcome of a push; id is that of an ack.
func (s *stream) settle(n int, to state, id push.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.pushes[n]
	e.state = to
	switch to {
	case acked:
		s.acknowledge(n, e, id)
	case refused:
		if e.id != 0 {
			s.found.add(Phantom, s, "", "push %d was refused, but came with the id %d", n, e.id)
		}
	default:
	}
}

// acknowledge holds an ack against what is known, and makes every reader owe the
// message that has not got it yet.
func (s *stream) acknowledge(n int, e *entry, id push.ID) {
	switch {
	case e.id != 0 && e.id != id:
		s.found.add(Duplicate, s, "", "push %d was acknowledged as %d, and came as %d", n, id, e.id)
	case id <= e.floor:
		s.found.add(Reordered, s, "", "push %d got the id %d, though %d was acknowledged before it was sent", n, id, e.floor)
	}
	e.id = id
	s.highest = max(s.highest, id)
	for _, f := range s.followers {
		if !f.seen.has(n) {
			s.found.owed.Add(1)
		}
	}
}

// received is one delivery.
type received struct {
	id, prev push.ID
	repeated bool // the reader's cursor was at or above it
	n        int
}

// see takes a delivery in. It reports whether it is the first one of this push to this
// reader; others have no time to be measured.
func (f *follower) see(r received) bool {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.n >= len(s.pushes) || s.pushes[r.n].state == planned {
		s.found.add(Phantom, s, f.reader, "push %d (id %d) came before it was sent", r.n, r.id)
		return false
	}
	e := &s.pushes[r.n]
	again := f.seen.has(r.n)
	f.order(r, again)
	if !again {
		f.same(e, r)
		f.seen.add(r.n)
		s.found.received.Add(1)
		if e.state == acked {
			s.found.owed.Add(-1)
		}
	}
	return !again
}

// order holds a delivery against the cursor, and moves it.
func (f *follower) order(r received, again bool) {
	s := f.stream
	switch {
	case again:
		s.found.add(Duplicate, s, f.reader, "push %d (id %d) came again", r.n, r.id)
	case r.repeated || r.id <= f.cursor:
		s.found.add(Reordered, s, f.reader, "push %d has the id %d, and came when the cursor was %d", r.n, r.id, f.cursor)
	case r.prev != f.cursor && !f.skipped:
		s.found.add(Gap, s, f.reader, "push %d (id %d) follows %d, but the cursor was %d", r.n, r.id, r.prev, f.cursor)
	}
	if r.id > f.cursor {
		f.cursor, f.skipped = r.id, false
	}
}

// same: one push has one id, and what was refused never comes.
func (f *follower) same(e *entry, r received) {
	s := f.stream
	switch {
	case e.id != 0 && e.id != r.id:
		s.found.add(Duplicate, s, f.reader, "push %d came as %d, and is known as %d", r.n, r.id, e.id)
	case e.state == refused:
		s.found.add(Phantom, s, f.reader, "push %d (id %d) was refused", r.n, r.id)
	}
	if e.id == 0 {
		e.id = r.id
	}
}

// gone moves the cursor over what the server says is gone for good.
func (f *follower) gone(g push.Gap, explained bool) {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if explained {
		s.found.explained.Add(1)
	} else {
		s.found.add(Gap, s, f.reader, "from %d to %d, without a word of the server", g.After, g.Until)
	}
	f.cursor, f.skipped = max(f.cursor, g.Until), true
}

// foreign moves the cursor over a message that is not of this run. What it follows
// may have had a short life, so that is not looked at.
func (f *follower) foreign(id push.ID) {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	if id > f.cursor {
		f.cursor, f.skipped = id, false
	}
}

// recalled: somebody withdrew a message, which the next one may name all the same.
func (f *follower) recalled() {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	f.skipped = true
}

// place is where the follower is.
func (f *follower) place() push.ID {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	return f.cursor
}

// begin sets the cursor of a reader that began where the server said.
func (f *follower) begin(cursor push.ID) {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	f.cursor = max(f.cursor, cursor)
}

// misses reports whether an acknowledged message is not there yet.
func (f *follower) misses() bool {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.pushes {
		if s.pushes[n].state == acked && !f.seen.has(n) {
			return true
		}
	}
	return false
}

// close counts what is lost: acknowledged, and not with every reader.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followers {
		for n := range s.pushes {
			if e := &s.pushes[n]; e.state == acked && !f.seen.has(n) {
				s.found.add(Lost, s, f.reader, "push %d (id %d) was acknowledged, but never came; the cursor is %d", n, e.id, f.cursor)
			}
		}
	}
}

// Kind says what went wrong with a message.
type Kind string

// The kinds of violations.
const (
	Lost      Kind = "lost"      // acknowledged, and never there for a reader
	Duplicate Kind = "duplicate" // it came twice, or under two ids
	Reordered Kind = "reordered" // ids do not ascend
	Gap       Kind = "gap"       // the chain of ids has a hole that nobody explains
	Phantom   Kind = "phantom"   // refused, never sent, or of another key
)

// Violation is one broken promise.
type Violation struct {
	Kind   Kind   `json:"kind"`
	Key    string `json:"key"` // empty: public
	Reader string `json:"reader,omitempty"`
	Text   string `json:"text"`
}

// named is how many violations are told in full.
const named = 10

// findings is what all streams have found.
type findings struct {
	owed      atomic.Int64 // acknowledged, and not with a reader yet
	received  atomic.Int64
	explained atomic.Int64 // gaps that the server told of

	mu    sync.Mutex
	count map[Kind]int64 // guarded by mu
	first []Violation    // guarded by mu
}

func newFindings() *findings { return &findings{count: make(map[Kind]int64)} }

func (f *findings) add(kind Kind, s *stream, reader, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[kind]++
	if len(f.first) < named {
		f.first = append(f.first, Violation{kind, string(s.key), reader, fmt.Sprintf(format, args...)})
	}
}

func (f *findings) total() (sum int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.count {
		sum += n
	}
	return sum
}
