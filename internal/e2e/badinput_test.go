package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
)

// mischief is what a bad client does to a node, from begin to end; it leaves
// connections to be closed behind.
type mischief struct {
	name string
	do   func(t *testing.T, c *Cluster, hold func(io.Closer))
}

// dial opens a connection, writes what it is given as far as the server takes it,
// and holds on.
func dial(t *testing.T, addr, send string, hold func(io.Closer)) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	hold(conn)
	_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, send) // the server may refuse to read all of it
	return conn
}

func many(n int, f func()) {
	for range n {
		f()
	}
}

var mischiefs = []mischief{
	{"silent connections to every listener", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		at := c.Addrs()
		for _, addr := range []string{at.TCP, at.HTTP, at.Public, at.Admin, at.Ops} {
			many(20, func() { dial(t, addr, "", hold) })
		}
	}},
	{"slow first bytes", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		at := c.Addrs()
		many(20, func() { dial(t, at.TCP, "*3\r\n$3\r\ns", hold) })
		for _, addr := range []string{at.HTTP, at.Public, at.Admin} {
			many(20, func() { dial(t, addr, "GET /v2/events?key=k HTTP/1.1\r\nHost: x\r\nX-Slow: ", hold) })
		}
	}},
	{"a body that never comes", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		head := "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + c.Addrs().Token + "\r\nContent-Length: 1000\r\n\r\n{"
		for _, path := range []string{"/v2/messages", "/v2/messages/batch", "/1/admin/push/private?key=k&expire=9"} {
			many(10, func() { dial(t, c.Addrs().Admin, fmt.Sprintf(head, path), hold) })
		}
	}},
	{"oversize headers, bodies and lengths", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		at := c.Addrs()
		for _, addr := range []string{at.HTTP, at.Public, at.Admin} {
			dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", hold)
		}
		auth := "Host: x\r\nAuthorization: Bearer " + at.Token + "\r\n"
		dial(t, at.Admin, "POST /v2/messages HTTP/1.1\r\n"+auth+"Content-Length: 99999999999\r\n\r\n"+strings.Repeat("x", 1<<20), hold)
		dial(t, at.Admin, "POST /v2/messages/batch HTTP/1.1\r\n"+auth+"Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n"+strings.Repeat("x", 1<<20), hold)
		dial(t, at.TCP, "*3\r\n$3\r\nsub\r\n$2147483647\r\n"+strings.Repeat("x", 1<<20), hold)
		dial(t, at.TCP, "*2147483647\r\n", hold)
	}},
	{"giant and broken websocket frames", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		giant := []byte{0x80 | OpText, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}
		negative := []byte{0x80 | OpText, 0x80 | 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}
		for _, path := range []string{"/sub?key=k&heartbeat=30", "/v2/stream?key=k"} {
			for _, bytes := range [][]byte{giant, negative, AppendFrame(nil, OpText, make([]byte, 1<<20)), []byte(strings.Repeat("\xff", 5000)), {0x80 | OpText}} {
				w, err := DialWebsocket(t.Context(), c.Addrs().HTTP, path, nil)
				if err != nil {
					t.Fatal(err)
				}
				hold(w)
				_ = w.SendRaw(bytes) // the server may refuse to read all of it
			}
		}
	}},
	{"endless fragments of one message", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		w, err := DialWebsocket(t.Context(), c.Addrs().HTTP, "/v2/stream?key=k", nil)
		if err != nil {
			t.Fatal(err)
		}
		hold(w)
		_ = w.SendRaw(AppendRawFrame(nil, OpText, true, []byte("{")))
		for range 2000 {
			if w.SendRaw(AppendRawFrame(nil, OpContinuation, true, make([]byte, 1000))) != nil {
				break
			}
		}
	}},
	{"a client that asks and never reads", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		r := stalled(t, c, ReadWebsocket, "k")
		hold(r)
		ping := AppendFrame(nil, OpText, []byte(`{"type":"ping"}`))
		pings := []byte(strings.Repeat(string(ping), 2000))
		for range 50 {
			_ = r.conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			if _, err := r.conn.Write(pings); err != nil {
				break
			}
		}
	}},
	{"readers that stall while their key is flooded", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		for _, kind := range []ReaderKind{ReadWebsocket, ReadSSE, ReadV1TCP, ReadV1WS} {
			hold(stalled(t, c, kind, "flooded"))
		}
		flood(t, c, "flooded", 200, nil)
	}},
	{"a hundred refused subscriptions at once", func(t *testing.T, c *Cluster, hold func(io.Closer)) {
		many(100, func() { dial(t, c.Addrs().TCP, V1Command("sub", "k", "1"), hold) })
		many(100, func() { dial(t, c.Addrs().HTTP, upgradeRequest("/v2/stream?key=", "gopush.v2"), hold) })
	}},
}

