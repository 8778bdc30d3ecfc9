package comet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gopush/internal/push"
)

// lobby is a listener in memory whose clients come from addresses of their choice.
type lobby struct {
	conns chan net.Conn
	down  chan struct{}
	close func()
}

func newLobby() *lobby {
	l := &lobby{conns: make(chan net.Conn), down: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.down) })
	return l
}

func (l *lobby) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.down:
		return nil, net.ErrClosed
	}
}

func (l *lobby) Close() error   { l.close(); return nil }
func (l *lobby) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// from is a connection that comes from an address.
type from struct {
	net.Conn
	addr netip.Addr
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.addr, 1)) }

// come gives the client's end of a connection from that address.
func (l *lobby) come(t *testing.T, addr string) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	l.conns <- from{near, netip.MustParseAddr(addr)}
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(time.Hour))
	return far
}

// openNode serves both protocols in a bubble.
func openNode(t *testing.T, change func(*Limits)) (n *Node, web, tcp *lobby) {
	t.Helper()
	n, _, _ = testNode(t, func(c *Config) { change(&c.Limits) })
	web, tcp = newLobby(), newLobby()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.listen(ctx, Listeners{HTTP: web, TCP: tcp}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := n.sources.Sources(); got > 0 && n.conns.Load() == 0 {
			t.Errorf("%d addresses are counted, and nobody is connected", got)
		}
	})
	return n, web, tcp
}

func turned(n *Node, reason string) float64 {
	return testutil.ToFloat64(n.met.refusals.WithLabelValues(label(reason)))
}

// knock asks for a stream, and tells with which status that is answered.
func knock(t *testing.T, conn net.Conn, request string) *http.Response {
	t.Helper()
	say(t, conn, request)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return resp
}

const events = "GET /v2/events?key=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"

// wantTurned checks the answer to one that is turned away, and that the connection ends.
func wantTurned(t *testing.T, conn net.Conn, request string) {
	t.Helper()
	resp := knock(t, conn, request)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("%.40q: %s %v %s; want 503, Retry-After and the end", request, resp.Status, resp.Header, body)
	}
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
}

// TestAddressFull: one address gets so many connections, of all protocols together, and
// others are served. Who closes one may open another.
//
// Broken once by not counting TCP, once by not counting out what ended as a stream, and
// once by not counting out what asked for nothing.
func TestAddressFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, tcp := openNode(t, func(l *Limits) { l.MaxPerAddress = 3 })
		ws := web.come(t, "192.0.2.1")
		say(t, ws, upgradeRequest("/v2/stream?key=a"))
		sse := web.come(t, "192.0.2.1")
		if resp := knock(t, sse, fmt.Sprintf(events, "b")); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		v1 := tcp.come(t, "192.0.2.1")
		say(t, v1, resp("sub", "c", "30"))
		hear(t, v1, "+h\r\n")
		wantTurned(t, web.come(t, "192.0.2.1"), fmt.Sprintf(events, "d"))
		wantTurned(t, web.come(t, "192.0.2.1"), upgradeRequest("/v2/stream?key=d"))
		wantTurned(t, web.come(t, "192.0.2.1"), upgradeRequest("/sub?key=d&heartbeat=30"))
		hearEnd(t, tcp.come(t, "192.0.2.1"))
		if got := turned(n, addressFull); got != 4 {
			t.Errorf("%v were turned away, want 4", got)
		}
		for _, other := range []string{"192.0.2.2", "2001:db8::1"} {
			if resp := knock(t, web.come(t, other), fmt.Sprintf(events, "d")); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", other, resp.Status)
			}
		}
		silent := web.come(t, "192.0.2.3")
		for _, conn := range []net.Conn{v1, sse, ws, silent} {
			_ = conn.Close()
			synctest.Wait()
		}
		if got := n.sources.Sources(); got != 2 {
			t.Errorf("%d addresses are connected, want the two others", got)
		}
	})
}

