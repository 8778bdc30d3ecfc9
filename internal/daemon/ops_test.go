package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// serveOps starts an ops role; stop ends it and returns what Run did.
func serveOps(t *testing.T, cfg OpsConfig, ready *Readiness) (addr string, stop func() error) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	n := prometheus.NewCounter(prometheus.CounterOpts{Name: "gopush_test_total", Help: "A test."})
	metrics.MustRegister(n)
	n.Inc()
	ops, err := NewOps(cfg, metrics, ready, quiet)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ops.Run(ctx, l) }()
	stop = func() error {
		cancel()
		return <-done
	}
	return l.Addr().String(), stop
}

func get(t *testing.T, url string) (status int, contentType, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

func TestOps(t *testing.T) {
	addr, stop := serveOps(t, OpsConfig{}, new(Readiness))
	tests := map[string]struct {
		status int
		want   string
	}{
		"/healthz":             {200, "ok\n"},
		"/readyz":              {200, `{"ready":true}` + "\n"},
		"/metrics":             {200, "gopush_test_total 1"},
		"/debug/pprof/":        {200, "goroutine"},
		"/debug/pprof/cmdline": {200, "daemon.test"},
		"/":                    {404, "not found"},
	}
	for path, tt := range tests {
		if status, _, body := get(t, "http://"+addr+path); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	resp, err := http.Post("http://"+addr+"/debug/pprof/symbol", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestReadyz(t *testing.T) {
	var ready Readiness
	var state error
	ready.Add("comet", func() error { return state })
	ready.Add("store", func() error { return nil })
	addr, stop := serveOps(t, OpsConfig{}, &ready)
	defer func() { _ = stop() }()

	state = errors.New("draining")
	status, contentType, body := get(t, "http://"+addr+"/readyz")
	want := `{"ready":false,"reasons":[{"part":"comet","reason":"draining"}]}` + "\n"
	if status != http.StatusServiceUnavailable || contentType != "application/json" || body != want {
		t.Errorf("%d %s %s", status, contentType, body)
	}
	if status, _, _ := get(t, "http://"+addr+"/healthz"); status != http.StatusOK {
		t.Errorf("a process that is not ready lives all the same: %d", status)
	}
	state = nil
	if status, _, body := get(t, "http://"+addr+"/readyz"); status != http.StatusOK {
		t.Errorf("ready again: %d %s", status, body)
	}
}

// TestOpsSlowClient: one that never ends its header is let go.
func TestOpsSlowClient(t *testing.T) {
	addr, stop := serveOps(t, OpsConfig{Timeout: 50 * time.Millisecond}, new(Readiness))
	defer func() { _ = stop() }()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// TestOpsStopIsBounded: a CPU profile in progress does not hold the process.
func TestOpsStopIsBounded(t *testing.T) {
	addr, stop := serveOps(t, OpsConfig{}, new(Readiness))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	start := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestOpsConfig(t *testing.T) {
	for _, cfg := range []OpsConfig{{Timeout: -1}, {Timeout: time.Hour}} {
		if _, err := NewOps(cfg, prometheus.NewRegistry(), new(Readiness), quiet); err == nil {
			t.Errorf("%+v passes", cfg)
		}
	}
}

func TestOpsListenerFails(t *testing.T) {
	ops, err := NewOps(OpsConfig{}, prometheus.NewRegistry(), new(Readiness), quiet)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := ops.Run(t.Context(), l); err == nil {
		t.Error("no error")
	}
}
