package message

import (
	"context"

	"gopush/internal/push"
)

// Store keeps messages as rows. It is the one thing that differs between a
// single process (message/embedded) and a cluster (hbase); both pass
// message/storetest unchanged. All methods may be called concurrently, respect
// their context, and return errors of a push.Kind: KindStoreUnavailable when
// the store could not be asked, KindOutcomeUnknown when a change may or may not
// have happened.
//
// A Store knows nothing of owners: that at most one write is in flight per key
// is its caller's duty, and ids arrive ready-made.
type Store interface {
	// Save makes each write durable, as one atomic row: all of its messages
	// become visible together. It returns one error per write, nil only when
	// the write is synced as configured. The order among the writes is free.
	//
	// Saving the same messages again is harmless: it neither extends a life nor
	// brings back what was recalled, discarded or deleted. Before a message
	// with an idempotency key can become visible, Find finds it.
	//
	// Of two writes of one key, all ids of one lie above all ids of the other,
	// unless they are the same write, of which either may lack some messages.
	Save(ctx context.Context, writes []push.Write) []error

	// Read returns the messages of the span that are not expired, deleted or
	// discarded, and the gaps among them. A key without messages gives an empty
	// page, not an error.
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)

	// Newest returns the highest id that the key is known to have had: stored,
	// expired, recalled or deleted. 0 when there is none.
	Newest(ctx context.Context, key push.Key) (push.ID, error)

	// Find looks an idempotency key up. Found.ID is 0 when it is not known.
	//
	// A key stands for the highest message that was saved with it. Two things
	// are left open, as Service never depends on them: it has a message use a
	// key that stands only once it has discarded the one it stood for. If a
	// message takes a key over all the same, and is then discarded or its claim
	// ends, the key is free, or stands for the lower one again whose claim
	// lasts. And a message that is saved when it was deleted already may use its
	// key or not.
	Find(ctx context.Context, key push.Key, idempotencyKey string) (Found, error)

	// Discard withdraws an id whose outcome is unknown: the message is gone, and
	// a Save of it that lands later stays invisible. It leaves no trace for
	// readers, and its idempotency key is free again.
	Discard(ctx context.Context, key push.Key, id push.ID) error

	// Recall withdraws one message for good; its place stays, so that readers
	// that resume are told. KindNotFound when the key has no such message that
	// lives. Recalling twice is fine.
	Recall(ctx context.Context, key push.Key, id push.ID) error

	// Delete makes everything up to and including upTo unreadable for good.
	Delete(ctx context.Context, key push.Key, upTo push.ID) error

	// Close ends the store; nothing is in flight any more when it returns.
	Close() error
}

// Found is what an idempotency key led to.
type Found struct {
	ID push.ID
	// Sum is the BodySum of the message's body.
	Sum Sum
	// InDoubt says that the id was claimed but its message is not there: an
	// earlier Save failed or is still on its way. Discard it before using the
	// idempotency key again.
	InDoubt bool
}
