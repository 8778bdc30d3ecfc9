package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

var errBroken = errors.New("the cable was cut")

// fakeFlow is a stream whose other end is the test.
type fakeFlow struct {
	frames   chan []*pb.PushItem // sent by the pipe; unbuffered: taking one lets send return
	answers  chan []*pb.PushAnswer
	draining chan struct{}
	finished chan struct{}
	broken   chan struct{}
	ended    chan struct{} // closed by the test: the stream's clean end
}

func newFakeFlow() *fakeFlow {
	return &fakeFlow{
		frames: make(chan []*pb.PushItem), answers: make(chan []*pb.PushAnswer), draining: make(chan struct{}),
		finished: make(chan struct{}), broken: make(chan struct{}), ended: make(chan struct{}),
	}
}

func (f *fakeFlow) send(items []*pb.PushItem) error {
	select {
	case f.frames <- items:
		return nil
	case <-f.broken:
		return errBroken
	}
}

func (f *fakeFlow) recv() ([]*pb.PushAnswer, bool, error) {
	select {
	case a := <-f.answers:
		return a, false, nil
	case <-f.draining:
		return nil, true, nil
	case <-f.ended:
		return nil, false, io.EOF
	case <-f.broken:
		return nil, false, errBroken
	}
}

func (f *fakeFlow) finish() error {
	close(f.finished)
	return nil
}

// answer answers every item of a frame with its tag as id.
func (f *fakeFlow) answer(items []*pb.PushItem) {
	out := make([]*pb.PushAnswer, len(items))
	for i, item := range items {
		out[i] = &pb.PushAnswer{Tag: item.GetTag(), Id: int64(item.GetTag())}
	}
	f.answers <- out
}

type pushPipe = pipe[*pb.PushItem, *pb.PushAnswer]

// fakePipe opens the given flows one after the other; a nil one fails.
func fakePipe(tb testing.TB, w WindowConfig, flows ...*fakeFlow) (*pushPipe, *atomic.Int32) {
	tb.Helper()
	l := pushLine("fake:1", nil)
	opened := new(atomic.Int32)
	l.open = func(ctx context.Context) (flow[*pb.PushItem, *pb.PushAnswer], error) {
		n := int(opened.Add(1)) - 1
		if n >= len(flows) || flows[n] == nil {
			return nil, errRefused
		}
		f := flows[n]
		context.AfterFunc(ctx, sync.OnceFunc(func() {
			select {
			case <-f.broken:
			default:
				close(f.broken)
			}
		}))
		return f, nil
	}
	cfg := ClientConfig{Window: w}
	return newPipe(l, cfg.filled().Window, slog.New(slog.DiscardHandler)), opened
}

// caller makes calls and counts how often each is answered.
type caller struct {
	mu   sync.Mutex
	errs map[int][]error
}

func (c *caller) call(ctx context.Context, p *pushPipe, i, size int) {
	p.call(ctx, &pb.PushItem{ExpiresAt: int64(i)}, size, func(_ *pb.PushAnswer, err error) { c.answered(i, err) })
}

func (c *caller) answered(i int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errs == nil {
		c.errs = make(map[int][]error)
	}
	c.errs[i] = append(c.errs[i], err)
}

// once is the one answer that call i has; false when it has none yet.
func (c *caller) once(tb testing.TB, i int) (bool, error) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs[i]) > 1 {
		tb.Fatalf("call %d was answered %d times: %v", i, len(c.errs[i]), c.errs[i])
	}
	if len(c.errs[i]) == 0 {
		return false, nil
	}
	return true, c.errs[i][0]
}

func (c *caller) want(tb testing.TB, i int, kind push.Kind) {
	tb.Helper()
	ok, err := c.once(tb, i)
	switch {
	case !ok:
		tb.Fatalf("call %d has no answer", i)
	case kind == "" && err != nil:
		tb.Fatalf("call %d: %v", i, err)
	case kind != "" && !push.Is(err, kind):
		tb.Fatalf("call %d: got %v, want %v", i, err, kind)
	}
}

func TestWhatGathersIsOneFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{FrameItems: 4, FrameBytes: 1000}, f)
		defer p.close()
		var c caller
		c.call(t.Context(), p, 0, 10)
		synctest.Wait() // the writer hangs in send with call 0
		for i := 1; i <= 6; i++ {
			c.call(t.Context(), p, i, 10)
		}
		c.call(t.Context(), p, 7, 900)
		c.call(t.Context(), p, 8, 200)
		c.call(t.Context(), p, 9, 5000) // larger than a frame: alone
		var sizes []int
		var got []int64
		for len(got) < 10 {
			frame := <-f.frames
			sizes = append(sizes, len(frame))
			for _, item := range frame {
				got = append(got, item.GetExpiresAt())
			}
			f.answer(frame)
		}
		same(t, sizes, []int{1, 4, 3, 1, 1}) // 10+10+900, then 200 would not fit
		same(t, got, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		synctest.Wait()
		for i := range 10 {
			c.want(t, i, "")
		}
	})
}

func TestAnswersInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{}, f)
		defer p.close()
		var c caller
		c.call(t.Context(), p, 0, 1)
		first := <-f.frames
		c.call(t.Context(), p, 1, 1)
		f.answer(<-f.frames)
		synctest.Wait()
		c.want(t, 1, "")
		if ok, _ := c.once(t, 0); ok {
			t.Fatal("call 0 was answered by the answer to call 1")
		}
		f.answer(first)
		f.answer(first) // a repeated answer is to nobody
		synctest.Wait()
		c.want(t, 0, "")
	})
}

func TestFullWindowRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{Items: 3, Bytes: 1000}, f)
		defer p.close()
		var c caller
		for i := range 3 {
			c.call(t.Context(), p, i, 10)
		}
		c.call(t.Context(), p, 3, 10)
		c.want(t, 3, push.KindBusy)
		frame := <-f.frames
		frame = append(frame, drainFrames(f, 3-len(frame))...)
		f.answer(frame)
		synctest.Wait()
		c.call(t.Context(), p, 4, 900)
		c.call(t.Context(), p, 5, 101)
		c.want(t, 5, push.KindBusy)
		c.call(t.Context(), p, 6, 100)
		if ok, err := c.once(t, 6); ok {
			t.Fatalf("a call that fits was refused: %v", err)
		}
		c.call(t.Context(), p, 7, maxItem+1)
		c.want(t, 7, push.KindTooLarge)
	})
}

// drainFrames takes frames until n items are there.
func drainFrames(f *fakeFlow, n int) []*pb.PushItem {
	var items []*pb.PushItem
	for len(items) < n {
		items = append(items, <-f.frames...)
	}
	return items
}

func TestBreakTellsSentFromUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, next := newFakeFlow(), newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{}, f, next)
		defer p.close()
		var c caller
		c.call(t.Context(), p, 0, 1)
		f.answer(<-f.frames) // the stream works
		c.call(t.Context(), p, 1, 1)
		<-f.frames // sent, not answered
		c.call(t.Context(), p, 2, 1)
		synctest.Wait() // in send: may have been sent
		c.call(t.Context(), p, 3, 1)
		close(f.broken)
		synctest.Wait()
		c.want(t, 0, "")
		c.want(t, 1, push.KindOutcomeUnknown)
		c.want(t, 2, push.KindOutcomeUnknown)
		c.want(t, 3, push.KindNoNode)
		if n := p.outstanding(); n != 0 {
			t.Fatalf("%d calls still fill the window", n)
		}
		// A stream that has worked is replaced at once.
		c.call(t.Context(), p, 4, 1)
		next.answer(<-next.frames)
		synctest.Wait()
		c.want(t, 4, "")
	})
}

func TestReconnectBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, opened := fakePipe(t, WindowConfig{}, nil, nil, f)
		defer p.close()
		var c caller
		for i, wait := range []time.Duration{0, backoffFirst, 2 * backoffFirst} {
			if wait > 0 {
				c.call(t.Context(), p, 10+i, 1)
				c.want(t, 10+i, push.KindNoNode) // too early: refused without an attempt
				e, _ := errors.AsType[*push.Error](c.errs[10+i][0])
				if e.RetryAfter <= 0 || e.RetryAfter > wait {
					t.Fatalf("retry after %v, want at most %v", e.RetryAfter, wait)
				}
			}
			<-time.After(wait)
			c.call(t.Context(), p, i, 1)
			synctest.Wait()
			if int(opened.Load()) != i+1 {
				t.Fatalf("%d attempts, want %d", opened.Load(), i+1)
			}
		}
		c.want(t, 0, push.KindNoNode)
		c.want(t, 1, push.KindNoNode)
		f.answer(<-f.frames)
		synctest.Wait()
		c.want(t, 2, "")
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{Items: 3}, f)
		defer p.close()
		var c caller
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		dead, kill := context.WithCancel(t.Context())
		kill()
		c.call(dead, p, 9, 1)
		c.want(t, 9, push.KindNoNode) // nothing was sent

		c.call(ctx, p, 0, 1)
		frame := <-f.frames
		if ms := frame[0].GetTimeoutMs(); ms != 1400 { // the rest is for the way back
			t.Errorf("the peer is told %d ms of 1500", ms)
		}
		c.call(ctx, p, 1, 1)
		synctest.Wait() // in send
		c.call(ctx, p, 2, 1)
		<-ctx.Done()
		synctest.Wait()
		c.want(t, 0, push.KindOutcomeUnknown)
		c.want(t, 1, push.KindOutcomeUnknown)
		c.want(t, 2, push.KindNoNode)
		if _, err := c.once(t, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not name the deadline", err)
		}
		// The dead call in the queue holds its place until the writer comes by,
		// but is not sent.
		f.answer(frame)
		c.call(t.Context(), p, 3, 1)
		f.answer(<-f.frames)
		last := <-f.frames
		if len(last) != 1 || last[0].GetExpiresAt() != 3 || last[0].GetTimeoutMs() != 0 {
			t.Fatalf("sent %v, want call 3 alone without a deadline", last)
		}
		f.answer(last)
		synctest.Wait()
		c.want(t, 3, "")
		if p.items != 0 || p.bytes != 0 {
			t.Fatalf("%d calls of %d bytes still fill the window", p.items, p.bytes)
		}
	})
}

