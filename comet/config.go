package comet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/internal/trace"
)

// Config sets a node up. Zero values mean the default that each field names.
type Config struct {
	// Member is what the node campaigns with; Group and the addresses are
	// required, Weight defaults to 1.
	Member coord.Member

	// Limits hold from the start; see Node.SetLimits.
	Limits Limits

	// QueueMessages and QueueBytes bound what waits to be written to one
	// connection before it falls behind and reads from the store; defaults 64
	// events and 128 KiB.
	QueueMessages, QueueBytes int
	// PendingPushes and PendingBytes bound what waits behind one key's write in
	// flight; defaults 1,024 operations and 4 MiB.
	PendingPushes, PendingBytes int
	// CatchUps bounds the reads for connections that are behind; default 64.
	CatchUps int
	// PageMessages is the size of such a read; default 100.
	PageMessages int

	// Heartbeat is how often v2 connections are pinged; default 30 s.
	Heartbeat time.Duration
	// Handshake bounds the time to a first complete request; default 5 s.
	Handshake time.Duration
	// WriteTimeout is how long one write may make no progress before the
	// connection counts as dead; default 60 s.
	WriteTimeout time.Duration
	// PushTimeout bounds a push that came without a deadline; default 5 s.
	PushTimeout time.Duration
	// AttemptTimeout bounds one try at a message node; default 2 s.
	AttemptTimeout time.Duration
	// IDLease is how far ahead of the clock the id ceiling is kept; default 5 s.
	IDLease time.Duration
	// Drain bounds an orderly shutdown; default 5 s.
	Drain time.Duration
}

// Limits are what may change while a node runs.
type Limits struct {
	// MaxConnections bounds the connections of the node; default 100,000.
	MaxConnections int
	// MaxPerKey bounds the connections of one key; default 64.
	MaxPerKey int
	// MaxPerAddress bounds the connections of one remote address, and of the /64 of one of
	// IPv6; 0: no limit.
	MaxPerAddress int
	// HandshakesPerSecond is how many connections may begin in a second, and at once;
	// 0: no limit. HandshakesPerAddress is the same for one remote address.
	HandshakesPerSecond, HandshakesPerAddress int
	// HandshakesPerKey is how many connections of one key may begin in a second, and at
	// once, PushesPerKey how many messages it takes; 0: no limit.
	HandshakesPerKey, PushesPerKey int
	// Newest keeps only that many messages per key readable; 0: all.
	Newest int
	// Origins are the values of the Origin header that browsers may come from;
	// empty: any, as no protocol here carries cookies.
	Origins []string
}

// Deps are the parts that a node works with; all but Tokens, Pressed, Exhausted,
// Traces and Metrics are required.
type Deps struct {
	Membership coord.Membership
	Directory  coord.Directory
	Messages   Messages
	// Peer gives the client of the comet at an RPC address (host:port).
	Peer func(addr string) Peer
	// Tokens checks client tokens; nil: connections need none.
	Tokens Tokens
	// Pressed says that memory is short: new connections are refused, as busy, and little is
	// held for those that read slowly. nil: it never is.
	Pressed func() bool
	// Exhausted says that it is so short that pushes are refused as well. nil: it never is.
	Exhausted func() bool
	// Traces gets the spans of what is recorded; nil: none.
	Traces  trace.Provider
	Metrics prometheus.Registerer
	Log     *slog.Logger
	Now     func() time.Time
}

// Messages is the client of the message nodes.
type Messages interface {
	// Save has one write stored; done is called exactly once and must not block.
	Save(ctx context.Context, w push.Write, done func(push.Written, error))
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	Newest(ctx context.Context, key push.Key) (push.ID, error)
	Recall(ctx context.Context, key push.Key, id push.ID, fence rpc.Fence) error
	Delete(ctx context.Context, key push.Key, upTo push.ID, fence rpc.Fence) error
	// Fence ends the earlier epochs of a group: nil once nothing of them is being
	// written any more, nor will be. It goes on trying until ctx ends.
	Fence(ctx context.Context, fence rpc.Fence) error
}

// Peer is another comet, or this one, as the source of public messages.
type Peer interface {
	Follow(ctx context.Context, send func(rpc.Event) error) error
}

// Validate fills in the defaults and reports every field that is out of range.
func (c *Config) Validate() error {
	var errs []error
	number := func(name string, v *int, def, low int) { errs = append(errs, atLeast(name, v, def, low)) }
	span := func(name string, v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
		if *v < 0 {
			errs = append(errs, fmt.Errorf("%s is %s; it must be positive", name, *v))
		}
	}
	number("Weight", &c.Member.Weight, 1, 1)
	number("QueueMessages", &c.QueueMessages, 64, 1)
	number("QueueBytes", &c.QueueBytes, 128<<10, 1024)
	number("PendingPushes", &c.PendingPushes, 1024, 1)
	number("PendingBytes", &c.PendingBytes, 4<<20, 1024)
	number("CatchUps", &c.CatchUps, 64, 1)
	number("PageMessages", &c.PageMessages, 100, 1)
	span("Heartbeat", &c.Heartbeat, 30*time.Second)
	span("Handshake", &c.Handshake, 5*time.Second)
	span("WriteTimeout", &c.WriteTimeout, 60*time.Second)
	span("PushTimeout", &c.PushTimeout, 5*time.Second)
	span("AttemptTimeout", &c.AttemptTimeout, 2*time.Second)
	span("IDLease", &c.IDLease, 5*time.Second)
	span("Drain", &c.Drain, 5*time.Second)
	errs = append(errs, c.Limits.Validate())
	if c.Member.Group == "" {
		errs = append(errs, errors.New("Member.Group is empty; give the group's name"))
	}
	return errors.Join(errs...)
}

// Validate fills in the defaults and reports every field that is out of range.
func (l *Limits) Validate() error {
	return errors.Join(
		atLeast("MaxConnections", &l.MaxConnections, 100_000, 1),
		atLeast("MaxPerKey", &l.MaxPerKey, 64, 1),
		atLeast("MaxPerAddress", &l.MaxPerAddress, 0, 0),
		atLeast("HandshakesPerSecond", &l.HandshakesPerSecond, 0, 0),
		atLeast("HandshakesPerAddress", &l.HandshakesPerAddress, 0, 0),
		atLeast("HandshakesPerKey", &l.HandshakesPerKey, 0, 0),
		atLeast("PushesPerKey", &l.PushesPerKey, 0, 0),
		atLeast("Newest", &l.Newest, 0, 0),
	)
}

// atLeast fills in the default of a number, and reports one that is too low.
func atLeast(name string, v *int, def, low int) error {
	if *v == 0 {
		*v = def
	}
	if *v < low {
		return fmt.Errorf("%s is %d; it must be at least %d", name, *v, low)
	}
	return nil
}

func (d *Deps) validate() error {
	never := func() bool { return false }
	if d.Pressed == nil {
		d.Pressed = never
	}
	if d.Exhausted == nil {
		d.Exhausted = never
	}
	for name, missing := range map[string]bool{
		"Membership": d.Membership == nil, "Directory": d.Directory == nil, "Messages": d.Messages == nil,
		"Peer": d.Peer == nil, "Log": d.Log == nil, "Now": d.Now == nil,
	} {
		if missing {
			return fmt.Errorf("comet: Deps.%s is missing", name)
		}
	}
	return nil
}
