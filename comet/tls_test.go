package comet

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gopush/internal/cert"
	"gopush/internal/cert/certtest"
)

// pipes is a listener in memory, so that time can be faked.
type pipes struct {
	conns chan net.Conn
	down  chan struct{}
	close func()
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), down: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.down) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.down:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// dial gives the client's end of a connection that has been accepted.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	p.conns <- near
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(time.Hour))
	return far
}

// secureNode listens with TLS on both listeners. Clients of trust know its certificate.
func secureNode(t *testing.T) (n *Node, http, tcp *pipes, trust *tls.Config) {
	t.Helper()
	ca := certtest.New(t)
	files := ca.Issue(t, "node", []string{"comet"}, nil)
	s, err := cert.Open(cert.Config{Listener: "comet", Files: cert.Files{Cert: files.Cert, Key: files.Key}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, _, _ = testNode(t, nil)
	http, tcp = newPipes(), newPipes()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- n.listen(ctx, Listeners{HTTP: tls.NewListener(http, s.Server("http/1.1")), TCP: tls.NewListener(tcp, s.Server())})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n, http, tcp, &tls.Config{RootCAs: ca.Pool(), ServerName: "comet"}
}

func refusals(n *Node) float64 {
	return testutil.ToFloat64(n.met.refusals.WithLabelValues("tls_handshake"))
}

// TestStalledHandshakes: clients that say nothing, or half of a hello, keep nobody from
// connecting, by either listener. They are cut off when the time for a handshake is over,
// and counted.
//
// Broken once by making the handshake where connections are accepted, and once by no
// deadline for it.
func TestStalledHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, http, tcp, trust := secureNode(t)
		begin := time.Now()
		var stalled []net.Conn
		for i := range 50 {
			for _, l := range []*pipes{http, tcp} {
				conn := l.dial(t)
				if i%2 == 0 {
					say(t, conn, "\x16\x03\x01\x02\x00\x01") // the head of a hello
				}
				stalled = append(stalled, conn)
			}
		}
		ws := tls.Client(http.dial(t), trust)
		say(t, ws, upgradeRequest("/v2/stream?key=a"))
		waitFor(t, ws, `"type":"live"`)
		v1 := tls.Client(tcp.dial(t), trust)
		say(t, v1, resp("sub", "a", "30"))
		hear(t, v1, "+h\r\n")
		if took := time.Since(begin); took != 0 {
			t.Errorf("good clients waited %s for those that stall", took)
		}
		mustPush(t, n, "a", `4711`)
		waitFor(t, ws, `4711`)
		waitFor(t, v1, `4711`)
		for _, conn := range stalled {
			if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
				t.Fatalf("heard %q, %v; want the end", rest, err)
			}
		}
		if took := time.Since(begin); took != n.cfg.Handshake {
			t.Errorf("stalled handshakes were cut off after %s, want %s", took, n.cfg.Handshake)
		}
		synctest.Wait()
		if got := refusals(n); got != 100 {
			t.Errorf("%v stalled handshakes are counted, want 100", got)
		}
		if got := n.conns.Load(); got != 2 {
			t.Errorf("%d connections are open, want the 2 good ones", got)
		}
	})
}

// TestPlainClients: who does not speak TLS where it is spoken is told so in HTTP, and cut
// off otherwise.
func TestPlainClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, http, tcp, _ := secureNode(t)
		conn := http.dial(t)
		go func() { _, _ = io.WriteString(conn, upgradeRequest("/sub?key=a&heartbeat=30")) }()
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 400 ") || !strings.Contains(string(answer), "HTTPS") {
			t.Errorf("heard %q, %v", answer, err)
		}
		begin := time.Now()
		old := tcp.dial(t)
		go func() { _, _ = io.WriteString(old, resp("sub", "a", "30")) }()
		if _, err := io.ReadAll(old); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("cut off after %s", took)
		}
		synctest.Wait()
		if got := refusals(n); got != 2 {
			t.Errorf("%v are counted, want 2", got)
		}
	})
}
