package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// readNow reads in its own goroutine.
func readNow(ctx context.Context, c *MessageClient, key push.Key, span push.Span) <-chan result[push.Page] {
	got := make(chan result[push.Page], 1)
	go func() {
		page, err := c.Read(ctx, key, span)
		got <- result[push.Page]{page, err}
	}()
	return got
}

// heldReads is a service whose reads of some keys wait until they are let.
type heldReads struct {
	fakeMessage
	entered chan push.Key
	let     chan struct{}
}

func holdReads(hold func(push.Key, push.Span) bool) *heldReads {
	h := &heldReads{entered: make(chan push.Key, 1000), let: make(chan struct{})}
	h.read = func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
		if !hold(key, span) {
			return push.Page{Next: 1}, nil
		}
		h.entered <- key
		select {
		case <-h.let:
			return push.Page{Next: 2}, nil
		case <-ctx.Done():
			return push.Page{}, ctx.Err()
		}
	}
	return h
}

func all(push.Key, push.Span) bool { return true }

func TestASlowReadDelaysNoOther(t *testing.T) {
	svc := holdReads(func(key push.Key, _ push.Span) bool { return key == "slow" })
	c := messageClient(t, MessageClientConfig{}, messageNode(t, &svc.fakeMessage).addr)
	slow := readNow(t.Context(), c, "slow", push.Span{Limit: 20})
	receive(t, svc.entered)
	for range 300 {
		if r := receive(t, readNow(t.Context(), c, "fast", push.Span{Limit: 20})); r.err != nil || r.answer.Next != 1 {
			t.Fatalf("got %v, error %v", r.answer, r.err)
		}
	}
	select {
	case r := <-slow:
		t.Fatalf("the slow one was answered before it was done: %v", r)
	default:
	}
	close(svc.let)
	if r := receive(t, slow); r.err != nil || r.answer.Next != 2 {
		t.Fatalf("got %v, error %v", r.answer, r.err)
	}
}

// More large pages than a stream has room for wait for each other, and no
// small one for them.
func TestLargeReadsDelayNoSmallOne(t *testing.T) {
	const room, many = streamBudget / maxPageBytes, 40
	var inside, most atomic.Int32
	svc := holdReads(func(_ push.Key, s push.Span) bool { return s.Limit == maxPageMessages })
	held := svc.read
	svc.read = func(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
		if span.Limit == maxPageMessages {
			n := inside.Add(1)
			defer inside.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
		}
		return held(ctx, key, span)
	}
	c := messageClient(t, MessageClientConfig{}, messageNode(t, &svc.fakeMessage).addr)
	var large []<-chan result[push.Page]
	for range many {
		large = append(large, readNow(t.Context(), c, "user", push.Span{Limit: 1 << 20}))
	}
	for range room {
		receive(t, svc.entered)
	}
	for range 100 {
		if r := receive(t, readNow(t.Context(), c, "user", push.Span{Limit: 20})); r.err != nil || r.answer.Next != 1 {
			t.Fatalf("got %v, error %v", r.answer, r.err)
		}
	}
	close(svc.let)
	for _, got := range large {
		if r := receive(t, got); r.err != nil || r.answer.Next != 2 {
			t.Fatalf("got %v, error %v", r.answer, r.err)
		}
	}
	if n := most.Load(); n != room {
		t.Errorf("%d large reads were in progress at once, there is room for %d", n, room)
	}
}

