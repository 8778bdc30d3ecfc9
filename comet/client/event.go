package client

import (
	"encoding/json"
	"time"

	"gopush/internal/push"
)

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	// KindReady: a connection stands. Node, Resumed.
	KindReady Kind = "ready"
	// KindMessage: a message. ID, Prev, Data, ExpiresAt, Public, Transient.
	KindMessage Kind = "message"
	// KindGap: messages are gone for good; reload what they would have told.
	// Gap, Public.
	KindGap Kind = "gap"
	// KindRecall: a message was withdrawn, whether it was delivered here or not.
	// It may be told more than once. ID, Public.
	KindRecall Kind = "recall"
	// KindLive: everything stored has been delivered; what follows is new.
	KindLive Kind = "live"
	// KindRepeat: a message that the server sent though the cursor was at or above it
	// already; told only with Config.Repeats. The fields are those of KindMessage.
	KindRepeat Kind = "repeat"
	// KindDisconnected: there is no connection. Err, RetryIn.
	KindDisconnected Kind = "disconnected"
)

// GapUnexplained is the reason of a gap that the server left without a word, and
// that was still there after a resume.
const GapUnexplained push.GapReason = "unexplained"

// Event is what happened. Which fields are set beside the cursors depends on the
// Kind.
type Event struct {
	Kind Kind
	// Cursor and PublicCursor are where to go on from once this event is dealt
	// with: give them as After and PublicAfter after a restart. They are 0 until
	// the first KindReady, unless the Config gave them.
	Cursor, PublicCursor push.ID

	ID, Prev  push.ID
	Data      json.RawMessage // the JSON value, compacted
	ExpiresAt time.Time       // zero: unknown
	Public    bool
	Transient bool // online only: not stored, moves no cursor
	Gap       push.Gap

	Node    string // the name of the node that serves
	Resumed bool   // the stream goes on from a cursor that was given

	Err     error         // why the connection ended; never one that ends Run
	RetryIn time.Duration // until the next attempt
}
