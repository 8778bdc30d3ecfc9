package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// Config says what to listen to, and how to come back.
type Config struct {
	// NodeURL is the base URL of the public API, such as
	// http://127.0.0.1:8090; required. The node is looked up there before each
	// connection.
	NodeURL string
	// Key is what to listen to; required.
	Key push.Key
	// After and PublicAfter are the cursors to go on from: messages above them
	// are delivered. 0 is everything that is still stored; nil is from now.
	After, PublicAfter *push.ID
	// NoPublic leaves public messages out.
	NoPublic bool
	// Repeats tells of messages at or below the cursor, as KindRepeat; otherwise they
	// are dropped without a word. It is for those who look at the server itself.
	Repeats bool
	// Token is the client token; empty when the server wants none. SetToken
	// replaces it.
	Token string
	// TokenSource gives the next token; nil: Token and SetToken are all there is. It
	// is called before a connection when there is no token, or its end is near, and
	// on one that stands to renew it there: at a time in the last quarter of a
	// token's life, at most 10 minutes before its end. The end is that of the token's
	// own exp claim, by the servers' clock as far as it is known; a token that has
	// none is replaced when a server refuses it.
	//
	// It must return soon after its ctx ends, which is after Handshake, or with the
	// connection or Run: they wait for it. It is never called twice at a time, and no
	// event waits for it. When it fails, it is called again with the backoff below:
	// a connection stays until its token ends, and a new one is made with the old token
	// as long as that holds. With ErrDenied it ends Run. When a server
	// refuses a token (close codes 4102, 4103, 4104 and 4106) it is asked for another
	// one, and Run ends if that is refused as well.
	TokenSource func(ctx context.Context) (token string, err error)
	// OnEvent is called for every event, one at a time and in order; required.
	// An error ends Run, and the event counts as not handled. Until it returns
	// nothing is read, so it should return within the server's heartbeat.
	OnEvent func(ctx context.Context, ev Event) error

	// FirstBackoff and MaxBackoff bound the wait before a next connection: a
	// random part of FirstBackoff, doubled with each failure up to MaxBackoff.
	// Defaults 500 ms and 30 s.
	FirstBackoff, MaxBackoff time.Duration
	// Handshake bounds the lookup, the way from dialing to the first frame, and a call
	// of TokenSource; default 10 s each.
	Handshake time.Duration
	// WriteTimeout bounds each write; default 10 s.
	WriteTimeout time.Duration
	// MaxFrame is the largest frame to accept, in bytes; default 1 MiB.
	MaxFrame int64
	// TLS is for https and wss; nil: the standard library's defaults.
	TLS *tls.Config
}

// Deps are what a client works with. Log is required.
type Deps struct {
	Log *slog.Logger
	// Dial opens connections; nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Jitter picks a wait from 0 to limit; nil: evenly at random.
	Jitter func(limit time.Duration) time.Duration
}

// Validate fills in the defaults and reports every field that is wrong.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("client: "+format, args...)) }
	if u, err := url.Parse(c.NodeURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		fail("NodeURL is %q; give the base URL of the public API, such as http://127.0.0.1:8090", c.NodeURL)
	}
	if _, err := push.ParseKey(string(c.Key)); err != nil {
		fail("Key: %w", err)
	}
	for name, id := range map[string]*push.ID{"After": c.After, "PublicAfter": c.PublicAfter} {
		if id != nil && *id < 0 {
			fail("%s is %d; a cursor is 0 or more", name, *id)
		}
	}
	if len(c.Token) > wire.MaxToken {
		fail("Token has %d bytes; at most %d are allowed", len(c.Token), wire.MaxToken)
	}
	if c.OnEvent == nil {
		fail("OnEvent is missing")
	}
	span := func(name string, v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
		if *v < 0 {
			fail("%s is %s; it must be positive", name, *v)
		}
	}
	span("FirstBackoff", &c.FirstBackoff, 500*time.Millisecond)
	span("MaxBackoff", &c.MaxBackoff, max(30*time.Second, c.FirstBackoff))
	span("Handshake", &c.Handshake, 10*time.Second)
	span("WriteTimeout", &c.WriteTimeout, 10*time.Second)
	if c.MaxBackoff < c.FirstBackoff {
		fail("MaxBackoff is %s, below FirstBackoff, %s", c.MaxBackoff, c.FirstBackoff)
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = 1 << 20
	}
	if c.MaxFrame < 0 {
		fail("MaxFrame is %d; it must be positive", c.MaxFrame)
	}
	return errors.Join(errs...)
}

// backoff bounds the wait after so many failures in a row before this one.
func (c *Config) backoff(failures int) time.Duration {
	limit := c.FirstBackoff
	for ; failures > 0 && limit < c.MaxBackoff; failures-- {
		limit = min(2*limit, c.MaxBackoff)
	}
	return limit
}

func (d *Deps) validate() error {
	if d.Log == nil {
		return errors.New("client: Deps.Log is missing")
	}
	if d.Dial == nil {
		d.Dial = (&net.Dialer{}).DialContext
	}
	if d.Jitter == nil {
		d.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit + 1) }
	}
	return nil
}
