package local

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/coord"
)

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestEmptyView(t *testing.T) {
	c, _ := started(t)
	v := c.View()
	if _, ok := v.Owner("k"); ok || len(v.Messages) != 0 {
		t.Errorf("an empty cluster: %+v", v)
	}
}

func TestView(t *testing.T) {
	c, _ := started(t)
	term := serve(t, c, "node1")
	leave := c.Register("127.0.0.1:8070")
	v := c.View()
	want := coord.Group{Member: member("node1"), Epoch: 1, Floor: term.Floor(), Serving: true}
	if g, ok := v.Owner("k"); !ok || g != want {
		t.Errorf("owner %+v, %t", g, ok)
	}
	if diff := cmp.Diff([]string{"127.0.0.1:8070"}, v.Messages); diff != "" {
		t.Error(diff)
	}

	_ = term.Resign(t.Context())
	leave()
	leave() // once is enough
	later := c.View()
	if _, ok := later.Owner("k"); ok || len(later.Messages) != 0 {
		t.Errorf("after all have gone: %+v", later)
	}
	// A group without a primary keeps its keys: they must not move and come back.
	if later.Ring.Owner("k") != "node1" {
		t.Error("the group has left the ring")
	}
	if _, ok := v.Owner("k"); !ok || len(v.Messages) != 1 {
		t.Error("an old picture has changed")
	}
	if later.Version <= v.Version {
		t.Errorf("version %d after %d", later.Version, v.Version)
	}
}

func TestTwoGroupsShareTheKeys(t *testing.T) {
	c, _ := started(t)
	serve(t, c, "node1")
	serve(t, c, "node2")
	// From the vectors of protocol v1.
	for key, want := range map[string]string{"Terry-Mao": "node1", "a": "node2", "f": "node1", "中文": "node1"} {
		if g := c.View().Ring.Owner(key); g != want {
			t.Errorf("%s belongs to %s, want %s", key, g, want)
		}
	}
}

func TestSameMessageNodeTwice(t *testing.T) {
	c, _ := started(t)
	leave := c.Register("a:1")
	c.Register("a:1")
	leave()
	leave()
	if n := len(c.View().Messages); n != 1 {
		t.Errorf("%d registrations are left, want 1", n)
	}
}

func TestChanged(t *testing.T) {
	c, _ := started(t)
	if isClosed(c.Changed()) {
		t.Error("changed before anything happened")
	}
	c.View()
	ch := c.Changed()
	leave := c.Register("a:1")
	if !isClosed(ch) {
		t.Error("a registration does not show")
	}
	if !isClosed(c.Changed()) {
		t.Error("the newest picture has not been seen, so Changed must be closed already")
	}
	c.View()
	ch = c.Changed()
	if isClosed(ch) {
		t.Error("changed since the last View")
	}
	leave()
	if !isClosed(ch) {
		t.Error("a leaving does not show")
	}
	for _, event := range []func() coord.Term{
		func() coord.Term { return serve(t, c, "node1") },
		func() coord.Term { _ = c.Close(); return nil },
	} {
		c.View()
		ch = c.Changed()
		event()
		if !isClosed(ch) {
			t.Error("a term's begin or end does not show")
		}
	}
}

// TestFollow: a follower that asks for the channel before the picture sees the
// last one in the end, however changes and other readers fall between.
func TestFollow(t *testing.T) {
	c, _ := started(t)
	const rounds = 200
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var last int64
			for {
				ch := c.Changed()
				v := c.View()
				if v.Version < last {
					t.Errorf("version %d after %d", v.Version, last)
					return
				}
				if last = v.Version; last == 2*rounds {
					return
				}
				<-ch
			}
		})
	}
	for range rounds {
		c.Register("a:1")()
	}
	wg.Wait()
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no folder":      {},
		"negative lease": {Dir: "x", Lease: -time.Second},
		"endless lease":  {Dir: "x", Lease: 2 * time.Hour},
	} {
		if _, err := Open(cfg, slog.New(slog.DiscardHandler), time.Now); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
