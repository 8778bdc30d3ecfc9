package rpc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"

	"gopush/internal/push"
)

// namedNode answers Newest with its own number, so that tests see who was asked.
func namedNode(tb testing.TB, id push.ID) *peerNode {
	tb.Helper()
	return messageNode(tb, &fakeMessage{newest: func(context.Context, push.Key) (push.ID, error) { return id, nil }})
}

// connected waits until every node of c has its connection.
func connected(tb testing.TB, c *MessageClient) {
	tb.Helper()
	r, err := c.nodes.current()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for _, n := range r.nodes {
		for s := n.conn.GetState(); s != connectivity.Ready; s = n.conn.GetState() {
			if !n.conn.WaitForStateChange(ctx, s) {
				tb.Fatalf("%s is %v", n.addr, s)
			}
		}
	}
}

// asked counts who answers n calls of Newest.
func asked(tb testing.TB, c *MessageClient, n int) map[push.ID]int {
	tb.Helper()
	got := make(map[push.ID]int)
	for range n {
		id, err := c.Newest(tb.Context(), "user")
		if err != nil {
			tb.Fatal(err)
		}
		got[id]++
	}
	return got
}

func TestNodesTakeTurns(t *testing.T) {
	a, b, gone := namedNode(t, 1), namedNode(t, 2), namedNode(t, 3)
	gone.stop()
	c := messageClient(t, MessageClientConfig{}, a.addr, a.addr, b.addr) // named twice: still one
	connected(t, c)
	same(t, asked(t, c, 10), map[push.ID]int{1: 5, 2: 5})
	c = messageClient(t, MessageClientConfig{}, gone.addr, b.addr)
	got := asked(t, c, 10)
	same(t, got, map[push.ID]int{2: 10}) // connected ones first
}

func TestAFailedNodeIsAvoidedForAWhile(t *testing.T) {
	a, b := namedNode(t, 1), namedNode(t, 2)
	c := messageClient(t, MessageClientConfig{AvoidFor: time.Hour}, a.addr, b.addr)
	connected(t, c)
	nodes := c.nodes.route.Load().nodes
	bad := nodes[0]
	c.nodes.blame(bad, push.E(push.KindTooLarge, "not its fault"))
	c.nodes.blame(bad, push.Wrap(push.KindOutcomeUnknown, context.Canceled, "not its fault"))
	if got := asked(t, c, 10); len(got) != 2 {
		t.Fatalf("only %v were asked, nobody had failed", got)
	}
	c.nodes.blame(bad, push.E(push.KindOutcomeUnknown, "it hangs"))
	if got := asked(t, c, 10); len(got) != 1 {
		t.Fatalf("%v were asked, one had failed", got)
	}
	c.nodes.blame(nodes[1], push.E(push.KindOutcomeUnknown, "it hangs too"))
	asked(t, c, 2) // with no other, an avoided one is asked
	bad.avoid.Store(0)
	nodes[1].avoid.Store(0)
	if got := asked(t, c, 10); len(got) != 2 {
		t.Fatalf("only %v are asked after the time is over", got)
	}
}

func TestTheLastChoiceIsNotRepeated(t *testing.T) {
	a, b := namedNode(t, 1), namedNode(t, 2)
	c := messageClient(t, MessageClientConfig{}, a.addr, b.addr)
	connected(t, c)
	last, err := c.nodes.pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if n, err := c.nodes.pick(last); err != nil || n == last {
			t.Fatalf("the choice that failed comes again, error %v", err)
		}
	}
}

func TestReadsGoToAnotherNode(t *testing.T) {
	var mu sync.Mutex
	addrs := []string{}
	c, err := NewMessageClient(MessageClientConfig{}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return addrs
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Newest(t.Context(), "user")
	wantKind(t, err, push.KindStoreUnavailable) // nobody is listed
	_, err = saveNow(t.Context(), t, c, write("user", 16))
	wantKind(t, err, push.KindStoreUnavailable)
	wantKind(t, c.Delete(t.Context(), "user", 1, Fence{}), push.KindStoreUnavailable)

	dead := namedNode(t, 1)
	dead.stop()
	hung := messageNode(t, &fakeMessage{newest: func(ctx context.Context, _ push.Key) (push.ID, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}})
	alive := namedNode(t, 3)
	for _, list := range [][]string{{dead.addr, alive.addr}, {hung.addr, alive.addr}, {dead.addr, hung.addr, alive.addr}} {
		mu.Lock()
		addrs = list
		mu.Unlock()
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			id, err := c.Newest(ctx, "user")
			cancel()
			if err != nil || id != 3 {
				t.Fatalf("%v: got %d, error %v", list, id, err)
			}
		}
	}
}

