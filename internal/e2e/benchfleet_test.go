package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/comet/client"
	"gopush/internal/coord"
	"gopush/internal/coord/zk"
	vocab "gopush/internal/push"
	"gopush/internal/ring"
	"gopush/internal/serve"
)

// The benchmarks of this file do one thing to a fleet that takes seconds, and report how
// long it took for whom. What they do often and with how many is in the environment; the
// defaults are for a quick look.
const (
	killsEnv   = "GOPUSH_BENCH_KILLS"
	clientsEnv = "GOPUSH_BENCH_CLIENTS"
)

func fromEnv(b *testing.B, name string, usual int) int {
	b.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s is %q; give a number above 0", name, text)
	}
	return n
}

// reportSpread reports the middle and the worst of some times.
func reportSpread(b *testing.B, name string, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(times[len(times)/2]), name+"-median-ms")
	b.ReportMetric(ms(times[len(times)*99/100]), name+"-p99-ms")
	b.ReportMetric(ms(times[len(times)-1]), name+"-worst-ms")
}

// watcher sees the cluster as its nodes do, without serving anything.
type watcher struct {
	*zk.Coordinator
	b *testing.B
}

func (f *Fleet) watcher(b *testing.B) *watcher {
	b.Helper()
	c, err := zk.Open(zk.Config{
		Servers: []string{f.ZooKeeper.Addr()}, User: "gopush", Password: fleetToken,
	}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return &watcher{c, b}
}

// await waits for a picture that pleases, and returns when it came.
func (w *watcher) await(what string, ok func(*coord.View) bool) time.Time {
	w.b.Helper()
	limit := time.NewTimer(fleetPatience)
	defer limit.Stop()
	for {
		changed := w.Changed()
		if ok(w.View()) {
			return time.Now()
		}
		select {
		case <-changed:
		case <-limit.C:
			w.b.Fatalf("waited in vain for %s; there is %+v", what, w.View())
		}
	}
}

// primary waits until a group has a primary, and so many nodes.
func (w *watcher) primary(group string, nodes int) (found coord.Node) {
	w.b.Helper()
	w.await("a primary of "+group, func(v *coord.View) bool {
		n := 0
		found = coord.Node{}
		for _, node := range v.Nodes {
			if node.Group == group {
				n++
			}
			if node.Group == group && node.Role == coord.Primary {
				found = node
			}
		}
		return n == nodes && found.ID != ""
	})
	return found
}

// at is the part that a node of the cluster is.
func (f *Fleet) at(n *coord.Node) *Part {
	f.tb.Helper()
	for _, p := range f.Parts(serve.Comet, n.Group) {
		if p.Running() && p.Addrs().Comets[0].RPC == n.RPC {
			return p
		}
	}
	f.tb.Fatalf("no part listens on %s", n.RPC)
	return nil
}

// pulse pushes to keys all the time, to each key one push after the other, and notes when
// they were acknowledged.
type pulse struct {
	b    *testing.B
	keys []string // immutable

	mu   sync.Mutex
	acks map[string][]time.Time // guarded by mu
}

// startPulse begins; it ends with the benchmark.
func startPulse(b *testing.B, f *Fleet, keys ...string) *pulse {
	b.Helper()
	p := &pulse{b: b, keys: keys, acks: make(map[string][]time.Time)}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	b.Cleanup(func() {
		cancel()
		all.Wait()
	})
	for _, key := range keys {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				m := Message{Key: key, Data: benchData, Idempotency: fmt.Sprint(n)}
				for ctx.Err() == nil && f.API.Push(ctx, m).State != Acked {
					Pause(ctx, 10*time.Millisecond)
				}
				p.mu.Lock()
				p.acks[key] = append(p.acks[key], time.Now())
				p.mu.Unlock()
				Pause(ctx, 5*time.Millisecond)
			}
		})
	}
	return p
}

// await waits until each key has three more acks.
func (p *pulse) await() {
	p.b.Helper()
	since := time.Now()
	Until(p.b, fleetPatience, "acks of all keys", func() (bool, string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, key := range p.keys {
			if acks := p.acks[key]; len(acks) < 3 || acks[len(acks)-3].Before(since) {
				return false, key + " has none"
			}
		}
		return true, ""
	})
}

// stall is the longest time without an ack that any of the keys had since then.
func (p *pulse) stall(since time.Time, keys ...string) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		last := since
		for _, at := range p.acks[key] {
			if at.After(since) {
				longest, last = max(longest, at.Sub(last)), at
			}
		}
	}
	return longest
}

