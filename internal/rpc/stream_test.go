package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/push"
)

func TestSaveOverTheWire(t *testing.T) {
	w := write("user", 32)
	w.Messages = append(w.Messages, push.Message{ID: 48, ExpiresAt: 5, Body: []byte("x"), IdempotencyKey: "again"})
	n := messageNode(t, &fakeMessage{save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
		same(t, writes, []push.Write{w})
		done(0, push.Written{Prev: 16, Outcomes: []push.Outcome{{Status: push.Stored, ID: 32}, {Status: push.Duplicate, ID: 8}}}, nil)
	}})
	got, err := saveNow(t.Context(), t, messageClient(t, MessageClientConfig{}, n.addr), w)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, push.Written{Prev: 16, Outcomes: []push.Outcome{{Status: push.Stored, ID: 32}, {Status: push.Duplicate, ID: 8}}})
}

func TestErrorsOfItemsCross(t *testing.T) {
	n := messageNode(t, &fakeMessage{save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
		for i := range writes {
			done(i, push.Written{}, &push.Error{Kind: push.KindFenced, Detail: "epoch 7 is over", RetryAfter: time.Second, Err: errors.New("secret")})
		}
	}})
	_, err := saveNow(t.Context(), t, messageClient(t, MessageClientConfig{}, n.addr), write("user", 16))
	same(t, err.Error(), "fenced: epoch 7 is over")
	if e, _ := errors.AsType[*push.Error](err); e.RetryAfter != time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
}

func TestBadItemHarmsNoOther(t *testing.T) {
	n := messageNode(t, &fakeMessage{})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	errs := make(chan error, 100)
	for i := range cap(errs) {
		w := write("good", 16)
		if i%2 == 0 {
			w.Key = "not\xffvalid"
		}
		c.Save(t.Context(), w, func(_ push.Written, err error) { errs <- err })
	}
	bad := 0
	for range cap(errs) {
		if err := receive(t, errs); err != nil {
			wantKind(t, err, push.KindBadKey)
			bad++
		}
	}
	if bad != cap(errs)/2 {
		t.Errorf("%d of %d were refused", bad, cap(errs))
	}
}

func TestASlowItemDelaysNoOther(t *testing.T) {
	let := make(chan struct{})
	n := messageNode(t, &fakeMessage{save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
		slow := -1
		for i := range writes {
			if writes[i].Key == "slow" {
				slow = i
				continue
			}
			done(i, stored(&writes[i]), nil)
		}
		if slow >= 0 {
			<-let
			done(slow, stored(&writes[slow]), nil)
		}
	}})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	slow, fast := make(chan error, 1), make(chan error, 500)
	c.Save(t.Context(), write("slow", 16), func(_ push.Written, err error) { slow <- err })
	for range cap(fast) {
		c.Save(t.Context(), write("fast", 16), func(_ push.Written, err error) { fast <- err })
	}
	for range cap(fast) {
		if err := receive(t, fast); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-slow:
		t.Fatalf("the slow one was answered before it was done: %v", err)
	default:
	}
	close(let)
	if err := receive(t, slow); err != nil {
		t.Fatal(err)
	}
}

func TestPushesKeepTheirOrder(t *testing.T) {
	const count = 5000
	var mu sync.Mutex
	var got []int64
	var held []func(push.Receipt, error)
	n := cometNode(t, &fakeComet{push: func(_ context.Context, p push.Push, done func(push.Receipt, error)) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, p.ExpiresAt)
		held = append(held, done)
		if len(held) < 10 && len(got) < count {
			return
		}
		for _, done := range slices.Backward(held) { // answers come in another order
			done(push.Receipt{ID: 16}, nil)
		}
		held = nil
	}})
	c := cometPool(t, CometPoolConfig{}).At(n.addr)
	errs := make(chan error, count)
	for i := range count {
		c.Push(t.Context(), push.Push{Key: "user", Body: []byte("1"), ExpiresAt: int64(i)}, func(_ push.Receipt, err error) { errs <- err })
	}
	for range count {
		if err := receive(t, errs); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range got {
		if n != int64(i) {
			t.Fatalf("push %d came in place %d", n, i)
		}
	}
}

