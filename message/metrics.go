package message

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gopush/internal/push"
)

// metrics count what is asked of the node and of its store. No label has a value that
// grows with keys or clients.
type metrics struct {
	messages  *prometheus.CounterVec // by outcome
	refusals  *prometheus.CounterVec // by reason
	calls     *prometheus.CounterVec // of the store, by operation, outcome
	durations *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec // by operation
}

// Why a call was refused before the store was asked.
const (
	refusedBusy   = "busy"   // too many wait
	refusedLate   = "late"   // its time was over before its turn
	refusedFenced = "fenced" // its writer's epoch is over
)

// operations are what is asked of a store.
var operations = [...]string{"save", "read", "newest", "find", "discard", "recall", "delete"}

// newMetrics registers at reg, if there is one; without, the counting costs the same
// and nobody sees it.
func newMetrics(reg prometheus.Registerer, s *Service) (*metrics, error) {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		messages: counters("gopush_message_messages_total", "Messages that were to be stored, by outcome: stored, duplicate, conflict, or the kind of the error.", "outcome"),
		refusals: counters("gopush_message_refusals_total", "Calls that were refused before the store was asked, by reason: busy, late or fenced.", "reason"),
		calls:    counters("gopush_store_operations_total", "Operations of the store by outcome: ok, or the kind of the error. Each row of a save is one.", "operation", "outcome"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gopush_store_operation_duration_seconds", Help: "How long calls of the store took, by operation. A save is a call, however many rows it has.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9), NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"operation"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gopush_store_operations_in_flight", Help: "Calls of the store that are not answered yet, by operation.",
		}, []string{"operation"}),
	}
	m.begin()
	if reg == nil {
		return m, nil
	}
	err := errors.Join(reg.Register(m.messages), reg.Register(m.refusals), reg.Register(m.calls), reg.Register(m.durations), reg.Register(m.inFlight),
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gopush_message_calls_waiting", Help: "Calls that wait for their turn at the store.",
		}, func() float64 { return float64(max(len(s.queue)-len(s.slots), 0)) })))
	if err != nil {
		return nil, fmt.Errorf("message: register metrics: %w", err)
	}
	return m, nil
}

// begin makes the series that rates are asked of, so that their first step counts.
func (m *metrics) begin() {
	for _, op := range operations {
		m.calls.WithLabelValues(op, "ok")
		m.durations.WithLabelValues(op)
		m.inFlight.WithLabelValues(op)
	}
	for _, reason := range []string{refusedBusy, refusedLate, refusedFenced} {
		m.refusals.WithLabelValues(reason)
	}
	m.messages.WithLabelValues("stored")
}

func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// saved counts what became of the messages of one write.
func (m *metrics) saved(n int, w *push.Written, err error) {
	if err != nil {
		m.messages.WithLabelValues(string(push.KindOf(err))).Add(float64(n))
		return
	}
	for i := range w.Outcomes {
		m.messages.WithLabelValues(statusName(w.Outcomes[i].Status)).Inc()
	}
}

func statusName(s push.Status) string {
	switch s {
	case push.Duplicate:
		return "duplicate"
	case push.Conflict:
		return "conflict"
	default:
		return "stored"
	}
}

func (m *metrics) called(op string, start time.Time) {
	m.inFlight.WithLabelValues(op).Dec()
	m.durations.WithLabelValues(op).Observe(time.Since(start).Seconds())
}

// done is how many calls of an operation have ended, and how long they took altogether.
func (m *metrics) done(op string) (calls int64, took time.Duration) {
	h, ok := m.durations.WithLabelValues(op).(prometheus.Metric)
	var out dto.Metric
	if !ok || h.Write(&out) != nil {
		return 0, 0
	}
	return int64(min(out.GetHistogram().GetSampleCount(), math.MaxInt64)), time.Duration(out.GetHistogram().GetSampleSum() * float64(time.Second))
}

func (m *metrics) outcome(op string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(push.KindOf(err))
	}
	m.calls.WithLabelValues(op, outcome).Inc()
}