// BenchmarkFailover kills primaries: how long a key has no ack, and beside it ZooKeeper's own
// floor, which is when others learn that the session of the killed one has ended.
// GOPUSH_BENCH_KILLS is how many are killed for each session timeout.
func BenchmarkFailover(b *testing.B) {
	for _, session := range []time.Duration{2 * time.Second, 4 * time.Second} {
		b.Run("session="+session.String(), func(b *testing.B) {
			f := StartFleet(b, Topology{Groups: 1, Session: session})
			w := f.watcher(b)
			p := startPulse(b, f, "pulse-1", "pulse-2", "pulse-3", "pulse-4")
			var stalls, floors, above []time.Duration
			for range fromEnv(b, killsEnv, 2) {
				node := w.primary("node1", 2)
				p.await()
				part, began := f.at(&node), time.Now()
				part.Kill()
				gone := w.await("the end of its session", func(v *coord.View) bool {
					return !slices.ContainsFunc(v.Nodes, func(n coord.Node) bool { return n.ID == node.ID })
				}).Sub(began)
				p.await()
				stall := p.stall(began, p.keys...)
				stalls, floors, above = append(stalls, stall), append(floors, gone), append(above, stall-gone)
				part.Restart()
			}
			reportSpread(b, "no-ack", stalls)
			reportSpread(b, "zookeeper", floors)
			reportSpread(b, "above-zookeeper", above)
			b.ReportMetric(0, "ns/op")
		})
	}
}

// listener is one client of the crowd.
type listener struct {
	key  string // immutable
	got  atomic.Int64
	lost atomic.Int64 // connections
	// at is when it had last come up to date, in ns since 1970; 0: it is not connected.
	at   atomic.Int64
	node atomic.Pointer[string]
}

// handle is told of everything that happens to the client.
func (l *listener) handle(_ context.Context, ev client.Event) error {
	switch ev.Kind {
	case client.KindReady:
		l.node.Store(&ev.Node)
	case client.KindLive:
		l.at.Store(time.Now().UnixNano())
	case client.KindMessage:
		l.got.Add(1)
		if l.at.Load() != 0 {
			l.at.Store(time.Now().UnixNano())
		}
	case client.KindDisconnected:
		l.lost.Add(1)
		l.at.Store(0)
	default:
	}
	return nil
}

// crowd is many clients of protocol v2, each with a key of its own.
type crowd []*listener

