package comet

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/comet/wire"
	"gopush/internal/coord"
	"gopush/internal/push"
)

// metrics counts what the node does. No label grows with keys or clients. What is
// on the way of each delivery is looked up once, here, and not by its labels.
type metrics struct {
	operations  *prometheus.CounterVec // by kind, outcome
	connections *prometheus.GaugeVec   // by protocol
	opened      *prometheus.CounterVec // by protocol
	refusals    *prometheus.CounterVec // by reason
	closes      *prometheus.CounterVec // by reason
	slowReaders prometheus.Counter
	missedCount prometheus.Counter
	reads       prometheus.Counter
	readErrors  prometheus.Counter
	retries     prometheus.Counter
	fenced      prometheus.Counter
	elections   prometheus.Counter     // that failed
	won         prometheus.Counter     // terms
	ended       *prometheus.CounterVec // terms, by reason

	due                      prometheus.Counter
	written, failed, expired prometheus.Counter   // deliveries by outcome
	took                     prometheus.Histogram // from acceptance to the write
	acks                     prometheus.Histogram // from acceptance to the answer

	// Gauges that are read when somebody asks.
	behind  atomic.Int64 // feeds that have to read from the store
	writing atomic.Int64 // keys with an operation in flight
	waiting atomic.Int64 // operations that wait behind those
}

// maker makes metrics of one subsystem and remembers them.
type maker struct{ all []prometheus.Collector }

func (k *maker) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gopush", Subsystem: "comet", Name: name, Help: help}, labels)
	k.all = append(k.all, v)
	return v
}

func (k *maker) counter(name, help string) prometheus.Counter {
	return k.counters(name, help).WithLabelValues()
}

func (k *maker) gauge(name, help string, value func() float64) {
	k.all = append(k.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "gopush", Subsystem: "comet", Name: name, Help: help}, value))
}

// times makes a histogram from a quarter of a millisecond to 16 s, and a native one of
// the same. The number of its buckets is bounded.
func (k *maker) times(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "gopush", Subsystem: "comet", Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9), NativeHistogramBucketFactor: 1.1,
		NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	})
	k.all = append(k.all, h)
	return h
}

func newMetrics(reg prometheus.Registerer, n *Node) *metrics {
	var k maker
	deliveries := k.counters("deliveries_total", "Messages by what became of them at a connection: written, expired before that, or failed with the connection.", "outcome")
	m := &metrics{
		operations:  k.counters("operations_total", "Pushes, recalls and deletes by outcome: ok, or the kind of the error.", "kind", "outcome"),
		opened:      k.counters("connections_opened_total", "Connections that were accepted, by protocol.", "protocol"),
		refusals:    k.counters("refusals_total", "Connections that were not accepted, by reason.", "reason"),
		closes:      k.counters("closes_total", "Connections that ended, by reason.", "reason"),
		slowReaders: k.counter("slow_readers_total", "Times that a connection fell behind because its queue was full."),
		missedCount: k.counter("transient_missed_total", "Online-only messages that a connection missed because it was behind."),
		reads:       k.counter("catch_up_reads_total", "Pages that were asked for, for connections that are behind."),
		readErrors:  k.counter("catch_up_errors_total", "Reads for connections that are behind that failed."),
		retries:     k.counter("write_retries_total", "Writes that a message node did not take and that were made again."),
		fenced:      k.counter("fenced_total", "Writes that were refused because the node's epoch was over."),
		elections:   k.counter("elections_failed_total", "Elections that ended with an error."),
		won:         k.counter("terms_won_total", "Terms in which this node began to serve its group."),
		ended:       k.counters("terms_ended_total", "Terms that ended, by reason: lost, handed_over or stopped.", "reason"),
		due:         k.counter("deliveries_due_total", "Acknowledged messages times the connections that their keys had then."),
		written:     deliveries.WithLabelValues("written"),
		failed:      deliveries.WithLabelValues("failed"),
		expired:     deliveries.WithLabelValues("expired"),
		took:        k.times("delivery_duration_seconds", "Time from taking a push to writing it to a connection, for those that are live; of a message to many, one delivery in eight is timed."),
		acks:        k.times("operation_duration_seconds", "Time from taking a push, recall or delete to its answer."),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "gopush", Subsystem: "comet", Name: "connections", Help: "Open connections by protocol.",
		}, []string{"protocol"}),
	}
	k.all = append(k.all, m.connections)
	k.gauges(n, m)
	m.begin()
	if reg != nil {
		reg.MustRegister(k.all...)
	}
	return m
}

