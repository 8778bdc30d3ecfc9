package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Violation is one broken promise in a history.
type Violation struct {
	Kind   ViolationKind
	Stream string
	Reader string // empty: the pushers saw it
	Text   string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: stream %q, reader %q: %s", v.Kind, v.Stream, v.Reader, v.Text)
}

// ViolationKind says which promise is broken.
type ViolationKind string

// The kinds.
const (
	// Lost: an acknowledged message never came, though the reader asked to the end.
	Lost ViolationKind = "lost"
	// BelowCursor: it turned up (or would have) at or below where the reader was
	// already, so the reader can never get it.
	BelowCursor ViolationKind = "below cursor"
	// Duplicated: one push came twice, or was acknowledged under two ids.
	Duplicated ViolationKind = "duplicate"
	// Reordered: the ids that a reader saw, or a pusher got, do not ascend.
	Reordered ViolationKind = "reordered"
	// Resurrected: what had been withdrawn, refused or expired was delivered.
	Resurrected ViolationKind = "resurrected"
	// Phantom: it came with another id than acknowledged, to another stream, or
	// nobody had pushed it.
	Phantom ViolationKind = "phantom"
	// Broken: the id before a message is not the one that the reader has.
	Broken ViolationKind = "broken chain"
	// Deposed: a node that had a successor acknowledged what it had been asked before.
	Deposed ViolationKind = "deposed"
	// Faulty: an actor reported it.
	Faulty ViolationKind = "fault"
)

// Check proves a history, or names what is wrong with it: every acknowledged
// message is with every reader that finished exactly once and in order; a push
// whose outcome is unknown with all of them or none, at most once; a refused one never.
func Check(events []Event) []Violation {
	c := &checker{
		pushes: make(map[string]*pushed), streams: make(map[string]*streamState), readers: make(map[readerKey]*readerState),
		opened: make(map[string]opening), deposed: make(map[string]int),
	}
	for i, e := range events {
		c.pusherSide(i, e)
	}
	c.idsUnique()
	for i, e := range events {
		c.readerSide(i, e)
	}
	return c.found
}

// pushed is what became of one token.
type pushed struct {
	stream  string
	expires int64 // the latest that its life can end; 0: after the test
	// floor is the highest id of its stream that anybody knew before the first try.
	floor   int64
	id      int64 // 0: never acknowledged
	seen    int64 // the id under which a reader got it first; 0: none has
	unknown bool  // some try may have been stored
	began   int64 // unix ms, the first try
	tried   int   // the index of the last try
}

// streamState is what is known of a stream.
type streamState struct {
	highest int64 // acknowledged or seen so far
	acked   []string
	// byID has the token of each id that was acknowledged, after all outcomes were taken
	// in; mortal says that something without an ack had an expiry.
	byID   map[int64]string
	mortal bool
	// withdrawn holds when the recall of an id was answered; maybe has what somebody
	// tried to recall.
	withdrawn map[int64]moment
	maybe     map[int64]bool
	owners    map[int64]string // the token of each id that a reader has seen
}

// moment is a place in the history.
type moment struct {
	index int
	at    int64
}

// opening is when a reader asked: everything that it sees next was sent later.
type opening = moment

type readerKey struct{ reader, stream string }

// readerState is one reader's place in one stream.
type readerState struct {
	cursor int64
	jumped bool // the cursor comes from a gap
	seen   map[string]int64
	blind  bool // its protocol does not tell the ids before messages
	// owed are tokens without an ack that others have seen while the cursor was still
	// below them.
	owed []string
}

type checker struct {
	pushes  map[string]*pushed
	streams map[string]*streamState
	readers map[readerKey]*readerState
	opened  map[string]opening // of each reader, the last one
	deposed map[string]int     // the index of the last time, of each node
	wrong   []int64            // unix ms: when clocks became wrong and right, in turn
	found   []Violation
}

func (c *checker) complain(kind ViolationKind, e Event, format string, args ...any) {
	c.found = append(c.found, Violation{Kind: kind, Stream: e.Stream, Reader: e.Reader, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) stream(name string) *streamState {
	s := c.streams[name]
	if s == nil {
		s = &streamState{withdrawn: make(map[int64]moment), maybe: make(map[int64]bool), owners: make(map[int64]string)}
		c.streams[name] = s
	}
	return s
}

// pusherSide takes in what pushers knew, in order.
func (c *checker) pusherSide(i int, e Event) {
	s := c.stream(e.Stream)
	switch e.Kind {
	case EvTry:
		if c.pushes[e.Token] == nil {
			c.pushes[e.Token] = &pushed{stream: e.Stream, floor: s.highest, began: e.At}
		}
		c.pushes[e.Token].tried = i
		c.pushes[e.Token].expires = max(c.pushes[e.Token].expires, e.Expires)
	case EvOutcome:
		c.outcome(s, e)
	case EvSeen:
		s.highest = max(s.highest, e.ID)
	case EvDeposed:
		c.deposed[e.Node] = i
	case EvClock:
		if (e.ID != 0) == (len(c.wrong)%2 == 0) {
			c.wrong = append(c.wrong, e.At)
		}
	case EvWithdraw:
		s.maybe[e.ID] = true
	case EvWithdrawn:
		if _, again := s.withdrawn[e.ID]; e.State == Acked && !again {
			s.withdrawn[e.ID] = moment{i, e.At}
		}
	default:
	}
}

func (c *checker) outcome(s *streamState, e Event) {
	p := c.pushes[e.Token]
	if p == nil {
		c.complain(Faulty, e, "an outcome of %s without a try", e.Token)
		return
	}
	p.expires = max(p.expires, e.Expires)
	if at, ok := c.deposed[e.Node]; ok && e.State == Acked && at > p.tried {
		c.complain(Deposed, e, "%s acknowledges %s (id %d) after it had a successor", e.Node, e.Token, e.ID)
	}
	switch {
	case e.State == Unknown:
		p.unknown = true
	case e.State == Refused:
	case p.id == 0:
		p.id = e.ID
		if e.ID <= p.floor {
			c.complain(Reordered, e, "%s got the id %d after %d was known", e.Token, e.ID, p.floor)
		}
		s.highest = max(s.highest, e.ID)
		s.acked = append(s.acked, e.Token)
	case p.id != e.ID:
		c.complain(Duplicated, e, "%s was acknowledged as %d and as %d", e.Token, p.id, e.ID)
	}
}

// idsUnique: no id was given to two pushes of one stream.
func (c *checker) idsUnique() {
	for _, name := range slices.Sorted(maps.Keys(c.streams)) {
		s := c.streams[name]
		slices.SortStableFunc(s.acked, func(a, b string) int { return cmp.Compare(c.pushes[a].id, c.pushes[b].id) })
		for i := 1; i < len(s.acked); i++ {
			if a, b := s.acked[i-1], s.acked[i]; c.pushes[a].id == c.pushes[b].id {
				c.complain(Duplicated, Event{Stream: name}, "the id %d was given to %s and to %s", c.pushes[a].id, a, b)
			}
		}
		s.byID = make(map[int64]string, len(s.acked))
		for _, token := range s.acked {
			s.byID[c.pushes[token].id] = token
		}
	}
	for _, p := range c.pushes {
		if p.expires != 0 && p.id == 0 {
			c.stream(p.stream).mortal = true
		}
	}
}
