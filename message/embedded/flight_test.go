package embedded

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/push"
)

// slowDisk holds back every sync of the log while its gate is shut.
type slowDisk struct {
	mu      sync.Mutex
	gate    chan struct{} // guarded by mu; nil: open
	reached chan struct{} // a sync has come to the gate
}

func (d *slowDisk) shut() (open func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gate := make(chan struct{})
	d.gate = gate
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.gate = nil
		d.mu.Unlock()
		close(gate)
	})
}

func (d *slowDisk) wait() {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate == nil {
		return
	}
	select {
	case d.reached <- struct{}{}:
	default:
	}
	<-gate
}

func openSlow(t *testing.T) (*Store, *slowDisk) {
	t.Helper()
	d := &slowDisk{reached: make(chan struct{}, 1)}
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			d.wait()
		}
		return nil
	}))
	s, err := open(Config{Dir: t.TempDir(), SweepEvery: time.Hour}, fs, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, d
}

// What a reader is told of is on disk: until the sync is done, nobody learns of a
// message, its idempotency key, its withdrawal, or that it is the newest. Another
// key's readers do not wait.
//
// Broken once by leaving settle out of Read, Newest and Find: each answered.
func TestReadersSeeWhatIsOnDisk(t *testing.T) {
	s, disk := openSlow(t)
	ctx := t.Context()
	first := push.Message{ID: 16, ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), Body: []byte("1"), IdempotencyKey: "first"}
	second := first
	second.ID, second.Prev, second.IdempotencyKey = 32, 16, "second"
	for _, key := range []push.Key{"k", "other"} {
		if err := s.Save(ctx, []push.Write{{Key: key, Messages: []push.Message{first}}})[0]; err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func() error{
		"save":   func() error { return s.Save(ctx, []push.Write{{Key: "k", Messages: []push.Message{second}}})[0] },
		"recall": func() error { return s.Recall(ctx, "k", 16) },
		"delete": func() error { return s.Delete(ctx, "k", 8) },
	} {
		t.Run(name, func(t *testing.T) {
			release := disk.shut()
			defer release()
			done := make(chan error, 1)
			go func() { done <- change() }()
			<-disk.reached
			asks := readsOf(s, "k")
			for what, ask := range asks {
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				if err := ask(short); !errors.Is(err, context.DeadlineExceeded) || !push.Is(err, push.KindStoreUnavailable) {
					t.Errorf("%s answered before the disk had it: %v", what, err)
				}
				cancel()
			}
			for what, ask := range readsOf(s, "other") {
				if err := ask(ctx); err != nil {
					t.Errorf("%s of another key: %v", what, err)
				}
			}
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for what, ask := range asks {
				if err := ask(ctx); err != nil {
					t.Errorf("%s after the sync: %v", what, err)
				}
			}
		})
	}
	for i := range s.flights.shards {
		if n := len(s.flights.shards[i].keys); n > 0 {
			t.Errorf("%d keys are kept though nothing is in flight", n)
		}
	}
}

// readsOf are the ways to learn of a key.
func readsOf(s *Store, key push.Key) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Read": func(ctx context.Context) error {
			_, err := s.Read(ctx, key, push.Span{Limit: 10})
			return err
		},
		"Newest": func(ctx context.Context) error {
			_, err := s.Newest(ctx, key)
			return err
		},
		"Find": func(ctx context.Context) error {
			_, err := s.Find(ctx, key, "first")
			return err
		},
	}
}