// TestNetworkFull: a host with IPv6 has a network of its own to connect from.
func TestNetworkFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, web, _ := openNode(t, func(l *Limits) { l.MaxPerAddress = 1 })
		if resp := knock(t, web.come(t, "2001:db8::1"), fmt.Sprintf(events, "a")); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		wantTurned(t, web.come(t, "2001:db8::2:1"), fmt.Sprintf(events, "a"))
		if resp := knock(t, web.come(t, "2001:db8:0:1::1"), fmt.Sprintf(events, "a")); resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
	})
}

// TestHandshakeRates: who connects too often waits, and keeps nobody else from
// connecting. Requests on one connection count like connections.
//
// Broken once by asking the node's bucket first, and once by not counting the later
// requests of a connection.
func TestHandshakeRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, tcp := openNode(t, func(l *Limits) { l.HandshakesPerAddress, l.HandshakesPerSecond = 2, 3 })
		stays := web.come(t, "192.0.2.1")
		if got := knock(t, stays, "GET /v2/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"); got.StatusCode != http.StatusNotFound {
			t.Error(got.Status)
		}
		if got := knock(t, stays, "GET /v2/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"); got.StatusCode != http.StatusNotFound {
			t.Error(got.Status)
		}
		wantTurned(t, stays, fmt.Sprintf(events, "a"))
		for range 5 {
			wantTurned(t, web.come(t, "192.0.2.1"), fmt.Sprintf(events, "a"))
			hearEnd(t, tcp.come(t, "192.0.2.1"))
		}
		if got := turned(n, addressRate); got != 11 {
			t.Errorf("%v were turned away for their address, want 11", got)
		}
		v1 := tcp.come(t, "192.0.2.2")
		say(t, v1, resp("sub", "c", "30"))
		hear(t, v1, "+h\r\n")
		wantTurned(t, web.come(t, "192.0.2.3"), fmt.Sprintf(events, "a"))
		if got := turned(n, nodeRate); got != 1 {
			t.Errorf("%v were turned away for the node, want 1", got)
		}
		<-time.After(time.Second) // of the bubble
		if got := knock(t, web.come(t, "192.0.2.1"), fmt.Sprintf(events, "a")); got.StatusCode != http.StatusOK {
			t.Errorf("a second later: %s", got.Status)
		}
	})
}

// TestHandshakesOfAKey: clients of one key connect so often in a second, over any protocol;
// who is over it hears of it where the protocol has words. Other keys are served.
//
// Broken once by one bucket for all keys, and once by the code that a client gives up at.
func TestHandshakesOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, tcp := openNode(t, func(l *Limits) { l.HandshakesPerKey = 2 })
		for range 2 {
			v1 := tcp.come(t, "192.0.2.1")
			say(t, v1, resp("sub", "a", "30"))
			hear(t, v1, "+h\r\n")
			_ = v1.Close()
		}
		v1 := tcp.come(t, "192.0.2.2")
		say(t, v1, resp("sub", "a", "30"))
		hearEnd(t, v1)
		other := tcp.come(t, "192.0.2.1")
		say(t, other, resp("sub", "b", "30"))
		hear(t, other, "+h\r\n")
		sse := web.come(t, "192.0.2.3")
		say(t, sse, fmt.Sprintf(events, "a"))
		waitFor(t, sse, `"code":"busy"`)
		ws := web.come(t, "192.0.2.4")
		say(t, ws, upgradeRequest("/v2/stream?key=a"))
		waitFor(t, ws, "\x0f\xa3key rate") // close code 4003
		old := web.come(t, "192.0.2.5")
		say(t, old, upgradeRequest("/sub?key=a&heartbeat=30"))
		if rest, err := io.ReadAll(old); err != nil || strings.Contains(string(rest), "+h") {
			t.Errorf("%q, %v", rest, err)
		}
		if got := turned(n, keyRate); got != 4 {
			t.Errorf("%v were turned away, want 4", got)
		}
		<-time.After(time.Second) // of the bubble
		v1 = tcp.come(t, "192.0.2.2")
		say(t, v1, resp("sub", "a", "30"))
		hear(t, v1, "+h\r\n")
	})
}

