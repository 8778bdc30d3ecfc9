package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// OpsConfig sets the ops listener up. The zero value works.
type OpsConfig struct {
	// Timeout bounds the reading of a request and a scrape; 0: 10 s.
	Timeout time.Duration
	// ProfileTimeout bounds a reply, and so a CPU profile; 0: 2 min.
	ProfileTimeout time.Duration
}

// Validate fills in the defaults.
func (c *OpsConfig) Validate() error {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.ProfileTimeout == 0 {
		c.ProfileTimeout = 2 * time.Minute
	}
	if c.Timeout < 0 || c.ProfileTimeout < c.Timeout {
		return fmt.Errorf("ops timeouts %s and %s; both must be positive, the second at least the first", c.Timeout, c.ProfileTimeout)
	}
	return nil
}

// Ops answers operators: health, readiness, metrics and profiles. It must never
// be on a public listener, as it asks nobody for a name.
type Ops struct {
	cfg     OpsConfig    // immutable
	handler http.Handler // immutable
	log     *slog.Logger // immutable
}

// NewOps makes the ops role over a registry of metrics and what says whether
// the process can serve.
func NewOps(cfg OpsConfig, metrics *prometheus.Registry, ready *Readiness, log *slog.Logger) (*Ops, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	// Health asks nothing: a process that cannot reach others must not be
	// restarted for that.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // a probe that has gone is no error
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeReadiness(w, ready.Reasons()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: cfg.Timeout, Registry: metrics,
	}))
	// By hand, as the package's own registration is on the global mux.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Ops{cfg: cfg, handler: mux, log: log}, nil
}

// writeReadiness answers 200 and {"ready":true}, or 503 with every reason.
func writeReadiness(w http.ResponseWriter, reasons []Reason) {
	w.Header().Set("Content-Type", "application/json")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Ready   bool     `json:"ready"`
		Reasons []Reason `json:"reasons,omitempty"`
	}{len(reasons) == 0, reasons})
}

// Run serves on l, which it closes, until ctx ends. Replies in progress get a
// second.
func (o *Ops) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           o.handler,
		ReadHeaderTimeout: o.cfg.Timeout,
		ReadTimeout:       o.cfg.Timeout,
		WriteTimeout:      o.cfg.ProfileTimeout,
		IdleTimeout:       o.cfg.ProfileTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("ops listener: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // a long profile does not hold the process
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ops listener: %w", err)
	}
	return nil
}
