package web

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/coord"
)

// TestLimitsOfABatch: a batch that is under way keeps the limits that it began with; a
// request that comes later does not.
//
// Broken once by asking for the limits at each line.
func TestLimitsOfABatch(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	b := openBatch(t, h)
	b.send(t, `{"key":"K","data":1}`+"\n")
	if b.line(t, 0) == "" {
		t.Error("no id")
	}
	limits := Limits{MaxBody: 64}
	if err := limits.Validate(); err != nil {
		t.Fatal(err)
	}
	h.server.SetLimits(limits)
	long := `{"key":"K","data":"` + strings.Repeat("x", 100) + `"}`
	b.send(t, long+"\n")
	if id := b.line(t, 1); id == "" || id == "too_large" {
		t.Errorf("the batch answers %q", id)
	}
	_ = b.w.Close()
	if got := h.post(t, "/v2/messages", long); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a later push: %d", got.status)
	}
}

// TestPushTimeoutOfABatch: pushes of a batch may take as long as the limits said when it
// began, whether they wait for a node or for its answer.
//
// Broken once for either by going by the limits of the start, and once by asking for them
// at each push.
func TestPushTimeoutOfABatch(t *testing.T) {
	for name, spoil := range map[string]func(*cluster){
		"no node":   func(c *cluster) { c.edit("node1", func(g *coord.Group) { g.Serving = false }) },
		"no answer": func(c *cluster) { c.stopped = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "node1")
				spoil(c)
				s := newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
				limits := Limits{PushTimeout: time.Minute}
				if err := limits.Validate(); err != nil {
					t.Fatal(err)
				}
				before := newPipeline(t.Context(), s)
				s.SetLimits(limits)
				after := newPipeline(t.Context(), s)
				for p, want := range map[*pipeline]time.Duration{before: 5 * time.Second, after: time.Minute} {
					start := time.Now()
					p.add(numbered("K", 1))
					items := drainAll(p)
					// Beyond it there are a last pause, and the step in which pushes share their time.
					if took := time.Since(start); took < want || took > want+3*time.Second || items[0].err == nil {
						t.Errorf("a push that may take %s ended after %s with %v", want, took, items[0].err)
					}
					p.close()
				}
			})
		})
	}
}

// TestLongerPushes: a push may take as long as the new limits say, even where the server
// would have given its connection up by those of the start.
//
// Broken once by leaving the deadline of net/http alone.
func TestLongerPushes(t *testing.T) {
	c := newCluster(t, "node1")
	c.hold = true
	h := newHarness(t, c, func(cfg *Config) {
		cfg.WriteTimeout, cfg.ReadTimeout, cfg.Limits.PushTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	})
	limits := Limits{PushTimeout: time.Minute}
	if err := limits.Validate(); err != nil {
		t.Fatal(err)
	}
	h.server.SetLimits(limits)
	statuses := make(chan int, 1)
	go func() {
		got, err := h.try(t, http.MethodPost, h.admin+"/v2/messages", `{"key":"K","data":1}`, map[string]string{"Authorization": "Bearer " + testToken})
		if err != nil {
			t.Error(err)
		}
		statuses <- got.status
	}()
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.held) == 1 })
	<-time.After(400 * time.Millisecond) // longer than all timeouts of the start together
	c.release()
	if status := <-statuses; status != http.StatusCreated {
		t.Errorf("status %d", status)
	}
}
