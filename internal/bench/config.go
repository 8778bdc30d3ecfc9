package bench

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gopush/comet/client"
)

// What a run may ask for at most: a slip of a finger shall not become an outage.
const (
	maxRate        = 200_000
	maxConnections = 4096
	maxKeys        = 100_000
	maxStreams     = 20_000
	maxDuration    = 24 * time.Hour
	maxPushes      = 20_000_000
	maxDeliveries  = 1_000_000_000
	maxBody        = 60_000
	maxPublic      = 1000
	maxInFlight    = 100_000
)

// minBody is the size, in bytes, in which every body fits without padding.
const minBody = 72

// Config says what load to put where. Zero values are defaults only where that is
// said.
type Config struct {
	// Admin and Web are base URLs of the admin and the public API, such as
	// http://127.0.0.1:8091.
	Admin, Web string
	Token      string // of the admin API; empty: none
	// TLS is for https and wss; nil: the standard library's defaults.
	TLS *tls.Config
	Ops []string // base URLs of ops listeners to read processor time from

	Rate     int           // pushes per second
	Duration time.Duration // that is measured
	Warmup   time.Duration // before it: checked, not measured
	Size     int           // bytes of a message's body
	Keys     int           // pushed to in turn
	Readers  int           // websocket readers of each key
	Fetchers int           // readers of the first so many keys that poll by HTTP
	Public   int           // broadcasts per second, beside the rate

	// Connections is how many carry pushes: requests, or streams of a batch. 0: 64
	// and 8.
	Connections int
	InFlight    int  // pushes that are due and without an outcome, at most
	Batch       bool // NDJSON streams, not one request for each push
	// NoIdempotency leaves idempotency keys out; what may have been stored is then not
	// tried again.
	NoIdempotency bool
	// Timeout is how long after its time a push is tried; Settle how long readers may
	// take when all pushes have an outcome.
	Timeout, Settle time.Duration
	Keep            bool // leave the keys as they are

	// Nodes are those of the cluster, for the result.
	Nodes []Node
	// Run names the run in keys and bodies; empty: random.
	Run string
	// Progress is told once per ProgressEvery how it goes; nil: nobody is.
	Progress      func(Progress)
	ProgressEvery time.Duration
}

// Progress is how a run goes.
type Progress struct {
	Phase string // "warmup", "measuring", "settling"
	Since time.Duration
	// RatePerS and AckP99 are of the time since the last one.
	RatePerS float64
	AckP99   time.Duration
	// Undelivered are acknowledged messages that a reader has not got yet; Broken
	// counts violations so far.
	Undelivered, Broken int64
	NotSent             int64
}

// Stream is a reader that comes back by itself, as comet/client has it.
type Stream interface {
	Run(ctx context.Context) error
}

// Deps are what a run works with; all may be left out.
type Deps struct {
	// HTTP carries requests; nil: connections of its own, as many as Config says.
	HTTP http.RoundTripper
	// Listen makes a reader; nil: comet/client.
	Listen func(cfg client.Config) (Stream, error)
}

// Validate fills in the defaults and reports every field that is wrong.
func (c *Config) Validate() error {
	if c.Run == "" {
		c.Run = strings.ToLower(rand.Text()[:10])
	}
	if c.Connections == 0 {
		c.Connections = 64
		if c.Batch {
			c.Connections = 8
		}
	}
	var errs []error
	within := func(what string, v, low, high int) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s is %d; it must be from %d to %d", what, v, low, high))
		}
	}
	within("the rate", c.Rate, 1, maxRate)
	within("the size", c.Size, minBody, maxBody)
	within("the number of keys", c.Keys, 1, maxKeys)
	within("the number of websocket readers, of all keys,", c.Keys*c.Readers, 0, maxStreams)
	within("the number of readers that fetch", c.Fetchers, 0, min(c.Keys, maxConnections))
	within("the rate of broadcasts", c.Public, 0, maxPublic)
	within("the number of connections", c.Connections, 1, maxConnections)
	within("the number of pushes in flight", c.InFlight, 1, maxInFlight)
	span := func(what string, v, low, high time.Duration) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s is %s; it must be from %s to %s", what, v, low, high))
		}
	}
	span("the duration", c.Duration, time.Second, maxDuration)
	span("the warm-up", c.Warmup, 0, time.Hour)
	span("the timeout", c.Timeout, 100*time.Millisecond, time.Minute)
	span("the time to settle", c.Settle, 0, 10*time.Minute)
	if len(errs) == 0 {
		within("the number of pushes, rate times duration,", c.total(c.Rate), 1, maxPushes)
		within("the number of deliveries", c.total(c.Rate)*c.Readers+c.total(c.Public)*c.Keys*c.Readers, 0, maxDeliveries)
	}
	return errors.Join(errs...)
}

// total is how many pushes there are at a rate, the warm-up included.
func (c *Config) total(rate int) int {
	return int((c.Warmup + c.Duration).Seconds() * float64(rate))
}

// prefix begins every key of the run.
func (c *Config) prefix() string { return "bench-" + c.Run + "-" }

// life is how long a message lives, in seconds: until well after the run, for the
// case that nobody is left to delete it.
func (c *Config) life() int {
	const after = 10 * time.Minute
	return int((c.Warmup + c.Duration + c.Timeout + c.Settle + after) / time.Second)
}

// Elsewhere lists the URLs whose host is not this machine. A name other than
// localhost counts as elsewhere: what it means is for others to say.
func Elsewhere(urls ...string) []string {
	var far []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			far = append(far, text)
			continue
		}
		addr, err := netip.ParseAddr(u.Hostname())
		if u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
			far = append(far, text)
		}
	}
	return far
}

// transport has a connection for each push that may be under way, and some for what
// else is asked. HTTP/1.1 and no compression, as most pushers are.
func (c *Config) transport() *http.Transport {
	return &http.Transport{
		MaxConnsPerHost: c.Connections + c.Fetchers + extraConnections, MaxIdleConnsPerHost: c.Connections + c.Fetchers + extraConnections,
		TLSClientConfig: c.TLS, DisableCompression: true, DialContext: (&net.Dialer{Timeout: c.Timeout}).DialContext,
		WriteBufferSize: 32 << 10, ReadBufferSize: 32 << 10,
	}
}

// extraConnections are for broadcasts, retries of a batch, and final fetches.
const extraConnections = 16
