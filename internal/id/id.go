// Package id makes message ids. A Source gives every id of a node: each is
// above all it gave before, whatever the clock does, and lies between the floor
// and the ceiling of the term in which the node serves. The package reads no
// clock, does no I/O and does not know how floors and ceilings come about.
package id

import (
	"sync/atomic"
	"time"

	"gopush/internal/push"
)

// Source gives ids for all keys of a node. It is safe for concurrent use, and
// no call blocks or allocates.
type Source struct {
	// high is the mark that every later id is above: the last id given, or what
	// Below promised. It is a multiple of push.Step and never above the ceiling
	// (except with a ceiling below the floor).
	high atomic.Int64
	// ceiling only grows, so a stale reading of it is merely cautious.
	ceiling atomic.Int64
}

// New makes a source whose ids are above floor and at most ceiling. With a
// ceiling that is not above floor it gives none until Raise lifts it.
func New(floor, ceiling push.ID) *Source {
	s := &Source{}
	s.high.Store(align(max(floor, 0)))
	s.ceiling.Store(int64(max(ceiling, 0)))
	return s
}

// align rounds an id that is not negative down to a multiple of push.Step.
func align(id push.ID) int64 { return int64(id - id%push.Step) }

// Next gives one id: that of now, or the next one after the last if the clock
// is not past it. It is false, and nothing is consumed, when the ceiling is in
// the way.
func (s *Source) Next(now time.Time) (push.ID, bool) { return s.Reserve(now, 1) }

// Reserve gives n ids at once: first, first+push.Step, and so on. It is false,
// and nothing is consumed, when n is not positive or when the ceiling does not
// leave room for all of them.
func (s *Source) Reserve(now time.Time, n int) (first push.ID, ok bool) {
	at := push.IDAt(now)
	for {
		high, ceiling := push.ID(s.high.Load()), s.Ceiling()
		if n < 1 || high > ceiling-push.Step {
			return 0, false
		}
		first = max(at, high+push.Step)
		if first > ceiling || push.ID(n-1) > (ceiling-first)/push.Step {
			return 0, false
		}
		last := first + push.ID(n-1)*push.Step
		if s.high.CompareAndSwap(int64(high), int64(last)) {
			return first, true
		}
	}
}

// Below gives an id that every later one is above, and no earlier one is: a
// reader that starts there misses nothing that comes after the call. It is now,
// as far as the ceiling allows; the ids up to it are then given up.
func (s *Source) Below(now time.Time) push.ID {
	mark := int64(push.IDAt(now))
	mark = min(mark, align(s.Ceiling()))
	for {
		high := s.high.Load()
		if high >= mark {
			return push.ID(high)
		}
		if s.high.CompareAndSwap(high, mark) {
			return push.ID(mark)
		}
	}
}

// Raise lifts the ceiling to at least ceiling; it never lowers it.
func (s *Source) Raise(ceiling push.ID) {
	for {
		old := s.ceiling.Load()
		if int64(ceiling) <= old || s.ceiling.CompareAndSwap(old, int64(ceiling)) {
			return
		}
	}
}

// Lift has every later id be above floor, as New does; it never lowers it.
func (s *Source) Lift(floor push.ID) {
	mark := align(max(floor, 0))
	for {
		high := s.high.Load()
		if high >= mark || s.high.CompareAndSwap(high, mark) {
			return
		}
	}
}

// High is the mark that every later id is above: at first the floor, rounded
// down to a multiple of push.Step.
func (s *Source) High() push.ID { return push.ID(s.high.Load()) }

// Ceiling is the highest id that may be given now.
func (s *Source) Ceiling() push.ID { return push.ID(s.ceiling.Load()) }
