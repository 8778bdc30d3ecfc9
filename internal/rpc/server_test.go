package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// loggedNode is a node whose log can be read.
func loggedNode(tb testing.TB, register func(*grpc.Server, Handlers)) (addr string, log *lockedBuffer) {
	tb.Helper()
	log = new(lockedBuffer)
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	s := NewServer(ServerConfig{}, logger)
	register(s, Handlers{Log: logger})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	tb.Cleanup(func() {
		s.Stop()
		wg.Wait()
	})
	return l.Addr().String(), log
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), s)
}

func TestPanicsOfTheMessageService(t *testing.T) {
	svc := &fakeMessage{
		save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
			if writes[0].Key == "silent" {
				return
			}
			panic("save fell over")
		},
		read: func(context.Context, push.Key, push.Span) (push.Page, error) { panic("read fell over") },
	}
	addr, log := loggedNode(t, func(s *grpc.Server, h Handlers) { RegisterMessage(s, svc, h) })
	c := messageClient(t, MessageClientConfig{}, addr)
	_, err := saveNow(t.Context(), t, c, write("user", 16))
	wantKind(t, err, push.KindInternal)
	_, err = saveNow(t.Context(), t, c, write("silent", 16))
	wantKind(t, err, push.KindOutcomeUnknown)
	_, err = c.Read(t.Context(), "user", push.Span{Limit: 1})
	wantKind(t, err, push.KindInternal)
	for _, what := range []string{"save fell over", "read fell over"} {
		if n := log.count(what); n != 1 {
			t.Errorf("%q is %d times in the log", what, n)
		}
	}
	if n := log.count("level=ERROR"); n != 2 {
		t.Errorf("%d errors in the log, want one for each panic", n)
	}
}

func TestPanicsOfTheCometService(t *testing.T) {
	svc := &fakeComet{
		push:   func(context.Context, push.Push, func(push.Receipt, error)) { panic("push fell over") },
		follow: func(context.Context, func(Event) error) error { panic("follow fell over") },
		time:   func(context.Context) (push.ID, error) { return 0, errors.New("the cause") },
	}
	addr, log := loggedNode(t, func(s *grpc.Server, h Handlers) { RegisterComet(s, svc, h) })
	c := cometPool(t, CometPoolConfig{}).At(addr)
	for range 2 { // the stream outlives the panic
		_, err := pushNow(t.Context(), t, c, push.Push{Key: "user"})
		wantKind(t, err, push.KindInternal)
	}
	wantKind(t, c.Follow(t.Context(), func(Event) error { return nil }), push.KindInternal)
	_, err := c.Time(t.Context())
	wantKind(t, err, push.KindInternal)
	for what, want := range map[string]int{"push fell over": 2, "follow fell over": 1, "the cause": 1, "level=ERROR": 4} {
		if n := log.count(what); n != want {
			t.Errorf("%q is %d times in the log, want %d", what, n, want)
		}
	}
}

