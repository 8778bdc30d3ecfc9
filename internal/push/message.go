package push

// Message is one message of a stream, as it is stored and delivered.
type Message struct {
	// ID places the message in its stream.
	ID ID
	// Prev is the id of the stored message before it in the same stream; 0 for
	// the first one.
	Prev ID
	// ExpiresAt is when the message's life ends, in milliseconds since the
	// Unix epoch. At and after it the message is never delivered.
	ExpiresAt int64
	// Body is the JSON value as it was pushed, byte for byte.
	Body []byte
	// IdempotencyKey is the pusher's key for retries, or empty.
	IdempotencyKey string
	// Transient marks an online-only message: it has an id, but is not stored
	// and moves no cursor.
	Transient bool
	// Recalled marks what is left of a withdrawn message: its place, no body.
	Recalled bool
}

// Expired reports whether the message's life is over at now, in milliseconds
// since the Unix epoch.
func (m *Message) Expired(now int64) bool { return m.ExpiresAt <= now }

// Push is what a pusher asks for: one message for one key.
type Push struct {
	Key            Key
	Body           []byte
	ExpiresAt      int64 // milliseconds since the Unix epoch; ignored when Transient
	Transient      bool
	IdempotencyKey string // empty: none
	RequestID      string // follows the push through the logs; empty: none
	Trace          string // the span that it comes from, as internal/trace carries it; empty: none
}

// Receipt is what a pusher gets once its message is durable.
type Receipt struct {
	ID ID
	// Duplicate says that an earlier push with the same idempotency key and
	// body was acknowledged with this ID.
	Duplicate bool
}
