package web

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

func pushOnce(t *testing.T, c *cluster, key, idempotency string) (push.Receipt, error) {
	t.Helper()
	s := newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
	p := numbered(push.Key(key), 1)
	p.IdempotencyKey = idempotency
	return s.push(t.Context(), p)
}

// TestPushRetries: what says that nothing was accepted is tried again inside the
// deadline.
func TestPushRetries(t *testing.T) {
	for _, kind := range []push.Kind{push.KindWrongNode, push.KindMoving, push.KindNoNode, push.KindBusy, push.KindStoreUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "node1")
			refused := times(4, push.E(kind, "not now"))
			c.refuse = func(string, push.Push) error { return refused() }
			if r, err := pushOnce(t, c, "K", ""); err != nil || r.ID == 0 || len(c.stored("K")) != 1 {
				t.Errorf("%s: %+v, %v", kind, r, err)
			}
		})
	}
}

// TestLastTryHasTime: a refusal stays one, by itself and as a line of a batch: no try is
// begun that the end of the push's time would cut off.
//
// Broken once for either by trying until the end.
func TestLastTryHasTime(t *testing.T) {
	for timeout := 50 * time.Millisecond; timeout < 6*time.Second; timeout += 53 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "node1")
			c.takes = 4 * time.Millisecond
			c.refuse = func(string, push.Push) error { return push.E(push.KindStoreUnavailable, "not now") }
			s := newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = timeout })
			if _, err := s.push(t.Context(), numbered("K", 1)); !push.Is(err, push.KindStoreUnavailable) {
				t.Errorf("with %s: %v", timeout, err)
			}
			p := newPipeline(t.Context(), s)
			defer p.close()
			p.add(numbered("K", 1))
			if items := drainAll(p); !push.Is(items[0].err, push.KindStoreUnavailable) {
				t.Errorf("a line, with %s: %v", timeout, items[0].err)
			}
		})
	}
}

// TestPushDoesNotRetry what is for good.
func TestPushDoesNotRetry(t *testing.T) {
	for _, kind := range []push.Kind{
		push.KindBadRequest, push.KindConflict, push.KindTooLarge, push.KindRateLimited, push.KindInternal, push.KindOutcomeUnknown, push.KindFenced,
	} {
		c := newCluster(t, "node1")
		tries := 0
		c.refuse = func(string, push.Push) error { tries++; return push.E(kind, "no") }
		if _, err := pushOnce(t, c, "K", ""); !push.Is(err, kind) || tries != 1 {
			t.Errorf("%s: %v after %d tries", kind, err, tries)
		}
	}
}

// TestPushUnknownOutcome: 504, unless an idempotency key makes a retry safe.
func TestPushUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		lost := times(3, push.E(push.KindOutcomeUnknown, "the connection broke"))
		c.lose = func(push.Push) error { return lost() }
		if _, err := pushOnce(t, c, "K", ""); !push.Is(err, push.KindOutcomeUnknown) || len(c.stored("K")) != 1 {
			t.Errorf("without a key: %v, stored %v", err, c.bodies("K"))
		}
		r, err := pushOnce(t, c, "L", "once")
		if err != nil || len(c.stored("L")) != 1 || r.ID != c.stored("L")[0].ID {
			t.Errorf("with a key: %+v, %v, stored %v", r, err, c.bodies("L"))
		}
	})
}

// TestPushFollowsOwnership: a change of the cluster ends the wait at once, and
// the new owner is asked.
func TestPushFollowsOwnership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		c.edit("node1", func(g *coord.Group) { g.Serving = false })
		start := time.Now()
		time.AfterFunc(time.Second, func() { c.setView(t, "node2") })
		if _, err := pushOnce(t, c, "K", ""); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the push went %s after its start, the owner came after 1 s", took)
		}
	})
}

