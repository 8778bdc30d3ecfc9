package local

import (
	"flag"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/coord"
	"gopush/internal/push"
)

func TestMain(m *testing.M) {
	// Each step syncs files, so fewer rounds than usual; the flag gives more.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// noon is a time at which ids are as long as real ones.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clock is a wall clock that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: noon} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// fataler is what testing.TB and rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func open(t fataler, dir string, fresh bool, now func() time.Time) *Coordinator {
	t.Helper()
	c, err := Open(Config{Dir: dir, Fresh: fresh}, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

// started is a coordinator in a fresh folder that ends with the test.
func started(t *testing.T) (*Coordinator, *clock) {
	t.Helper()
	clk := newClock()
	c := open(t, t.TempDir(), true, clk.now)
	t.Cleanup(func() { _ = c.Close() })
	return c, clk
}

func member(group string) coord.Member {
	return coord.Member{Group: group, Weight: 1, RPC: group + ":1", Public: coord.Public{WS: group + ":2", TCP: group + ":3"}}
}

// serve campaigns where nothing is in the way.
func serve(t *testing.T, c *Coordinator, group string) coord.Term {
	t.Helper()
	term, err := c.Campaign(t.Context(), member(group))
	if err != nil {
		t.Fatalf("campaign of %s: %v", group, err)
	}
	return term
}

// leaseIDs is the default lease as a distance of ids.
const leaseIDs = push.ID(5 * time.Second / tick)
