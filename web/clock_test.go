package web

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// timing is a cluster whose comets give the times of a table.
func timing(t *testing.T, ids map[string]push.ID) *cluster {
	t.Helper()
	c := newCluster(t, "node1", "node2", "node3")
	c.timeOf = func(addr string) (push.ID, error) {
		if id := ids[addr]; id != 0 {
			return id, nil
		}
		return 0, push.E(push.KindStoreUnavailable, "hung")
	}
	return c
}

func safe(t *testing.T, k *clock) push.ID {
	t.Helper()
	id, err := k.safe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestClockTakesTheLowest: whatever the clocks of the hosts say, no message may
// get an id at or below the answer.
func TestClockTakesTheLowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := map[string]push.ID{"node1:6970": 3200, "node2:6970": 1600, "node3:6970": 4800}
		c := timing(t, ids)
		k := newClock(c, c.comet, time.Second, time.Now)
		if got := safe(t, k); got != 1600 {
			t.Errorf("got %d, want the lowest, 1600", got)
		}
		ids["node2:6970"] = 9600
		if got := safe(t, k); got != 1600 || c.times != 3 {
			t.Errorf("got %d after %d questions; a reading holds for a second", got, c.times)
		}
		<-time.After(clockFresh)
		if got := safe(t, k); got != 3200 || c.times != 6 {
			t.Errorf("got %d after %d questions", got, c.times)
		}
	})
}

// TestClockOfSilentGroups: the last known value counts, else the floor.
func TestClockOfSilentGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := map[string]push.ID{"node1:6970": 3200, "node2:6970": 1600}
		c := timing(t, ids)
		k := newClock(c, c.comet, time.Second, time.Now)
		if got := safe(t, k); got != 160 {
			t.Errorf("node3 never answered: got %d, want its floor, 160", got)
		}
		ids["node3:6970"] = 4800
		<-time.After(clockFresh)
		if got := safe(t, k); got != 1600 {
			t.Errorf("got %d, want 1600", got)
		}
		delete(ids, "node2:6970") // it does not answer any more
		ids["node1:6970"], ids["node3:6970"] = 6400, 6400
		<-time.After(clockFresh)
		if got := safe(t, k); got != 1600 {
			t.Errorf("got %d, want the last that node2 said, 1600", got)
		}
		c.edit("node2", func(g *coord.Group) { g.Serving = false })
		if got := safe(t, k); got != 1600 {
			t.Errorf("got %d, want 1600 of a group without a primary", got)
		}
		c.setView(t, "node1", "node3")
		if got := safe(t, k); got != 6400 || len(k.last) != 2 {
			t.Errorf("got %d with %d readings after node2 has left", got, len(k.last))
		}
	})
}

// slowComet answers Time only when it is let.
type slowComet struct {
	Comet
	asked, answer chan struct{}
}

func (s *slowComet) Time(ctx context.Context) (push.ID, error) {
	s.asked <- struct{}{}
	select {
	case <-s.answer:
		return 3200, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestClockAsksOnce: callers share one question, which does not end with the
// one that happened to be first.
func TestClockAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		slow := &slowComet{asked: make(chan struct{}, 100), answer: make(chan struct{})}
		k := newClock(c, func(string) Comet { return slow }, time.Second, time.Now)
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		got := make([]push.ID, 20)
		for i := range got {
			wg.Go(func() {
				ctx := first
				if i > 0 {
					ctx = t.Context()
				}
				got[i], _ = k.safe(ctx)
			})
			synctest.Wait()
		}
		cancel()
		close(slow.answer)
		wg.Wait()
		if len(slow.asked) != 1 {
			t.Errorf("%d questions", len(slow.asked))
		}
		for i, id := range got {
			if id != 3200 {
				t.Errorf("caller %d got %d", i, id)
			}
		}
	})
}

// TestClockOfAHungComet: the wait is bounded.
func TestClockOfAHungComet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		slow := &slowComet{asked: make(chan struct{}, 1), answer: make(chan struct{})}
		k := newClock(c, func(string) Comet { return slow }, time.Second, time.Now)
		start := time.Now()
		if got := safe(t, k); got != 160 || time.Since(start) != time.Second {
			t.Errorf("got %d after %s", got, time.Since(start))
		}
	})
}
