package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gopush/internal/push"
)

func TestUnaryCallsOfTheComet(t *testing.T) {
	var log []string
	info := push.KeyInfo{Group: "node1", Connections: 3, Newest: 48}
	n := cometNode(t, &fakeComet{
		change: func(ctx context.Context, key push.Key, id push.ID) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			log = append(log, fmt.Sprintf("%s %d", key, id))
			return nil
		},
		describe: func(_ context.Context, key push.Key, about push.ID) (push.KeyInfo, error) {
			if key == "user" && about != 48 {
				t.Errorf("asked about %d", about)
			}
			if key != "user" {
				return push.KeyInfo{}, push.E(push.KindWrongNode, "ask another")
			}
			return info, nil
		},
		time: func(context.Context) (push.ID, error) { return 160, nil },
	})
	c := cometPool(t, CometPoolConfig{}).At(n.addr)
	if err := c.Recall(t.Context(), "user", 32); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), push.PublicKey); err != nil {
		t.Error(err)
	}
	same(t, log, []string{"user 32", "\x01public 0"})
	got, err := c.Describe(t.Context(), "user", 48)
	if err != nil {
		t.Error(err)
	}
	same(t, got, info)
	_, err = c.Describe(t.Context(), "other", 0)
	wantKind(t, err, push.KindWrongNode)
	if id, err := c.Time(t.Context()); err != nil || id != 160 {
		t.Errorf("got %d, error %v", id, err)
	}
	for _, err := range []error{c.Recall(t.Context(), "", 1), c.Delete(t.Context(), "\x00")} {
		wantKind(t, err, push.KindBadKey)
	}
	p := push.Push{Key: "user", Body: []byte("1"), ExpiresAt: 99, Transient: true, IdempotencyKey: "i", RequestID: "r"}
	if r, err := pushNow(t.Context(), t, c, p); err != nil || r.ID != 99 {
		t.Errorf("got %v, error %v", r, err)
	}
}