func TestReadsOutlastARestart(t *testing.T) {
	n := namedNode(t, 1)
	c := messageClient(t, MessageClientConfig{}, n.addr)
	connected(t, c)
	for range 5 {
		n.cut() // mid-call or between calls: the reader does not notice
		if id, err := c.Newest(t.Context(), "user"); err != nil || id != 1 {
			t.Fatalf("got %d, error %v", id, err)
		}
	}
	n.stop()
	began := time.Now()
	_, err := c.Newest(t.Context(), "user")
	wantKind(t, err, push.KindStoreUnavailable)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("gave up after %v only", took)
	}
	n = startNode(t, &fakeMessage{newest: func(context.Context, push.Key) (push.ID, error) { return 5, nil }}, ServerConfig{}, n.addr)
	for end := time.Now().Add(patience); ; {
		id, err := c.Newest(t.Context(), "user")
		if err == nil && id == 5 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the node at %s is back, but: %v", n.addr, err)
		}
	}
}

func TestErrorsOfTheServiceAreNotRetried(t *testing.T) {
	var calls atomic.Int32
	svc := &fakeMessage{
		read: func(context.Context, push.Key, push.Span) (push.Page, error) {
			calls.Add(1)
			return push.Page{}, push.E(push.KindStoreUnavailable, "the store is down")
		},
		change: func(context.Context, push.Key, push.ID, Fence) error {
			calls.Add(1)
			return push.E(push.KindFenced, "too late")
		},
	}
	c := messageClient(t, MessageClientConfig{}, messageNode(t, svc).addr, messageNode(t, svc).addr)
	_, err := c.Read(t.Context(), "user", push.Span{Limit: 1})
	same(t, err.Error(), "store_unavailable: the store is down")
	wantKind(t, c.Recall(t.Context(), "user", 16, Fence{}), push.KindFenced)
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls, want one of each", n)
	}
}

func TestUnaryCallsOfTheMessageNode(t *testing.T) {
	page := push.Page{
		Messages: []push.Message{{ID: 32, Prev: 16, Body: []byte("1")}}, Next: 32, More: true,
		Gaps: []push.Gap{{After: 1, Until: 16, Reason: push.GapExpired}},
	}
	var log []string
	svc := &fakeMessage{
		read: func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			log = append(log, fmt.Sprintf("read %s %+v", key, span))
			return page, nil
		},
		change: func(_ context.Context, key push.Key, id push.ID, fence Fence) error {
			log = append(log, fmt.Sprintf("change %s %d %+v", key, id, fence))
			return nil
		},
	}
	c := messageClient(t, MessageClientConfig{}, messageNode(t, svc).addr)
	got, err := c.Read(t.Context(), "ü", push.Span{After: 1, Until: 99, Limit: 7, Bytes: 1000, Newest: 3})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, page)
	if err := c.Recall(t.Context(), "user", 16, Fence{Group: "g", Epoch: 2}); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), push.PublicKey, 32, Fence{Group: "g", Epoch: 3}); err != nil {
		t.Error(err)
	}
	same(t, log, []string{
		"read ü {After:1 Until:99 Limit:7 Bytes:1000 Newest:3}",
		"change user 16 {Group:g Epoch:2}", "change \x01public 32 {Group:g Epoch:3}",
	})
	_, err = c.Read(t.Context(), push.Key(strings.Repeat("k", 256)), push.Span{Limit: 1})
	wantKind(t, err, push.KindBadKey)
}

func TestADelistedNodeAnswersWhatItHas(t *testing.T) {
	entered, let := make(chan struct{}), make(chan struct{})
	old := messageNode(t, &fakeMessage{save: func(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
		close(entered)
		select {
		case <-let:
		case <-ctx.Done():
		}
		done(0, stored(&writes[0]), nil)
	}})
	next := namedNode(t, 2)
	var list atomic.Pointer[[]string]
	list.Store(&[]string{old.addr})
	c, err := NewMessageClient(MessageClientConfig{}, func() []string { return *list.Load() }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	errs := make(chan error, 1)
	c.Save(t.Context(), write("user", 16), func(_ push.Written, err error) { errs <- err })
	receive(t, entered)
	list.Store(&[]string{next.addr})
	same(t, asked(t, c, 3), map[push.ID]int{2: 3})
	close(let)
	if err := receive(t, errs); err != nil {
		t.Errorf("a save that the old node had taken: %v", err)
	}
}

func TestChangesAreUnknownAfterACut(t *testing.T) {
	entered := make(chan struct{}, 1)
	n := messageNode(t, &fakeMessage{change: func(ctx context.Context, _ push.Key, _ push.ID, _ Fence) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	c := messageClient(t, MessageClientConfig{Client: ClientConfig{CallTimeout: 50 * time.Millisecond}}, n.addr)
	wantKind(t, c.Delete(t.Context(), "user", 16, Fence{}), push.KindOutcomeUnknown) // the default deadline
	receive(t, entered)
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		errs <- c.Delete(ctx, "user", 16, Fence{})
	})
	receive(t, entered)
	n.cut()
	wantKind(t, receive(t, errs), push.KindOutcomeUnknown)
	n.stop()
	c = messageClient(t, MessageClientConfig{}, n.addr)
	wantKind(t, c.Delete(t.Context(), "user", 16, Fence{}), push.KindStoreUnavailable)
}
