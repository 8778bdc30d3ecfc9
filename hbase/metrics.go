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
			NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gopush_hbase_calls_in_flight", Help: "Calls of HBase that are not answered yet, those that wait for a server included.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_hbase_connections_dropped_total", Help: "Connections to region servers that were given up: broken, unreachable, or silent for too long.",
		}, []string{"reason"}),
	}
	m.begin()
	if reg == nil {
		return m, nil
	}
	if err := errors.Join(reg.Register(m.calls), reg.Register(m.durations), reg.Register(m.inFlight), reg.Register(m.dropped)); err != nil {
		return nil, fmt.Errorf("hbase: register metrics: %w", err)
	}
	return m, nil
}

// begin makes the series that rates are asked of, so that their first step counts.
func (m *metrics) begin() {
	for _, op := range []string{"save", "claim", "find", "newest", "read", "discard", "recall", "delete", "ping"} {
		m.calls.WithLabelValues(op, "ok")
		m.calls.WithLabelValues(op, "timeout")
		m.durations.WithLabelValues(op)
	}
	for _, reason := range []string{"broken", "unreachable", "silent"} {
		m.dropped.WithLabelValues(reason)
	}
}

// tell registers what the router is asked for when somebody wants to know.
func (r *router) tell(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	gauge := func(name, help string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(count()) })
	}
	locked := func(count func() int) func() int {
		return func() int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return count()
		}
	}
	err := errors.Join(
		reg.Register(gauge("gopush_hbase_connections", "Connections to region servers, those that are being opened included.", locked(func() int { return len(r.servers) }))),
		reg.Register(gauge("gopush_hbase_suspects", "Region servers that answered nothing lately, and are given less time now.", locked(func() int { return len(r.suspects) }))),
		reg.Register(gauge("gopush_hbase_regions_known", "Regions of the table whose server is known.", r.tables.count)),
	)
	if err != nil {
		return fmt.Errorf("hbase: register metrics: %w", err)
	}
	return nil
}

func (m *metrics) call(op, outcome string, took time.Duration) {
	m.calls.WithLabelValues(op, outcome).Inc()
	m.durations.WithLabelValues(op).Observe(took.Seconds())
}
