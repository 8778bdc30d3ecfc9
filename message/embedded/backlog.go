package embedded

import (
	"context"
	"sync"

	"gopush/internal/push"
)

// maxBacklog is how many full memory tables may wait to be flushed before
// writers wait for them. Pebble would make them wait too, but without regard to
// their deadlines, and for ever when the disk is full.
const maxBacklog = 4

// backlog counts the memory tables that are to be flushed.
type backlog struct {
	fault *fault

	mu      sync.Mutex
	n       int           // guarded by mu
	changed chan struct{} // guarded by mu; closed when n falls
}

func newBacklog(f *fault) *backlog { return &backlog{fault: f, changed: make(chan struct{})} }

// add counts n more; fewer, if n is negative.
func (b *backlog) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n = max(b.n+n, 0)
	if n < 0 {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// wait returns when there is room, or an error: then nothing was written.
func (b *backlog) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		n, changed := b.n, b.changed
		b.mu.Unlock()
		if n < maxBacklog {
			return nil
		}
		select {
		case <-changed:
		case <-b.fault.broken:
			return b.fault.refusal()
		case <-ctx.Done():
			return push.Wrap(push.KindStoreUnavailable, ctx.Err(), "the disk of the store is too slow; nothing was stored, try again")
		}
	}
}
