package bench

import (
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest time that a histogram keeps; a push ends long before.
const longest = 15 * time.Minute

// spread is a histogram of times, to a microsecond and three digits.
type spread struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // guarded by mu
}

func newSpread() *spread {
	return &spread{h: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// add notes one time; less than a microsecond counts as that.
func (s *spread) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.h.RecordValue(min(max(d, time.Microsecond), longest).Microseconds()) // it is within the bounds
}

// Times are percentiles, in milliseconds.
type Times struct {
	Count  int64   `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p999_ms"`
	MaxMS  float64 `json:"max_ms"`
}

func (s *spread) times() Times {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(q float64) float64 { return float64(s.h.ValueAtQuantile(q)) / 1000 }
	t := Times{Count: s.h.TotalCount(), MaxMS: float64(s.h.Max()) / 1000}
	if t.Count > 0 {
		t.MeanMS, t.P50MS, t.P90MS, t.P99MS, t.P999MS = s.h.Mean()/1000, at(50), at(90), at(99), at(99.9)
	}
	return t
}

// take gives the 99th percentile since the last call, and begins anew.
func (s *spread) take() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	p99 := s.h.ValueAtQuantile(99)
	s.h.Reset()
	return time.Duration(p99) * time.Microsecond
}

// meter is what is counted of all pushes and deliveries. Its methods may be called
// from anywhere.
type meter struct {
	ack, delivery, fetch, delay *spread // of what is measured
	recent                      *spread // acks since the last progress

	mu      sync.Mutex
	all     Pushes           // guarded by mu, as all below: of the whole run
	counted Pushes           // of what is measured
	errors  map[string]int64 // by code, each try
	lastAck time.Time        // of a measured push
}

func newMeter() *meter {
	return &meter{
		ack: newSpread(), delivery: newSpread(), fetch: newSpread(), delay: newSpread(), recent: newSpread(),
		errors: make(map[string]int64),
	}
}

// note changes the counts of the whole run, and those of the measured part if the
// push belongs to it.
func (m *meter) note(measured bool, change func(p *Pushes)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.all)
	if measured {
		change(&m.counted)
	}
}

// failed counts a try that failed.
func (m *meter) failed(code string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors[code]++
}

func (m *meter) acked(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.After(m.lastAck) {
		m.lastAck = at
	}
}

func (m *meter) look() (all, counted Pushes, errors map[string]int64, lastAck time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all, m.counted, maps.Clone(m.errors), m.lastAck
}
