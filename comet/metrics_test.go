package comet

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"gopush/internal/push"
)

// What is in flight and what waits behind it is counted, and both come back to nothing.
// Broken once by not counting down where the line is empty, and once where an operation
// leaves it.
func TestLinesAreCounted(t *testing.T) {
	n, store, _ := testNode(t, func(c *Config) { c.PendingPushes = 2 })
	hold, entered := make(chan struct{}), make(chan struct{}, 8)
	store.onSave = func(push.Write) (bool, error) {
		entered <- struct{}{}
		<-hold
		return true, nil
	}
	answers := []<-chan result{pushAsync(t, n, "a", `1`)}
	<-entered
	answers = append(answers, pushAsync(t, n, "a", `2`), pushAsync(t, n, "a", `3`))
	if r := <-pushAsync(t, n, "a", `4`); !push.Is(r.err, push.KindBusy) {
		t.Fatalf("over the bound: %v", r.err)
	}
	if writing, waiting := n.met.writing.Load(), n.met.waiting.Load(); writing != 1 || waiting != 2 {
		t.Errorf("%d keys are being written and %d operations wait, not 1 and 2", writing, waiting)
	}
	close(hold)
	for _, a := range answers {
		if r := <-a; r.err != nil {
			t.Fatal(r.err)
		}
	}
	n.drain()
	if writing, waiting := n.met.writing.Load(), n.met.waiting.Load(); writing != 0 || waiting != 0 {
		t.Errorf("at the end %d keys are being written and %d operations wait", writing, waiting)
	}
}

// A connection that is behind counts as such until it has caught up, or has ended.
// Broken once by not counting it out where it ends.
func TestReadersBehindAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, store, _ := testNode(t, nil)
		mustPush(t, n, "a", `1`)
		store.onRead = func(push.Key, push.Span) error { return errors.New("the store is away") }
		c := listen(t, n, "a", after(0))
		synctest.Wait()
		if got := n.met.behind.Load(); got != 1 {
			t.Errorf("%d readers are behind, not 1", got)
		}
		store.count(func(m *memory) int { m.onRead = nil; return 0 })
		c.want(t, `1`)
		synctest.Wait()
		if got := n.met.behind.Load(); got != 0 {
			t.Errorf("after catching up %d readers are behind", got)
		}
		store.count(func(m *memory) int {
			m.onRead = func(push.Key, push.Span) error { return errors.New("away again") }
			return 0
		})
		c = listen(t, n, "a", after(0))
		synctest.Wait()
		_ = c.conn.Close()
		n.drain()
		if got := n.met.behind.Load(); got != 0 {
			t.Errorf("after the end %d readers are behind", got)
		}
	})
}

// Deliveries are counted as due when they are published, and as written once they are;
// one that was live has its time taken, one that was read from the store has not.
// Broken once by counting nothing as due.
func TestDeliveriesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := testNode(t, nil)
		mustPush(t, n, "a", `"before"`)
		c := listen(t, n, "a", after(0))
		c.want(t, `"before"`)
		mustPush(t, n, "a", `"live"`)
		c.want(t, `"live"`)
		synctest.Wait()
		if due, written := testutil.ToFloat64(n.met.due), testutil.ToFloat64(n.met.written); due != 1 || written != 2 {
			t.Errorf("%v deliveries were due and %v made, not 1 and 2", due, written)
		}
		if got := observed(t, n.met.took); got != 1 {
			t.Errorf("%d deliveries were timed, not 1", got)
		}
		if got := observed(t, n.met.acks); got != 2 {
			t.Errorf("%d pushes were timed, not 2", got)
		}
	})
}

// observed is how many values a histogram has.
func observed(t *testing.T, h prometheus.Metric) uint64 {
	t.Helper()
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}
