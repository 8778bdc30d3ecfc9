package web

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/coord"
	"gopush/internal/push"
)

func pipelineOf(t testing.TB, c *cluster) *pipeline {
	t.Helper()
	return newPipeline(context.Background(), newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second }))
}

// drainAll waits for everything and returns it in the order of the pipeline.
func drainAll(p *pipeline) (items []*item) {
	for !p.empty() {
		for it := p.next(); it != nil; it = p.next() {
			items = append(items, it)
		}
		if !p.empty() {
			p.wait()
		}
	}
	return items
}

func numbered(key push.Key, n int) push.Push {
	return push.Push{Key: key, Body: []byte(strconv.Itoa(n)), ExpiresAt: 4102444800000}
}

// TestPipelineKeepsOrder whatever is refused when: what is accepted of a key is
// accepted in the order of its lines, once, and each line gets its own answer in
// its place.
func TestPipelineKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		lines := rapid.IntRange(1, 300).Draw(rt, "lines")
		keys := rapid.IntRange(1, 4).Draw(rt, "keys")
		percent := rapid.IntRange(0, 90).Draw(rt, "refused percent")
		held := rapid.Bool().Draw(rt, "held")
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "node1", "node2")
			rng := rand.New(rand.NewPCG(seed, 1))
			kinds := []push.Kind{push.KindBusy, push.KindMoving, push.KindStoreUnavailable, push.KindNoNode, push.KindWrongNode}
			c.hold = held
			c.refuse = func(string, push.Push) error {
				if rng.IntN(100) < percent {
					return push.E(kinds[rng.IntN(len(kinds))], "not now")
				}
				return nil
			}
			p := pipelineOf(t, c)
			defer p.close()
			var items []*item
			for i := range lines {
				p.add(numbered(push.Key(fmt.Sprint("k", rng.IntN(keys))), i))
				if rng.IntN(20) == 0 {
					shuffledRelease(c, rng)
				}
			}
			for !p.empty() {
				for it := p.next(); it != nil; it = p.next() {
					items = append(items, it)
				}
				shuffledRelease(c, rng)
				if !p.empty() {
					p.wait()
				}
			}
			check(t, c, items, lines)
		})
	})
}

// shuffledRelease answers in any order: the comet clients promise none.
func shuffledRelease(c *cluster, rng *rand.Rand) {
	c.mu.Lock()
	rng.Shuffle(len(c.held), func(i, j int) { c.held[i], c.held[j] = c.held[j], c.held[i] })
	c.mu.Unlock()
	c.release()
}

func check(t *testing.T, c *cluster, items []*item, lines int) {
	t.Helper()
	if len(items) != lines {
		t.Fatalf("%d answers for %d lines", len(items), lines)
	}
	want := map[push.Key][]string{}
	for i, it := range items {
		if string(it.push.Body) != strconv.Itoa(i) {
			t.Fatalf("answer %d is for line %s", i, it.push.Body)
		}
		if it.err == nil {
			want[it.push.Key] = append(want[it.push.Key], strconv.Itoa(i))
		} else if classOf(push.KindOf(it.err)).status != 503 {
			t.Errorf("line %d: %v", i, it.err)
		}
	}
	for key := range c.streams {
		if got := c.bodies(key); !slices.Equal(got, want[key]) {
			t.Errorf("%s holds %v, acknowledged were %v", key, got, want[key])
		}
	}
}

// TestPipelineRetries: lines that are refused together go again together, in
// order, inside their deadline.
func TestPipelineRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		moving := time.Now().Add(2 * time.Second)
		c.refuse = func(string, push.Push) error {
			if time.Now().Before(moving) {
				return push.E(push.KindMoving, "moving")
			}
			return nil
		}
		p := pipelineOf(t, c)
		defer p.close()
		for i := range 100 {
			p.add(numbered("K", i))
		}
		for i, it := range drainAll(p) {
			if it.err != nil {
				t.Errorf("line %d: %v", i, it.err)
			}
		}
		if got := c.bodies("K"); len(got) != 100 || !slices.IsSortedFunc(got, byNumber) {
			t.Errorf("stored %v", got)
		}
		if len(p.lanes) != 0 || len(p.parked) != 0 {
			t.Errorf("%d lanes, %d parked are left", len(p.lanes), len(p.parked))
		}
	})
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// TestPipelineGivesUp: after its deadline a line keeps its refusal: 503, as
// nothing happened.
func TestPipelineGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		c.edit("node1", func(g *coord.Group) { g.Serving = false })
		p := pipelineOf(t, c)
		defer p.close()
		start := time.Now()
		for i := range 10 {
			p.add(numbered("K", i))
		}
		for i, it := range drainAll(p) {
			if !push.Is(it.err, push.KindNoNode) {
				t.Errorf("line %d: %v", i, it.err)
			}
		}
		if took := time.Since(start); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("gave up after %s; the deadline is 5 s", took)
		}
	})
}

