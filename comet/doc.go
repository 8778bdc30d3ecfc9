// Package comet is the node that keeps connections. It owns subscription keys,
// gives each message its id, has it stored by a message node, acknowledges it,
// and delivers it in order to the key's connections over websocket, TCP and SSE.
//
// A key's life here is a channel: its queue of operations (one in flight), and
// its subscribers. It exists only while somebody is connected or something is
// in flight. A subscriber is one connection: two cursors (its own key's stream
// and the public one), a bounded queue, and a flusher goroutine that exists
// only while there is something to write or to catch up on.
//
// The package stores nothing, elects nobody (internal/coord does) and does not
// know the bytes of the client protocols (comet/wire does).
package comet