// TestPushRate: a key takes so many messages in a second, stored or not; the next are refused,
// and can be tried again. Other keys, changes and what nodes tell each other are not counted.
//
// Broken once by no limit, once by one bucket for all keys, and once by counting a recall.
func TestPushRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, store, _ := testNode(t, func(c *Config) { c.Limits.PushesPerKey = 3 })
		first := mustPush(t, n, "a", `1`)
		mustPush(t, n, "a", `2`, transient)
		mustPush(t, n, "a", `3`)
		for _, change := range []func(*push.Push){func(*push.Push) {}, transient} {
			if r := <-pushAsync(t, n, "a", `4`, change); !push.Is(r.err, push.KindRateLimited) || !push.KindOf(r.err).Retryable() {
				t.Errorf("the fourth was answered %v", r.err)
			}
		}
		if err := n.Recall(t.Context(), "a", first); err != nil {
			t.Error(err)
		}
		mustPush(t, n, "b", `1`)
		for range 5 {
			mustPush(t, n, push.RevokedKey, `1`)
		}
		if got := testutil.ToFloat64(n.met.operations.WithLabelValues("store", "rate_limited")); got != 1 {
			t.Errorf("%v are counted, want 1", got)
		}
		<-time.After(time.Second) // of the bubble
		mustPush(t, n, "a", `5`)
		page, err := store.Read(t.Context(), "a", push.Span{Limit: 10})
		if err != nil || len(page.Messages) != 3 || string(page.Messages[1].Body) != `3` || string(page.Messages[2].Body) != `5` {
			t.Errorf("%+v, %v; want the one that was recalled, 3 and 5", page, err)
		}
	})
}

// TestFloodOfSilence: of those that are turned away only some may stay until they ask, and
// of the others no more than the node has connections. Both end with the time for a
// handshake.
//
// Broken once by no bound for the first, and once by none for the second.
func TestFloodOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, _ := openNode(t, func(l *Limits) { l.MaxPerAddress, l.MaxConnections = 1, 1000 })
		good := web.come(t, "192.0.2.2")
		if resp := knock(t, good, fmt.Sprintf(events, "a")); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		for range 2 * maxTold {
			web.come(t, "192.0.2.1")
		}
		synctest.Wait()
		if got := n.sources.Enter(sourceOf(from{nil, netip.MustParseAddr("192.0.2.1")})) - 1; got != 1+maxTold {
			t.Errorf("%d of the flood are open, want %d", got, 1+maxTold)
		}
		for i := range 1000 {
			web.come(t, fmt.Sprintf("198.51.%d.%d", i>>8, i&255))
		}
		synctest.Wait()
		if got := turned(n, nodeFull); got == 0 {
			t.Error("there is no end to connections that ask nothing")
		}
		<-time.After(n.cfg.Handshake) // of the bubble
		synctest.Wait()
		if got := n.sources.Sources(); got != 2 { // the good one, and the extra count from above
			t.Errorf("%d addresses are connected", got)
		}
		n.depart(from{nil, netip.MustParseAddr("192.0.2.1")})
		mustPush(t, n, "a", `4711`)
		waitFor(t, good, `4711`)
	})
}

// last is a connection that has the last descriptor that a process can have.
type last struct{ net.Conn }

func (last) SyscallConn() (syscall.RawConn, error) { return highest{}, nil }

// highest is a descriptor that nothing is done with.
type highest struct{ syscall.RawConn }

func (highest) Control(f func(uintptr)) error { f(1 << 40); return nil }

// TestFilesShort: who gets one of the last descriptors is not kept to be told so, as the
// store needs them; others are served.
//
// Broken once by telling him so, as the others that are turned away.
func TestFilesShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, tcp := openNode(t, func(*Limits) {})
		began := time.Now()
		for _, l := range []*lobby{web, tcp} {
			near, far := net.Pipe()
			l.conns <- last{near}
			hearEnd(t, far)
		}
		if waited := time.Since(began); waited > 0 { // the clock of a bubble
			t.Errorf("they were kept for %v", waited)
		}
		if got := turned(n, filesShort); got != 2 {
			t.Errorf("%v were turned away, want 2", got)
		}
		v1 := tcp.come(t, "192.0.2.1")
		say(t, v1, resp("sub", "c", "30"))
		hear(t, v1, "+h\r\n")
	})
}