// TestPipelineUnknownOutcome: with an idempotency key it is tried again and one
// message results; without, the line is told.
func TestPipelineUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		lost := times(2, push.E(push.KindOutcomeUnknown, "the connection broke"))
		c.lose = func(push.Push) error { return lost() }
		p := pipelineOf(t, c)
		defer p.close()
		named := numbered("K", 0)
		named.IdempotencyKey = "a"
		p.add(named)
		p.add(numbered("L", 1))
		items := drainAll(p)
		if items[0].err != nil || !items[0].receipt.Duplicate || len(c.bodies("K")) != 1 {
			t.Errorf("with a key: %v %+v, stored %v", items[0].err, items[0].receipt, c.bodies("K"))
		}
		if !push.Is(items[1].err, push.KindOutcomeUnknown) || len(c.bodies("L")) != 1 {
			t.Errorf("without: %v, stored %v", items[1].err, c.bodies("L"))
		}
	})
}

// TestPipelineIsBounded in lines and in bytes.
func TestPipelineIsBounded(t *testing.T) {
	c := newCluster(t, "node1")
	c.hold = true
	p := pipelineOf(t, c)
	defer p.close()
	n := 0
	for ; !p.full(); n++ {
		p.add(numbered("K", n))
	}
	if n != window || len(c.held) != laneWindow {
		t.Errorf("%d lines outstanding, %d on their way; want %d, %d", n, len(c.held), window, laneWindow)
	}
	q := pipelineOf(t, c)
	defer q.close()
	big := push.Push{Key: "L", Body: []byte(`"` + strings.Repeat("x", 64<<10) + `"`)}
	for n = 0; !q.full(); n++ {
		q.add(big)
	}
	if n != windowBytes/len(big.Body)+1 {
		t.Errorf("%d lines of 64 KiB outstanding", n)
	}
	c.release() // callbacks that come after close find room
}

// TestPipelineDeadline: a comet that never answers does not hold a line longer
// than its deadline, and a little.
func TestPipelineDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		c.stopped = true
		p := pipelineOf(t, c)
		defer p.close()
		p.add(numbered("K", 0))
		start := time.Now()
		it := drainAll(p)[0]
		if took := time.Since(start); !push.Is(it.err, push.KindOutcomeUnknown) || took > 5*time.Second+contextStep {
			t.Errorf("%v after %s", it.err, took)
		}
	})
}

// TestSharedContext: no context ends before its push's deadline, and old ones
// are let go.
func TestSharedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharedContext{parent: t.Context(), life: time.Second}
		defer s.close()
		for range 100 {
			deadline, ok := s.get().Deadline()
			if left := time.Until(deadline); !ok || left < time.Second || left > time.Second+contextStep {
				t.Fatalf("a context with %s left", left)
			}
			<-time.After(99 * time.Millisecond)
		}
		if len(s.made) > 8 {
			t.Errorf("%d contexts are kept", len(s.made))
		}
	})
}

// TestPipelineLeavesASilentNode: as a single push does. What stands behind a line that
// must not be repeated waits with it, so that the order is kept.
func TestPipelineLeavesASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := succeededLater(t)
		p := pipelineOf(t, c)
		defer p.close()
		for i := range 3 {
			it := numbered("K", i)
			it.IdempotencyKey = strconv.Itoa(i)
			p.add(it)
		}
		p.add(numbered("L", 0))
		start := time.Now()
		for i, it := range drainAll(p) {
			if lost := push.Is(it.err, push.KindOutcomeUnknown); lost != (i == 3) || !lost && it.err != nil {
				t.Errorf("line %d: %v", i, it.err)
			}
		}
		if got := len(c.stored("K")); got != 3 {
			t.Errorf("%d stored", got)
		}
		if took := time.Since(start); took > 5*time.Second+contextStep {
			t.Errorf("it took %s", took)
		}
	})
}

// TestPipelineDoesNotOvertake: while lines of a key are out at one term of its owner, none
// goes to the next.
func TestPipelineDoesNotOvertake(t *testing.T) {
	c := newCluster(t, "node1")
	c.hold = true
	p := pipelineOf(t, c)
	defer p.close()
	p.add(numbered("K", 0))
	c.edit("node1", func(g *coord.Group) { g.Epoch++ })
	p.add(numbered("K", 1))
	if got := c.bodies("K"); len(got) != 1 {
		t.Errorf("stored before the first was answered: %v", got)
	}
	c.hold = false
	c.release()
	for i, it := range drainAll(p) {
		if it.err != nil {
			t.Errorf("line %d: %v", i, it.err)
		}
	}
	if got := c.bodies("K"); len(got) != 2 {
		t.Errorf("stored: %v", got)
	}
}
