package storetest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The twin does what every store has to do.
func TestTwin(t *testing.T) {
	Run(t, func(_ *testing.T, clock *Clock) message.Store { return newTwin(clock) })
}

// Every planted fault is found by the checks that are there to find it, and
// every check finds at least one.
func TestFaultsAreFound(t *testing.T) {
	checks := make(map[string]func(*Subject) error)
	for _, c := range Checks() {
		checks[c.Name] = c.Do
	}
	idle := maps.Clone(checks)
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		fault := faults[name]
		for _, check := range fault.found {
			if checks[check] == nil {
				t.Fatalf("there is no check %q", check)
			}
			clock := NewClock()
			store := &faulty{twin: newTwin(clock)}
			fault.plant(store)
			if err := checks[check](NewSubject(t.Context(), store, clock)); err == nil {
				t.Errorf("the check %q does not find a store with the fault %q", check, name)
			}
			delete(idle, check)
		}
	}
	for check := range idle {
		t.Errorf("no planted fault shows that the check %q can fail", check)
	}
}

func TestClock(t *testing.T) {
	c := NewClock()
	start := c.Now()
	c.Advance(time.Second)
	c.Advance(-time.Hour)
	if got := c.Now().Sub(start); got != time.Second {
		t.Errorf("the clock moved by %s", got)
	}
	if c.Now().Nanosecond()%int(time.Millisecond) != 0 {
		t.Error("the clock is finer than the ends of messages")
	}
}
