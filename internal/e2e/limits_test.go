package e2e

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"
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
	if o := c.API.Push(t.Context(), lasting("good", `1`)); o.State != Refused {
		t.Errorf("a push was answered %+v", o)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	hears(t, c, good, "good")
	openStream(t, c, "good")
}