func TestTheDeadlineCrosses(t *testing.T) {
	ended, answered := make(chan error, 1), make(chan struct{})
	n := cometNode(t, &fakeComet{push: func(ctx context.Context, _ push.Push, done func(push.Receipt, error)) {
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || left <= 0 || left > time.Minute {
			t.Errorf("deadline in %v, ok %v", left, ok)
		}
		context.AfterFunc(ctx, func() {
			ended <- ctx.Err()
			<-answered
			done(push.Receipt{}, ctx.Err()) // too late: the answer is dropped
		})
	}})
	c := cometPool(t, CometPoolConfig{}).At(n.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := pushNow(ctx, t, c, push.Push{Key: "user", Body: []byte("1")})
	wantKind(t, err, push.KindOutcomeUnknown)
	close(answered)
	if err := receive(t, ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the service's context ended with %v", err)
	}
}

func TestTheFrameOfWritesHasTheLatestDeadline(t *testing.T) {
	deadlines := make(chan time.Duration, 1)
	n := messageNode(t, &fakeMessage{save: func(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
		end, ok := ctx.Deadline()
		if !ok {
			end = time.Time{}
		}
		for i := range writes {
			done(i, stored(&writes[i]), nil)
		}
		deadlines <- time.Until(end)
	}})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := saveNow(ctx, t, c, write("user", 16)); err != nil {
		t.Fatal(err)
	}
	if left := receive(t, deadlines); left < 59*time.Minute || left > time.Hour {
		t.Errorf("deadline in %v, want an hour", left)
	}
	if _, err := saveNow(t.Context(), t, c, write("user", 16)); err != nil {
		t.Fatal(err)
	}
	if left := receive(t, deadlines); left > 0 {
		t.Errorf("deadline in %v, want none", left)
	}
}

func TestACutConnection(t *testing.T) {
	reached, hold := make(chan struct{}, 10), make(chan struct{})
	n := messageNode(t, &fakeMessage{save: func(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
		if writes[0].Key == "held" {
			reached <- struct{}{}
			select {
			case <-hold:
			case <-ctx.Done(): // the client is gone: so is the work for it
			}
		}
		for i := range writes {
			done(i, stored(&writes[i]), nil)
		}
	}})
	defer close(hold)
	c := messageClient(t, MessageClientConfig{AvoidFor: time.Nanosecond}, n.addr)
	for round := range 3 {
		errs := make(chan error, 1)
		c.Save(t.Context(), write("held", 16), func(_ push.Written, err error) { errs <- err })
		receive(t, reached)
		n.cut()
		wantKind(t, receive(t, errs), push.KindOutcomeUnknown)
		if err := saveUntilTaken(t, c); err != nil {
			t.Fatalf("round %d: not connected again: %v", round, err)
		}
	}
}

// saveUntilTaken repeats a save for as long as it is surely not stored.
func saveUntilTaken(tb testing.TB, c *MessageClient) error {
	tb.Helper()
	end := time.Now().Add(patience)
	for {
		_, err := saveNow(tb.Context(), tb, c, write("user", 16))
		if !push.Is(err, push.KindStoreUnavailable) || time.Now().After(end) {
			return err
		}
		rest(tb.Context(), time.Millisecond)
	}
}

func TestNobodyListens(t *testing.T) {
	n := messageNode(t, &fakeMessage{})
	n.stop()
	c := messageClient(t, MessageClientConfig{}, n.addr)
	_, err := saveNow(t.Context(), t, c, write("user", 16))
	wantKind(t, err, push.KindStoreUnavailable)
	p := cometPool(t, CometPoolConfig{}).At(n.addr)
	_, err = pushNow(t.Context(), t, p, push.Push{Key: "user"})
	wantKind(t, err, push.KindNoNode)
	// The peer is there, but is something else: nothing can have been stored.
	other := cometNode(t, &fakeComet{})
	_, err = saveNow(t.Context(), t, messageClient(t, MessageClientConfig{}, other.addr), write("user", 16))
	wantKind(t, err, push.KindStoreUnavailable)
}

// Each save is acknowledged only if the service got it, and one that surely was
// not sent never reaches the service, while connections break all the time.
func TestCutsNeverLie(t *testing.T) {
	var mu sync.Mutex
	got := make(map[push.ID]bool)
	n := messageNode(t, &fakeMessage{save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
		for i := range writes {
			mu.Lock()
			got[writes[i].Messages[0].ID] = true
			mu.Unlock()
			done(i, stored(&writes[i]), nil)
		}
	}})
	c := messageClient(t, MessageClientConfig{AvoidFor: time.Nanosecond}, n.addr)
	type fate struct {
		id  push.ID
		err error
	}
	var calls atomic.Int64
	const callers, each = 16, 200
	fates := make(chan fate, callers*each)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				id := push.ID(calls.Add(1)) * push.Step
				_, err := saveNow(t.Context(), t, c, write(push.Key(fmt.Sprint("user", id)), id))
				fates <- fate{id, err}
				if id%(100*push.Step) == 0 {
					n.cut()
				}
				if err != nil {
					rest(t.Context(), time.Millisecond)
				}
			}
		})
	}
	acked, unsent := 0, 0
	for range callers * each {
		f := receive(t, fates)
		mu.Lock()
		reached := got[f.id]
		mu.Unlock()
		switch {
		case f.err == nil && !reached:
			t.Fatalf("save %d was acknowledged, but nobody got it", f.id)
		case f.err == nil:
			acked++
		case push.Is(f.err, push.KindOutcomeUnknown):
		case push.Is(f.err, push.KindStoreUnavailable):
			unsent++
			if reached {
				t.Fatalf("save %d reached the service, but was called unsent", f.id)
			}
		default:
			t.Fatal(f.err)
		}
	}
	wg.Wait()
	t.Logf("%d acknowledged, %d unsent", acked, unsent)
	if acked == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

