// Package coord is how nodes find each other: who serves which keys, under
// which epoch, and up to which id. It holds the vocabulary and the interfaces
// that the roles use; coord/local implements them inside one process. It opens
// no connection to a role and decides nothing about a message.
package coord

import (
	"context"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// Member describes a comet node that wants to serve for a group.
type Member struct {
	Group  string // the ring's node name, such as "node1"
	Weight int    // ring points in units of 255; at least 1
	RPC    string // host:port of the comet's RPC service
	Public Public // what clients are told
}

// Public holds the advertised client addresses of a comet, each host:port.
type Public struct {
	WS  string // v1 and v2 websocket, and SSE
	TCP string // v1 TCP
}

// Group is a comet group as others see it: its primary, if one serves.
type Group struct {
	Member
	Epoch   int64
	Floor   push.ID // the epoch gives only ids above it
	Serving bool
}

// View is one consistent picture of the cluster. It is immutable.
type View struct {
	Version  int64 // of the ring; grows with every change
	Ring     *ring.Ring
	Groups   map[string]Group
	Messages []string // RPC addresses (host:port) of the message nodes
}

// Owner finds the group that owns key; ok is false when the ring is empty or
// the group has no primary that serves.
func (v *View) Owner(key push.Key) (Group, bool) {
	g, ok := v.Groups[v.Ring.Owner(string(key))]
	return g, ok && g.Serving
}

// Directory follows the cluster.
type Directory interface {
	// View returns the newest picture; it never blocks and is never nil.
	View() *View
	// Changed returns a channel that is closed when a picture newer than the
	// one View last returned before this call is there.
	Changed() <-chan struct{}
}

// Membership is how a comet comes to serve.
type Membership interface {
	// Campaign waits until m is the primary of its group, fenced against every
	// predecessor.
	Campaign(ctx context.Context, m Member) (Term, error)
}

// Term is the time in which one comet is the primary of its group.
type Term interface {
	// Epoch is higher than that of every earlier term of the group.
	Epoch() int64
	// Floor: only ids above it may be given in this term.
	Floor() push.ID
	// Ceiling: only ids up to it may be given. It never sinks.
	Ceiling() push.ID
	// Raise makes the ceiling durable at or above to, and returns when it is.
	Raise(ctx context.Context, to push.ID) error
	// Valid reports whether the lease holds right now. Acknowledge and deliver
	// only if it is still valid after the store has answered.
	Valid() bool
	// Done is closed when the term is over.
	Done() <-chan struct{}
	// Resign ends the term in order, so that a successor need not wait.
	Resign(ctx context.Context) error
}
