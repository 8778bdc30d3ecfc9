package zk

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; it is long, as machines may be slow.
const patience = time.Minute

// clock is a wall clock that tests set.
type clock struct {
	mu   sync.Mutex
	step time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.step)
}

func (c *clock) set(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}

func testConfig(server *zktest.Server) Config {
	return Config{Servers: []string{server.Addr()}, Root: "/gopush/test", Session: 2 * time.Second}
}

// open is a coordinator that ends with the test.
func open(t *testing.T, cfg Config) *Coordinator {
	t.Helper()
	return openAt(t, cfg, time.Now)
}

func openAt(t *testing.T, cfg Config, now func() time.Time) *Coordinator {
	t.Helper()
	c, err := Open(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func node(group, name string) coord.Member {
	return coord.Member{Group: group, Weight: 1, RPC: name + ":1", Public: coord.Public{WS: name + ":2", TCP: name + ":3"}}
}

// bounded is a context of the test's that ends at the latest when patience does.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// serve campaigns until it is the primary.
func serve(t *testing.T, c *Coordinator, m coord.Member) *term {
	t.Helper()
	won, err := c.Campaign(bounded(t), m)
	if err != nil {
		t.Fatal(err)
	}
	mine, ok := won.(*term)
	if !ok {
		t.Fatalf("a %T", won)
	}
	return mine
}

// campaign runs in the background; the channel gets the term.
func campaign(t *testing.T, c *Coordinator, m coord.Member) <-chan *term {
	t.Helper()
	won := make(chan *term, 1)
	ctx := bounded(t)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		if got, err := c.Campaign(ctx, m); err == nil {
			if mine, ok := got.(*term); ok {
				won <- mine
			}
		}
	}()
	return won
}

// await returns what comes, within patience.
func await[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// until waits for a picture that pleases.
func until(t *testing.T, c *Coordinator, what string, ok func(v *coord.View) bool) *coord.View {
	t.Helper()
	ctx := bounded(t)
	for {
		changed := c.Changed()
		v := c.View()
		if ok(v) {
			return v
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s; there is %+v", what, v)
		}
	}
}

// becomes waits for a condition that nobody announces.
func becomes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !ok(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// served by is a picture in which a group is served under an epoch.
func servedBy(group, rpc string, epoch int64) func(*coord.View) bool {
	return func(v *coord.View) bool {
		g := v.Groups[group]
		return g.Serving && g.RPC == rpc && g.Epoch == epoch
	}
}
