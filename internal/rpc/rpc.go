package rpc

import (
	"context"

	"gopush/internal/push"
)

// CometService is what a comet node answers to web nodes and other comets.
type CometService interface {
	// Push accepts p and returns at once; done is called exactly once, from any
	// goroutine, perhaps before Push returns. Pushes of one stream are given in
	// the order in which they were sent, and those of one key get their ids in
	// that order.
	Push(ctx context.Context, p push.Push, done func(push.Receipt, error))
	// Recall withdraws one message.
	Recall(ctx context.Context, key push.Key, id push.ID) error
	// Delete withdraws everything that the key had when it was called.
	Delete(ctx context.Context, key push.Key) error
	// Describe says what is known of a key that this node owns, or of this node's
	// part of the public stream. Its cursors are compared with about; 0: with nothing.
	Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error)
	// Time returns an id that is below every id that this node will give from
	// now on.
	Time(ctx context.Context) (push.ID, error)
	// Follow sends the events of the public stream that come after the call, in
	// order, until ctx ends or send fails. The first event is EventReady.
	Follow(ctx context.Context, send func(Event) error) error
	// Connections is how many connections of clients are open.
	Connections() int64
	// Counts are what the node has done since it began.
	Counts() push.Counts
	// Top are the keys that were pushed to most of late, the busiest first: limit of
	// them, or fewer.
	Top(limit int) []push.BusyKey
}

// Event is something that happened in a stream.
type Event struct {
	Kind    EventKind
	Message push.Message // EventMessage: all of it
	ID      push.ID      // EventRecall: the id; EventDelete: all up to it; EventReady: the newest id, 0 for none
	Trace   string       // EventMessage: the span that it comes from, as push.Push has it
}

// EventKind tells the kinds of Event apart. Unknown ones are to be ignored.
type EventKind uint8

// The kinds of events.
const (
	EventReady EventKind = iota + 1
	EventMessage
	EventRecall
	EventDelete
)

// MessageService is what a message node answers to comet and web nodes.
type MessageService interface {
	// Save handles one frame of writes, of different keys, and calls done once
	// for each of them, from any goroutine; it returns after the last.
	Save(ctx context.Context, writes []push.Write, done func(i int, w push.Written, err error))
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	Newest(ctx context.Context, key push.Key) (push.ID, error)
	Recall(ctx context.Context, key push.Key, id push.ID, fence Fence) error
	Delete(ctx context.Context, key push.Key, upTo push.ID, fence Fence) error
	// Fence refuses earlier epochs of the group from now on, and returns nil once
	// nothing of them is being written any more.
	Fence(ctx context.Context, fence Fence) error
	// Counts are what the node has done since it began.
	Counts() push.Counts
}

// Fence names the writer of a change, so that a deposed one is refused.
type Fence struct {
	Group string
	Epoch int64
}
