package web

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/push"
)

// metrics are what the web role counts. No label has a value that a client
// makes: routes are patterns, codes come from fixed lists.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	pushes    *prometheus.CounterVec
	retries   *prometheus.CounterVec
	denied    *prometheus.CounterVec
	old       *prometheus.CounterVec
	moving    *prometheus.GaugeVec
	refusals  *prometheus.CounterVec
}

// newMetrics registers at reg, if there is one; without, the counting costs the
// same and nobody sees it.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_requests_total", Help: "HTTP requests by listener, route pattern and status.",
		}, []string{"listener", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gopush_web_request_duration_seconds", Help: "Time from a request's header to the end of its reply.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9), NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"listener", "route"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_pushes_total", Help: "Pushes by outcome: ok, or the code of the error.",
		}, []string{"code"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_push_retries_total", Help: "Pushes sent again inside their deadline, by the refusal's code.",
		}, []string{"code"}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_denied_total", Help: "Requests that were refused for want of a token, or of what it allows, by listener and reason.",
		}, []string{"listener", "reason"}),
		old: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_old_requests_total", Help: "Requests that were handed to the system that is moved from, by outcome: answered or failed.",
		}, []string{"outcome"}),
		moving: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gopush_web_moving_groups", Help: "Groups that are with the system that is moved from (old), and whose changes are refused meanwhile (held).",
		}, []string{"state"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_web_refusals_total", Help: "Connections that were turned away, or ended before they had asked for anything, by listener and reason.",
		}, []string{"listener", "reason"}),
	}
	// So that the first step of a rate counts.
	m.pushes.WithLabelValues("ok")
	m.old.WithLabelValues("answered")
	m.old.WithLabelValues("failed")
	for _, kind := range []push.Kind{push.KindUnauthenticated, push.KindForbidden} {
		m.denied.WithLabelValues("admin", string(kind))
	}
	for _, name := range listenerNames {
		for _, reason := range earlyEnds {
			m.refusals.WithLabelValues(name, reason)
		}
	}
	m.pushes.WithLabelValues(string(push.KindRateLimited))
	m.retries.WithLabelValues(string(classOf(push.KindMoving).code))
	if reg == nil {
		return m, nil
	}
	if err := errors.Join(reg.Register(m.requests), reg.Register(m.durations), reg.Register(m.pushes), reg.Register(m.retries), reg.Register(m.denied), reg.Register(m.old), reg.Register(m.moving), reg.Register(m.refusals)); err != nil {
		return nil, fmt.Errorf("web: register metrics: %w", err)
	}
	return m, nil
}

// askedOld counts a request to the system that is moved from.
func (m *metrics) askedOld(err error) {
	outcome := "answered"
	if err != nil {
		outcome = "failed"
	}
	m.old.WithLabelValues(outcome).Inc()
}

// moves says how many groups are where.
func (m *metrics) moves(old, held int) {
	m.moving.WithLabelValues("old").Set(float64(old))
	m.moving.WithLabelValues("held").Set(float64(held))
}

// request counts one HTTP request. A batch is one, however many lines it has.
func (m *metrics) request(listener, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(listener, route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(listener, route).Observe(took.Seconds())
}

// push counts the end of one message's way, retries included.
func (m *metrics) push(err error) {
	code := "ok"
	if err != nil {
		code = string(classOf(push.KindOf(err)).code)
	}
	m.pushes.WithLabelValues(code).Inc()
}

// deny counts a request whose token is missing or does not do.
func (m *metrics) deny(listener string, err error) {
	m.denied.WithLabelValues(listener, string(push.KindOf(err))).Inc()
}

// refuse counts a connection that was turned away, or ended before it had asked.
func (m *metrics) refuse(listener, reason string) {
	m.refusals.WithLabelValues(listener, reason).Inc()
}

// retry counts a try that was refused and is made again.
func (m *metrics) retry(err error) {
	m.retries.WithLabelValues(string(classOf(push.KindOf(err)).code)).Inc()
}
