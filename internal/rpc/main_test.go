package rpc

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; only a failing test
// waits that long.
const patience = 10 * time.Second

// fakeMessage is a message service in memory. Its hooks may be nil.
type fakeMessage struct {
	save   func(ctx context.Context, writes []push.Write, done func(int, push.Written, error))
	read   func(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	newest func(ctx context.Context, key push.Key) (push.ID, error)
	change func(ctx context.Context, key push.Key, id push.ID, fence Fence) error
	fence  func(ctx context.Context, fence Fence) error
}

func (f *fakeMessage) Fence(ctx context.Context, fence Fence) error { return f.fence(ctx, fence) }
func (f *fakeMessage) Counts() push.Counts {
	return push.Counts{Saves: 8, SaveTime: time.Second, Reads: 9, ReadTime: time.Minute}
}

func (f *fakeMessage) Save(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
	if f.save != nil {
		f.save(ctx, writes, done)
		return
	}
	for i := range writes {
		done(i, stored(&writes[i]), nil)
	}
}

func (f *fakeMessage) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	if f.read != nil {
		return f.read(ctx, key, span)
	}
	return push.Page{Next: span.After}, nil
}

func (f *fakeMessage) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	if f.newest != nil {
		return f.newest(ctx, key)
	}
	return 0, nil
}

func (f *fakeMessage) Recall(ctx context.Context, key push.Key, id push.ID, fence Fence) error {
	return f.change(ctx, key, id, fence)
}

func (f *fakeMessage) Delete(ctx context.Context, key push.Key, upTo push.ID, fence Fence) error {
	return f.change(ctx, key, upTo, fence)
}

// stored is the answer to w when all of its messages are new.
func stored(w *push.Write) push.Written {
	out := push.Written{Prev: w.Prev}
	for _, m := range w.Messages {
		out.Outcomes = append(out.Outcomes, push.Outcome{Status: push.Stored, ID: m.ID})
	}
	return out
}

// fakeComet is a comet service in memory. Its hooks may be nil.
type fakeComet struct {
	push     func(ctx context.Context, p push.Push, done func(push.Receipt, error))
	change   func(ctx context.Context, key push.Key, id push.ID) error
	describe func(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error)
	top      func(limit int) []push.BusyKey
	time     func(ctx context.Context) (push.ID, error)
	follow   func(ctx context.Context, send func(Event) error) error
}

func (f *fakeComet) Push(ctx context.Context, p push.Push, done func(push.Receipt, error)) {
	if f.push != nil {
		f.push(ctx, p, done)
		return
	}
	done(push.Receipt{ID: push.ID(p.ExpiresAt)}, nil)
}

func (f *fakeComet) Recall(ctx context.Context, key push.Key, id push.ID) error {
	return f.change(ctx, key, id)
}
func (f *fakeComet) Delete(ctx context.Context, key push.Key) error { return f.change(ctx, key, 0) }

func (f *fakeComet) Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error) {
	return f.describe(ctx, key, about)
}

func (f *fakeComet) Counts() push.Counts          { return push.Counts{Pushes: 5, Deliveries: 6, Behind: 7} }
func (f *fakeComet) Top(limit int) []push.BusyKey { return f.top(limit) }

func (f *fakeComet) Time(ctx context.Context) (push.ID, error) { return f.time(ctx) }
func (f *fakeComet) Connections() int64                        { return 42 }
func (f *fakeComet) Follow(ctx context.Context, send func(Event) error) error {
	return f.follow(ctx, send)
}

// peerNode is a node with both services on a loopback address. Its connections
// can be cut and its streams drained.
type peerNode struct {
	addr  string
	drain func()
	stop  func()
	cut   func() // breaks every connection as a dying machine does
}

func startNode(tb testing.TB, svc any, cfg ServerConfig, addr string) *peerNode {
	tb.Helper()
	tcp, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	l := &cutter{Listener: tcp}
	log := slog.New(slog.NewTextHandler(tb.Output(), nil))
	s := NewServer(cfg, log)
	drain := make(chan struct{})
	h := Handlers{Drain: drain, Log: log, Version: "v9"}
	if m, ok := svc.(MessageService); ok {
		RegisterMessage(s, m, h)
	}
	if c, ok := svc.(CometService); ok {
		RegisterComet(s, c, h)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	n := &peerNode{addr: l.Addr().String(), cut: l.cut}
	n.drain = sync.OnceFunc(func() { close(drain) })
	n.stop = sync.OnceFunc(func() {
		s.Stop()
		wg.Wait()
	})
	tb.Cleanup(n.stop)
	return n
}

// cutter is a listener whose connections can be broken from outside.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func messageNode(tb testing.TB, svc *fakeMessage) *peerNode {
	tb.Helper()
	return startNode(tb, svc, ServerConfig{}, "127.0.0.1:0")
}

// messageClient has no hedge unless cfg says so: on a slow machine every read could ask twice,
// and what is not about that must not depend on it.
func messageClient(tb testing.TB, cfg MessageClientConfig, addrs ...string) *MessageClient {
	tb.Helper()
	if cfg.HedgeAfter == 0 {
		cfg.HedgeAfter = -1
	}
	c, err := NewMessageClient(cfg, func() []string { return addrs }, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func cometNode(tb testing.TB, svc *fakeComet) *peerNode {
	tb.Helper()
	return startNode(tb, svc, ServerConfig{}, "127.0.0.1:0")
}

func cometPool(tb testing.TB, cfg CometPoolConfig) *CometPool {
	tb.Helper()
	p, err := NewCometPool(cfg, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

// write is a Write of one message.
func write(key push.Key, id push.ID) push.Write {
	return push.Write{
		Key: key, Prev: push.PrevUnknown, Group: "node1", Epoch: 7,
		Messages: []push.Message{{ID: id, ExpiresAt: 1 << 40, Body: []byte(`{"n":1}`)}},
	}
}

// result is what a done callback got.
type result[A any] struct {
	answer A
	err    error
}

// saveNow waits for the answer to w.
func saveNow(ctx context.Context, tb testing.TB, c *MessageClient, w push.Write) (push.Written, error) {
	tb.Helper()
	got := make(chan result[push.Written], 1)
	c.Save(ctx, w, func(a push.Written, err error) { got <- result[push.Written]{a, err} })
	r := receive(tb, got)
	return r.answer, r.err
}

func pushNow(ctx context.Context, tb testing.TB, c *CometClient, p push.Push) (push.Receipt, error) {
	tb.Helper()
	got := make(chan result[push.Receipt], 1)
	c.Push(ctx, p, func(a push.Receipt, err error) { got <- result[push.Receipt]{a, err} })
	r := receive(tb, got)
	return r.answer, r.err
}

func receive[T any](tb testing.TB, c <-chan T) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		tb.Fatal("nothing came")
		panic("unreachable")
	}
}

func wantKind(tb testing.TB, err error, kinds ...push.Kind) {
	tb.Helper()
	for _, k := range kinds {
		if push.Is(err, k) {
			return
		}
	}
	tb.Fatalf("got error %v, want one of %v", err, kinds)
}
