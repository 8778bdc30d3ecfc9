package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"gopush/comet/wire"
)

const (
	// longestAhead is the most time before a token's end in which the next one is asked for.
	longestAhead = 10 * time.Minute
	// betweenCalls keeps a source whose tokens hardly last from being called in a loop.
	betweenCalls = time.Second
)

// keeper has the token that the client shows. With a source it gets a new one in time:
// before a connection, and on one that stands.
type keeper struct {
	source  func(ctx context.Context) (string, error) // immutable; nil: there is SetToken alone
	limit   time.Duration                             // immutable; of one call of source
	backoff func(failures int) time.Duration          // immutable
	jitter  func(limit time.Duration) time.Duration   // immutable
	log     *slog.Logger                              // immutable

	held    atomic.Pointer[credential]
	renew   chan struct{} // holds one when the token is newer than the connection
	changed chan struct{} // holds one when the token is newer than the plan

	refused bool // owned by Run: the token was refused, and no connection stood since

	// owned by Run, and by watch as long as it runs:
	clock    clock
	planned  *credential   // that ahead belongs to
	ahead    time.Duration // how long before its end the next one is asked for
	failures int           // of source, in a row
	rest     time.Time     // no call of source before
}

// credential is a token, and when it ends by the clock of the servers; the zero time is
// unknown.
type credential struct {
	text string
	ends time.Time
}

func newKeeper(cfg *Config, deps Deps) *keeper {
	k := &keeper{
		source: cfg.TokenSource, limit: cfg.Handshake, jitter: deps.Jitter, log: deps.Log,
		backoff: cfg.backoff, renew: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	k.held.Store(&credential{cfg.Token, endOf(cfg.Token)})
	return k
}

// token is what to show now.
func (k *keeper) token() string { return k.held.Load().text }

// set takes a token, and has it shown on the connection that stands if it is another one.
func (k *keeper) set(token string) {
	old := k.held.Swap(&credential{token, endOf(token)})
	wake(k.changed)
	if old.text != token {
		wake(k.renew)
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// prepare gets a token for the connection that comes next, unless the one there is will do.
// One that still holds is used as long as the source fails.
func (k *keeper) prepare(ctx context.Context) error {
	if k.source == nil || k.usable() && k.wait() > 0 {
		return nil
	}
	err := k.fetch(ctx)
	if err != nil && ctx.Err() == nil && !final(err) && k.usable() {
		k.log.WarnContext(ctx, "no new token; going on with the old one", slog.Any("error", err))
		return nil
	}
	return err
}

// watch renews the token again and again while a connection stands, until ctx ends. Its
// error is one of the source that is final.
func (k *keeper) watch(ctx context.Context) error {
	if k.source == nil {
		return nil
	}
	for {
		timer := time.NewTimer(k.wait())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-k.changed:
			timer.Stop()
			continue
		case <-timer.C:
		}
		err := k.fetch(ctx)
		switch {
		case final(err):
			return err
		case err != nil && ctx.Err() == nil:
			k.log.WarnContext(ctx, "no new token; the connection stays until the old one ends",
				slog.Any("error", err), slog.Duration("retry_in", time.Until(k.rest)))
		}
	}
}

// fetch gets a token from the source.
func (k *keeper) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.limit)
	defer cancel()
	token, err := k.source(ctx)
	switch {
	case err != nil:
	case token == "":
		err = errors.New("the source gave an empty one")
	case len(token) > wire.MaxToken:
		err = fmt.Errorf("the source gave one of %d bytes; at most %d are allowed", len(token), wire.MaxToken)
	default:
		k.failures, k.rest = 0, time.Now().Add(betweenCalls)
		k.set(token)
		return nil
	}
	k.rest = time.Now().Add(max(betweenCalls, k.jitter(k.backoff(k.failures))))
	k.failures++
	return &TokenError{Err: err}
}

// usable reports whether there is a token whose time is not known to be over.
func (k *keeper) usable() bool {
	c := k.held.Load()
	return c.text != "" && (c.ends.IsZero() || k.clock.now().Before(c.ends))
}

// wait is how long it is until the source should be asked.
func (k *keeper) wait() time.Duration {
	c := k.held.Load()
	switch {
	case c.text == "":
		return time.Until(k.rest)
	case c.ends.IsZero(): // it will be asked once a server refuses the token
		return math.MaxInt64
	}
	left := c.ends.Sub(k.clock.now())
	if c != k.planned {
		// Clients that came at the same time do not all ask at the same time.
		half := min(max(left, 0)/4, longestAhead) / 2
		k.planned, k.ahead = c, half+k.jitter(half)
	}
	return max(left-k.ahead, time.Until(k.rest))
}

// refuse is told that a server did not take the token. It reports whether to come back with
// another: once, until a connection stands again.
func (k *keeper) refuse() bool {
	if k.source == nil || k.refused {
		return false
	}
	k.refused = true
	k.held.Store(&credential{})
	return true
}

// accept is told that a connection stands.
func (k *keeper) accept() { k.refused = false }
