package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
)

// running is a Server that Run serves.
type running struct {
	public, admin string // host:port
	stop          context.CancelFunc
	done          chan error
}

func run(t *testing.T, s *Server) *running {
	t.Helper()
	return runOn(t, s, loopback(t), loopback(t))
}

func runOn(t *testing.T, s *Server, public, admin net.Listener) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{public: public.Addr().String(), admin: admin.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, public, admin) }()
	return r
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (r *running) dial(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

const pushRequest = "POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testToken + "\r\nContent-Length: 20\r\n\r\n" + `{"key":"K","data":1}`

// TestRunDrains: what is in progress when the stop comes gets its answer.
func TestRunDrains(t *testing.T) {
	c := newCluster(t, "node1")
	c.hold = true
	r := run(t, newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second }))
	conn := r.dial(t, r.admin, pushRequest)
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.held) == 1 })
	r.stop()
	waitFor(t, func() bool { // no new connections
		l, err := net.Dial("tcp", r.public)
		if err == nil {
			_ = l.Close()
		}
		return err != nil
	})
	c.release()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 201 {
		t.Fatalf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestRunCutsOff what does not end within Drain, and waits for its handlers: the
// log line of the last one is there when Run returns.
func TestRunCutsOff(t *testing.T) {
	c := newCluster(t, "node1")
	c.stopped = true
	log := new(lockedBuffer)
	r := run(t, newServer(t, c, slog.New(slog.NewTextHandler(log, nil)), func(cfg *Config) { cfg.Drain, cfg.Limits.PushTimeout = 20*time.Millisecond, time.Minute }))
	conn := r.dial(t, r.admin, pushRequest)
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.ignored == 1 })
	r.stop()
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "cut off after 20ms") {
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(log.String(), "route=/v2/messages status=504") {
		t.Errorf("Run returned before its last handler:\n%s", log.String())
	}
	_, _ = io.ReadAll(conn) // ends: the connection is closed
}

// TestRunCutsOffABatch whose lines wait for a node that hangs, of either protocol: they outlive
// their client, but not the stop.
//
// Broken once by waiting for them: a node that had been told to stop did not end.
func TestRunCutsOffABatch(t *testing.T) {
	for target, body := range map[string]string{
		"/v2/messages/batch":                `{"key":"K","data":1}` + "\n",
		"/1/admin/push/mprivate?expire=600": `{"m":"1","k":"K"}`,
	} {
		c := newCluster(t, "node1")
		c.stopped = true
		r := run(t, newServer(t, c, discard(), func(cfg *Config) { cfg.Drain, cfg.Limits.PushTimeout = 20*time.Millisecond, time.Hour }))
		conn := r.dial(t, r.admin, "POST "+target+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+testToken+"\r\nContent-Type: application/json\r\n"+
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
		waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.ignored == 1 })
		r.stop()
		if err := <-r.done; err == nil || !strings.Contains(err.Error(), "cut off after 20ms") {
			t.Errorf("%s: Run: %v", target, err)
		}
		_, _ = io.ReadAll(conn) // ends: the connection is closed
	}
}