func TestDrainLosesNothing(t *testing.T) {
	entered, let := make(chan struct{}), make(chan struct{})
	n := messageNode(t, &fakeMessage{save: func(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
		close(entered)
		select {
		case <-let:
		case <-ctx.Done():
		}
		for i := range writes {
			done(i, stored(&writes[i]), nil)
		}
	}})
	other := messageNode(t, &fakeMessage{})
	addrs := []string{n.addr}
	var mu sync.Mutex
	c, err := NewMessageClient(MessageClientConfig{}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return addrs
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	errs := make(chan error, 1)
	c.Save(t.Context(), write("user", 16), func(_ push.Written, err error) { errs <- err })
	receive(t, entered)
	n.drain()
	for draining := c.nodes.route.Load().nodes[0].saves; draining.reachable(); {
		rest(t.Context(), time.Millisecond)
	}
	mu.Lock()
	addrs = []string{n.addr, other.addr}
	mu.Unlock()
	if _, err := saveNow(t.Context(), t, c, write("user", 32)); err != nil {
		t.Fatalf("a new save did not go to the other node: %v", err)
	}
	close(let)
	if err := receive(t, errs); err != nil {
		t.Fatalf("a save that the draining node had taken: %v", err)
	}
}

func TestLargeItems(t *testing.T) {
	n := messageNode(t, &fakeMessage{})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	w := write("user", 16)
	w.Messages[0].Body = bytes.Repeat([]byte("x"), maxItem-1000)
	if _, err := saveNow(t.Context(), t, c, w); err != nil {
		t.Errorf("an item below the limit: %v", err)
	}
	w.Messages[0].Body = append(w.Messages[0].Body, make([]byte, 1000)...)
	_, err := saveNow(t.Context(), t, c, w)
	wantKind(t, err, push.KindTooLarge)
	w.Messages[0].Body = w.Messages[0].Body[:1<<20]
	errs := make(chan error, 28) // many frames, more than a stream carries unread
	for range cap(errs) {
		c.Save(t.Context(), w, func(_ push.Written, err error) { errs <- err })
	}
	for range cap(errs) {
		if err := receive(t, errs); err != nil {
			t.Error(err)
		}
	}
}

func TestClientCloseOverTheWire(t *testing.T) {
	reached := make(chan struct{})
	n := messageNode(t, &fakeMessage{save: func(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
		close(reached)
		<-ctx.Done()
	}})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	errs := make(chan error, 1)
	c.Save(t.Context(), write("user", 16), func(_ push.Written, err error) { errs <- err })
	receive(t, reached)
	if c.Pending() != 1 {
		t.Errorf("%d saves are pending", c.Pending())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	wantKind(t, receive(t, errs), push.KindOutcomeUnknown)
	_, err := saveNow(t.Context(), t, c, write("user", 16))
	wantKind(t, err, push.KindStoreUnavailable)
	_, err = c.Newest(t.Context(), "user")
	wantKind(t, err, push.KindStoreUnavailable)
}
