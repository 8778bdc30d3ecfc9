package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// lastOf is a listener whose first connection has the last descriptor that a process can have.
type lastOf struct {
	net.Listener
	given bool
}

func (l *lastOf) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.given {
		return conn, err
	}
	l.given = true
	return last{conn}, nil
}

type last struct{ net.Conn }

func (last) SyscallConn() (syscall.RawConn, error) { return highest{}, nil }

// highest is a descriptor that nothing is done with.
type highest struct{ syscall.RawConn }

func (highest) Control(f func(uintptr)) error { f(1 << 40); return nil }

// TestFilesShort: what has one of the last descriptors is closed and counted, and the
// next connection is served.
//
// Broken once by serving it.
func TestFilesShort(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	r := runOn(t, s, &lastOf{Listener: loopback(t)}, loopback(t))
	if got, err := io.ReadAll(r.dial(t, r.public, "")); err != nil || len(got) > 0 {
		t.Errorf("the first got %q, %v", got, err)
	}
	got, err := http.Get("http://" + r.public + "/v2/time")
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.StatusCode != http.StatusOK {
		t.Error(got.Status)
	}
	if got := testutil.ToFloat64(s.metrics.refusals.WithLabelValues("public", filesShort)); got != 1 {
		t.Errorf("%v are counted, want 1", got)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// visitor is a client's connection to one listener, from an address of its choice.
type visitor struct {
	net.Conn
	in *bufio.Reader
}

func come(t *testing.T, addr, from string) *visitor {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &visitor{conn, bufio.NewReader(conn)}
}

// get asks for a path, and returns status and body.
func (v *visitor) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	if _, err := fmt.Fprintf(v, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(v.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// served wants an answer other than 503.
func (v *visitor) served(t *testing.T) {
	t.Helper()
	if res, body := v.get(t, "/v2/time"); res.StatusCode == http.StatusServiceUnavailable || res.Close {
		t.Errorf("%s %s", res.Status, body)
	}
}

// turned wants to be told to come back later, in the terms of the path's protocol, and the end.
func (v *visitor) turned(t *testing.T, path, want string) {
	t.Helper()
	res, body := v.get(t, path)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" || !res.Close || !strings.Contains(body, want) {
		t.Fatalf("%s: %s %v %s; want 503, Retry-After, the end and %s", path, res.Status, res.Header, body, want)
	}
	if rest, err := io.ReadAll(v.in); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
}

func (r *running) refusals(s *Server, listener, reason string) func() float64 {
	return func() float64 { return testutil.ToFloat64(s.metrics.refusals.WithLabelValues(listener, reason)) }
}

// TestConnectionLimits: a listener has so many connections, and so many of one address; one
// more is told so, in the terms of its protocol, and counted. Each listener counts for itself.
// Who leaves makes room, and other limits hold from then on.
//
// Broken once by no bound for the node, once by none for an address, once by counting those
// that are told so among the node's, and once by not counting out what has ended.
func TestConnectionLimits(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.Limits.MaxConnections, c.Limits.MaxPerAddress = 3, 2 })
	r := run(t, s)
	addressFull, nodeFull := r.refusals(s, "public", addressFull), r.refusals(s, "public", nodeFull)
	first, second := come(t, r.public, "127.0.5.1"), come(t, r.public, "127.0.5.1")
	first.served(t)
	second.served(t)
	come(t, r.public, "127.0.5.1").turned(t, "/v2/time", `"code":"busy"`)
	come(t, r.public, "127.0.5.1").turned(t, "/1/time/get", `"ret":65535}`)
	come(t, r.public, "127.0.5.1").turned(t, "/v2/nothing", `"code":"busy"`)
	come(t, r.public, "127.0.5.1").turned(t, "/nothing", `"ret":65535}`)
	come(t, r.admin, "127.0.5.1").served(t)
	silent := come(t, r.public, "127.0.5.1") // is told nothing, as it does not ask
	waitFor(t, func() bool { return addressFull() == 5 })
	come(t, r.public, "127.0.5.2").served(t)
	come(t, r.public, "127.0.5.3").turned(t, "/v2/time", `"code":"busy"`)
	if got := nodeFull(); got != 1 {
		t.Errorf("%v were turned away for the node, want 1", got)
	}
	_, _ = first.Close(), silent.Close()
	waitFor(t, func() bool {
		res, _ := come(t, r.public, "127.0.5.3").get(t, "/v2/time")
		return res.StatusCode == http.StatusOK
	})
	l := *s.limits.Load()
	l.MaxConnections, l.MaxPerAddress = 100, 0
	s.SetLimits(l)
	for range 10 {
		come(t, r.public, "127.0.5.1").served(t)
	}
	second.served(t)
	if got := r.refusals(s, "public", noRequest)(); got != 0 {
		t.Errorf("%v are counted as having asked nothing", got)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// TestFloodOfSilence: of those that are turned away only some may stay until they ask.
//
// Broken once by no bound.
func TestFloodOfSilence(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.Limits.MaxPerAddress, c.ReadHeaderTimeout = 1, time.Minute })
	r := run(t, s)
	come(t, r.public, "127.0.5.1").served(t)
	var ended atomic.Int64
	for range maxTold + 50 {
		v := come(t, r.public, "127.0.5.1")
		go func() {
			if _, err := v.Read(make([]byte, 1)); err == io.EOF {
				ended.Add(1)
			}
		}()
	}
	refused := r.refusals(s, "public", addressFull)
	waitFor(t, func() bool { return ended.Load() == 50 && refused() == maxTold+50 })
	come(t, r.public, "127.0.5.2").served(t)
	r.stop()
	if err := <-r.done; err != nil { // it waits for nobody who has not asked
		t.Error(err)
	}
}

// TestNoMemoryForConnections: while memory is short devices are turned away, and backends when
// it is used up. Who is connected is served.
//
// Broken once by looking at neither, and once by looking at the same for both.
func TestNoMemoryForConnections(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	var pressed, exhausted atomic.Bool
	s.deps.Pressed, s.deps.Exhausted = pressed.Load, exhausted.Load
	r := run(t, s)
	device := come(t, r.public, "127.0.5.1")
	device.served(t)
	pressed.Store(true)
	come(t, r.public, "127.0.5.1").turned(t, "/v2/time", "short of memory")
	come(t, r.admin, "127.0.5.1").served(t)
	exhausted.Store(true)
	come(t, r.admin, "127.0.5.1").turned(t, "/v2/nodes", "short of memory")
	device.served(t)
	for _, name := range listenerNames {
		if got := r.refusals(s, name, memoryShort)(); got != 1 {
			t.Errorf("%s: %v are counted, want 1", name, got)
		}
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}