// TestPushGivesUp at its deadline, with the last refusal.
func TestPushGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		tries := 0
		c.refuse = func(string, push.Push) error {
			tries++
			return &push.Error{Kind: push.KindBusy, Detail: "full", RetryAfter: 700 * time.Millisecond}
		}
		start := time.Now()
		_, err := pushOnce(t, c, "K", "")
		if took := time.Since(start); !push.Is(err, push.KindBusy) || took != 5*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		if tries < 4 || tries > 8 {
			t.Errorf("%d tries; each was asked to wait 700 ms", tries)
		}
	})
}

// TestPushToASilentNode ends with its deadline: 504.
func TestPushToASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		c.stopped = true
		start := time.Now()
		_, err := pushOnce(t, c, "K", "")
		if took := time.Since(start); !push.Is(err, push.KindOutcomeUnknown) || took != 5*time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// TestBackoff grows, is jittered, and honours what a refusal asks for.
func TestBackoff(t *testing.T) {
	var b backoff
	seen := map[time.Duration]bool{}
	for i := range 50 {
		d := b.next(errBroken)
		if high := min(firstPause<<min(i, 8), maxPause); d < high/2 || d >= high {
			t.Errorf("pause %d is %s", i, d)
		}
		seen[d] = true
	}
	if len(seen) < 40 {
		t.Errorf("%d different pauses of 50", len(seen))
	}
	asked := &push.Error{Kind: push.KindBusy, RetryAfter: time.Hour}
	if d := b.next(asked); d < time.Second || d > time.Second+maxPause {
		t.Errorf("asked for an hour: %s", d)
	}
}

// TestPauseEndsWithItsCaller.
func TestPauseEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newServer(t, newCluster(t, "node1"), discard())
	if s.pause(ctx, new(backoff), errors.New("x")) {
		t.Error("a pause under a context that has ended says go on")
	}
}

// TestPushLeavesASilentNode: once a node that hangs has a successor, a push that may be
// repeated goes there. Any other has to wait: only the answer tells what has happened.
func TestPushLeavesASilentNode(t *testing.T) {
	for idempotency, want := range map[string]time.Duration{"once": time.Second + lastAnswers, "": 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := succeededLater(t)
			start := time.Now()
			_, err := pushOnce(t, c, "K", idempotency)
			if took := time.Since(start); took < want || took > want+2*firstPause || (err == nil) != (idempotency != "") {
				t.Errorf("%q: %v after %s", idempotency, err, took)
			}
		})
	}
}

// succeededLater is a cluster whose only node hangs, and has a successor after a second.
func succeededLater(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, "node1")
	c.stopped = true
	time.AfterFunc(time.Second, func() {
		c.mu.Lock()
		c.stopped = false
		c.mu.Unlock()
		c.edit("node1", func(g *coord.Group) { g.RPC, g.Epoch = "node1b:6970", g.Epoch+1 })
	})
	return c
}

// TestPushInDoubt: a refusal after a try that may have been stored is no refusal.
func TestPushInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		lost := times(1, push.E(push.KindOutcomeUnknown, "the connection broke"))
		c.lose = func(push.Push) error {
			if err := lost(); err != nil {
				c.refuse = func(string, push.Push) error { return push.E(push.KindMoving, "not here") }
				return err
			}
			return nil
		}
		if _, err := pushOnce(t, c, "K", "once"); !push.Is(err, push.KindOutcomeUnknown) || len(c.stored("K")) != 1 {
			t.Errorf("%v, stored %d", err, len(c.stored("K")))
		}
		c.refuse = nil
		lost = times(1, push.E(push.KindOutcomeUnknown, "the connection broke"))
		p := pipelineOf(t, c)
		defer p.close()
		it := numbered("L", 1)
		it.IdempotencyKey = "once"
		p.add(it)
		if err := drainAll(p)[0].err; !push.Is(err, push.KindOutcomeUnknown) {
			t.Errorf("as a line: %v", err)
		}
	})
}
