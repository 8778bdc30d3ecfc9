package comet

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gopush/internal/push"
)

// TestBusiestBounds: whatever comes, the exact count of each key that is listed lies
// within its bounds, and every key with more than its share is listed.
//
// Broken once by giving a key that takes a place over a count of its own alone, and once
// by not sinking a place whose count has grown.
func TestBusiestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		b := newBusiest(now)
		exact := map[push.Key]int{}
		n := 0
		for range rapid.IntRange(1, 40).Draw(t, "runs") {
			first, keys := rapid.IntRange(0, 3000).Draw(t, "first"), rapid.IntRange(1, 2000).Draw(t, "keys")
			for i := range keys * rapid.IntRange(1, 3).Draw(t, "times") {
				key := push.Key(fmt.Sprint(first + i%keys))
				b.count(key, now)
				exact[key]++
				n++
			}
		}
		listed := map[push.Key]bool{}
		for _, k := range b.top(now, math.MaxInt) {
			listed[k.Key] = true
			if is := float64(exact[k.Key]); is < k.Least || is > k.Most {
				t.Fatalf("%s was pushed to %v times, not %v to %v", k.Key, is, k.Least, k.Most)
			}
		}
		for key, is := range exact {
			// Twice: then surely more than half of its count is its own.
			if is > 2*n/busyKeys && !listed[key] {
				t.Fatalf("%s with %d of %d pushes is not listed", key, is, n)
			}
		}
		if len(b.tallies) > busyKeys || len(b.index) != len(b.tallies) || len(b.heap) != len(b.tallies) {
			t.Fatalf("%d tallies, %d of them in the index, %d in the heap", len(b.tallies), len(b.index), len(b.heap))
		}
	})
}

// TestBusiestRates: rates are of late, and right from the beginning if they stay.
//
// Broken once by not halving the time with the counts, and once by dividing by the time
// since the last halving alone.
func TestBusiestRates(t *testing.T) {
	now := time.Now()
	b := newBusiest(now)
	run := func(d time.Duration, rates map[push.Key]int) {
		for range int(d / time.Second) {
			for key, n := range rates {
				for range n {
					b.count(key, now)
				}
			}
			now = now.Add(time.Second)
		}
	}
	want := func(when string, want map[push.Key]float64) {
		t.Helper()
		got := map[push.Key]float64{}
		for _, k := range b.top(now, 10) {
			got[k.Key] = math.Round(k.Least)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	run(5*time.Second, map[push.Key]int{"a": 100, "b": 10})
	want("soon", map[push.Key]float64{"a": 100, "b": 10})
	run(55*time.Second, map[push.Key]int{"a": 100, "b": 10})
	want("later", map[push.Key]float64{"a": 100, "b": 10})
	run(100*time.Second, map[push.Key]int{"b": 10})
	want("when one has stopped", map[push.Key]float64{"a": 0, "b": 10})
	now = now.Add(time.Hour)
	want("when all have", map[push.Key]float64{})
	if got := b.top(now, 0); len(got) != 0 {
		t.Errorf("none was asked for: %v", got)
	}
}

// TestTopOfNode: pushes of both kinds count, refused ones do not, and the public stream
// has a name of its own.
//
// Broken once by counting before it is known whether the key is served here.
func TestTopOfNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, c := testNode(t, nil)
		mustPush(t, n, "a", `1`)
		mustPush(t, n, "a", `2`)
		mustPush(t, n, push.PublicKey, `3`)
		listen(t, n, "a")
		if err := n.Recall(t.Context(), "a", 16); err == nil {
			t.Error("recalled what is not there")
		}
		c.valid.Store(false)
		if r := <-pushAsync(t, n, "b", `1`); r.err == nil {
			t.Error("a push without a lease")
		}
		c.valid.Store(true)
		got := n.Top(5)
		want := []push.BusyKey{{Key: "a", Least: 2, Most: 2, Connections: 1}, {Key: push.PublicKey, Least: 1, Most: 1, Connections: 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := n.Counts(); got.Pushes != 3 || got.Deliveries != 0 {
			t.Errorf("counts %+v", got)
		}
	})
}

// BenchmarkBusiest is what the sketch adds to a push: of few keys, of many of which few
// are busy, and of ever new ones, which is the worst.
func BenchmarkBusiest(b *testing.B) {
	keys := make([]push.Key, 1<<16)
	for i := range keys {
		keys[i] = push.Key(fmt.Sprintf("user-%d", i))
	}
	for name, pick := range map[string]func(i int) push.Key{
		"few":    func(i int) push.Key { return keys[i&255] },
		"skewed": func(i int) push.Key { return keys[(i*i)&(1<<(i&15)-1)] },
		"new":    func(i int) push.Key { return keys[i&(1<<16-1)] },
	} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			s := newBusiest(now)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.count(pick(i), now)
			}
		})
	}
	b.Run("new, in parallel", func(b *testing.B) {
		now := time.Now()
		s := newBusiest(now)
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				s.count(keys[i&(1<<16-1)], now)
			}
		})
	})
}