func TestAReadMovesOnWhenItsStreamBreaks(t *testing.T) {
	svc := holdReads(all)
	held, next := messageNode(t, &svc.fakeMessage), messageNode(t, &fakeMessage{})
	var list atomic.Pointer[[]string]
	list.Store(&[]string{held.addr})
	c, err := NewMessageClient(MessageClientConfig{}, func() []string { return *list.Load() }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, limit := range []int{20, maxPageMessages} { // on both streams
		list.Store(&[]string{held.addr})
		got := readNow(ctx, c, "user", push.Span{After: 7, Limit: limit})
		receive(t, svc.entered)
		list.Store(&[]string{held.addr, next.addr})
		held.cut()
		if r := receive(t, got); r.err != nil || r.answer.Next != 7 {
			t.Fatalf("got %v, error %v", r.answer, r.err)
		}
	}
}

func TestADrainingNodeIsNotRead(t *testing.T) {
	svc := holdReads(func(key push.Key, _ push.Span) bool { return key == "held" })
	old, next := messageNode(t, &svc.fakeMessage), messageNode(t, &fakeMessage{})
	c := messageClient(t, MessageClientConfig{}, old.addr, next.addr)
	connected(t, c)
	var held <-chan result[push.Page]
	for held == nil { // until one is where it can be held
		got := readNow(t.Context(), c, "held", push.Span{Limit: 1})
		select {
		case <-svc.entered:
			held = got
		case r := <-got:
			if r.err != nil {
				t.Fatal(r.err)
			}
		}
	}
	old.drain()
	for range 100 {
		if r := receive(t, readNow(t.Context(), c, "user", push.Span{Limit: 1})); r.err != nil {
			t.Fatal(r.err)
		}
	}
	close(svc.let)
	if r := receive(t, held); r.err != nil || r.answer.Next != 2 {
		t.Fatalf("what the draining node had taken: got %v, error %v", r.answer, r.err)
	}
}

func TestADelistedNodeAnswersItsReads(t *testing.T) {
	svc := holdReads(all)
	old, next := messageNode(t, &svc.fakeMessage), namedNode(t, 9)
	var list atomic.Pointer[[]string]
	list.Store(&[]string{old.addr})
	c, err := NewMessageClient(MessageClientConfig{RetireAfter: patience}, func() []string { return *list.Load() }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	small := readNow(t.Context(), c, "user", push.Span{Limit: 1})
	large := readNow(t.Context(), c, "user", push.Span{Limit: 1 << 20})
	receive(t, svc.entered)
	receive(t, svc.entered)
	list.Store(&[]string{next.addr})
	same(t, asked(t, c, 1), map[push.ID]int{9: 1})
	close(svc.let)
	for _, got := range []<-chan result[push.Page]{small, large} {
		if r := receive(t, got); r.err != nil || r.answer.Next != 2 {
			t.Errorf("got %v, error %v", r.answer, r.err)
		}
	}
}

func TestAFullWindowOfReadsIsBusy(t *testing.T) {
	svc := holdReads(all)
	cfg := MessageClientConfig{Client: ClientConfig{Window: WindowConfig{Items: 2}}}
	c := messageClient(t, cfg, messageNode(t, &svc.fakeMessage).addr)
	first, second := readNow(t.Context(), c, "user", push.Span{Limit: 1}), readNow(t.Context(), c, "user", push.Span{Limit: 1})
	receive(t, svc.entered)
	receive(t, svc.entered)
	_, err := c.Read(t.Context(), "user", push.Span{Limit: 1})
	wantKind(t, err, push.KindBusy)
	close(svc.let)
	for _, got := range []<-chan result[push.Page]{first, second} {
		if r := receive(t, got); r.err != nil {
			t.Error(r.err)
		}
	}
}

func TestTheDeadlineOfAReadCrosses(t *testing.T) {
	ended := make(chan error, 10)
	n := messageNode(t, &fakeMessage{read: func(ctx context.Context, key push.Key, _ push.Span) (push.Page, error) {
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || left <= 0 || left > time.Minute {
			t.Errorf("deadline in %v, ok %v", left, ok)
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return push.Page{}, ctx.Err()
	}})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Read(ctx, "user", push.Span{Limit: 1})
	wantKind(t, err, push.KindStoreUnavailable)
	if err := receive(t, ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the service's context ended with %v", err)
	}
	// Without a deadline it has the one of the config; who gives up is not asked
	// to wait, and nobody else is asked.
	ctx, cancel = context.WithCancel(t.Context())
	got := readNow(ctx, c, "user", push.Span{Limit: 1})
	context.AfterFunc(t.Context(), cancel)
	for c.nodes.route.Load().nodes[0].small.outstanding() == 0 {
		rest(t.Context(), time.Millisecond)
	}
	cancel()
	if r := receive(t, got); !push.Is(r.err, push.KindStoreUnavailable) || !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %v", r.err)
	}
}

// A service that looks at its context but says only that it ran out of time is
// asked no more; another node is.
func TestAReadThatRanOutOfTimeIsRetried(t *testing.T) {
	var calls atomic.Int32
	svc := &fakeMessage{read: func(ctx context.Context, _ push.Key, span push.Span) (push.Page, error) {
		if calls.Add(1) == 1 {
			return push.Page{}, context.DeadlineExceeded
		}
		return push.Page{Next: span.After}, nil
	}}
	c := messageClient(t, MessageClientConfig{}, messageNode(t, svc).addr, messageNode(t, svc).addr)
	page, err := c.Read(t.Context(), "user", push.Span{After: 5, Limit: 1})
	if err != nil || page.Next != 5 || calls.Load() != 2 {
		t.Errorf("got %v after %d calls, error %v", page, calls.Load(), err)
	}
}

func bigPage(messages, body int) push.Page {
	p := push.Page{Next: push.ID(messages), More: true}
	for i := range messages {
		p.Messages = append(p.Messages, push.Message{
			ID: push.ID(i + 1), Prev: push.ID(i), ExpiresAt: 1 << 40, Body: bytes.Repeat([]byte{byte('a' + i%26)}, body),
			IdempotencyKey: fmt.Sprint("key", i), Recalled: i%7 == 0,
		})
	}
	return p
}

func TestBigPages(t *testing.T) {
	pages := map[push.Key]push.Page{
		"many": bigPage(maxPageMessages, 512), "large": bigPage(16, 256<<10), "one": bigPage(1, 6<<20),
		"too-large": bigPage(2, 4<<20), "empty": {Next: 3},
	}
	n := messageNode(t, &fakeMessage{read: func(_ context.Context, key push.Key, _ push.Span) (push.Page, error) { return pages[key], nil }})
	c := messageClient(t, MessageClientConfig{}, n.addr)
	got := make(map[push.Key][]<-chan result[push.Page])
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	for key := range pages { // in all more than a stream carries unread, on each
		for _, limit := range []int{20, 1 << 20} {
			got[key] = append(got[key], readNow(ctx, c, key, push.Span{Limit: limit}))
		}
	}
	for key, reads := range got {
		for _, read := range reads {
			r := receive(t, read)
			if key == "too-large" { // and what shares its stream does not suffer
				wantKind(t, r.err, push.KindTooLarge)
				continue
			}
			if r.err != nil {
				t.Fatalf("%s: %v", key, r.err)
			}
			if !reflect.DeepEqual(r.answer, pages[key]) { // cmp takes minutes for that much
				t.Errorf("%s: %d messages changed on the way", key, len(pages[key].Messages))
			}
		}
	}
}

// Connections break all the time: each read gets one answer, its own.
func TestCutsNeverMixReadsUp(t *testing.T) {
	svc := &fakeMessage{read: func(_ context.Context, key push.Key, span push.Span) (push.Page, error) {
		return push.Page{Next: span.After, Messages: []push.Message{{ID: span.After, Body: []byte(key)}}}, nil
	}}
	a, b := messageNode(t, svc), messageNode(t, svc)
	c := messageClient(t, MessageClientConfig{AvoidFor: time.Nanosecond}, a.addr, b.addr)
	var wg sync.WaitGroup
	var answered atomic.Int32
	for w := range 16 {
		wg.Go(func() {
			for i := range 100 {
				key, after, limit := push.Key(fmt.Sprint("user", w)), push.ID(w*1000+i), 1+i%2*maxPageMessages
				p, err := c.Read(t.Context(), key, push.Span{After: after, Limit: limit})
				switch {
				case err != nil && !push.Is(err, push.KindStoreUnavailable):
					t.Errorf("got %v", err)
				case err == nil && (p.Next != after || string(p.Messages[0].Body) != string(key)):
					t.Errorf("%s asked for %d and got %v", key, after, p)
				case err == nil:
					answered.Add(1)
				}
				if i%25 == w {
					a.cut()
					b.cut()
				}
			}
		})
	}
	wg.Wait()
	if n := answered.Load(); n < 16*100*9/10 {
		t.Errorf("only %d of 1600 were answered, with another node and time left", n)
	}
	if n := c.nodes.route.Load().nodes[0]; n.small.outstanding()+n.large.outstanding() != 0 {
		t.Error("calls are left in the window")
	}
}

func TestReadsThatANodeDoesNotKnow(t *testing.T) {
	c := messageClient(t, MessageClientConfig{}, messageNode(t, &fakeMessage{}).addr)
	_, err := c.nodes.ask(t.Context(), (*node).readsSmall, func() *pb.ReadItem { return &pb.ReadItem{Key: []byte("user"), What: 99} })
	wantKind(t, err, push.KindBadRequest)
}

func TestAServiceThatLeavesWithoutAnAnswer(t *testing.T) {
	n := messageNode(t, &fakeMessage{read: func(context.Context, push.Key, push.Span) (push.Page, error) {
		runtime.Goexit()
		return push.Page{}, nil
	}})
	_, err := messageClient(t, MessageClientConfig{}, n.addr).Read(t.Context(), "user", push.Span{Limit: 1})
	wantKind(t, err, push.KindInternal)
}

func TestTooManyReadsInAllAreRefused(t *testing.T) {
	m := &messageServer{svc: &fakeMessage{}, h: Handlers{}.filled()}
	m.reads = hall[*pb.ReadItem, *pb.ReadAnswer]{cost: readCost, size: answerSize, apart: true, accept: m.acceptRead}
	take := func() *pb.ReadAnswer {
		out := m.reads.newOutbox()
		defer out.close()
		if err := m.reads.take(t.Context(), []*pb.ReadItem{{Tag: 3, Key: []byte("user"), Limit: 1}}, out); err != nil {
			t.Fatal(err)
		}
		out.wg.Wait()
		answers, _, _ := out.take()
		return answers[0]
	}
	m.reads.used.Store(readsBudget)
	a := take()
	err := messageRead.answered(a.GetError(), "")
	wantKind(t, err, push.KindBusy)
	if e, _ := errors.AsType[*push.Error](err); e.RetryAfter <= 0 || a.GetTag() != 3 {
		t.Errorf("tag %d, retry after %v", a.GetTag(), e.RetryAfter)
	}
	m.reads.used.Add(-readsBudget)
	if a := take(); a.GetError() != nil {
		t.Errorf("refused with nothing else in progress: %v", a.GetError())
	}
	if n := m.reads.used.Load(); n != 0 {
		t.Errorf("%d bytes are counted with nothing in progress", n)
	}
}

// A read costs few allocations besides those of the page's own bytes.
func TestConvertingAPageIsCheap(t *testing.T) {
	page := bigPage(20, 100)
	a := pageToPB(&page)
	if n := testing.AllocsPerRun(100, func() { pageToPB(&page) }); n > 11 {
		t.Errorf("%v allocations to send a page", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = pageFromPB(a) }); n > 2 {
		t.Errorf("%v allocations to take a page", n)
	}
}

func TestPagesThatDoNotMatchAreRefused(t *testing.T) {
	page := bigPage(3, 5)
	for name, spoil := range map[string]func(*pb.ReadAnswer){
		"ids": func(a *pb.ReadAnswer) { a.Ids = a.Ids[:2] }, "prevs": func(a *pb.ReadAnswer) { a.Prevs = nil },
		"expiry": func(a *pb.ReadAnswer) { a.ExpiresAt = a.ExpiresAt[:1] }, "sizes": func(a *pb.ReadAnswer) { a.Sizes = a.Sizes[:2] },
		"bodies": func(a *pb.ReadAnswer) { a.Bodies = a.Bodies[1:] }, "a size": func(a *pb.ReadAnswer) { a.Sizes[0] = 1 << 31 },
		"flags": func(a *pb.ReadAnswer) { a.Flags = a.Flags[:2] }, "keys": func(a *pb.ReadAnswer) { a.IdempotencyKeys = nil },
		"key sizes": func(a *pb.ReadAnswer) { a.KeySizes = a.KeySizes[:2] }, "no key sizes": func(a *pb.ReadAnswer) { a.KeySizes = nil },
	} {
		a := pageToPB(&page)
		spoil(a)
		if _, err := pageFromPB(a); !push.Is(err, push.KindInternal) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
