package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/trace"
)

// longestTTL is the longest life that protocol v1 can ask for: 2^32-1 seconds.
const longestTTL = 4294967295 * time.Second

// Config says how a Server behaves. The zero value of each field stands for the
// default that its comment names.
type Config struct {
	// Admins are those who may use the admin API, until SetAdmins. There may be
	// none only with DevLoopback.
	Admins []Admin
	// DevLoopback allows no Admins: the admin API then answers loopback peers
	// alone, and Run refuses any other listener.
	DevLoopback bool

	// TokensRequired has clients show a token to read stored messages; it needs
	// Deps.Tokens.
	TokensRequired bool

	// Limits hold from the start; see Server.SetLimits.
	Limits Limits

	// MaxTTL is the longest life; v1 lives above it are shortened to it, v2
	// ones refused. Default and maximum 4,294,967,295 s.
	MaxTTL time.Duration

	// QueryTimeout bounds one question to a message or comet node; default 5 s.
	QueryTimeout time.Duration
	// TimeTimeout bounds the wait for a comet's clock; default 1 s.
	TimeTimeout time.Duration
	// StatusTimeout bounds the wait for what the nodes of a list say of
	// themselves; default 1 s.
	StatusTimeout time.Duration

	// ReadHeaderTimeout bounds a request's header; default 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout bounds a whole request, batches excepted; default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time without progress of a reply; default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long an unused connection stays; default 2 min.
	IdleTimeout time.Duration
	// BatchIdle bounds the silence of a pusher within a batch; default 60 s.
	BatchIdle time.Duration
	// Drain bounds an orderly stop; default 10 s.
	Drain time.Duration
	// MaxHeaderBytes bounds a request's header; default 16 KiB.
	MaxHeaderBytes int
}

// Limits are what may change while a Server runs.
type Limits struct {
	// MaxBody bounds a request body and a line of a batch; default 64 KiB.
	MaxBody int64
	// DefaultTTL is the life of a v2 message that names none; default 30 days.
	DefaultTTL time.Duration
	// NewestN keeps only that many messages per key readable; 0: all.
	NewestN int
	// PushTimeout bounds a push, with its retries; default 5 s.
	PushTimeout time.Duration
	// PushesPerSecond is how many messages the node takes in a second, and at once; 0: no
	// limit. PushesPerAddress is the same for those of one remote address, and of the /64
	// of one of IPv6, ReadsPerAddress for requests of the public API.
	PushesPerSecond, PushesPerAddress, ReadsPerAddress int
	// MaxConnections bounds the connections of each of the two listeners; default 100,000.
	// MaxPerAddress is how many of them one remote address may have; 0: no limit.
	MaxConnections, MaxPerAddress int
	// CORSOrigins are the origins whose pages may read the public v2 API:
	// "https://app.example", or "*" for any. Default none.
	CORSOrigins []string
}

// Deps are what a Server works with.
type Deps struct {
	Directory coord.Directory
	Admin     coord.Admin
	// Comet gives the client of the comet node at an RPC address (host:port);
	// the same address gives the same client.
	Comet    func(addr string) Comet
	Messages Messages
	Tokens   Tokens // nil: none are made
	// Pressed says that memory is short: no new connections of the public API are taken.
	// nil: it never is.
	Pressed func() bool
	// Exhausted says that it is so short that pushes are refused, as busy, and no new
	// connections of the admin API are taken either. nil: it never is.
	Exhausted func() bool
	Log       *slog.Logger
	// Audit gets a line for each change that an administrator makes, pushes excepted;
	// nil: Log.
	Audit   *slog.Logger
	Now     func() time.Time      // nil: time.Now
	Traces  trace.Provider        // gets a span for each request; nil: none
	Metrics prometheus.Registerer // nil: no metrics
}

// Comet is one comet node.
type Comet interface {
	// Push sends p. done is called exactly once, from any goroutine, and must
	// not block. Pushes of one key get their ids in the order of the calls.
	Push(ctx context.Context, p push.Push, done func(push.Receipt, error))
	Recall(ctx context.Context, key push.Key, id push.ID) error
	Delete(ctx context.Context, key push.Key) error
	// Describe is what the node knows of the key, and how the cursors of its
	// connections stand to an id; 0: to none.
	Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error)
	// Top are the keys that the node is pushed to most, the busiest first.
	Top(ctx context.Context, limit int) ([]push.BusyKey, error)
	// Time returns an id below every id that the node will give from now on.
	Time(ctx context.Context) (push.ID, error)
	// Status is what the node says of itself, whether or not it serves.
	Status(ctx context.Context) (push.NodeStatus, error)
}

// Messages reads stored messages, from whichever message node answers.
type Messages interface {
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	Newest(ctx context.Context, key push.Key) (push.ID, error)
	// Status is what the message node at an RPC address says of itself.
	Status(ctx context.Context, addr string) (push.NodeStatus, error)
}

