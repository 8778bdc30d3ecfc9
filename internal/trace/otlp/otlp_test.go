package otlp

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"gopush/internal/trace"
	"gopush/internal/trace/tracetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

func open(t *testing.T, cfg Config) (*Exporter, *lines) {
	t.Helper()
	log := new(lines)
	e, err := Open(cfg, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, log
}

// end makes spans that have ended.
func end(e *Exporter, n int) {
	for range n {
		trace.New(e.Provider(), "test").Begin("", "span", trace.Server).End(nil)
	}
}

func (e *Exporter) counts() (sent, noRoom, notTaken float64) {
	return testutil.ToFloat64(e.queue.sent), testutil.ToFloat64(e.queue.noRoom), testutil.ToFloat64(e.queue.notTaken)
}

// until waits for what does not depend on the test alone.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(limit) {
			t.Fatal("not in a minute: " + what)
		}
		<-time.After(time.Millisecond)
	}
}

// Spans come to the collector with what the process is, in batches, and the last ones when
// it is closed.
//
// Broken once by not sending the rest at the end.
func TestSends(t *testing.T) {
	c := tracetest.Start(t)
	e, log := open(t, Config{Endpoint: c.URL, Sample: 1, Batch: 10, Every: time.Hour, Resource: map[string]string{"service.name": "gopush"}})
	end(e, 10)
	c.Await(t, func(all []tracetest.Span) bool { return len(all) == 10 })
	end(e, 3)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	all := c.Spans()
	if len(all) != 13 || c.Requests() != 2 || all[0].Service != "gopush" || all[0].Name != "span" {
		t.Errorf("%d spans in %d requests, the first %+v", len(all), c.Requests(), all[0])
	}
	if sent, noRoom, notTaken := e.counts(); sent != 13 || noRoom+notTaken != 0 {
		t.Errorf("counted %v sent, %v and %v dropped", sent, noRoom, notTaken)
	}
	if log.count("level") != 0 {
		t.Errorf("the log says %s", log.text.String())
	}
	end(e, 1) // after the end it is nobody's
	if len(c.Spans()) != 13 {
		t.Error("a span was sent after the end")
	}
}

// A path in the endpoint is kept.
//
// Broken once by leaving it out.
func TestPath(t *testing.T) {
	asked := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer srv.Close()
	e, _ := open(t, Config{Endpoint: srv.URL + "/otel/", Sample: 1})
	end(e, 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if path := <-asked; path != "/otel/v1/traces" {
		t.Errorf("sent to %s", path)
	}
}

// The share decides about traces that begin here, and about no others.
//
// Broken once by sampling without regard to the parent.
func TestSample(t *testing.T) {
	e, _ := open(t, Config{Endpoint: "http://127.0.0.1:1", Sample: 0})
	tracer := trace.New(e.Provider(), "test")
	if tracer.Begin("", "own", trace.Server).Recorded() {
		t.Error("a trace is recorded with a share of 0")
	}
	if !tracer.Begin("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "its", trace.Server).Recorded() {
		t.Error("the trace of a caller is not recorded")
	}
	e, _ = open(t, Config{Endpoint: "http://127.0.0.1:1", Sample: 1})
	if trace.New(e.Provider(), "test").Begin("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "its", trace.Server).Recorded() {
		t.Error("a trace is recorded that its caller does not record")
	}
}

// A collector that hangs makes nobody wait: what has no room is dropped and counted, and
// the end is bounded.
//
// Broken once by waiting for room, once by a Shutdown that does not cut the request off.
func TestHangs(t *testing.T) {
	asked, release := make(chan struct{}, 100), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	e, _ := open(t, Config{Endpoint: srv.URL, Sample: 1, Queue: 100, Batch: 10, Every: time.Hour, Timeout: time.Hour})
	end(e, 10)
	<-asked
	end(e, 150)
	if _, noRoom, _ := e.counts(); noRoom != 50 {
		t.Errorf("%v dropped, want 50", noRoom)
	}
	e.queue.cfg.Timeout = time.Millisecond // of the end: a request would wait an hour
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if sent, _, notTaken := e.counts(); sent != 0 || notTaken != 110 {
		t.Errorf("%v sent and %v not taken, want 0 and 110", sent, notTaken)
	}
}

// Of a collector that goes and comes back there are two lines in the log, however long it
// was away.
//
// Broken once by a line for each batch.
func TestTellsOnce(t *testing.T) {
	var mu sync.Mutex
	away := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	e, log := open(t, Config{Endpoint: srv.URL, Sample: 1, Batch: 1})
	end(e, 5)
	until(t, "five spans not taken", func() bool { _, _, n := e.counts(); return n == 5 })
	mu.Lock()
	away = false
	mu.Unlock()
	end(e, 5)
	until(t, "five spans sent", func() bool { n, _, _ := e.counts(); return n == 5 })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if warned, told := log.count("level=WARN"), log.count("level=INFO"); warned != 1 || told != 1 {
		t.Errorf("%d warnings and %d that all is well:\n%s", warned, told, log.text.String())
	}
}

// Broken once by not looking at the scheme.
func TestValidate(t *testing.T) {
	for _, bad := range []Config{{}, {Endpoint: "127.0.0.1:4318"}, {Endpoint: "ftp://x"}, {Endpoint: "http://x", Sample: 2}, {Endpoint: "http://x", Queue: -1}} {
		if _, err := Open(bad, nil, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
