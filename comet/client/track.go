package client

import (
	"slices"

	"gopush/internal/push"
)

// maxRecalled bounds the recalled ids that are remembered per stream.
const maxRecalled = 1024

// track is the place in one stream. It outlives connections, and knows whether
// what comes next follows on what was delivered.
type track struct {
	cursor push.ID
	known  bool // the cursor was given, or told by a server
	// recalled are places above the cursor whose messages were withdrawn. They
	// are not delivered, but others name them as their predecessor.
	recalled []push.ID
	// fromStart: the replay began at 0, where no gap is ever told, as nobody can
	// miss what he never had. It ends with the replay.
	fromStart bool
	// broken is the last break of the chain, the zero value for none.
	broken ChainError
}

// verdict says what to do with a message.
type verdict uint8

const (
	deliver verdict = iota
	drop            // it was delivered before
	refuse          // its predecessor is missing: resume
	explain         // it is missing still after a resume: tell of a gap, then deliver
)

// begin is called for each new connection, with the cursor that it starts from.
func (t *track) begin(cursor push.ID) {
	if !t.known {
		t.cursor, t.known = cursor, true
	}
	t.fromStart = t.cursor == 0
}

// judge looks at a stored message without moving the cursor.
func (t *track) judge(id, prev push.ID) verdict {
	switch {
	case id <= t.cursor:
		return drop
	case prev <= t.cursor || t.fromStart || slices.Contains(t.recalled, prev):
		return deliver
	}
	// If a resume from the same place leads to the same break, nothing will mend
	// it; to resume for ever would stop the stream without a word.
	if same := (ChainError{Cursor: t.cursor, Prev: prev, ID: id}); t.broken != same {
		t.broken = same
		return refuse
	}
	return explain
}

// advance moves the cursor forward; never back.
func (t *track) advance(id push.ID) {
	t.cursor = max(t.cursor, id)
	t.recalled = slices.DeleteFunc(t.recalled, func(r push.ID) bool { return r <= t.cursor })
}

// recall remembers a place that will be named as a predecessor.
func (t *track) recall(id push.ID) {
	if id <= t.cursor || slices.Contains(t.recalled, id) {
		return
	}
	if len(t.recalled) == maxRecalled {
		t.recalled = slices.Delete(t.recalled, 0, 1)
	}
	t.recalled = append(t.recalled, id)
}