// TestRunEndsABatch: a stream that would go on for ever does not hold the stop.
func TestRunEndsABatch(t *testing.T) {
	r := run(t, newServer(t, newCluster(t, "node1"), discard()))
	line := `{"key":"K","data":1}` + "\n"
	conn := r.dial(t, r.admin, "POST /v2/messages/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+testToken+"\r\nTransfer-Encoding: chunked\r\n\r\n"+
		fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(res.Body)
	if text, err := body.ReadString('\n'); err != nil || readLine(t, text, 0) == "" {
		t.Fatalf("%q %v", text, err)
	}
	r.stop()
	if text, err := body.ReadString('\n'); err != nil || readLine(t, text, 1) != "moving" {
		t.Errorf("%q %v", text, err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestRunRefusesAnOpenAdmin: without a token the admin API stays on loopback.
func TestRunRefusesAnOpenAdmin(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.Admins, c.DevLoopback = nil, true })
	admin, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	public := loopback(t)
	if err := s.Run(t.Context(), public, admin); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("Run: %v", err)
	}
	for _, l := range []net.Listener{public, admin} {
		if err := l.Close(); err == nil {
			t.Error("Run left a listener open")
		}
	}
}

// TestRunReportsABrokenListener, and stops the other API too.
func TestRunReportsABrokenListener(t *testing.T) {
	public, admin := loopback(t), loopback(t)
	_ = public.Close()
	s := newServer(t, newCluster(t, "node1"), discard())
	if err := s.Run(t.Context(), public, admin); err == nil || !strings.Contains(err.Error(), "serve") {
		t.Errorf("Run: %v", err)
	}
	if _, err := net.Dial("tcp", admin.Addr().String()); err == nil {
		t.Error("the admin API still listens")
	}
}

// TestSlowClients: silent connections and slow requests cost a bounded time.
func TestSlowClients(t *testing.T) {
	r := run(t, newServer(t, newCluster(t, "node1"), discard(), func(c *Config) {
		c.ReadHeaderTimeout, c.ReadTimeout, c.IdleTimeout = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	}))
	for name, text := range map[string]string{
		"silent":          "",
		"half a header":   "GET /v2/node?key=K HTTP/1.1\r\nHost",
		"half a body":     "POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testToken + "\r\nContent-Length: 1000\r\n\r\n{",
		"idle afterwards": "GET /v2/node?key=K HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn := r.dial(t, r.admin, text)
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestLimitsOfAHeader: a giant header is refused.
func TestLimitsOfAHeader(t *testing.T) {
	r := run(t, newServer(t, newCluster(t, "node1"), discard()))
	conn := r.dial(t, r.public, "GET /v2/node?key="+strings.Repeat("k", 64<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n")
	text, _ := io.ReadAll(conn)
	if !strings.Contains(string(text), " 431 ") {
		t.Errorf("%.100q", text)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// TestLongFetch: a reply that makes progress is not cut off by WriteTimeout; one
// whose reader has stopped is.
func TestLongFetch(t *testing.T) {
	c := newCluster(t, "node1")
	const messages, size = 1000, 60000
	for range messages {
		c.put("K", `"`+strings.Repeat("x", size)+`"`)
	}
	log := new(lockedBuffer)
	r := run(t, newServer(t, c, slog.New(slog.NewTextHandler(log, nil)), func(cfg *Config) {
		cfg.WriteTimeout, cfg.ReadTimeout, cfg.Limits.PushTimeout = 400*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	}))
	get := "GET /1/msg/get?k=K&m=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	slow := r.dial(t, r.public, get)
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	total, buf := int64(0), make([]byte, 4<<20)
	for err == nil {
		var n int
		n, err = io.ReadFull(res.Body, buf)
		total += int64(n)
		<-time.After(60 * time.Millisecond)
	}
	if took := time.Since(start); total < messages*size || took < 600*time.Millisecond {
		t.Errorf("%d bytes in %s; want all of them, over a longer time than the timeouts: %v", total, took, err)
	}
	stopped := r.dial(t, r.public, get) // nobody reads it: the buffers fill
	waitFor(t, func() bool { return strings.Count(log.String(), "/1/msg/get") == 2 })
	if rest, err := io.Copy(io.Discard, stopped); err == nil && rest >= messages*size {
		t.Errorf("a reader that stopped still got all %d bytes", rest)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestGate waits for the last one, and lets nobody in afterwards.
func TestGate(t *testing.T) {
	g := newGate()
	if !g.enter() {
		t.Fatal("an open gate keeps the first out")
	}
	if !g.enter() {
		t.Fatal("an open gate keeps somebody out")
	}
	closed := make(chan struct{})
	go func() { g.close(); close(closed) }()
	g.leave()
	select {
	case <-closed:
		t.Error("close returned while somebody was in")
	default:
	}
	g.leave()
	<-closed
	if g.enter() {
		t.Error("a closed gate lets somebody in")
	}
	g.close() // closing twice is fine
}

// TestStoppingServer refuses what still comes through a kept connection.
func TestStoppingServer(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	h.server.gate.close()
	if a := h.get(t, "/v2/node?key=K"); a.status != 503 || a.code(t) != string(push.KindMoving) {
		t.Errorf("%d %s", a.status, a.body)
	}
}
