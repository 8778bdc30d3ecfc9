package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

// Why a client has ended.
var (
	errExpired = errors.New("ZooKeeper has given the session up")
	errBroken  = errors.New("the connection to ZooKeeper has broken")
)

// client is one connection object of the library's, for one session at most:
// when that ends, so does the client. The library would begin another session
// by itself, and hardly say so.
type client struct {
	conn   *zk.Conn        // immutable once connect has returned
	events <-chan zk.Event // closed when the library's goroutines have ended

	cfg   *Config      // immutable
	log   *slog.Logger // immutable
	once  bool         // immutable; it ends with its first connection
	fired func(string) // immutable; nil, or called with the path of each watch that fires

	life context.Context
	end  context.CancelCauseFunc
	has  chan struct{} // there is a session
	got  func()        // closes has, once

	link      atomic.Pointer[link] // the newest connection
	granted   atomic.Int64         // the session timeout, in nanoseconds
	connected atomic.Bool
	tries     int // since there was a connection; owned by the library's loop
}

// connect makes a client, whether or not a server is there. It ends with ctx,
// and has to be closed then.
func connect(ctx context.Context, cfg *Config, log *slog.Logger, once bool, fired func(string)) (*client, error) {
	c := &client{cfg: cfg, log: log, once: once, fired: fired, has: make(chan struct{})}
	c.got = sync.OnceFunc(func() { close(c.has) })
	c.life, c.end = context.WithCancelCause(ctx)
	var err error
	// The order of the servers is the library's to shuffle.
	c.conn, c.events, err = zk.Connect(cfg.Servers, cfg.Session,
		zk.WithDialer(c.dial), zk.WithHostProvider(&hosts{over: c.life.Done()}), zk.WithEventCallback(c.event),
		zk.WithLogger(libraryLog{log}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket))
	if err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

// maxPacket bounds an answer; ZooKeeper's own bound is 1 MiB.
const maxPacket = 4 << 20

// close gives the session back, which takes at most a few seconds if ZooKeeper
// does not answer.
func (c *client) close() {
	c.end(nil)
	c.conn.Close()
	if l := c.link.Load(); l != nil {
		_ = l.Close() // so that the library does not wait for a server that says nothing
	}
	for range c.events {
	} // the library's loop has ended
}

// ready waits for a session, and logs in.
func (c *client) ready() error {
	select {
	case <-c.has:
	case <-c.life.Done():
		return context.Cause(c.life)
	}
	if c.cfg.User == "" {
		return nil
	}
	if err := c.conn.AddAuth("digest", []byte(c.cfg.User+":"+c.cfg.Password)); err != nil {
		return fmt.Errorf("log in to ZooKeeper: %w", err)
	}
	return nil
}

// event is called by the library, and must not block.
func (c *client) event(ev zk.Event) {
	switch {
	case ev.Type != zk.EventSession:
		if c.fired != nil && ev.Path != "" {
			c.fired(ev.Path)
		}
	case ev.State == zk.StateHasSession:
		c.tries = 0
		c.connected.Store(true)
		c.got()
	case ev.State == zk.StateDisconnected:
		if c.connected.Swap(false) && c.once {
			c.end(errBroken)
		}
	case ev.State == zk.StateExpired:
		c.end(errExpired)
	case ev.State == zk.StateAuthFailed:
		c.end(errors.New("ZooKeeper does not accept the user and password"))
	default: // on the way to one of these
	}
}

// dial connects to a server, not too often, and not any more after the end.
func (c *client) dial(network, addr string, timeout time.Duration) (net.Conn, error) {
	if c.tries > 0 {
		most := min(50*time.Millisecond<<min(c.tries, 4), 500*time.Millisecond)
		pause(c.life, most/2+rand.N(most/2))
	}
	c.tries++
	if err := context.Cause(c.life); err != nil {
		return nil, err
	}
	limit := c.cfg.Session * 2 / 3
	ctx, cancel := context.WithTimeout(c.life, min(timeout, limit))
	defer cancel()
	conn, err := c.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn, limit: limit, granted: c.grant, heard: c.cfg.heard, now: time.Now}
	c.link.Store(l)
	return l, nil
}

// grant notes the session timeout that a server has granted. Should another
// server grant another one, a fresh session is the simple answer.
func (c *client) grant(timeout time.Duration) {
	if timeout <= 0 { // the session has expired
		return
	}
	if old := c.granted.Swap(int64(timeout)); old != 0 && old != int64(timeout) {
		c.end(fmt.Errorf("the session timeout has changed from %s to %s", time.Duration(old), timeout))
	}
}

// timeout is what was granted.
func (c *client) timeout() time.Duration { return time.Duration(c.granted.Load()) }

// libraryLog takes what the library has to say.
type libraryLog struct{ log *slog.Logger }

// Printf is for debugging: what matters of it is logged by those whom it
// concerns.
func (l libraryLog) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("ZooKeeper's library", slog.String("says", fmt.Sprintf(format, args...)))
	}
}
