package rpc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// fakeInflow is a stream whose client is the test.
type fakeInflow struct {
	frames chan []int
	sent   chan []int
	hold   chan struct{} // send waits for it, if not nil
	drains int
	fail   error // of send
}

func (f *fakeInflow) greet() error { return nil }

func (f *fakeInflow) recv() ([]int, error) {
	if items, ok := <-f.frames; ok {
		return items, nil
	}
	return nil, io.EOF
}

func (f *fakeInflow) send(answers []int, draining bool) error {
	if draining {
		f.drains++
	}
	if f.hold != nil {
		<-f.hold
	}
	if f.fail != nil {
		return f.fail
	}
	f.sent <- answers
	return nil
}

func TestAnswersGatherWhileOneIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeInflow{frames: make(chan []int), sent: make(chan []int, 100), hold: make(chan struct{})}
		h := hall[int, int]{
			cost: func(int, int) int64 { return 1 },
			accept: func(_ context.Context, items []int, cost int64, out *outbox[int]) {
				for _, i := range items {
					out.put(i, cost)
				}
			},
		}
		ends := make(chan error, 1)
		go func() { ends <- h.serve(t.Context(), f) }()
		f.frames <- []int{0}
		synctest.Wait() // 0 is being sent
		for i := range 5 {
			f.frames <- []int{2*i + 1, 2*i + 2}
		}
		f.frames <- nil
		close(f.frames)
		synctest.Wait()
		close(f.hold)
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
		same(t, <-f.sent, []int{0})
		same(t, <-f.sent, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	})
}

func TestAFullStreamIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeInflow{frames: make(chan []int), sent: make(chan []int, 100)}
		release := make(chan struct{})
		accepted := 0
		h := hall[int, int]{
			cost: func(int, int) int64 { return streamBudget / 4 },
			accept: func(_ context.Context, items []int, cost int64, out *outbox[int]) {
				accepted++
				out.wg.Go(func() {
					<-release
					for _, i := range items {
						out.put(i, cost)
					}
				})
			},
		}
		ends := make(chan error, 1)
		go func() { ends <- h.serve(t.Context(), f) }()
		go func() {
			for i := range 10 {
				f.frames <- []int{i}
			}
			f.frames <- make([]int, 100) // more than there is room for: still taken, alone
			close(f.frames)
		}()
		synctest.Wait()
		if accepted != 4 {
			t.Fatalf("%d frames were accepted, the budget is for 4", accepted)
		}
		close(release)
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
		if accepted != 11 {
			t.Fatalf("%d frames were accepted of 11", accepted)
		}
	})
}

func TestAnswersAreCutIntoFrames(t *testing.T) {
	out := &outbox[int]{wake: make(chan struct{}, 1), total: new(atomic.Int64), items: new(atomic.Int64)}
	if err := out.admit(t.Context(), answersFrame+5, 2); err != nil {
		t.Fatal(err)
	}
	for i := range answersFrame + 5 {
		out.put(i, 2)
	}
	first, cost, _ := out.take()
	second, rest, _ := out.take()
	if len(first) != answersFrame || cost != 2*answersFrame || len(second) != 5 || rest != 10 || second[0] != answersFrame {
		t.Errorf("frames of %d and %d, costs %d and %d", len(first), len(second), cost, rest)
	}
}

func TestAnswersAreCutBySize(t *testing.T) {
	h := hall[int, int]{size: func(n int) int { return n }}
	out := h.newOutbox()
	sizes := []int{10, answersBytes - 10, 1, 3 * answersBytes, 5, 6}
	if err := out.admit(t.Context(), len(sizes), itemCost); err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		out.put(n, itemCost)
	}
	var got [][]int
	for range 4 {
		answers, cost, _ := out.take()
		got = append(got, answers)
		out.sent(len(answers), cost)
	}
	same(t, got, [][]int{{10, answersBytes - 10}, {1}, {3 * answersBytes}, {5, 6}})
	if out.used != 0 || out.open != 0 || h.used.Load() != 0 {
		t.Errorf("%d bytes of %d answers, %d in all, are left", out.used, out.open, h.used.Load())
	}
}

// Items of a frame that are accepted apart need no room for the whole frame,
// and an answer counts as what it is: more or less than its item.
func TestItemsApartTakeTheRoomThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeInflow{frames: make(chan []int), sent: make(chan []int, 100), hold: make(chan struct{})}
		var accepted []int
		h := hall[int, int]{
			apart: true, cost: func(int, int) int64 { return streamBudget / 4 }, size: func(n int) int { return n },
			accept: func(_ context.Context, items []int, cost int64, out *outbox[int]) {
				accepted = append(accepted, items...)
				if items[0] > 0 {
					out.put(items[0], cost)
				} else {
					out.wg.Go(func() { <-f.hold; out.put(1, cost) })
				}
			},
		}
		ends := make(chan error, 1)
		go func() { ends <- h.serve(t.Context(), f) }()
		frame := []int{1, 1, 1, 1, 1, 1, 0, 0, streamBudget, 1} // small answers leave room at once
		f.frames <- frame
		synctest.Wait()
		same(t, accepted, frame[:9]) // a large one leaves none
		if n := h.used.Load(); n < streamBudget {
			t.Errorf("%d bytes are counted", n)
		}
		close(f.frames)
		close(f.hold)
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
		same(t, accepted, frame)
		if n := h.used.Load(); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
	})
}

