package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"gopush/internal/config"
)

// overrun opens streams by SSE, each of a key of its own, until one is not served any more or
// there are as many as that. What it opened is closed at the end of the test.
func overrun(t *testing.T, addr string, most int) (conns []net.Conn, refused bool) {
	t.Helper()
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	for i := range most {
		conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			return conns, true
		}
		conns = append(conns, conn)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := fmt.Fprintf(conn, "GET /v2/events?key=crowd-%d HTTP/1.1\r\nHost: x\r\n\r\n", i); err != nil {
			return conns, true
		}
		head := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200" {
			return conns, true
		}
		_ = conn.SetDeadline(time.Time{})
	}
	return conns, false
}

// hears pushes to the key of a stream that is open, and waits until the message is there.
func hears(t *testing.T, c *Cluster, s Stream, key string) {
	t.Helper()
	var id int64
	Until(t, time.Minute, "a push to be taken", func() (bool, string) {
		o := c.API.Push(t.Context(), lasting(key, `"still here"`))
		id = o.ID
		return o.State == Acked, fmt.Sprintf("%+v", o)
	})
	for {
		f, err := s.Next(time.Minute)
		if err != nil {
			t.Fatalf("the stream has ended: %v", err)
		}
		if f.ID == fmt.Sprint(id) {
			return
		}
	}
}

func openStream(t *testing.T, c *Cluster, key string) Stream {
	t.Helper()
	s, err := DialStream(t.Context(), c.Addrs().HTTP, "public=0&key="+key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := ReadUntil(s, "live", time.Minute); err != nil {
		t.Fatal(err)
	}
	return s
}

func metric(t *testing.T, c *Cluster, name string) float64 {
	t.Helper()
	v, err := c.API.Metric(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestMemoryFlood: a process with little memory refuses connections before it has none, goes
// on for those it has, and takes new ones when there is memory again. It survives.
//
// Broken once by never refusing: the flood was served to its end.
func TestMemoryFlood(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "28MiB")
	c := Start(t, Options{Child: true})
	good := openStream(t, c, "good")
	conns, refused := overrun(t, c.Addrs().HTTP, 8000)
	if !refused {
		t.Fatalf("all of %d connections were taken", len(conns))
	}
	if got := metric(t, c, `gopush_memory_short`); got != 1 {
		t.Errorf("after %d connections gopush_memory_short is %v", len(conns), got)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	hears(t, c, good, "good")
	Until(t, time.Minute, "a new client to be taken", func() (bool, string) { // the memory has to be collected first
		s, err := DialStream(t.Context(), c.Addrs().HTTP, "public=0&key=good")
		if err != nil {
			return false, err.Error()
		}
		_ = s.Close()
		return true, ""
	})
}

// TestNoDescriptors: a process that has none left goes on for the connections it has, and
// takes new ones as soon as some are closed, on all listeners.
//
// Broken once by ending the TCP listener at the first error of accept.
func TestNoDescriptors(t *testing.T) {
	c := Start(t, Options{Child: true})
	good := openStream(t, c, "good")
	hears(t, c, good, "good") // the roles are connected from now on
	few := syscall.Rlimit{Cur: 150, Max: 150}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(c.Pid()), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&few)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	var held []net.Conn
	for range 200 { // the kernel accepts what the process does not
		for _, addr := range []string{c.Addrs().TCP, c.Addrs().HTTP} {
			conn := dial(t, addr, "", func(io.Closer) {})
			held = append(held, conn)
		}
	}
	hears(t, c, good, "good")
	for _, conn := range held {
		_ = conn.Close()
	}
	Until(t, time.Minute, "a new v1 client to be served", func() (bool, string) {
		conn, err := DialTCP(t.Context(), c.Addrs().TCP, V1Subscribe("good"))
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = conn.Close() }()
		got, err := conn.Next(10 * time.Second)
		return err == nil && got == "+h", fmt.Sprintf("%q, %v", got, err)
	})
	openStream(t, c, "good")
	hears(t, c, good, "good")
	if got := metric(t, c, "gopush_comet_refusals_total"); got == 0 {
		t.Error("nothing was counted")
	}
}

// TestFloodOfOneAddress: one address that asks for more than it may costs the others nothing:
// its streams are refused beyond the limit, and a client from elsewhere connects and is served.
//
// Broken once by not giving the setting to the comet.
func TestFloodOfOneAddress(t *testing.T) {
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.MaxPerAddress = 20 }})
	_, refused := overrun(t, c.Addrs().HTTP, 30)
	if !refused {
		t.Fatal("one address has 30 streams, and 20 are allowed")
	}
	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := elsewhere.DialContext(t.Context(), "tcp", c.Addrs().TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := writeAll(conn, V1Subscribe("good")); err != nil {
		t.Fatal(err)
	}
	v1 := &tcpV1{Conn: conn, in: newReader(conn)}
	if got, err := v1.Next(time.Minute); err != nil || got != "+h" {
		t.Fatalf("%q, %v", got, err)
	}
	if o := c.API.Push(t.Context(), lasting("good", `4711`)); o.State != Acked {
		t.Fatalf("%+v", o)
	}
	if got, err := v1.Next(time.Minute); err != nil || !strings.Contains(got, "4711") {
		t.Errorf("%q, %v", got, err)
	}
}
