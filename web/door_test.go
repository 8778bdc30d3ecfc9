package web

import (
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"

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
	if got := testutil.ToFloat64(s.metrics.refusals.WithLabelValues("public", "files_short")); got != 1 {
		t.Errorf("%v are counted, want 1", got)
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}