// startCrowd connects them, and waits until all are live. They end with the benchmark.
func startCrowd(b *testing.B, f *Fleet, n int) crowd {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	b.Cleanup(func() {
		cancel()
		all.Wait()
	})
	webs := f.Parts(serve.Web, "")
	c := make(crowd, n)
	from := vocab.ID(0)
	for i := range c {
		l := &listener{key: fmt.Sprintf("crowd-%d", i)}
		c[i] = l
		cl, err := client.New(client.Config{
			NodeURL: "http://" + webs[i%len(webs)].Addrs().Public, Key: vocab.Key(l.key),
			After: &from, PublicAfter: &from, OnEvent: l.handle,
		}, client.Deps{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() { _ = cl.Run(ctx) }) // it ends with ctx
		if i%100 == 99 {                   // not all at once: that is what is measured later
			c[:i+1].await(b, "be live", func(l *listener) bool { return l.at.Load() != 0 })
		}
	}
	c.await(b, "be live", func(l *listener) bool { return l.at.Load() != 0 })
	return c
}

// await waits until it is so for all of them.
func (c crowd) await(b *testing.B, what string, ok func(*listener) bool) {
	b.Helper()
	Until(b, 2*fleetPatience, "all clients to "+what, func() (bool, string) {
		n := 0
		for _, l := range c {
			if ok(l) {
				n++
			}
		}
		return n == len(c), fmt.Sprintf("%d of %d", n, len(c))
	})
}

// since is how long it took each to come up to date.
func (c crowd) since(began time.Time) []time.Duration {
	times := make([]time.Duration, len(c))
	for i, l := range c {
		times[i] = time.Duration(l.at.Load() - began.UnixNano())
	}
	return times
}

// pushToAll pushes one message to each.
func (c crowd) pushToAll(b *testing.B, f *Fleet, text string) {
	b.Helper()
	share(b, 32, len(c), func(_ int, next func() (int, bool)) error {
		for i, ok := next(); ok; i, ok = next() {
			if o := f.API.Push(b.Context(), Message{Key: c[i].key, Data: benchData, Idempotency: text}); o.State != Acked {
				return fmt.Errorf("push to %s: %s %s", c[i].key, o.State, o.Err)
			}
		}
		return nil
	})
}

// BenchmarkReconnect kills the primary of clients that have a cursor each, and pushes a
// message to each of them meanwhile: when the clients are up to date again, and how often
// they made the store be read. GOPUSH_BENCH_CLIENTS is how many there are.
func BenchmarkReconnect(b *testing.B) {
	f := StartFleet(b, Topology{Groups: 1})
	w := f.watcher(b)
	c := startCrowd(b, f, fromEnv(b, clientsEnv, 200))
	c.pushToAll(b, f, "before")
	c.await(b, "have the first message", func(l *listener) bool { return l.got.Load() == 1 })
	node := w.primary("node1", 2)
	primary := f.at(&node)
	successor := f.Parts(serve.Comet, "")[0]
	if successor == primary {
		successor = f.Parts(serve.Comet, "")[1]
	}
	busy := cpuOfPart(b, successor)
	began := time.Now()
	primary.Kill()
	c.pushToAll(b, f, "meanwhile")
	pushed := time.Since(began)
	c.await(b, "be up to date", func(l *listener) bool { return l.got.Load() == 2 && l.at.Load() != 0 })
	reads, err := successor.API().Metric(b.Context(), "gopush_comet_catch_up_reads_total")
	if err != nil {
		b.Fatal(err)
	}
	reportSpread(b, "up-to-date", c.since(began))
	b.ReportMetric(float64(pushed.Milliseconds()), "all-pushed-ms")
	b.ReportMetric(reads/float64(len(c)), "store-reads/client")
	b.ReportMetric(float64((cpuOfPart(b, successor)-busy).Microseconds())/float64(len(c)), "comet-cpu-us/client")
	b.ReportMetric(0, "ns/op")
}

// cpuOfPart is the processor time that a process has used.
func cpuOfPart(b *testing.B, p *Part) time.Duration {
	b.Helper()
	p.mu.Lock()
	pid := p.proc.pid()
	p.mu.Unlock()
	used, err := cpuOf(pid)
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// BenchmarkRingChange adds a group to two while clients are connected to all keys: when
// those whose keys have moved are live again, and how long pushes to keys waited.
// GOPUSH_BENCH_CLIENTS is how many clients there are.
func BenchmarkRingChange(b *testing.B) {
	f := StartFleet(b, Topology{Groups: 2, Comets: 1})
	w := f.watcher(b)
	w.await("two groups in the ring", func(v *coord.View) bool { return len(v.Ring.Nodes()) == 2 && v.PendingVersion == 0 })
	c := startCrowd(b, f, fromEnv(b, clientsEnv, 200))
	moved, kept := c.split(b, "node3", "node1", "node2", "node3")
	moving, staying := keysFor(b, "moved", true), keysFor(b, "kept", false)
	p := startPulse(b, f, append(slices.Clone(moving), staying...)...)
	p.await()
	old := w.View().RingVersion
	newcomer := f.AddGroup("node3")[0]
	if err := newcomer.Start(); err != nil {
		b.Fatal(err)
	}
	began := w.await("a pending ring", func(v *coord.View) bool { return v.PendingVersion != 0 || v.RingVersion != old })
	active := w.await("an active ring", func(v *coord.View) bool { return v.PendingVersion == 0 && v.RingVersion != old })
	moved.await(b, "be live at the new node", func(l *listener) bool {
		return l.at.Load() > began.UnixNano() && *l.node.Load() == "node3"
	})
	p.await()
	reportSpread(b, "live-again", moved.since(began))
	b.ReportMetric(float64(active.Sub(began).Microseconds())/1000, "pending-ms")
	b.ReportMetric(float64(p.stall(began, moving...).Microseconds())/1000, "moved-stall-ms")
	b.ReportMetric(float64(p.stall(began, staying...).Microseconds())/1000, "kept-stall-ms")
	b.ReportMetric(float64(len(moved)), "moved-clients")
	b.ReportMetric(float64(cpuOfPart(b, newcomer).Microseconds())/float64(len(moved)), "comet-cpu-us/moved-client")
	b.ReportMetric(0, "ns/op")
	for _, l := range kept {
		if l.lost.Load() != 0 {
			b.Fatalf("the client of %s, which has not moved, was disconnected", l.key)
		}
	}
}

// split tells those whose keys are of a group in a ring of groups from the others.
func (c crowd) split(b *testing.B, group string, groups ...string) (its, others crowd) {
	b.Helper()
	r := ringOf(b, groups...)
	for _, l := range c {
		if r.Owner(l.key) == group {
			its = append(its, l)
		} else {
			others = append(others, l)
		}
	}
	return its, others
}

// keysFor are keys for a pulse that move to node3 when it joins, or do not.
func keysFor(b *testing.B, name string, move bool) (keys []string) {
	b.Helper()
	r := ringOf(b, "node1", "node2", "node3")
	for i := 0; len(keys) < 8; i++ {
		if key := fmt.Sprintf("%s-%d", name, i); (r.Owner(key) == "node3") == move {
			keys = append(keys, key)
		}
	}
	return keys
}

func ringOf(b *testing.B, groups ...string) *ring.Ring {
	b.Helper()
	nodes := make([]ring.Node, 0, len(groups))
	for _, g := range groups {
		nodes = append(nodes, ring.Node{Name: g, Weight: 1})
	}
	r, err := ring.New(nodes)
	if err != nil {
		b.Fatal(err)
	}
	return r
}