// After each mischief, and while its connections are still open, the node serves
// within two seconds; once they are gone, it has its goroutines back.
func TestBadInputCostsNothing(t *testing.T) {
	c := Start(t, Options{Child: true})
	serves(t, c) // the roles connect to each other with the first request
	before := settled(t, c)
	for _, m := range mischiefs {
		t.Run(m.name, func(t *testing.T) {
			var held []io.Closer
			m.do(t, c, func(conn io.Closer) { held = append(held, conn) })
			serves(t, c)
			for _, conn := range held {
				_ = conn.Close()
			}
			serves(t, c)
			c.API.client.CloseIdleConnections()
			Until(t, 20*time.Second, "the goroutines to end", func() (bool, string) {
				g := gauges(t, c)
				return g.connections == 0 && g.channels <= before.channels && g.goroutines <= before.goroutines+10, fmt.Sprintf("%+v, before %+v", g, before)
			})
		})
	}
}

// serves: push, read and stream work, all within two seconds.
func serves(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if o := c.API.Push(ctx, lasting("health", `1`)); o.State != Acked {
		t.Fatalf("push: %+v", o)
	}
	if _, err := c.API.Messages(ctx, "health", "0", "", 1); err != nil {
		t.Fatalf("read: %v", err)
	}
	s, err := DialStream(ctx, c.Addrs().HTTP, "key=health&public=0")
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	defer s.Close()
	if _, err := ReadUntil(s, "live", 2*time.Second); err != nil {
		t.Fatalf("stream: %v", err)
	}
	conn, err := DialTCP(ctx, c.Addrs().TCP, V1Subscribe("health"))
	if err != nil {
		t.Fatalf("v1: %v", err)
	}
	defer conn.Close()
	if got, err := conn.Next(2 * time.Second); err != nil || got != "+h" {
		t.Fatalf("v1: %q, %v", got, err)
	}
}

// A silent connection does not stay for ever, on any listener that clients reach.
func TestSilentConnectionsEnd(t *testing.T) {
	c := Start(t, Options{})
	at := c.Addrs()
	for name, addr := range map[string]string{"tcp": at.TCP, "http": at.HTTP, "public": at.Public, "admin": at.Admin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got, _, err := ReadAll(conn, 15*time.Second); err != nil {
				t.Errorf("still open after 15 s: %q, %v", got, err)
			}
		})
	}
}

// A client that vanishes without a FIN: its kernel answers nothing and it sends
// nothing. The heartbeat finds it, over websocket in two intervals.
func TestVanishedClientIsNoticed(t *testing.T) {
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.Heartbeat = time.Second }})
	gone := stalled(t, c, ReadWebsocket, "gone") // reads nothing, answers nothing
	awaitConnections(t, c, "gone", 1)
	began := time.Now()
	awaitConnections(t, c, "gone", 0)
	if took := time.Since(began); took < time.Second || took > 8*time.Second {
		t.Errorf("noticed after %s; want two heartbeats of 1 s, and a while to close", took)
	}
	runtime.KeepAlive(gone)
}