func TestFollow(t *testing.T) {
	events := []Event{
		{Kind: EventReady, ID: 16},
		{Kind: EventMessage, Message: push.Message{ID: 32, Prev: 16, Body: []byte("1"), ExpiresAt: 9}},
		{Kind: 77, ID: 1}, // of a later version
		{Kind: EventRecall, ID: 32},
		{Kind: EventDelete, ID: 48},
	}
	ends := make(chan error, 1)
	n := cometNode(t, &fakeComet{follow: func(ctx context.Context, send func(Event) error) error {
		for _, e := range events {
			if err := send(e); err != nil {
				ends <- err
				return err
			}
		}
		select {
		case err := <-ends:
			return err
		case <-ctx.Done():
			ends <- ctx.Err()
			return ctx.Err()
		}
	}})
	c := cometPool(t, CometPoolConfig{}).At(n.addr)

	var got []Event
	ends <- nil
	if err := c.Follow(t.Context(), func(e Event) error { got = append(got, e); return nil }); err != nil {
		t.Errorf("the service ended it: %v", err)
	}
	same(t, got, events)

	ends <- push.E(push.KindWrongNode, "the stream moved")
	wantKind(t, c.Follow(t.Context(), func(Event) error { return nil }), push.KindWrongNode)

	enough := errors.New("enough")
	if err := c.Follow(t.Context(), func(Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	_ = receive(t, ends) // the service is told that nobody follows any more

	ctx, cancel := context.WithCancel(t.Context())
	err := c.Follow(ctx, func(e Event) error {
		if e.Kind == EventDelete {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = receive(t, ends)

	err = c.Follow(t.Context(), func(e Event) error {
		if e.Kind == EventDelete {
			n.cut()
		}
		return nil
	})
	wantKind(t, err, push.KindNoNode)
}

func TestASlowFollowerHoldsItsOwnStreamOnly(t *testing.T) {
	const count = 20_000
	n := cometNode(t, &fakeComet{
		follow: func(_ context.Context, send func(Event) error) error {
			for i := range count {
				if err := send(Event{Kind: EventMessage, Message: push.Message{ID: push.ID(i), Body: make([]byte, 1000)}}); err != nil {
					return err
				}
			}
			return nil
		},
	})
	c := cometPool(t, CometPoolConfig{}).At(n.addr)
	slow, let := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		next := push.ID(0)
		err := c.Follow(t.Context(), func(e Event) error {
			if e.Message.ID == 0 {
				close(slow)
				<-let
			}
			if e.Message.ID != next {
				return fmt.Errorf("event %d in place %d", e.Message.ID, next)
			}
			next++
			return nil
		})
		if err != nil || next != count {
			t.Errorf("%d events, error %v", next, err)
		}
	})
	receive(t, slow)
	defer close(let)
	for range 20 {
		if _, err := pushNow(t.Context(), t, c, push.Push{Key: "user"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdleCometsAreDropped(t *testing.T) {
	a, b := cometNode(t, &fakeComet{}), cometNode(t, &fakeComet{})
	p := cometPool(t, CometPoolConfig{IdleAfter: time.Hour})
	for _, n := range []*peerNode{a, b} {
		if _, err := pushNow(t.Context(), t, p.At(n.addr), push.Push{Key: "user"}); err != nil {
			t.Fatal(err)
		}
	}
	held, err := p.acquire(a.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.sweep(time.Now())
	if n := len(p.comets); n != 2 {
		t.Fatalf("%d comets are left, nobody was idle for long", n)
	}
	p.sweep(time.Now().Add(2 * time.Hour))
	if n := len(p.comets); n != 1 || p.comets[a.addr] != held {
		t.Fatalf("%d comets are left, want the one in use", n)
	}
	p.release(held)
	p.sweep(time.Now().Add(2 * time.Hour))
	if n := len(p.comets); n != 0 {
		t.Fatalf("%d comets are left", n)
	}
	if _, err := pushNow(t.Context(), t, p.At(a.addr), push.Push{Key: "user"}); err != nil {
		t.Errorf("a dropped comet is not connected again: %v", err)
	}
}

func TestTheSweeperSweeps(t *testing.T) {
	n := cometNode(t, &fakeComet{})
	p := cometPool(t, CometPoolConfig{IdleAfter: 10 * time.Millisecond})
	if _, err := pushNow(t.Context(), t, p.At(n.addr), push.Push{Key: "user"}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		p.mu.Lock()
		left := len(p.comets)
		p.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("an idle comet is kept")
		}
		rest(t.Context(), time.Millisecond)
	}
}

func TestThePoolIsBounded(t *testing.T) {
	entered, let := make(chan struct{}, 2), make(chan struct{})
	busy := &fakeComet{push: func(ctx context.Context, _ push.Push, done func(push.Receipt, error)) {
		entered <- struct{}{}
		context.AfterFunc(ctx, func() { done(push.Receipt{}, ctx.Err()) })
		select {
		case <-let:
			done(push.Receipt{ID: 1}, nil)
		case <-ctx.Done():
		}
	}}
	a, b, other := cometNode(t, busy), cometNode(t, busy), cometNode(t, &fakeComet{})
	p := cometPool(t, CometPoolConfig{MaxComets: 2})
	errs := make(chan error, 2)
	for _, n := range []*peerNode{a, b} {
		p.At(n.addr).Push(t.Context(), push.Push{Key: "user"}, func(_ push.Receipt, err error) { errs <- err })
		receive(t, entered)
	}
	if p.Pending() != 2 {
		t.Errorf("%d pushes are pending", p.Pending())
	}
	_, err := pushNow(t.Context(), t, p.At(other.addr), push.Push{Key: "user"})
	wantKind(t, err, push.KindBusy)
	close(let)
	for range 2 {
		if err := receive(t, errs); err != nil {
			t.Error(err)
		}
	}
	if _, err := pushNow(t.Context(), t, p.At(other.addr), push.Push{Key: "user"}); err != nil {
		t.Errorf("no idle comet made room: %v", err)
	}
	if n := len(p.comets); n != 2 {
		t.Errorf("%d comets, at most 2 are allowed", n)
	}
}

func TestPoolClose(t *testing.T) {
	entered := make(chan struct{})
	n := cometNode(t, &fakeComet{push: func(ctx context.Context, _ push.Push, done func(push.Receipt, error)) { close(entered) }})
	p := cometPool(t, CometPoolConfig{})
	c := p.At(n.addr)
	errs := make(chan error, 1)
	c.Push(t.Context(), push.Push{Key: "user"}, func(_ push.Receipt, err error) { errs <- err })
	receive(t, entered)
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	wantKind(t, receive(t, errs), push.KindOutcomeUnknown)
	_, err := pushNow(t.Context(), t, c, push.Push{Key: "user"})
	wantKind(t, err, push.KindNoNode)
	_, err = c.Time(t.Context())
	wantKind(t, err, push.KindNoNode)
	wantKind(t, c.Follow(t.Context(), nil), push.KindNoNode)
}
