package comet

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// benchNode listens on loopback, so that real sockets are measured.
func benchNode(b *testing.B) (*Node, net.Addr, net.Addr) {
	b.Helper()
	store, cl := newMemory(), newCluster(&testing.T{}, "node1")
	var n *Node
	n, err := New(Config{Member: coord.Member{Group: "node1"}, Limits: Limits{MaxPerKey: 10_000, MaxConnections: 20_000}, Heartbeat: time.Hour}, Deps{
		Membership: cl, Directory: cl, Messages: store, Now: time.Now,
		Peer: func(string) Peer { return n },
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	web, tcp := listen(), listen()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = n.Run(ctx, Listeners{HTTP: web, TCP: tcp}) })
	b.Cleanup(func() { cancel(); running.Wait() })
	for n.service() == nil {
		runtime.Gosched()
	}
	return n, web.Addr(), tcp.Addr()
}

// rawClient is a socket outside Go's heap and poller, so that the client's side
// costs nothing that is measured. closeAll ends it.
func rawClient(b *testing.B, addr net.Addr, hello string) int {
	b.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	a, ok := addr.(*net.TCPAddr)
	if !ok {
		b.Fatalf("%v is no TCP address", addr)
	}
	to := &syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Connect(fd, to); err != nil {
		b.Fatal(err)
	}
	if _, err := syscall.Write(fd, []byte(hello)); err != nil {
		b.Fatal(err)
	}
	var buf [1024]byte
	if k, err := syscall.Read(fd, buf[:]); err != nil || k == 0 {
		b.Fatalf("no answer to the handshake: %v", err)
	}
	return fd
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}

