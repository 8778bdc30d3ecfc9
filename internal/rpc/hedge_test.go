package rpc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/push"
)

// pair is a client of two nodes. The one that it asks first answers 1 once held is closed, the
// other one answers 2 once others is. asked counts those who have reached each.
func pair(t *testing.T, cfg MessageClientConfig) (c *MessageClient, held, others chan struct{}, asked *[2]atomic.Int64) {
	t.Helper()
	held, others, asked = make(chan struct{}), make(chan struct{}), new([2]atomic.Int64)
	var firstIsB atomic.Bool
	node := func(b bool) *peerNode {
		return messageNode(t, &fakeMessage{newest: func(ctx context.Context, _ push.Key) (push.ID, error) {
			id, until := push.ID(2), others
			if firstIsB.Load() == b {
				id, until = 1, held
			}
			asked[id-1].Add(1)
			select {
			case <-until:
			case <-ctx.Done():
			}
			return id, ctx.Err()
		}})
	}
	a, b := node(false), node(true)
	c = messageClient(t, cfg, a.addr, b.addr)
	connected(t, c)
	// The turn begins behind the first one of the list.
	firstIsB.Store(c.nodes.route.Load().nodes[1].addr == b.addr)
	return c, held, others, asked
}

// newest begins a read with long to wait.
func newest(t *testing.T, c *MessageClient) <-chan result[push.ID] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	t.Cleanup(cancel)
	got := make(chan result[push.ID], 1)
	go func() {
		id, err := c.Newest(ctx, "user")
		got <- result[push.ID]{id, err}
	}()
	return got
}

// avoided is how many nodes are not preferred right now.
func avoided(c *MessageClient) (n int) {
	for _, node := range c.nodes.route.Load().nodes {
		if node.avoid.Load() > int64(time.Since(c.nodes.begun)) {
			n++
		}
	}
	return n
}

// TestANodeThatStandsStillIsNotWaitedFor: another one is asked, long before the first one's
// time is over, and those who come later ask that one at once.
//
// Broken once by asking no second node, and by not avoiding the first.
func TestANodeThatStandsStillIsNotWaitedFor(t *testing.T) {
	c, held, others, asked := pair(t, MessageClientConfig{AvoidFor: time.Hour, HedgeAfter: time.Millisecond})
	defer close(held)
	close(others)
	if r := receive(t, newest(t, c)); r.err != nil || r.answer != 2 {
		t.Fatalf("got %+v", r)
	}
	if n := avoided(c); n != 1 {
		t.Fatalf("%d nodes are avoided", n)
	}
	for range 20 {
		if r := receive(t, newest(t, c)); r.err != nil || r.answer != 2 {
			t.Fatalf("got %+v", r)
		}
	}
	if n := asked[1].Load(); n != 21 {
		t.Errorf("21 reads have asked the other one %d times", n)
	}
}

// TestTheFirstAnswerCounts: that a second node was asked does not make the first one's answer
// worth less, and nobody is to blame.
//
// Broken once by giving the first one up when the second is asked, and by blaming whoever has
// not answered.
func TestTheFirstAnswerCounts(t *testing.T) {
	c, held, others, asked := pair(t, MessageClientConfig{AvoidFor: time.Hour, HedgeAfter: time.Millisecond})
	defer close(others)
	got := newest(t, c)
	for end := time.Now().Add(patience); asked[0].Load() == 0 || asked[1].Load() == 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("only one node is asked")
		}
	}
	close(held)
	if r := receive(t, got); r.err != nil || r.answer != 1 {
		t.Fatalf("got %+v", r)
	}
	if n := avoided(c); n != 0 {
		t.Errorf("%d nodes are avoided", n)
	}
}