func TestDoneTwiceIsHarmless(t *testing.T) {
	n := startNode(t, &fakeMessage{save: func(_ context.Context, writes []push.Write, done func(int, push.Written, error)) {
		for i := range writes {
			done(i, stored(&writes[i]), nil)
			done(i, push.Written{}, errors.New("again"))
		}
	}}, ServerConfig{}, "127.0.0.1:0")
	c := messageClient(t, MessageClientConfig{}, n.addr)
	m := cometNode(t, &fakeComet{push: func(_ context.Context, _ push.Push, done func(push.Receipt, error)) {
		done(push.Receipt{ID: 16}, nil)
		done(push.Receipt{}, errors.New("again"))
	}})
	p := cometPool(t, CometPoolConfig{}).At(m.addr)
	for range 3 {
		if _, err := saveNow(t.Context(), t, c, write("user", 16)); err != nil {
			t.Fatal(err)
		}
		if _, err := pushNow(t.Context(), t, p, push.Push{Key: "user"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	n := startNode(t, &fakeMessage{}, ServerConfig{MaxConnections: 2}, "127.0.0.1:0")
	first, second := messageClient(t, MessageClientConfig{}, n.addr), messageClient(t, MessageClientConfig{}, n.addr)
	for _, c := range []*MessageClient{first, second} {
		if _, err := saveNow(t.Context(), t, c, write("user", 16)); err != nil {
			t.Fatal(err)
		}
	}
	third := messageClient(t, MessageClientConfig{AvoidFor: time.Nanosecond}, n.addr)
	_, err := saveNow(t.Context(), t, third, write("user", 16))
	wantKind(t, err, push.KindStoreUnavailable)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := saveUntilTaken(t, third); err != nil {
		t.Fatalf("the place of a closed connection is not free: %v", err)
	}
}

func TestUnknownCallsAreToleratedByTheServer(t *testing.T) {
	n := messageNode(t, &fakeMessage{})
	cfg := new(ClientConfig).filled()
	conn, err := cfg.connect(n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Invoke(t.Context(), "/gopush.v1.Message/Later", &pb.TimeRequest{}, &pb.TimeReply{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
	wantKind(t, messageChange.failure(err, n.addr, true), push.KindStoreUnavailable)
}

// Bytes that are not gRPC cost the connection, and nothing else.
func TestGarbageOnTheWire(t *testing.T) {
	n := startNode(t, &fakeMessage{}, ServerConfig{HandshakeTimeout: 100 * time.Millisecond}, "127.0.0.1:0")
	for _, b := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x00\xff\xff\xff\xff", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte(b)); err != nil {
			t.Fatal(err)
		}
		var buf [512]byte
		for err == nil {
			_, err = conn.Read(buf[:])
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%q keeps the connection open", b)
		}
		_ = conn.Close()
	}
	if _, err := saveNow(t.Context(), t, messageClient(t, MessageClientConfig{}, n.addr), write("user", 16)); err != nil {
		t.Error(err)
	}
}

func TestShutdown(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, drain := NewServer(ServerConfig{}, nil), make(chan struct{})
	follows := make(chan struct{})
	RegisterComet(s, &fakeComet{follow: func(ctx context.Context, send func(Event) error) error {
		close(follows)
		<-ctx.Done()
		return ctx.Err()
	}}, Handlers{Drain: drain})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	defer wg.Wait()
	c := cometPool(t, CometPoolConfig{}).At(l.Addr().String())
	if _, err := pushNow(t.Context(), t, c, push.Push{Key: "user"}); err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 1)
	wg.Go(func() { ends <- c.Follow(t.Context(), func(Event) error { return nil }) })
	receive(t, follows)
	close(drain)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Shutdown(ctx, s); err != nil {
		t.Errorf("streams kept the server: %v", err)
	}
	wantKind(t, receive(t, ends), push.KindNoNode)
}

func TestShutdownCutsOff(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerConfig{}, nil)
	RegisterComet(s, &fakeComet{}, Handlers{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	defer wg.Wait()
	c := cometPool(t, CometPoolConfig{}).At(l.Addr().String())
	if _, err := pushNow(t.Context(), t, c, push.Push{Key: "user"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Shutdown(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConfigsAreChecked(t *testing.T) {
	for name, err := range map[string]error{
		"connections":  (&ServerConfig{MaxConnections: -1}).Validate(),
		"streams":      (&ServerConfig{MaxStreams: -1}).Validate(),
		"handshake":    (&ServerConfig{HandshakeTimeout: -1}).Validate(),
		"call timeout": (&ClientConfig{CallTimeout: -1}).Validate(),
		"connect":      (&ClientConfig{ConnectTimeout: -1}).Validate(),
		"window":       (&ClientConfig{Window: WindowConfig{Items: -1}}).Validate(),
		"frame":        (&ClientConfig{Window: WindowConfig{FrameBytes: maxItem + 1}}).Validate(),
		"avoid":        (&MessageClientConfig{AvoidFor: -1}).Validate(),
		"idle":         (&CometPoolConfig{IdleAfter: -1}).Validate(),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, v := range []interface{ Validate() error }{&ServerConfig{}, &ClientConfig{}, &MessageClientConfig{}, &CometPoolConfig{}} {
		if err := v.Validate(); err != nil {
			t.Errorf("the zero value of %T: %v", v, err)
		}
	}
}
