package quota

import (
	"fmt"
	"testing"
	"time"
)

func TestSources(t *testing.T) {
	same := func(a, b string, want bool) {
		t.Helper()
		if got := SourceOf(a) == SourceOf(b); got != want {
			t.Errorf("%s and %s: the same is %v", a, b, got)
		}
	}
	same("192.0.2.1:1", "192.0.2.1:2", true)
	same("192.0.2.1:1", "192.0.2.2:1", false)
	same("192.0.2.1:1", "[::ffff:192.0.2.1]:1", true)
	same("[2001:db8::1]:1", "[2001:db8::ffff:1:2:3]:1", true)
	same("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false)
	same("[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true)
	for _, none := range []string{"pipe", "", "name:1"} {
		if SourceOf(none) != (Source{}) {
			t.Errorf("%q is a source", none)
		}
	}
}

// TestCounts: nothing is left of a source that has nothing open.
//
// Broken once by keeping the zeroes.
func TestCounts(t *testing.T) {
	var c Counts
	a, b := SourceOf("192.0.2.1:1"), SourceOf("192.0.2.2:1")
	for i, s := range []Source{a, a, b, a} {
		if got, want := c.Enter(s), []int{1, 2, 1, 3}[i]; got != want {
			t.Errorf("%d open, want %d", got, want)
		}
	}
	for _, s := range []Source{a, b, a} {
		c.Leave(s)
	}
	if got := c.Sources(); got != 1 {
		t.Errorf("%d sources, want 1", got)
	}
	c.Leave(a)
	if got := c.Sources(); got != 0 {
		t.Errorf("%d sources, want none", got)
	}
	if c.Enter(Source{}) != 0 || c.Sources() != 0 {
		t.Error("a peer without an address is counted")
	}
}

// taken is how many of n may be taken at one time.
func taken(n int, take func() bool) (got int) {
	for range n {
		if take() {
			got++
		}
	}
	return got
}

func TestRate(t *testing.T) {
	var r Rate
	now := time.Now()
	step := func(perSecond int) func() bool { return func() bool { return r.Take(perSecond, now) } }
	if got := taken(100, step(0)); got != 100 {
		t.Errorf("%d of 100 without a limit", got)
	}
	if got := taken(100, step(10)); got != 10 {
		t.Errorf("%d of 100 at once, want 10", got)
	}
	now = now.Add(500 * time.Millisecond)
	if got := taken(100, step(10)); got != 5 {
		t.Errorf("%d after half a second, want 5", got)
	}
	if got := taken(100, step(20)); got != 20 {
		t.Errorf("%d with another rate, want 20", got)
	}
}

// TestRates: each source has its own bucket, also when it was last used long ago.
//
// Broken once by one bucket for all, and once by not looking among the older ones.
func TestRates(t *testing.T) {
	var r Rates[Source]
	now := time.Now()
	step := func(s Source) func() bool { return func() bool { return r.Take(s, 10, now) } }
	a, b := SourceOf("192.0.2.1:1"), SourceOf("192.0.2.2:1")
	if got := taken(100, step(a)); got != 10 {
		t.Errorf("%d of 100, want 10", got)
	}
	if got := taken(100, step(b)); got != 10 {
		t.Errorf("the other got %d, want 10", got)
	}
	now = now.Add(full - 100*time.Millisecond)
	if got := taken(100, step(a)); got != 9 {
		t.Errorf("%d after 0.9 s, want 9", got)
	}
	now = now.Add(200 * time.Millisecond)
	_ = r.Take(SourceOf("192.0.2.3:1"), 10, now) // has the generations turn
	if got := taken(100, step(a)); got != 2 {
		t.Errorf("%d after 0.2 s, want 2", got)
	}
	if got := taken(100, func() bool { return r.Take(Source{}, 10, now) }); got != 100 {
		t.Errorf("%d of a peer without an address", got)
	}
}

// TestRatesMemory: it does not grow with the number of sources, and those that are gone
// are forgotten.
//
// Broken once by turning the generations by time alone, and once by never dropping one.
func TestRatesMemory(t *testing.T) {
	var r Rates[Source]
	now := time.Now()
	for i := range 5 * maxBuckets {
		r.Take(SourceOf(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)), 10, now)
	}
	if got := r.held(); got > 2*maxBuckets {
		t.Errorf("%d buckets, want at most %d", got, 2*maxBuckets)
	}
	for i := range 3 {
		now = now.Add(full)
		r.Take(SourceOf(fmt.Sprintf("192.0.2.%d:1", i)), 10, now)
	}
	if got := r.held(); got > 2 {
		t.Errorf("%d buckets are left of those long gone", got)
	}
}
