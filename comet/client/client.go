package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Client listens to one key.
type Client struct {
	cfg  Config       // immutable
	deps Deps         // immutable
	http *http.Client // immutable

	running atomic.Bool
	tokens  *keeper

	// owned by Run:
	own, public track
	failures    int // since the last connection that lasted
}

// New makes a client; Run makes it listen.
func New(cfg Config, deps Deps) (*Client, error) {
	if err := errors.Join(cfg.Validate(), deps.validate()); err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, deps: deps,
		http: &http.Client{Transport: &http.Transport{
			DialContext: deps.Dial, TLSClientConfig: cfg.TLS, DisableKeepAlives: true,
		}},
	}
	c.tokens = newKeeper(&c.cfg, deps)
	if cfg.After != nil {
		c.own = track{cursor: *cfg.After, known: true}
	}
	if cfg.PublicAfter != nil {
		c.public = track{cursor: *cfg.PublicAfter, known: true}
	}
	return c, nil
}

// SetToken replaces the client token: for the connection that stands, if there
// is one, and for all later ones, until a TokenSource gives the next. It does not
// block.
func (c *Client) SetToken(token string) { c.tokens.set(token) }

// Run listens until ctx ends, OnEvent fails, a server refuses for good, or the
// TokenSource says ErrDenied; the error is ctx's, what OnEvent returned (wrapped),
// or a *CloseError, *LookupError or *TokenError. Everything else is told as
// KindDisconnected and tried again. It may be called again after it returned, and
// goes on from its cursors. When it returns, nothing of it is left running.
func (c *Client) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer c.running.Store(false)
	for {
		end := c.listen(ctx)
		switch {
		case c.ends(end.err):
			return end.err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		wait := c.backoff(end)
		c.deps.Log.InfoContext(ctx, "disconnected", slog.Any("error", end.err), slog.Duration("retry_in", wait))
		if err := c.emit(ctx, Event{Kind: KindDisconnected, Err: end.err, RetryIn: wait}); err != nil {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// ends reports whether err ends Run. The first refusal of a token does not if there
// is a source of others.
func (c *Client) ends(err error) bool {
	if e, ok := errors.AsType[*CloseError](err); ok && e.ofToken() && c.tokens.refuse() {
		return false
	}
	return final(err)
}

// ending is how one connection, or the attempt at one, came to its end.
type ending struct {
	err   error
	lived time.Duration // since the ready frame
	// move is the wait that a leaving node asked for; -1: none.
	move time.Duration
}

// listen makes one connection and serves it to its end.
func (c *Client) listen(ctx context.Context) ending {
	u, err := c.lookup(ctx)
	if err != nil {
		return ending{err: err, move: -1}
	}
	if err := c.tokens.prepare(ctx); err != nil {
		return ending{err: err, move: -1}
	}
	// The application is given ctx itself: an event that it deals with is not disturbed.
	linked, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l, err := c.dial(linked, u)
	if err != nil {
		return ending{err: err, move: -1}
	}
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := c.tokens.watch(linked); err != nil {
			cancel(err) // which closes the connection
		}
	})
	s := &session{Client: c, link: l, move: -1}
	err = s.run(ctx)
	l.close(err)
	cancel(nil)
	renewing.Wait()
	if denied, ok := errors.AsType[*TokenError](context.Cause(linked)); ok {
		err = denied
	}
	end := ending{err: err, move: s.move}
	if s.ready {
		end.lived = time.Since(s.since)
	}
	return end
}

// backoff picks the wait before the next attempt. A connection that lasted
// counts as a fresh start, one that broke at once does not.
func (c *Client) backoff(end ending) time.Duration {
	if end.lived >= c.cfg.MaxBackoff {
		c.failures = 0
	}
	if end.move >= 0 {
		return end.move // paced and jittered by the server
	}
	wait := c.deps.Jitter(c.cfg.backoff(c.failures))
	c.failures++
	if e, ok := errors.AsType[*LookupError](end.err); ok {
		wait += min(e.RetryAfter, c.cfg.MaxBackoff)
	}
	return wait
}

// emit hands an event to the application. Cursors that the caller did not set
// are those that hold now.
func (c *Client) emit(ctx context.Context, ev Event) error {
	ev.Cursor = max(ev.Cursor, c.own.cursor)
	ev.PublicCursor = max(ev.PublicCursor, c.public.cursor)
	if err := c.cfg.OnEvent(ctx, ev); err != nil {
		return &handlerError{err}
	}
	return nil
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
