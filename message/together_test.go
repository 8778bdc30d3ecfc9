package message_test

import (
	"context"
	"fmt"
	"strings"
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

// apart is a store of two servers, one of which does not answer.
type apart struct {
	crowd
	saved atomic.Int64
}

func (*apart) SavesApart() {}

func (a *apart) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	if key == "panic" {
		panic("planted")
	}
	if key == "find" {
		return a.crowd.Find(ctx, key, idem)
	}
	return message.Found{}, nil
}

func (a *apart) Save(_ context.Context, writes []push.Write) []error {
	if writes[0].Key == "save" {
		<-a.open
	}
	a.saved.Add(int64(len(writes)))
	return make([]error, len(writes))
}

func apartNode(t *testing.T, cfg message.Config) (*message.Service, *apart) {
	t.Helper()
	a := &apart{crowd: crowd{open: make(chan struct{})}}
	svc, err := message.NewService(cfg, a)
	if err != nil {
		t.Fatal(err)
	}
	return svc, a
}

// A server that does not answer keeps its own writes, and nobody else's: neither
// those of the same frame, nor frames that come later.
func TestApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, a := apartNode(t, message.Config{})
		frame := func() (writes []push.Write) {
			for _, key := range []push.Key{"a", "save", "b", "find", "c", "newest"} {
				w := push.Write{Key: key, Messages: []push.Message{msg(16, `1`, "i")}}
				if key == "newest" {
					w.Prev = push.PrevUnknown
				}
				writes = append(writes, w)
			}
			return writes
		}
		const frames = 1000
		var healthy, stuck atomic.Int64
		for range frames {
			go svc.Save(t.Context(), frame(), func(i int, _ push.Written, err error) {
				if err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					healthy.Add(1)
				} else {
					stuck.Add(1)
				}
			})
		}
		synctest.Wait()
		if healthy.Load() != 3*frames || stuck.Load() != 0 {
			t.Errorf("%d writes are done, and %d of the server that hangs", healthy.Load(), stuck.Load())
		}
		close(a.open)
		synctest.Wait()
		if stuck.Load() != 3*frames || a.saved.Load() != 6*frames {
			t.Errorf("in the end %d writes are done, %d were saved", healthy.Load()+stuck.Load(), a.saved.Load())
		}
	})
}

// Each write is a call, and their bound holds.
func TestApartBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, a := apartNode(t, message.Config{Concurrency: 2, Waiting: 1})
		writes := make([]push.Write, 2)
		for i := range writes {
			writes[i] = push.Write{Key: "save", Messages: []push.Message{msg(16, `1`)}}
		}
		var busy, done atomic.Int64
		for range 3 {
			go svc.Save(t.Context(), writes, func(_ int, _ push.Written, err error) {
				if done.Add(1); push.Is(err, push.KindBusy) {
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		if busy.Load() == 0 || busy.Load() != done.Load() {
			t.Errorf("%d of %d answers are that it is busy", busy.Load(), done.Load())
		}
		close(a.open)
		synctest.Wait()
		if done.Load() != 6 {
			t.Errorf("%d writes were answered", done.Load())
		}
	})
}

// A panic in one of its goroutines is one of the call.
func TestApartPanics(t *testing.T) {
	svc, _ := apartNode(t, message.Config{})
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "planted") {
			t.Errorf("it recovered %q", r)
		}
	}()
	svc.Save(t.Context(), []push.Write{
		{Key: "a", Messages: []push.Message{msg(16, `1`)}}, {Key: "panic", Messages: []push.Message{msg(16, `1`, "i")}},
	}, func(int, push.Written, error) {})
	t.Error("it did not panic")
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