// TestAnErrorOfTheFirstLeavesTheSecond: a node that breaks while another one is asked too
// fails nothing.
//
// Broken once by returning the first outcome, whatever it is.
func TestAnErrorOfTheFirstLeavesTheSecond(t *testing.T) {
	reached := make(chan struct{}, 2)
	others := make(chan struct{})
	slow := &fakeMessage{newest: func(ctx context.Context, _ push.Key) (push.ID, error) {
		reached <- struct{}{}
		select {
		case <-others:
		case <-ctx.Done():
		}
		return 16, ctx.Err()
	}}
	a, b := messageNode(t, slow), messageNode(t, slow)
	c := messageClient(t, MessageClientConfig{AvoidFor: time.Hour, HedgeAfter: time.Millisecond}, a.addr, b.addr)
	connected(t, c)
	got := newest(t, c)
	receive(t, reached)
	receive(t, reached)
	a.cut()
	for end := time.Now().Add(patience); avoided(c) != 1; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the node that broke is not avoided")
		}
	}
	close(others)
	if r := receive(t, got); r.err != nil || r.answer != 16 {
		t.Fatalf("got %+v", r)
	}
	if n := len(reached); n != 0 {
		t.Errorf("%d more were asked", n)
	}
}

// TestFewReadsAskTwice: when all nodes are slow, asking each of them twice would help nobody.
//
// Broken once by taking without a limit, and by never earning anything back.
func TestFewReadsAskTwice(t *testing.T) {
	var b budget
	took := func(reads int) (n int) {
		for range reads {
			b.earn()
			if b.take() {
				n++
			}
		}
		return n
	}
	if n := took(1000); n < 1000/10+budgetMost/hedgeCost-2 || n > 1000/10+budgetMost/hedgeCost+2 {
		t.Errorf("%d of the first 1000 reads ask twice", n)
	}
	if n := took(1000); n < 98 || n > 102 {
		t.Errorf("%d of the next 1000 reads ask twice", n)
	}
	for range 10 * budgetMost {
		b.earn()
	}
	if n := took(1); n != 1 || b.spent.Load() != hedgeCost {
		t.Errorf("after a rest, %d are spent", b.spent.Load())
	}
}

// BenchmarkHedge is the latency of reads, 1,000 per second of three message nodes over a
// store that takes 2 ms and now and then 20, when all are well, one answers 100 ms late, one
// stands still, and when the store itself is slow for all of them.
func BenchmarkHedge(b *testing.B) {
	const never = time.Hour
	for _, scene := range []struct {
		name        string
		late, store time.Duration
	}{{"well", 0, 0}, {"late", 100 * time.Millisecond, 0}, {"still", never, 0}, {"slow-store", 0, 150 * time.Millisecond}} {
		for _, after := range []time.Duration{-1, 5 * time.Millisecond, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/hedge=%v", scene.name, after), func(b *testing.B) {
				var asked atomic.Int64
				node := func(extra time.Duration) *peerNode {
					return messageNode(b, &fakeMessage{newest: func(ctx context.Context, _ push.Key) (push.ID, error) {
						asked.Add(1)
						wait := 2*time.Millisecond + scene.store
						if rand.IntN(100) == 0 {
							wait += 18 * time.Millisecond
						}
						select {
						case <-time.After(wait + extra):
						case <-ctx.Done():
						}
						return 16, ctx.Err()
					}})
				}
				x, y, z := node(0), node(0), node(scene.late)
				c := messageClient(b, MessageClientConfig{HedgeAfter: after}, x.addr, y.addr, z.addr)
				connected(b, c)
				var mu sync.Mutex
				var times []time.Duration
				var all sync.WaitGroup
				before := cpuTime(b)
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for range 4000 {
					<-tick.C
					all.Go(func() {
						ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second) // a comet's time for one attempt
						defer cancel()
						began := time.Now()
						if _, err := c.Newest(ctx, "user"); err != nil {
							b.Error(err)
						}
						took := time.Since(began)
						mu.Lock()
						times = append(times, took)
						mu.Unlock()
					})
				}
				all.Wait()
				slices.Sort(times)
				at := func(p float64) float64 { return float64(times[int(p*float64(len(times)-1))].Microseconds()) / 1000 }
				b.ReportMetric(at(0.5), "p50-ms")
				b.ReportMetric(at(0.95), "p95-ms")
				b.ReportMetric(at(0.99), "p99-ms")
				b.ReportMetric(at(1), "worst-ms")
				b.ReportMetric(100*float64(asked.Load()-int64(len(times)))/float64(len(times)), "more-%")
				b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(len(times)), "cpu-us/op")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
