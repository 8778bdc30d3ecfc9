package hbase

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what is asked of HBase. No label has a value that grows with
// keys or servers.
type metrics struct {
	calls     *prometheus.CounterVec   // by operation, outcome
	durations *prometheus.HistogramVec // by operation
	inFlight  prometheus.Gauge
	dropped   *prometheus.CounterVec // by reason
}

// newMetrics registers at reg, if there is one; without, the counting costs the
// same and nobody sees it.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_hbase_calls_total", Help: "Calls of HBase by operation and outcome, each with everything that was tried again in it.",
		}, []string{"operation", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gopush_hbase_call_duration_seconds", Help: "How long calls of HBase took, from wanting to the answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9), NativeHistogramBucketFactor: 1.1,
		}, []string{"operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gopush_hbase_calls_in_flight", Help: "Calls of HBase under way.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_hbase_connections_dropped_total", Help: "Connections to region servers that were given up: broken, unreachable, or silent for too long.",
		}, []string{"reason"}),
	}
	if reg == nil {
		return m, nil
	}
	if err := errors.Join(reg.Register(m.calls), reg.Register(m.durations), reg.Register(m.inFlight), reg.Register(m.dropped)); err != nil {
		return nil, fmt.Errorf("hbase: register metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) call(op, outcome string, took time.Duration) {
	m.calls.WithLabelValues(op, outcome).Inc()
	m.durations.WithLabelValues(op).Observe(took.Seconds())
}
