package comet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One write is in flight per key; what waits behind it goes as one burst, in
// order, and ids ascend in the order of the acks (P2, P3).
func TestOneWriteInFlightPerKey(t *testing.T) {
	n, store, _ := testNode(t, nil)
	hold, entered := make(chan struct{}), make(chan push.Write, 8)
	store.onSave = func(w push.Write) (bool, error) {
		entered <- w
		<-hold
		return true, nil
	}
	first := pushAsync(t, n, "a", `0`)
	<-entered
	var rest []<-chan result
	for i := 1; i <= 5; i++ {
		rest = append(rest, pushAsync(t, n, "a", fmt.Sprint(i)))
	}
	other := pushAsync(t, n, "b", `"another key"`)
	if w := <-entered; w.Key != "b" {
		t.Fatalf("the second write in flight is of key %q, want the other key", w.Key)
	}
	select {
	case w := <-entered:
		t.Fatalf("a third write of key %q began while the first was in flight", w.Key)
	default:
	}
	close(hold)
	last := (<-first).ID
	for i, c := range rest {
		r := <-c
		if r.err != nil || r.ID <= last || r.ID%push.Step != 0 {
			t.Fatalf("push %d: id %d after %d, error %v", i+1, r.ID, last, r.err)
		}
		last = r.ID
	}
	if r := <-other; r.err != nil {
		t.Fatal(r.err)
	}
	burst := <-entered
	if len(burst.Messages) != 5 {
		t.Fatalf("what waited went as %d messages, want one burst of 5", len(burst.Messages))
	}
}

// P9: nothing is held for a key without connections once its push is answered.
func TestIdleKeyHoldsNothing(t *testing.T) {
	n, _, _ := testNode(t, nil)
	for i := range 100 {
		mustPush(t, n, push.Key(fmt.Sprintf("key%d", i)), `1`)
	}
	n.gate.Lock()
	n.closed = true
	n.gate.Unlock()
	n.work.Wait()
	if got := n.table.size(); got != 0 {
		t.Fatalf("%d channels are held for idle keys", got)
	}
}

// A write whose outcome is unknown is repeated with the same ids.
func TestUnknownOutcomeIsRetriedWithTheSameID(t *testing.T) {
	n, store, _ := testNode(t, nil)
	var mu sync.Mutex
	var ids []push.ID
	store.onSave = func(w push.Write) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, w.Messages[0].ID)
		if len(ids) < 3 {
			return true, push.E(push.KindOutcomeUnknown, "no answer")
		}
		return true, nil
	}
	id := mustPush(t, n, "a", `1`)
	if len(ids) != 3 || ids[0] != id || ids[1] != id || ids[2] != id {
		t.Fatalf("attempts had the ids %v, acknowledged was %d", ids, id)
	}
	if got := store.count(func(m *memory) int { return len(m.rows["a"]) }); got != 1 {
		t.Fatalf("%d messages are stored, want 1", got)
	}
}

// Giving up says "unknown" only if something may have been stored.
func TestGivingUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer push.Kind
		want   push.Kind
	}{
		{"nothing was stored", push.KindStoreUnavailable, push.KindStoreUnavailable},
		{"too busy", push.KindBusy, push.KindStoreUnavailable},
		{"perhaps stored", push.KindOutcomeUnknown, push.KindOutcomeUnknown},
		{"refused for good", push.KindTooLarge, push.KindTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, store, _ := testNode(t, nil)
				store.onSave = func(push.Write) (bool, error) { return false, push.E(c.answer, "planted") }
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				answer := make(chan result, 1)
				n.Push(ctx, push.Push{Key: "a", Body: []byte(`1`)}, func(r push.Receipt, err error) { answer <- result{r, err} })
				if r := <-answer; push.KindOf(r.err) != c.want {
					t.Fatalf("answered %v, want kind %s", r.err, c.want)
				}
				// The key goes on.
				store.mu.Lock()
				store.onSave = nil
				store.mu.Unlock()
				mustPush(t, n, "a", `2`)
			})
		})
	}
}

// A refusal stays one, whatever time a push has: no try is begun that the end of this time
// would cut off.
//
// Broken once by beginning a try whenever there was time for the pause before it.
func TestLastTryHasTime(t *testing.T) {
	for left := 50 * time.Millisecond; left < 6*time.Second; left += 13 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			n, store, _ := testNode(t, nil)
			store.takes = 4 * time.Millisecond
			store.onSave = func(push.Write) (bool, error) { return false, push.E(push.KindStoreUnavailable, "planted") }
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			answer := make(chan result, 1)
			n.Push(ctx, push.Push{Key: "a", Body: []byte(`1`)}, func(r push.Receipt, err error) { answer <- result{r, err} })
			if r := <-answer; !push.Is(r.err, push.KindStoreUnavailable) {
				t.Errorf("with %s: %v", left, r.err)
			}
		})
	}
}

// P1 and P6: an answer of the store that comes after the lease was lost is not
// acknowledged, and not delivered.
func TestNoAckWithoutLease(t *testing.T) {
	n, store, cl := testNode(t, nil)
	got := listen(t, n, "a")
	store.onSave = func(push.Write) (bool, error) {
		cl.valid.Store(false)
		return true, nil
	}
	r := <-pushAsync(t, n, "a", `1`)
	if !push.Is(r.err, push.KindOutcomeUnknown) {
		t.Fatalf("answered %v, %v; want an unknown outcome", r.Receipt, r.err)
	}
	got.none(t)
	if r := <-pushAsync(t, n, "a", `2`); !push.Is(r.err, push.KindMoving) {
		t.Fatalf("a push without a lease was answered %v", r.err)
	}
}

