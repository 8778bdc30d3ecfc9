package push

// Span selects stored messages of one key: those with After < id <= Until, in
// ascending order.
type Span struct {
	After ID
	Until ID // 0: no upper bound
	// Limit is the most messages a page may hold; it must be positive.
	Limit int
	// Bytes ends a page early once its bodies reach that many bytes; a page
	// holds at least one message all the same. 0: no bound.
	Bytes int
	// Newest keeps only the newest that many messages of the key readable;
	// older ones are reported as a gap. 0: all.
	Newest int
}

// Page is an answer to a Span.
type Page struct {
	// Messages ascend by id. A recalled one is there as its marker.
	Messages []Message
	// Gaps ascend, and lie between (or before, or after) the messages.
	Gaps []Gap
	// Next is the cursor to go on from: everything up to it has been answered
	// by Messages or Gaps. It is never below the Span's After.
	Next ID
	// More says that at least one message above Next may be readable.
	More bool
}

// Gap says that what lay in After < id <= Until is gone for good.
type Gap struct {
	After, Until ID
	Reason       GapReason
}

// GapReason says why messages are gone.
type GapReason string

// The reasons, as protocol v2 spells them.
const (
	GapExpired GapReason = "expired"
	GapDeleted GapReason = "deleted"
	GapLimit   GapReason = "limit"
)

// Bounds of a burst: the messages of one key that are stored as one row.
const (
	MaxBurstMessages = 256
	MaxBurstBytes    = 256 << 10
)

// Write asks a message node to store messages of one key as one atomic row.
type Write struct {
	Key Key
	// Prev is the id of the stored message before the first one, or
	// PrevUnknown.
	Prev ID
	// Messages ascend by id; 1 to MaxBurstMessages. The message node sets
	// their Prev.
	Messages []Message
	// Group and Epoch name the comet that writes; message nodes refuse an
	// epoch lower than the highest they have seen of the group.
	Group string
	Epoch int64
	// Requests are the ids of the requests whose messages these are, each once; for
	// logs alone.
	Requests []string
	// Trace is the span that the write comes from, as internal/trace carries it; empty:
	// none.
	Trace string
}

// Written answers a Write that succeeded: what became of each message.
type Written struct {
	// Prev is the id of the stored message before the first one.
	Prev ID
	// Outcomes has one element per message of the Write.
	Outcomes []Outcome
}

// Outcome says what became of one message of a Write.
type Outcome struct {
	Status Status
	// ID is the id the message has: its own, or that of the earlier message
	// it repeats (Duplicate, Conflict).
	ID ID
}

// Status is the fate of one message of a Write.
type Status uint8

// The fates.
const (
	// Stored: the message is durable under its own id.
	Stored Status = iota + 1
	// Duplicate: a message with the same idempotency key and body is stored.
	Duplicate
	// Conflict: the idempotency key stands with another body; nothing is stored.
	Conflict
)
