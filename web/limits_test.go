package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/coord"
)

// TestLimitsOfABatch: a batch that is under way keeps the limits that it began with; a
// request that comes later does not.
//
// Broken once by asking for the limits at each line.
func TestLimitsOfABatch(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	b := openBatch(t, h)
	b.send(t, `{"key":"K","data":1}`+"\n")
	if b.line(t, 0) == "" {
		t.Error("no id")
	}
	limits := Limits{MaxBody: 64}
	if err := limits.Validate(); err != nil {
		t.Fatal(err)
	}
	h.server.SetLimits(limits)
	long := `{"key":"K","data":"` + strings.Repeat("x", 100) + `"}`
	b.send(t, long+"\n")
	if id := b.line(t, 1); id == "" || id == "too_large" {
		t.Errorf("the batch answers %q", id)
	}
	_ = b.w.Close()
	if got := h.post(t, "/v2/messages", long); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a later push: %d", got.status)
	}
}

// TestPushTimeoutOfABatch: pushes of a batch may take as long as the limits said when it
// began, whether they wait for a node or for its answer.
//
// Broken once for either by going by the limits of the start, and once by asking for them
// at each push.
func TestPushTimeoutOfABatch(t *testing.T) {
	for name, spoil := range map[string]func(*cluster){
		"no node":   func(c *cluster) { c.edit("node1", func(g *coord.Group) { g.Serving = false }) },
		"no answer": func(c *cluster) { c.stopped = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, "node1")
				spoil(c)
				s := newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
				limits := Limits{PushTimeout: time.Minute}
				if err := limits.Validate(); err != nil {
					t.Fatal(err)
				}
				before := newPipeline(t.Context(), s)
				s.SetLimits(limits)
				after := newPipeline(t.Context(), s)
				for p, want := range map[*pipeline]time.Duration{before: 5 * time.Second, after: time.Minute} {
					start := time.Now()
					p.add(numbered("K", 1))
					items := drainAll(p)
					// Beyond it there are a last pause, and the step in which pushes share their time.
					if took := time.Since(start); took < want || took > want+3*time.Second || items[0].err == nil {
						t.Errorf("a push that may take %s ended after %s with %v", want, took, items[0].err)
					}
					p.close()
				}
			})
		})
	}
}

// TestLongerPushes: a push may take as long as the new limits say, even where the server
// would have given its connection up by those of the start.
//
// Broken once by leaving the deadline of net/http alone.
func TestLongerPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "node1")
		c.hold = true
		s := newServer(t, c, discard(), func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
		limits := Limits{PushTimeout: 5 * time.Minute}
		if err := limits.Validate(); err != nil {
			t.Fatal(err)
		}
		s.SetLimits(limits)
		theirs, ours := net.Pipe()
		l := handed{conns: make(chan net.Conn, 1)}
		l.conns <- theirs
		srv := s.httpServer(t.Context(), s.Admin())
		var serving sync.WaitGroup
		serving.Go(func() { _ = srv.Serve(l) })
		if _, err := io.WriteString(ours, pushRequest); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		<-time.After(4 * time.Minute) // far longer than all timeouts of the start together
		c.release()
		if res, err := http.ReadResponse(bufio.NewReader(ours), nil); err != nil {
			t.Error(err)
		} else if res.StatusCode != http.StatusCreated {
			t.Errorf("status %d", res.StatusCode)
		}
		_ = srv.Close()
		serving.Wait()
	})
}

// handed is a listener whose connections are those of the channel.
type handed struct{ conns chan net.Conn }

func (l handed) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l handed) Close() error   { close(l.conns); return nil }
func (l handed) Addr() net.Addr { return new(net.TCPAddr) }