func TestABrokenStreamFreesWhatItOccupied(t *testing.T) {
	f := &fakeInflow{frames: make(chan []int, 1), fail: errors.New("gone")}
	h := hall[int, int]{
		cost: func(int, int) int64 { return 1000 }, size: func(n int) int { return n },
		accept: func(_ context.Context, items []int, cost int64, out *outbox[int]) {
			out.put(1<<20, cost) // the others are never answered
		},
	}
	f.frames <- make([]int, 5)
	close(f.frames)
	if err := h.serve(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if n := h.used.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

func TestDrainIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeInflow{frames: make(chan []int), sent: make(chan []int, 100)}
		drain := make(chan struct{})
		h := hall[int, int]{
			drain: drain, cost: func(int, int) int64 { return 1 },
			accept: func(_ context.Context, items []int, cost int64, out *outbox[int]) { out.put(items[0], cost) },
		}
		ends := make(chan error, 1)
		go func() { ends <- h.serve(t.Context(), f) }()
		close(drain)
		synctest.Wait()
		f.frames <- []int{7} // what comes after is still answered
		close(f.frames)
		if err := <-ends; err != nil || f.drains != 1 {
			t.Fatalf("said %d times, error %v", f.drains, err)
		}
		<-f.sent
		same(t, <-f.sent, []int{7})
	})
}

func TestAStreamThatCannotAnswerStopsWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeInflow{frames: make(chan []int), fail: errors.New("gone")}
		stopped := make(chan struct{})
		h := hall[int, int]{
			cost: func(int, int) int64 { return streamBudget },
			accept: func(ctx context.Context, items []int, cost int64, out *outbox[int]) {
				out.wg.Go(func() { <-ctx.Done(); close(stopped) })
				out.put(items[0], cost)
			},
		}
		ends := make(chan error, 1)
		go func() { ends <- h.serve(t.Context(), f) }()
		f.frames <- []int{1}
		<-stopped
		f.frames <- []int{2} // no room, and none will come
		if err := <-ends; err == nil {
			t.Fatal("no error")
		}
	})
}

func TestItemContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		stream, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		defer cancel()
		bind := func(ms uint32) *itemContext {
			c := new(itemContext)
			c.bind(stream, ms, time.Now())
			return c
		}
		lazy, waited, endless, answered := bind(1000), bind(1000), bind(0), bind(1000)
		if end, ok := lazy.Deadline(); !ok || time.Until(end) != time.Second {
			t.Errorf("deadline in %v, %v", time.Until(end), ok)
		}
		if _, ok := endless.Deadline(); ok {
			t.Error("a deadline out of nothing")
		}
		child, stop := context.WithCancel(waited)
		defer stop()
		same(t, child.Value(key{}), any("v"))
		same(t, lazy.Value(key{}), any("v"))
		done := waited.Done()
		answered.end()
		<-answered.Done()
		for _, c := range []*itemContext{lazy, waited, endless} {
			if c.Err() != nil {
				t.Errorf("over too early: %v", c.Err())
			}
		}
		if !errors.Is(answered.Err(), context.Canceled) {
			t.Errorf("answered: %v", answered.Err())
		}
		<-time.After(time.Second)
		<-done
		<-child.Done()
		for _, c := range []context.Context{lazy, waited, child} {
			if !errors.Is(c.Err(), context.DeadlineExceeded) {
				t.Errorf("after the deadline: %v", c.Err())
			}
		}
		cancel()
		<-endless.Done()
		if late := bind(1000); !errors.Is(late.Err(), context.Canceled) || !errors.Is(endless.Err(), context.Canceled) {
			t.Error("outlived the stream")
		}
		waited.end()
		endless.end()
	})
}

// Contexts derived from an item's must not need a goroutine each.
func TestItemContextNeedsNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 100 {
		c := new(itemContext)
		c.bind(t.Context(), 60_000, time.Now())
		stop := context.AfterFunc(c, func() {})
		defer stop()
		defer c.end()
	}
	if n := runtime.NumGoroutine() - before; n > 50 {
		t.Errorf("%d goroutines for 100 contexts", n)
	}
}

// A push costs its server few allocations: they are most of what it costs.
func TestAcceptingAPushIsCheap(t *testing.T) {
	c := &cometServer{svc: &fakeComet{}, h: Handlers{}.filled()}
	out := &outbox[*pb.PushAnswer]{wake: make(chan struct{}, 1)}
	items := []*pb.PushItem{pushToPB(&push.Push{Key: "user", Body: []byte("1")})}
	items[0].TimeoutMs = 1000
	per := testing.AllocsPerRun(1000, func() {
		c.accept(t.Context(), items, 1, out)
		out.answers, out.costs = out.answers[:0], out.costs[:0]
	})
	if per > 6 {
		t.Errorf("%v allocations for one push", per)
	}
}
