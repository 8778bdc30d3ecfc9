package comet

import (
	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/push"
)

// metrics counts what the node does. No label grows with keys or clients.
type metrics struct {
	operations  *prometheus.CounterVec // by kind, outcome
	connections *prometheus.GaugeVec   // by protocol
	refusals    *prometheus.CounterVec // by reason
	closes      *prometheus.CounterVec // by reason
	deliveries  prometheus.Counter
	slowReaders prometheus.Counter
	missedCount prometheus.Counter
	reads       prometheus.Counter
	readErrors  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, n *Node) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "gopush", Subsystem: "comet", Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gopush", Subsystem: "comet", Name: name, Help: help}, labels)
	}
	m := &metrics{
		operations:  counters("operations_total", "Pushes, recalls and deletes by outcome.", "kind", "outcome"),
		refusals:    counters("refusals_total", "Connections that were not accepted, by reason.", "reason"),
		closes:      counters("closes_total", "Connections that ended, by reason.", "reason"),
		deliveries:  counter("deliveries_total", "Messages written to connections."),
		slowReaders: counter("slow_readers_total", "Times that a connection fell behind because its queue was full."),
		missedCount: counter("transient_missed_total", "Online-only messages that a connection missed because it was behind."),
		reads:       counter("catch_up_reads_total", "Pages that were asked for, for connections that are behind."),
		readErrors:  counter("catch_up_errors_total", "Reads for connections that are behind that failed."),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "gopush", Subsystem: "comet", Name: "connections", Help: "Open connections by protocol.",
		}, []string{"protocol"}),
	}
	if reg != nil {
		reg.MustRegister(m.operations, m.refusals, m.closes, m.deliveries, m.slowReaders, m.missedCount, m.reads, m.readErrors, m.connections,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Namespace: "gopush", Subsystem: "comet", Name: "channels", Help: "Keys with a connection or an operation in flight.",
			}, func() float64 { return float64(n.table.size()) }))
	}
	return m
}

var opNames = [...]string{opStore: "store", opTransient: "transient", opRecall: "recall", opDelete: "delete"}

func (m *metrics) finished(kind opKind, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(push.KindOf(err))
	}
	m.operations.WithLabelValues(opNames[kind], outcome).Inc()
}

func (m *metrics) connected(proto string, by float64) { m.connections.WithLabelValues(proto).Add(by) }
func (m *metrics) refused(reason string)              { m.refusals.WithLabelValues(reason).Inc() }
func (m *metrics) closed(reason string)               { m.closes.WithLabelValues(reason).Inc() }
func (m *metrics) slow()                              { m.slowReaders.Inc() }
func (m *metrics) missed()                            { m.missedCount.Inc() }
func (m *metrics) readAsked()                         { m.reads.Inc() }
func (m *metrics) readFailed()                        { m.readErrors.Inc() }

func (m *metrics) delivered(events []*event) {
	k := 0
	for _, ev := range events {
		if ev.kind == evMessage || ev.kind == evTransient {
			k++
		}
	}
	m.deliveries.Add(float64(k))
}
