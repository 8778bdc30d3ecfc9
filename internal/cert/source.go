package cert

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what a Source reads.
type Config struct {
	// Listener is whose certificate it is, in logs and metrics: comet, web, rpc or ops.
	Listener string
	Files    Files
	// Now is the wall clock that expiry is judged by; nil: time.Now.
	Now func() time.Time
}

// Source has the newest good pair of its files. It may be used concurrently.
type Source struct {
	cfg      Config       // immutable
	log      *slog.Logger // immutable
	failures prometheus.Counter
	pair     atomic.Pointer[Pair]
}

// Open reads the files for the first time: without a good pair there is no Source.
// metrics may be nil.
func Open(cfg Config, log *slog.Logger, metrics prometheus.Registerer) (*Source, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	label := prometheus.Labels{"listener": cfg.Listener}
	s := &Source{cfg: cfg, log: log, failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gopush_certificate_reload_failures_total", ConstLabels: label,
		Help: "Times that files of a certificate could not be used, and the pair from before was kept.",
	})}
	first, err := Load(cfg.Files, cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("the certificate of %s: %w", cfg.Listener, err)
	}
	s.Use(first)
	if metrics == nil {
		return s, nil
	}
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gopush_certificate_expiry_timestamp_seconds", ConstLabels: label,
		Help: "When the certificate that is in use expires, since the Unix epoch.",
	}, func() float64 { return float64(s.NotAfter().Unix()) })
	if err := errors.Join(metrics.Register(expiry), metrics.Register(s.failures)); err != nil {
		return nil, fmt.Errorf("the certificate of %s: register metrics: %w", cfg.Listener, err)
	}
	return s, nil
}

// Read reads the files again, for Use; nothing changes yet. changed reports whether they
// hold something else than what is in use. On an error, which is counted, that stays.
func (s *Source) Read() (p *Pair, changed bool, err error) {
	p, err = Load(s.cfg.Files, s.cfg.Now())
	if err != nil {
		s.failures.Inc()
		return nil, false, fmt.Errorf("the certificate of %s is still the one from before: %w", s.cfg.Listener, err)
	}
	return p, p.mark != s.pair.Load().mark, nil
}

// Use makes p the pair of the handshakes to come; connections that stand go on.
func (s *Source) Use(p *Pair) {
	old := s.pair.Swap(p)
	about := s.log.With(slog.String("listener", s.cfg.Listener), slog.String("file", s.cfg.Files.Cert))
	if old == nil || old.mark != p.mark {
		about.Info("certificate in use", slog.Time("not_after", p.Leaf().NotAfter), slog.String("serial", p.Leaf().SerialNumber.Text(16)))
	}
	for _, w := range p.Warnings {
		about.Warn("something is wrong with the certificate", slog.String("problem", w))
	}
}

// NotAfter is when the certificate that is in use expires.
func (s *Source) NotAfter() time.Time { return s.pair.Load().Leaf().NotAfter }
