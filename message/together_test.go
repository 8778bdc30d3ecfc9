package message_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"gopush/internal/push"
	"gopush/message"
)

// crowd is a store whose look-ups wait until the test lets them go.
type crowd struct {
	message.Store
	finds, newest atomic.Int64
	open          chan struct{}
}

func (c *crowd) Find(context.Context, push.Key, string) (message.Found, error) {
	c.finds.Add(1)
	<-c.open
	return message.Found{}, nil
}

func (c *crowd) Newest(context.Context, push.Key) (push.ID, error) {
	c.newest.Add(1)
	<-c.open
	return 0, nil
}

func (c *crowd) Save(_ context.Context, writes []push.Write) []error {
	return make([]error, len(writes))
}

// What a frame has to look up it looks up at once, within a bound; the places of
// writes come before their idempotency keys.
func TestLookUpsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{open: make(chan struct{})}
		svc, err := message.NewService(message.Config{}, c)
		if err != nil {
			t.Fatal(err)
		}
		writes := make([]push.Write, 100)
		for i := range writes {
			writes[i] = push.Write{Key: push.Key(fmt.Sprint(i)), Prev: push.PrevUnknown, Messages: []push.Message{msg(16, `1`, "i"), msg(32, `1`, "j"), msg(48, `1`, "i")}}
		}
		var done atomic.Int64
		go svc.Save(t.Context(), writes, func(i int, w push.Written, err error) {
			done.Add(1)
			if err != nil || fmt.Sprint(w.Outcomes) != "[{1 16} {1 32} {2 16}]" {
				t.Errorf("write %d: %v, %v", i, w.Outcomes, err)
			}
		})
		synctest.Wait()
		if c.newest.Load() != 64 || c.finds.Load() != 0 {
			t.Errorf("%d places and %d idempotency keys are looked up", c.newest.Load(), c.finds.Load())
		}
		for range writes {
			c.open <- struct{}{}
		}
		synctest.Wait()
		if c.newest.Load() != 100 || c.finds.Load() != 64 {
			t.Errorf("%d places and %d idempotency keys are looked up", c.newest.Load(), c.finds.Load())
		}
		close(c.open)
		synctest.Wait()
		if c.finds.Load() != 200 || done.Load() != 100 {
			t.Errorf("%d idempotency keys were looked up, %d writes are done", c.finds.Load(), done.Load())
		}
	})
}

// One that fails fails its own write alone.
func TestLookUpFails(t *testing.T) {
	n := newNode(t, func(s message.Store) message.Store { return picky{s} })
	var kinds [3]push.Kind
	writes := make([]push.Write, 3)
	for i, idem := range []string{"good", "bad", "good"} {
		writes[i] = push.Write{Key: push.Key(fmt.Sprint(i)), Messages: []push.Message{msg(16, `1`, idem), msg(32, `2`, "also "+idem)}}
	}
	n.Save(t.Context(), writes, func(i int, _ push.Written, err error) {
		if err != nil {
			kinds[i] = push.KindOf(err)
		}
	})
	if kinds != [3]push.Kind{"", push.KindStoreUnavailable, ""} {
		t.Errorf("the writes ended as %q", kinds)
	}
}

// picky does not look every idempotency key up.
type picky struct{ message.Store }

func (p picky) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	if idem == "bad" {
		return message.Found{}, push.E(push.KindStoreUnavailable, "planted")
	}
	return p.Store.Find(ctx, key, idem)
}
