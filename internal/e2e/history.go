package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// EventKind tells the events of a history apart.
type EventKind string

// The kinds. What fields an event has stands behind each.
const (
	// EvTry: somebody begins to push. Stream, Token, Expires; Node if it is asked
	// directly.
	EvTry EventKind = "try"
	// EvOutcome: what that somebody knows afterwards. Stream, Token, State, ID,
	// Expires, Node.
	EvOutcome EventKind = "outcome"
	// EvWithdraw: a recall begins. Stream, ID.
	EvWithdraw EventKind = "withdraw"
	// EvWithdrawn: it was answered. Stream, ID, State.
	EvWithdrawn EventKind = "withdrawn"
	// EvReader: a reader of a stream exists. It begins at 0. Reader, Stream.
	EvReader EventKind = "reader"
	// EvOpened: it connects or asks; what it sees next was sent after this. Reader.
	EvOpened EventKind = "opened"
	// EvSeen: it takes a message in, and moves its cursor. Reader, Stream, ID, Prev,
	// Token.
	EvSeen EventKind = "seen"
	// EvGap: it is told that After to ID is gone. Reader, Stream, After, ID.
	EvGap EventKind = "gap"
	// EvFinished: it has read to the end, after all pushes were over. Reader, Stream.
	EvFinished EventKind = "finished"
	// EvFault: an actor saw something that may never happen. Reader, Text.
	EvFault EventKind = "fault"
	// EvDeposed: the node has a successor. Node.
	EvDeposed EventKind = "deposed"
	// EvClock: from here on a clock of the cluster is wrong, or, with ID 0, all are
	// right again. ID.
	EvClock EventKind = "clock"
	// EvNote: something that helps who reads the history. Text.
	EvNote EventKind = "note"
)

// PrevUnknown is the Prev of a message from a protocol that does not tell it.
const PrevUnknown = -1

// Event is one line of a history. Streams are named by their key; "" is the
// public one. Tokens are unique texts, one for each thing that was to be pushed
// once.
type Event struct {
	Kind    EventKind    `json:"kind"`
	At      int64        `json:"at"` // unix ms, of this process
	Stream  string       `json:"stream,omitempty"`
	Reader  string       `json:"reader,omitempty"`
	Token   string       `json:"token,omitempty"`
	State   OutcomeState `json:"state,omitempty"`
	ID      int64        `json:"id,omitempty"`
	Prev    int64        `json:"prev,omitempty"`
	After   int64        `json:"after,omitempty"`
	Expires int64        `json:"expires,omitempty"` // unix ms; 0: after the test
	Node    string       `json:"node,omitempty"`
	Text    string       `json:"text,omitempty"`
}

// History is what happened, in the order in which this process knew it: a try
// is recorded before anything is sent, an outcome after it has come.
type History struct {
	mu     sync.Mutex
	events []Event // guarded by mu
}

// Add appends an event and gives it its time.
func (h *History) Add(e Event) {
	e.At = time.Now().UnixMilli()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// Events is the history so far. It must not be changed.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.events)
}

// Write keeps the history as one JSON object per line.
func (h *History) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for _, e := range h.Events() {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return out.Flush()
}
