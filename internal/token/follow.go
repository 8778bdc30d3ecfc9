package token

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"gopush/internal/push"
)

const (
	// followEvery is how often it is looked for new revocations, on average, and
	// followRetry how soon again as long as none could be read ever.
	followEvery = 2 * time.Second
	followRetry = 200 * time.Millisecond
	// readTimeout bounds one question to the store.
	readTimeout = 5 * time.Second
	// pageEntries is the most revocations that are read at once.
	pageEntries = 256
)

// Messages reads what is stored.
type Messages interface {
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
}

// Follow keeps the Authority up to date with the revocations that are stored, until ctx
// ends. It calls tried once it has tried for the first time, whether or not that worked.
// While nothing can be read, what is known stays in force. clock is the node's.
func (a *Authority) Follow(ctx context.Context, m Messages, clock func() time.Time, log *slog.Logger, tried func()) {
	f := follower{a: a, messages: m, clock: clock, log: log}
	for ctx.Err() == nil {
		f.round(ctx)
		tried()
		wait := followEvery*9/10 + rand.N(followEvery/5) // nodes that began together do not go on together
		if _, read := a.Revoked(); read.IsZero() {
			wait = followRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// follower is owned by the goroutine of Follow.
type follower struct {
	a        *Authority
	messages Messages
	clock    func() time.Time
	log      *slog.Logger
	cursor   push.ID // everything up to it is known; nothing that was acknowledged can appear below
	failing  bool    // the last round did; the log says so once
}

// round reads everything that is new.
func (f *follower) round(ctx context.Context) {
	err := f.read(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !f.failing:
		f.log.WarnContext(ctx, "revoked tokens could not be read; those that are known stay refused, others are not yet", slog.Any("error", err))
	case err == nil && f.failing:
		f.log.InfoContext(ctx, "revoked tokens are read again")
	}
	f.failing = err != nil
	if err == nil {
		f.a.revoked.complete(f.clock())
	}
}

// read goes through pages until there are no more.
func (f *follower) read(ctx context.Context) error {
	for {
		page, err := f.page(ctx)
		if err != nil {
			return err
		}
		all := make([]push.Revocation, 0, len(page.Messages))
		for i := range page.Messages {
			m := &page.Messages[i]
			r, err := parseEntry(m.Body)
			if err != nil {
				f.log.ErrorContext(ctx, "a revoked token cannot be read and is not refused", slog.String("id", m.ID.String()), slog.Any("error", err))
				continue
			}
			all = append(all, r)
		}
		f.a.Learn(all...)
		f.cursor = page.Next
		if !page.More {
			return nil
		}
	}
}

func (f *follower) page(ctx context.Context) (push.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return f.messages.Read(ctx, push.RevokedKey, push.Span{After: f.cursor, Limit: pageEntries})
}