// gauges are what is looked up when somebody asks.
func (k *maker) gauges(n *Node, m *metrics) {
	count := func(v *atomic.Int64) func() float64 { return func() float64 { return float64(v.Load()) } }
	k.gauge("channels", "Keys with a connection or an operation in flight.", func() float64 { return float64(n.table.size()) })
	k.gauge("readers_behind", "Streams of connections that are behind and read from the store.", count(&m.behind))
	k.gauge("keys_writing", "Keys with an operation in flight.", count(&m.writing))
	k.gauge("operations_waiting", "Operations that wait for the one before them of the same key.", count(&m.waiting))
	k.gauge("epoch", "Epoch of the term in which this node serves its group; 0 while it does not.", func() float64 { return float64(n.service().epoch()) })
	k.gauge("lease_valid", "1 while this node may acknowledge and deliver for its group.", func() float64 {
		if n.service().valid() {
			return 1
		}
		return 0
	})
	k.gauge("lease_remaining_seconds", "How long the lease holds without another proof; 0 without one, +Inf where it cannot end.", func() float64 {
		return n.service().left()
	})
}

// begin makes the series that rates are asked of, so that their first step counts.
func (m *metrics) begin() {
	for _, proto := range []string{"tcp", "ws", "v2", "sse"} {
		m.connections.WithLabelValues(proto)
		m.opened.WithLabelValues(proto)
	}
	for _, kind := range opNames {
		m.operations.WithLabelValues(kind, "ok")
	}
	for _, reason := range []string{endLost, endHandedOver, endStopped} {
		m.ended.WithLabelValues(reason)
	}
	m.operations.WithLabelValues(opNames[opStore], string(push.KindRateLimited))
	for _, reason := range []string{memoryShort, filesShort, nodeFull, addressFull, addressRate, nodeRate, keyFull, keyRate} {
		m.refusals.WithLabelValues(label(reason))
	}
	m.closes.WithLabelValues(label(closeClient.reason))
}

// Why a term ended.
const (
	endLost       = "lost"
	endHandedOver = "handed_over"
	endStopped    = "stopped"
)

var opNames = [...]string{opStore: "store", opTransient: "transient", opRecall: "recall", opDelete: "delete"}

func (m *metrics) finished(op *operation, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(push.KindOf(err))
	}
	m.operations.WithLabelValues(opNames[op.kind], outcome).Inc()
	m.acks.Observe(time.Since(op.since).Seconds())
}

// connected counts a connection in, or with -1 out.
func (m *metrics) connected(proto string, by float64) {
	m.connections.WithLabelValues(proto).Add(by)
	if by > 0 {
		m.opened.WithLabelValues(proto).Inc()
	}
}

// v1Reason is what a v1 reply is called by v2, so that a reason has one name.
func v1Reason(reply string) string {
	switch reply {
	case wire.ReplyParam:
		return wire.CloseBadRequest.Text()
	case wire.ReplyNode:
		return wire.CloseWrongNode.Text()
	case wire.ReplyChannel:
		return wire.CloseForbidden.Text()
	case wire.ReplyAuth:
		return wire.CloseUnauthenticated.Text()
	default:
		return "other"
	}
}

// label makes a label's value of a reason in words.
func label(reason string) string { return strings.ReplaceAll(reason, " ", "_") }

func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(label(reason)).Inc() }
func (m *metrics) closed(reason string)  { m.closes.WithLabelValues(label(reason)).Inc() }
func (m *metrics) slow()                 { m.slowReaders.Inc() }
func (m *metrics) missed()               { m.missedCount.Inc() }
func (m *metrics) readAsked()            { m.reads.Inc() }
func (m *metrics) readFailed()           { m.readErrors.Inc() }

// delivered counts the messages of a chunk that was written at now (milliseconds since
// the Unix epoch), or that failed.
func (m *metrics) delivered(events []*event, now int64, err error) {
	at := time.Now()
	for _, ev := range events {
		switch {
		case ev.kind != evMessage && ev.kind != evTransient:
		case err != nil:
			m.failed.Inc()
		case expired(ev, now):
			m.expired.Inc()
		default:
			m.live(ev, at)
		}
	}
}

// sent is delivered for one event of a fan-out to many.
func (m *metrics) sent(ev *event, timed bool) {
	switch {
	case ev.kind != evMessage && ev.kind != evTransient:
	case timed:
		m.live(ev, time.Now())
	default:
		m.written.Inc()
	}
}

// live counts a message that is on the wire. Of one that was read from the store it is
// not known when it was taken.
func (m *metrics) live(ev *event, at time.Time) {
	m.written.Inc()
	if !ev.since.IsZero() {
		m.took.Observe(at.Sub(ev.since).Seconds())
	}
}

// left is how long the lease holds, in seconds.
func (s *service) left() float64 {
	if !s.valid() {
		return 0
	}
	left := s.term.Left()
	if left == coord.ForEver {
		return math.Inf(1)
	}
	return max(left.Seconds(), 0)
}
