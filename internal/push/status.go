package push

import "time"

// MaxCursors bounds the cursors of a KeyInfo.
const MaxCursors = 64

// KeyInfo says where a key lives and what is known of it there. Of the public stream
// every comet tells about its own connections, whether or not it owns the stream.
type KeyInfo struct {
	Group       string // the comet group that owns the key
	Connections int
	Newest      ID // 0: the key has no message

	// Epoch is that of the term in which the group serves, and Floor what all ids of
	// the term are above. 0: a node that does not serve, or is too old to tell this
	// and what follows.
	Epoch int64
	Floor ID

	Behind int // of the connections: they read from the store
	// Standing are the connections by where their cursors are from the id that was
	// asked about; zero if none was.
	Standing Standing
	// Cursors are the lowest ones, ascending, at most MaxCursors. Everything up to a
	// cursor was queued for its connection or written to it, or is not wanted there.
	Cursors []ID
}

// Standing counts cursors below, at and above an id.
type Standing struct{ Before, At, Past int }

// NodeStatus is what a node says of itself. The zero value is that of an older node,
// which does not tell.
type NodeStatus struct {
	Version     string // of its build, for people to read
	Connections int64  // of clients; none but a comet has any
	InFlight    int64  // pushes, writes and reads that it has not answered yet
	Counts      Counts
	Counted     bool // Counts are told
}

// Counts are what a node has done since its process began; rates are made of two of
// them. A comet has the first three, a message node the others.
type Counts struct {
	Pushes     int64 // that were acknowledged
	Deliveries int64 // messages written to connections
	Behind     int64 // streams of connections that read from the store right now

	Saves, Reads       int64         // calls of the store that are done
	SaveTime, ReadTime time.Duration // how long they took, altogether
}

// BusyKey is a key that is pushed to often. Least and Most bound how often, in pushes a
// second over the last while.
type BusyKey struct {
	Key         Key
	Least, Most float64
	Connections int
}