// A stream that takes nothing must not let calls that come and time out pile up.
func TestAStalledStreamBoundsDeadCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := fakePipe(t, WindowConfig{Items: 4}, newFakeFlow())
		defer p.close()
		var c caller
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			c.call(ctx, p, i, 1)
			<-ctx.Done()
			cancel()
		}
		synctest.Wait()
		c.want(t, 3, push.KindNoNode)
		c.want(t, 19, push.KindBusy)
	})
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{Items: 3}, f)
		defer p.close()
		got := make(chan outcome[*pb.PushAnswer], 1)
		wait := func(ctx context.Context, left time.Duration) {
			a, err := p.wait(ctx, new(pb.PushItem), 1, time.Now().Add(left))
			got <- outcome[*pb.PushAnswer]{a, err}
		}
		dead, kill := context.WithCancel(t.Context())
		kill()
		wait(dead, time.Hour)
		wantKind(t, (<-got).err, push.KindNoNode)

		go wait(t.Context(), 1500*time.Millisecond)
		frame := <-f.frames
		if ms := frame[0].GetTimeoutMs(); ms != 1400 { // the rest is for the way back
			t.Errorf("the peer is told %d ms of 1500", ms)
		}
		f.answer(frame)
		if o := <-got; o.err != nil || o.answer.GetTag() != frame[0].GetTag() {
			t.Errorf("got %v, error %v", o.answer, o.err)
		}

		began := time.Now()
		go wait(t.Context(), time.Second)
		late := <-f.frames
		o := <-got
		wantKind(t, o.err, push.KindOutcomeUnknown)
		if !errors.Is(o.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), o.err)
		}
		f.answer(late) // to nobody

		cause := errors.New("the caller left")
		ctx, cancel := context.WithCancelCause(t.Context())
		go wait(ctx, time.Hour)
		<-f.frames
		cancel(cause)
		if o := <-got; !push.Is(o.err, push.KindOutcomeUnknown) || !errors.Is(o.err, cause) {
			t.Errorf("got %v", o.err)
		}

		go wait(t.Context(), time.Hour)
		<-f.frames
		close(f.broken)
		wantKind(t, (<-got).err, push.KindOutcomeUnknown)
		if p.items != 0 || p.bytes != 0 {
			t.Errorf("%d calls of %d bytes still fill the window", p.items, p.bytes)
		}
		p.shut()
		wait(t.Context(), time.Hour)
		wantKind(t, (<-got).err, push.KindNoNode)
	})
}

func TestOpeningIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := fakePipe(t, WindowConfig{})
		p.line.open = func(ctx context.Context) (flow[*pb.PushItem, *pb.PushAnswer], error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		defer p.close()
		var c caller
		began := time.Now()
		c.call(t.Context(), p, 0, 1)
		<-time.After(p.window.openTimeout + time.Millisecond)
		synctest.Wait()
		c.want(t, 0, push.KindNoNode)
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestDrainMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, next := newFakeFlow(), newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{}, f, next)
		defer p.close()
		var c caller
		c.call(t.Context(), p, 0, 1)
		frame := <-f.frames
		f.draining <- struct{}{}
		<-f.finished
		c.call(t.Context(), p, 1, 1)
		c.want(t, 1, push.KindNoNode) // the node wants nothing new
		<-time.After(backoffMost)
		c.call(t.Context(), p, 2, 1)
		next.answer(<-next.frames)
		f.answer(frame) // what was sent is answered on the old stream
		close(f.ended)
		synctest.Wait()
		c.want(t, 0, "")
		c.want(t, 2, "")
	})
}

func TestCloseEndsWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFlow()
		p, _ := fakePipe(t, WindowConfig{}, f)
		var c caller
		c.call(t.Context(), p, 0, 1)
		<-f.frames
		c.call(t.Context(), p, 1, 1)
		synctest.Wait()
		c.call(t.Context(), p, 2, 1)
		idle := p.shut()
		p.close()
		p.close()
		<-idle
		c.want(t, 0, push.KindOutcomeUnknown)
		c.want(t, 1, push.KindOutcomeUnknown)
		c.want(t, 2, push.KindNoNode)
		c.call(t.Context(), p, 3, 1)
		c.want(t, 3, push.KindNoNode)
	})
}

// Streams break, drain, answer late or twice, contexts end, and the pipe is
// closed, all at random: each call is answered once.
func TestDoneIsCalledExactlyOnce(t *testing.T) {
	for seed := range uint64(8) {
		flows := make([]*fakeFlow, 200)
		for i := range flows {
			flows[i] = newFakeFlow()
		}
		p, _ := fakePipe(t, WindowConfig{Items: 100, FrameItems: 7}, flows...)
		stop := make(chan struct{})
		var peers sync.WaitGroup
		for i, f := range flows {
			peers.Go(func() { f.misbehave(rand.New(rand.NewPCG(seed, uint64(i))), stop) })
		}
		var c caller
		var callers sync.WaitGroup
		const each = 300
		for w := range 8 {
			callers.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(1000+w)))
				for i := range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(3_000))*time.Microsecond)
					if w == 0 {
						_, err := p.wait(ctx, new(pb.PushItem), r.IntN(100), time.Now().Add(time.Duration(r.IntN(3_000))*time.Microsecond))
						c.answered(i, err)
					} else {
						c.call(ctx, p, w*each+i, r.IntN(100))
					}
					if r.IntN(4) == 0 {
						cancel()
					} else {
						context.AfterFunc(ctx, cancel)
					}
				}
			})
		}
		if seed%2 == 0 {
			callers.Wait()
		}
		p.close()
		callers.Wait()
		close(stop)
		peers.Wait()
		for i := range 8 * each {
			if ok, _ := c.once(t, i); !ok {
				t.Fatalf("seed %d: call %d has no answer", seed, i)
			}
		}
		if p.items != 0 || p.bytes != 0 {
			t.Fatalf("seed %d: %d calls of %d bytes are left in the window", seed, p.items, p.bytes)
		}
	}
}

// misbehave plays a peer that fails sooner or later.
func (f *fakeFlow) misbehave(r *rand.Rand, stop chan struct{}) {
	var late [][]*pb.PushItem
	for {
		select {
		case frame := <-f.frames:
			late = append(late, frame)
		case <-f.broken:
			return
		case <-stop:
			return
		}
		switch r.IntN(20) {
		case 0:
			close(f.ended)
			return
		case 1:
			select {
			case f.draining <- struct{}{}:
			case <-f.broken:
				return
			}
		case 2, 3, 4:
			continue // answers later
		}
		for i, frame := range late {
			if i == 0 && r.IntN(3) == 0 {
				continue
			}
			select {
			case f.answers <- answersTo(frame):
			case <-f.broken:
				return
			}
		}
		late = late[:r.IntN(2)*min(1, len(late))]
	}
}

func answersTo(frame []*pb.PushItem) []*pb.PushAnswer {
	var out []*pb.PushAnswer
	for _, item := range frame {
		out = append(out, &pb.PushAnswer{Tag: item.GetTag()})
	}
	return out
}

// A tenth of what is left, and never much, is kept for the answer; somebody in a hurry is
// not given nothing.
func TestMillisLeft(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]uint32{
		-time.Second: 1, 0: 1, time.Millisecond: 1, 10 * time.Millisecond: 9, 500 * time.Millisecond: 450, time.Second: 900, time.Minute: 59900,
	} {
		if got := millisLeft(now.Add(left), now); got != want {
			t.Errorf("of %s a node is given %d ms, want %d", left, got, want)
		}
	}
	if got := millisLeft(time.Time{}, now); got != 0 {
		t.Errorf("without a deadline it is given %d ms", got)
	}
}
