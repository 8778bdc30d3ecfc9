package daemon

import (
	"slices"
	"sync"
)

// Readiness gathers what keeps the process from serving. The zero value has no
// reason against it.
type Readiness struct {
	mu     sync.Mutex
	checks []check // guarded by mu; only grows
}

// check is one part of the process that can be asked.
type check struct {
	name string
	ask  func() error
}

// Reason is why a part of the process cannot serve.
type Reason struct {
	Part   string `json:"part"`
	Reason string `json:"reason"`
}

// Add makes ask part of every answer: its error is a reason. It is called often
// and from several goroutines, so it must not block.
func (r *Readiness) Add(part string, ask func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, check{part, ask})
}

// Reasons asks every part; none means ready.
func (r *Readiness) Reasons() []Reason {
	r.mu.Lock()
	checks := slices.Clone(r.checks) // they are asked without the lock
	r.mu.Unlock()
	var reasons []Reason
	for _, c := range checks {
		if err := c.ask(); err != nil {
			reasons = append(reasons, Reason{c.name, err.Error()})
		}
	}
	return reasons
}
