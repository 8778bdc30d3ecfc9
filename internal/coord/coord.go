// Package coord is how nodes find each other: who serves which keys, under
// which epoch, and up to which id. It holds the vocabulary, the interfaces that
// the roles use, and the Machine that decides: elections, terms, ceilings,
// leases and changes of the ring, as events in and actions out. coord/local and
// coord/zk carry the actions out. The package does no I/O, starts no goroutine,
// reads no clock, opens no connection to a role and decides nothing about a
// message.
package coord

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// Member describes a comet node that wants to serve for a group.
type Member struct {
	Group  string // the ring's node name, such as "node1"
	Weight int    // ring points in units of 255; at least 1; the same on every node of the group
	RPC    string // host:port of the comet's RPC service
	Public Public // what clients are told
}

// Public holds the advertised client addresses of a comet, each host:port.
type Public struct {
	WS  string // v1 and v2 websocket, and SSE
	TCP string // v1 TCP
	// TLS says that clients have to speak it at WS; TCPTLS, at TCP.
	TLS, TCPTLS bool
}

// Validate reports what the ring or the place where members are kept could not
// take.
func (m *Member) Validate() error {
	if err := CheckGroup(m.Group); err != nil {
		return err
	}
	if m.Weight < 1 || m.Weight > ring.MaxWeight {
		return fmt.Errorf("the weight of group %s is %d; it must be 1 to %d", m.Group, m.Weight, ring.MaxWeight)
	}
	return nil
}

// CheckGroup keeps names to what is safe as a file name, as a line and as a part
// of a path.
func CheckGroup(name string) error {
	if name == "" || len(name) > 64 || name[0] == '.' {
		return fmt.Errorf("the group name %q must have 1 to 64 characters and not begin with a dot", name)
	}
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("-_.", r) {
			return fmt.Errorf("the group name %q may hold letters, digits, '-', '_' and '.' only", name)
		}
	}
	return nil
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
	// Floor: only ids above it may be given. It rises when a change of the ring
	// brings keys here whose ids went further elsewhere, and it has risen before
	// View shows that change: read it again for each id.
	Floor() push.ID
	// Ceiling: only ids up to it may be given. It never sinks.
	Ceiling() push.ID
	// Raise makes the ceiling durable at or above to, and returns when it is.
	Raise(ctx context.Context, to push.ID) error
	// Valid reports whether the lease holds right now. Acknowledge and deliver
	// only if it is still valid after the store has answered. A lease that has run
	// out may come back, as long as the term is not over.
	Valid() bool
	// Lease is how long one proof of the session lasts, here and with whoever served
	// before, as all nodes of a group have the same session timeout; 0: for ever, as
	// nobody else can serve.
	Lease() time.Duration
	// Left is how long the lease holds without another proof; 0 or less when it does
	// not, ForEver when it cannot end.
	Left() time.Duration
	// Done is closed when the term is over: somebody else may serve.
	Done() <-chan struct{}
	// Confirm says that nothing is in flight here any more for keys that are
	// moving under the pending version of the ring, and that nothing will be.
	// Every term confirms every pending version, whether or not it loses keys; a
	// term that does not within the configured time is taken away.
	Confirm(ctx context.Context, version int64) error
	// Asked is closed when an operator wants the node to hand its term over:
	// finish what is in flight, Resign, and campaign again as the last in line.
	Asked() <-chan struct{}
	// Resign ends the term in order, so that a successor need not wait.
	Resign(ctx context.Context) error
}

// ForEver is what is left of a lease that cannot end.
const ForEver = time.Duration(math.MaxInt64)

// Registry is where a message node makes itself known.
type Registry interface {
	// Register shows the RPC address (host:port) to all until leave is called.
	Register(addr string) (leave func())
}

// Admin is what operators may do. Errors are of push.KindNotFound,
// push.KindConflict or push.KindMoving, or the context's.
type Admin interface {
	// Drain asks the comet node with that id, as View lists it, to hand over.
	Drain(ctx context.Context, node string) error
	// RemoveGroup takes a group without nodes out of the ring now rather than
	// after the configured time. It comes back when a node of it does.
	RemoveGroup(ctx context.Context, group string) error
}