// P6: a writer that a message node refuses as deposed stops serving, though its own
// lease looks fine, and campaigns again; its clients are told to look elsewhere.
func TestFencedWriterStopsServing(t *testing.T) {
	n, store, _ := testNode(t, nil)
	n.serving.Store(nil)
	ctx, cancel := context.WithCancel(t.Context())
	var campaigns sync.WaitGroup
	campaigns.Go(func() { n.campaign(ctx) })
	defer campaigns.Wait()
	defer cancel()
	first := waitService(t, n, nil)
	c := listen(t, n, "a")
	store.onSave = func(push.Write) (bool, error) {
		store.mu.Lock()
		defer store.mu.Unlock()
		store.onSave = nil
		return false, push.E(push.KindFenced, "a higher epoch was seen")
	}
	if r := <-pushAsync(t, n, "a", `1`); !push.Is(r.err, push.KindMoving) {
		t.Fatalf("answered %v", r.err)
	}
	for { // the connection ends
		if _, err := c.r.ReadString('\n'); err != nil {
			break
		}
	}
	waitService(t, n, first)
	mustPush(t, n, "a", `2`)
}

// waitService waits for a service other than old.
func waitService(t *testing.T, n *Node, old *service) *service {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if srv := n.service(); srv != nil && srv != old {
			return srv
		}
		if time.Now().After(deadline) {
			t.Fatal("the node does not serve again")
		}
		<-time.After(time.Millisecond)
	}
}

// A full queue refuses with a retryable error, at once.
func TestQueueBound(t *testing.T) {
	n, store, _ := testNode(t, func(c *Config) { c.PendingPushes = 3 })
	hold := make(chan struct{})
	store.onSave = func(push.Write) (bool, error) { <-hold; return true, nil }
	var answers []<-chan result
	for i := range 4 {
		answers = append(answers, pushAsync(t, n, "a", fmt.Sprint(i)))
	}
	if r := <-pushAsync(t, n, "a", `"one too many"`); !push.Is(r.err, push.KindBusy) {
		t.Fatalf("answered %v, want busy", r.err)
	}
	close(hold)
	for i, a := range answers {
		if r := <-a; r.err != nil {
			t.Fatalf("push %d, within the bound: %v", i, r.err)
		}
	}
}

func TestBurstBounds(t *testing.T) {
	ch := newChannel("a")
	add := func(kind opKind, bytes int) {
		ch.enqueue(&operation{kind: kind, push: push.Push{Body: make([]byte, bytes)}}, 10_000, 1<<30)
	}
	for range push.MaxBurstMessages + 1 {
		add(opStore, 1)
	}
	if got := len(ch.take()); got != push.MaxBurstMessages {
		t.Fatalf("a burst of %d messages", got)
	}
	for range 5 {
		add(opStore, 64<<10)
	}
	add(opTransient, 1)
	add(opStore, 1)
	for i, want := range []int{4, 2, 1, 1, 0} {
		if got := len(ch.take()); got != want {
			t.Fatalf("unit %d has %d operations, want %d", i, got, want)
		}
	}
	if ch.busy || ch.queueBytes != 0 {
		t.Fatalf("busy %v with %d bytes after the last unit", ch.busy, ch.queueBytes)
	}
}

// A clock that jumps ahead of the ceiling costs a raise, not an error; one that
// jumps back never lowers an id (P2).
func TestClockSteps(t *testing.T) {
	n, _, cl := testNode(t, nil)
	now := time.Now()
	n.serving.Store(newService(cl, func() time.Time { return now }, n.cfg.IDLease))
	var last push.ID
	for _, step := range []time.Duration{0, time.Hour, -2 * time.Hour, 0, 3 * time.Hour} {
		now = now.Add(step)
		id := mustPush(t, n, "a", `1`)
		if id <= last || id > cl.Ceiling() {
			t.Fatalf("after a step of %s: id %d, the last one was %d, the ceiling is %d", step, id, last, cl.Ceiling())
		}
		last = id
	}
	before, err := n.Time(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id := mustPush(t, n, "never seen", `1`); id <= before {
		t.Fatalf("id %d is not above the first cursor %d", id, before)
	}
}

func TestWrongNode(t *testing.T) {
	n, _, _ := testNode(t, nil)
	n.deps.Directory = newCluster(t, "another")
	r := <-pushAsync(t, n, "a", `1`)
	if e, ok := errors.AsType[*push.Error](r.err); !ok || e.Kind != push.KindWrongNode {
		t.Fatalf("answered %v", r.err)
	}
}

// Operations keep their order even when they are of different kinds.
func TestMixedOperationsKeepTheirOrder(t *testing.T) {
	n, store, _ := testNode(t, nil)
	got := listen(t, n, "a")
	hold := make(chan struct{})
	store.onSave = func(push.Write) (bool, error) { <-hold; return true, nil }
	answers := []<-chan result{
		pushAsync(t, n, "a", `1`),
		pushAsync(t, n, "a", `2`, transient),
		pushAsync(t, n, "a", `3`),
		pushAsync(t, n, "a", `4`, transient),
	}
	close(hold)
	var last push.ID
	for i, a := range answers {
		r := <-a
		if r.err != nil || r.ID <= last {
			t.Fatalf("operation %d: %v", i, r)
		}
		last = r.ID
	}
	got.want(t, `1`, `2`, `3`, `4`)
}
