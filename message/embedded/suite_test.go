package embedded

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/push"
	"gopush/message"
	"gopush/message/storetest"
)

func TestMain(m *testing.M) {
	becomeChild()
	// Pebble leaves this one behind when it fails to open a folder.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// open opens a store that nobody sweeps but the test.
func openAt(t testing.TB, dir string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, SweepEvery: time.Hour}, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) message.Store {
		return openAt(t, t.TempDir(), clock.Now)
	})
}

// sweeping sweeps as soon as anything can have expired: no answer may depend on
// it.
type sweeping struct {
	*Store
	swept *atomic.Int64 // when, by the store's clock
}

func (s sweeping) sweep(ctx context.Context) {
	if now := s.millis(); s.swept.Swap(now) != now {
		_, _ = s.Sweep(ctx) // what fails here fails below
	}
}

func (s sweeping) Save(ctx context.Context, writes []push.Write) []error {
	s.sweep(ctx)
	return s.Store.Save(ctx, writes)
}

func (s sweeping) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	s.sweep(ctx)
	return s.Store.Read(ctx, key, span)
}

func (s sweeping) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	s.sweep(ctx)
	return s.Store.Newest(ctx, key)
}

func (s sweeping) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	s.sweep(ctx)
	return s.Store.Find(ctx, key, idem)
}

func (s sweeping) Recall(ctx context.Context, key push.Key, id push.ID) error {
	s.sweep(ctx)
	return s.Store.Recall(ctx, key, id)
}

func TestStoreSwept(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) message.Store {
		return sweeping{openAt(t, t.TempDir(), clock.Now), new(atomic.Int64)}
	})
}