func upgradeRequest(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// memoryInUse is heap and stacks after a collection.
func memoryInUse() (heap, stack uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// BenchmarkIdleConnection reports the user memory and the goroutines of an idle
// connection, each of its own key.
func BenchmarkIdleConnection(b *testing.B) {
	const count = 4000
	for _, proto := range []string{"v2", "v1ws", "v1tcp", "sse"} {
		b.Run(proto, func(b *testing.B) {
			n, web, tcp := benchNode(b)
			heap, stack := memoryInUse()
			goroutines := runtime.NumGoroutine()
			fds := make([]int, count)
			for i := range fds {
				addr, hello := web, ""
				switch proto {
				case "v2":
					hello = upgradeRequest(fmt.Sprintf("/v2/stream?key=user%d", i))
				case "v1ws":
					hello = upgradeRequest(fmt.Sprintf("/sub?key=user%d&heartbeat=3600", i))
				case "v1tcp":
					key := fmt.Sprintf("user%d", i)
					addr, hello = tcp, fmt.Sprintf("*3\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$4\r\n3600\r\n", len(key), key)
				case "sse":
					hello = fmt.Sprintf("GET /v2/events?key=user%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i)
				}
				fds[i] = rawClient(b, addr, hello)
			}
			defer closeAll(fds)
			waitIdle(n, count)
			heapAfter, stackAfter := memoryInUse()
			goroutines = runtime.NumGoroutine() - goroutines
			for b.Loop() { // nothing to repeat: the figures below are the result
			}
			b.ReportMetric(float64(heapAfter-heap)/count, "heap-B/conn")
			b.ReportMetric(float64(stackAfter-stack)/count, "stack-B/conn")
			b.ReportMetric(float64(heapAfter-heap+stackAfter-stack)/count, "B/conn")
			b.ReportMetric(float64(goroutines)/count, "goroutines/conn")
		})
	}
}

// waitIdle returns once count connections are joined and nothing is being
// written to any of them.
func waitIdle(n *Node, count int) {
	for {
		subs := n.table.subscribers()
		idle := len(subs) == count
		for _, s := range subs {
			s.mu.Lock()
			idle = idle && !s.flushing
			s.mu.Unlock()
		}
		if idle {
			return
		}
		runtime.Gosched()
	}
}

// BenchmarkFanOut delivers one message to 1,000 websocket connections; bare is
// the floor: one prebuilt frame written to each of the same kind of sockets.
func BenchmarkFanOut(b *testing.B) {
	const count = 1000
	body := []byte(`"` + strings.Repeat("x", 100) + `"`)
	b.Run("gopush", func(b *testing.B) {
		n, web, _ := benchNode(b)
		var fds []int
		for range count {
			fds = append(fds, rawClient(b, web, upgradeRequest("/v2/stream?key=all")))
		}
		waitIdle(n, count)
		ch := n.table.acquire("all")
		defer n.table.release(ch, 1)
		subs := n.table.subscribers()
		id, prev := push.ID(16), push.ID(0)
		defer closeAll(fds)
		measure(b, count, fds, func() {
			n.publish(ch, &event{kind: evMessage, since: time.Now(), msg: push.Message{ID: id, Prev: prev, Body: body, ExpiresAt: 1 << 60}})
			prev, id = id, id+16
			for _, s := range subs {
				for busy := true; busy; {
					s.mu.Lock()
					busy = s.flushing
					s.mu.Unlock()
					if busy {
						<-time.After(50 * time.Microsecond)
					}
				}
			}
		})
	})
	b.Run("bare", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		var fds []int
		var conns []net.Conn
		accepted := make(chan net.Conn)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(c).ReadString('\n')
				_, _ = c.Write([]byte("hello"))
				accepted <- c
			}
		}()
		b.Cleanup(func() { _ = l.Close() })
		for range count {
			got := make(chan net.Conn, 1)
			go func() { got <- <-accepted }()
			fds = append(fds, rawClient(b, l.Addr(), "\n"))
			conns = append(conns, <-got)
		}
		defer closeAll(fds)
		ev := &event{kind: evMessage, msg: push.Message{ID: 16, Body: body, ExpiresAt: 1 << 60}}
		frame := ev.bytes(formV2)
		measure(b, count, fds, func() {
			for _, c := range conns {
				if _, err := c.Write(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// measure times rounds of count deliveries, and reports the CPU per delivery.
func measure(b *testing.B, count int, fds []int, round func()) {
	b.Helper()
	drain(fds)
	cpu := cpuTime()
	var drained time.Duration
	rounds := 0
	for b.Loop() {
		round()
		if rounds++; rounds%200 == 0 {
			b.StopTimer()
			start := cpuTime()
			drain(fds)
			drained += cpuTime() - start
			b.StartTimer()
		}
	}
	spent := cpuTime() - cpu - drained
	b.ReportMetric(float64(spent.Nanoseconds())/float64(rounds*count), "cpu-ns/delivery")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rounds*count), "ns/delivery")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drain empties the clients' receive buffers.
func drain(fds []int) {
	var buf [64 << 10]byte
	for _, fd := range fds {
		for {
			k, _, err := syscall.Recvfrom(fd, buf[:], syscall.MSG_DONTWAIT)
			if err != nil || k <= 0 {
				break
			}
		}
	}
}

// BenchmarkDeliveryMetrics is what counting one delivery costs, from as many goroutines
// as a fan-out has.
func BenchmarkDeliveryMetrics(b *testing.B) {
	m := newMetrics(nil, nil)
	since := time.Now()
	b.SetParallelism(fanOutWorkers)
	b.RunParallel(func(pb *testing.PB) {
		ev := &event{kind: evMessage, since: since}
		for i := 0; pb.Next(); i++ {
			m.sent(ev, i%timedOneIn == 0)
		}
	})
}

// BenchmarkPush is one durable push through the node, over a store that costs nothing: what
// the comet adds. Each has a key of its own, and nobody listens.
func BenchmarkPush(b *testing.B) {
	n, _, _ := benchNode(b)
	keys := make([]push.Key, 1024)
	for i := range keys {
		keys[i] = push.Key(fmt.Sprintf("user%d", i))
	}
	p := push.Push{Body: make([]byte, 100), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), RequestID: "0123456789abcdef"}
	ctx, done := b.Context(), make(chan error, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Key = keys[i%len(keys)]
		n.Push(ctx, p, func(_ push.Receipt, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
