package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/coord"
	"gopush/internal/push"
)

func TestFirstTerm(t *testing.T) {
	c, _ := started(t)
	term := serve(t, c, "node1")
	floor := push.IDAt(noon)
	if term.Epoch() != 1 || term.Floor() != floor || term.Ceiling() != floor+leaseIDs {
		t.Errorf("epoch %d, floor %d, ceiling %d; want 1, %d, %d",
			term.Epoch(), term.Floor(), term.Ceiling(), floor, floor+leaseIDs)
	}
	if !term.Valid() {
		t.Error("the term is not valid")
	}
	if term.Lease() != 0 {
		t.Errorf("a lease of %s; nobody else can serve", term.Lease())
	}
}

// TestRestart: whatever the clock does while the process is away, the next term
// begins above everything that was allowed.
func TestRestart(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"no time":      0,
		"a second":     time.Second,
		"hour back":    -time.Hour,
		"hour forward": time.Hour,
		"before 1970":  -100 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			dir, clk := t.TempDir(), newClock()
			first := open(t, dir, true, clk.now)
			before := serve(t, first, "node1")
			if err := before.Raise(t.Context(), before.Ceiling()+12345); err != nil {
				t.Fatal(err)
			}
			clk.step(step) // and no Close: the process was killed
			after := serve(t, open(t, dir, false, clk.now), "node1")
			want := max(before.Ceiling(), push.IDAt(clk.now()))
			if after.Floor() != want {
				t.Errorf("floor %d, want %d", after.Floor(), want)
			}
			if after.Epoch() != 2 {
				t.Errorf("epoch %d, want 2", after.Epoch())
			}
		})
	}
}

// TestIDsNeverSink plays random lives of a folder: restarts, clock steps,
// groups that come, raise their ceilings and go. No term may allow an id that
// any earlier one allowed.
func TestIDsNeverSink(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "") //nolint:usetesting // one per round, and rapid has no TempDir
		if err != nil {
			t.Fatalf("%v", err)
		}
		clk := newClock()
		c := open(t, dir, true, clk.now)
		live := map[string]coord.Term{}
		epochs := map[string]int64{}
		var highest push.ID
		group := rapid.SampledFrom([]string{"node1", "node2", "node3"})
		t.Repeat(map[string]func(*rapid.T){
			"campaign": func(t *rapid.T) {
				g := group.Draw(t, "group")
				if live[g] != nil {
					return
				}
				term, err := c.Campaign(context.Background(), member(g))
				if err != nil {
					t.Fatalf("campaign: %v", err)
				}
				if term.Floor() < highest || term.Ceiling() <= term.Floor() || term.Epoch() <= epochs[g] {
					t.Fatalf("epoch %d after %d, ids %d to %d after %d", term.Epoch(), epochs[g], term.Floor(), term.Ceiling(), highest)
				}
				live[g], epochs[g] = term, term.Epoch()
				highest = max(highest, term.Ceiling())
			},
			"raise": func(t *rapid.T) {
				g := group.Draw(t, "group")
				if live[g] == nil {
					return
				}
				was := live[g].Ceiling()
				to := was + push.ID(rapid.Int64Range(-int64(leaseIDs), int64(2*leaseIDs)).Draw(t, "by"))
				if err := live[g].Raise(context.Background(), to); err != nil {
					t.Fatalf("raise: %v", err)
				}
				if now := live[g].Ceiling(); now < max(to, was) || now%push.Step != 0 {
					t.Fatalf("raised %d to %d: %d", was, to, now)
				}
				highest = max(highest, live[g].Ceiling())
			},
			"resign": func(t *rapid.T) {
				g := group.Draw(t, "group")
				if live[g] != nil {
					_ = live[g].Resign(context.Background())
					delete(live, g)
				}
			},
			"step clock": func(t *rapid.T) {
				clk.step(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "by")))
			},
			"restart": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "in order") {
					_ = c.Close()
				}
				c = open(t, dir, false, clk.now)
				clear(live)
			},
		})
	})
}

