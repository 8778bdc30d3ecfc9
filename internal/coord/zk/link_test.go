package zk

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// greeting is what a server answers first.
func greeting(timeout uint32) []byte {
	b := make([]byte, 4+4+4+8+4+16)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	binary.BigEndian.PutUint32(b[8:], timeout)
	return b
}

// linked is a link and its other end.
func linked(t *testing.T) (l *link, server net.Conn, granted *[]time.Duration) {
	t.Helper()
	client, server := net.Pipe()
	granted = &[]time.Duration{}
	l = &link{Conn: client, limit: time.Second, now: time.Now, granted: func(d time.Duration) { *granted = append(*granted, d) }}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return l, server, granted
}

// TestGranted: the timeout is learned however the bytes are cut.
func TestGranted(t *testing.T) {
	for _, size := range []int{1, 3, 4, 11, 12, 40} {
		l, server, granted := linked(t)
		go func() { _, _ = server.Write(append(greeting(2500), greeting(7)...)) }()
		b := make([]byte, size)
		for range 80 / size {
			if _, err := l.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		if len(*granted) != 1 || (*granted)[0] != 2500*time.Millisecond {
			t.Errorf("read by %d: granted %v", size, *granted)
		}
	}
}

func TestStrangeGreeting(t *testing.T) {
	l, server, granted := linked(t)
	go func() { _, _ = io.WriteString(server, "HTTP/1.1 400 Bad Request\r\n\r\n") }()
	if _, err := io.ReadFull(l, make([]byte, 4)); err == nil || len(*granted) != 0 {
		t.Errorf("it passes for ZooKeeper: %v, %v", err, *granted)
	}
}

// TestMuteServer: neither the library's long deadline nor none at all keeps a
// read waiting for a greeting; afterwards only the limit holds.
func TestMuteServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, deadline := range map[string]time.Time{"a long one": time.Now().Add(time.Hour), "none": {}} {
			l, server, _ := linked(t)
			began := time.Now()
			if err := l.SetReadDeadline(deadline); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
			go func() { _, _ = server.Write(greeting(4000)) }()
			_ = l.SetReadDeadline(time.Time{})
			if _, err := io.ReadFull(l, make([]byte, 40)); err != nil {
				t.Fatal(err)
			}
			_ = l.SetReadDeadline(time.Now().Add(time.Second))
			_ = l.SetReadDeadline(time.Time{}) // between two answers nothing is due
			time.AfterFunc(time.Minute, func() { _, _ = server.Write([]byte{1}) })
			if _, err := l.Read(make([]byte, 1)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