// Validate fills in the defaults and reports every field that cannot be.
func (c *Config) Validate() error {
	errs := []error{c.Limits.Validate()}
	span := func(name string, v *time.Duration, def time.Duration) { errs = append(errs, positive(name, v, def)) }
	span("MaxTTL", &c.MaxTTL, longestTTL)
	span("QueryTimeout", &c.QueryTimeout, 5*time.Second)
	span("TimeTimeout", &c.TimeTimeout, time.Second)
	span("StatusTimeout", &c.StatusTimeout, time.Second)
	span("ReadHeaderTimeout", &c.ReadHeaderTimeout, 5*time.Second)
	span("ReadTimeout", &c.ReadTimeout, 30*time.Second)
	span("WriteTimeout", &c.WriteTimeout, 30*time.Second)
	span("IdleTimeout", &c.IdleTimeout, 2*time.Minute)
	span("BatchIdle", &c.BatchIdle, time.Minute)
	span("Drain", &c.Drain, 10*time.Second)
	if c.MaxHeaderBytes == 0 {
		c.MaxHeaderBytes = 16 << 10
	}
	if c.MaxHeaderBytes < 1024 {
		errs = append(errs, fmt.Errorf("MaxHeaderBytes is %d; it must be at least 1024", c.MaxHeaderBytes))
	}
	// The token is in no error.
	if len(c.Admins) == 0 && !c.DevLoopback {
		errs = append(errs, errors.New("there is nobody in Admins; name one, or set DevLoopback to serve loopback peers without"))
	}
	return errors.Join(append(errs, c.lives())...)
}

// positive fills in the default of a time, and reports a negative one.
func positive(name string, v *time.Duration, def time.Duration) error {
	if *v == 0 {
		*v = def
	}
	if *v < 0 {
		return fmt.Errorf("%s is %s; it must be positive", name, *v)
	}
	return nil
}

// lives checks that protocol v1 can express the longest life, and that a message
// without one of its own fits in.
func (c *Config) lives() error {
	switch {
	case c.MaxTTL > longestTTL:
		return fmt.Errorf("MaxTTL is %s; it must be at most %s", c.MaxTTL, longestTTL)
	case c.Limits.DefaultTTL > c.MaxTTL:
		return fmt.Errorf("DefaultTTL is %s; it must be at most MaxTTL, %s", c.Limits.DefaultTTL, c.MaxTTL)
	}
	return nil
}

// Validate fills in the defaults and reports every field that cannot be. A body is read
// whole, so even the operator's choice has an end. An origin must be spelled as browsers
// send it, as it is compared byte for byte.
func (l *Limits) Validate() error {
	errs := []error{
		positive("DefaultTTL", &l.DefaultTTL, 30*24*time.Hour),
		positive("PushTimeout", &l.PushTimeout, 5*time.Second),
	}
	if l.MaxBody == 0 {
		l.MaxBody = 64 << 10
	}
	if l.MaxBody < 0 || l.MaxBody > 64<<20 {
		errs = append(errs, fmt.Errorf("MaxBody is %d; it must be 1 byte to 64 MiB", l.MaxBody))
	}
	if l.NewestN < 0 {
		errs = append(errs, fmt.Errorf("NewestN is %d; it must not be negative", l.NewestN))
	}
	if l.MaxConnections == 0 {
		l.MaxConnections = 100_000
	}
	for name, n := range map[string]int{
		"PushesPerSecond": l.PushesPerSecond, "PushesPerAddress": l.PushesPerAddress, "ReadsPerAddress": l.ReadsPerAddress,
		"MaxConnections": l.MaxConnections, "MaxPerAddress": l.MaxPerAddress,
	} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s is %d; it must not be negative", name, n))
		}
	}
	for _, origin := range l.CORSOrigins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			errs = append(errs, fmt.Errorf("CORSOrigins holds %q; give scheme://host[:port], or * for any", origin))
		}
	}
	return errors.Join(errs...)
}

// validate fills in the clock, the audit log, Pressed and Exhausted; everything else must be given.
func (d *Deps) validate() error {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Audit == nil {
		d.Audit = d.Log
	}
	never := func() bool { return false }
	if d.Pressed == nil {
		d.Pressed = never
	}
	if d.Exhausted == nil {
		d.Exhausted = never
	}
	switch {
	case d.Directory == nil:
		return errors.New("web: Deps.Directory is missing")
	case d.Admin == nil:
		return errors.New("web: Deps.Admin is missing")
	case d.Comet == nil:
		return errors.New("web: Deps.Comet is missing")
	case d.Messages == nil:
		return errors.New("web: Deps.Messages is missing")
	case d.Log == nil:
		return errors.New("web: Deps.Log is missing")
	}
	return nil
}