func TestRaise(t *testing.T) {
	dir, clk := t.TempDir(), newClock()
	c := open(t, dir, true, clk.now)
	term := serve(t, c, "node1")
	start := term.Ceiling()
	if err := term.Raise(t.Context(), start-1); err != nil || term.Ceiling() != start {
		t.Errorf("raising to less: %v, ceiling moved by %d", err, term.Ceiling()-start)
	}
	if err := term.Raise(t.Context(), start+1); err != nil || term.Ceiling() != start+push.Step {
		t.Errorf("raising by one: %v, ceiling moved by %d, want a whole step", err, term.Ceiling()-start)
	}
	s, err := folder(dir).readState("node1")
	if err != nil || s.ceiling != term.Ceiling() || s.epoch != 1 {
		t.Errorf("on disk: %+v, %v", s, err)
	}
	if err := term.Raise(t.Context(), push.MaxID); err == nil {
		t.Error("the ceiling may be the largest id")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := term.Raise(ctx, start+leaseIDs); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	_ = term.Resign(t.Context())
	if err := term.Raise(t.Context(), start+leaseIDs); err == nil {
		t.Error("a term that is over can be raised")
	}
}

// TestRaiseFails: what could not be made durable must not be allowed.
func TestRaiseFails(t *testing.T) {
	c, _ := started(t)
	term := serve(t, c, "node1")
	was := term.Ceiling()
	if err := os.RemoveAll(string(c.dir)); err != nil {
		t.Fatal(err)
	}
	if err := term.Raise(t.Context(), was+leaseIDs); err == nil {
		t.Error("no error")
	}
	if term.Ceiling() != was {
		t.Errorf("the ceiling rose by %d without being durable", term.Ceiling()-was)
	}
	if err := os.Mkdir(string(c.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := term.Raise(t.Context(), was+leaseIDs); err != nil {
		t.Errorf("after the folder is back: %v", err)
	}
}

func TestCampaignFails(t *testing.T) {
	c, _ := started(t)
	for name, m := range map[string]coord.Member{
		"no group":       {Weight: 1},
		"path in a name": {Group: "../node1", Weight: 1},
		"line in a name": {Group: "node1\nnode2", Weight: 1},
		"no weight":      {Group: "node1"},
	} {
		if term, err := c.Campaign(t.Context(), m); err == nil {
			t.Errorf("%s: %+v", name, term)
		}
	}
	if err := os.Mkdir(filepath.Join(string(c.dir), "node1"+stateSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Campaign(t.Context(), member("node1")); err == nil {
		t.Error("a state that cannot be written starts a term")
	}
	if v := c.View(); len(v.Groups) != 0 || v.Ring.Owner("k") != "" {
		t.Errorf("failed campaigns show: %+v", v)
	}
}

func TestIDsUsedUp(t *testing.T) {
	c, clk := started(t)
	clk.mu.Lock()
	clk.at = (push.MaxID - leaseIDs).Time()
	clk.mu.Unlock()
	if _, err := c.Campaign(t.Context(), member("node1")); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("at the end of all ids: %v", err)
	}
}

// TestAlternate: the second candidate of a group waits for the first to go.
func TestAlternate(t *testing.T) {
	c, _ := started(t)
	first := serve(t, c, "node1")
	other := serve(t, c, "node2") // another group is in nobody's way
	won := make(chan coord.Term)
	go func() {
		term, err := c.Campaign(t.Context(), member("node1"))
		if err != nil {
			t.Error(err)
		}
		won <- term
	}()
	select {
	case <-won:
		t.Fatal("two terms of one group")
	case <-time.After(20 * time.Millisecond):
	}
	if err := first.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := <-won
	if first.Valid() || !second.Valid() || !other.Valid() {
		t.Errorf("valid: first %t, second %t, other %t", first.Valid(), second.Valid(), other.Valid())
	}
	if second.Epoch() != 2 || second.Floor() < other.Ceiling() || second.Floor() < first.Ceiling() {
		t.Errorf("epoch %d, floor %d", second.Epoch(), second.Floor())
	}
	<-first.Done()
	if err := first.Resign(t.Context()); err != nil || !second.Valid() {
		t.Errorf("a second resignation: %v, successor valid %t", err, second.Valid())
	}
}

func TestCampaignEnds(t *testing.T) {
	c, _ := started(t)
	term := serve(t, c, "node1")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	failed := make(chan error)
	wait := func(ctx context.Context) {
		_, err := c.Campaign(ctx, member("node1"))
		failed <- err
	}
	go wait(ctx)
	cancel(why)
	if err := <-failed; !errors.Is(err, why) {
		t.Errorf("after the context's end: %v", err)
	}
	go wait(t.Context())
	_ = c.Close()
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	<-term.Done()
	if term.Valid() {
		t.Error("a term outlives Close")
	}
	if _, err := c.Campaign(t.Context(), member("node2")); !errors.Is(err, ErrClosed) {
		t.Errorf("a new campaign after Close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
