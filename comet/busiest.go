package comet

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"gopush/internal/push"
)

const (
	// busyKeys is how many keys are counted at a time: whichever has more than one
	// push in so many is among them.
	busyKeys = 1024
	// halfLife is how soon what was counted weighs half.
	halfLife = 10 * time.Second
	// weigh is what one push counts for, so that it can be halved 16 times.
	weigh = 1 << 16
)

// busiest counts pushes per key in a place of fixed size, however many keys there are:
// a key that is not counted yet takes the place of the one with the fewest, and its
// count with it, as its own may have been as high (the "space saving" sketch). So a
// count is never too low, and too high by no more than what was taken over.
//
// Counts and the time in which they were made are halved together, so that their
// quotient is a rate of late.
type busiest struct {
	mu sync.Mutex
	// guarded by mu:
	tallies []tally            // where a key stays as long as it is counted
	index   map[push.Key]int32 // to find it
	heap    []int32            // of tallies: none has more than those below it, 2i+1 and 2i+2
	halved  time.Time          // when it was done last
	weight  time.Duration      // of the time before that
}

// tally is one key that is counted.
type tally struct {
	key         push.Key
	count, over uint64 // in units of weigh; over is how much of it may be others'
	at          int32  // in the heap
}

func newBusiest(now time.Time) *busiest {
	return &busiest{
		tallies: make([]tally, 0, busyKeys), index: make(map[push.Key]int32, busyKeys), heap: make([]int32, 0, busyKeys),
		halved: now,
	}
}

// count counts one push at now.
func (b *busiest) count(key push.Key, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.age(now)
	i, known := b.index[key]
	switch {
	case known:
	case len(b.tallies) < busyKeys:
		i = int32(len(b.tallies)) //nolint:gosec // below busyKeys
		b.tallies = append(b.tallies, tally{key: key, at: i})
		b.heap = append(b.heap, i)
		b.index[key] = i
		b.rise(i)
	default:
		i = b.heap[0]
		least := &b.tallies[i]
		delete(b.index, least.key)
		least.key, least.over = key, least.count
		b.index[key] = i
	}
	b.tallies[i].count += weigh
	b.sink(b.tallies[i].at)
}

// age halves what is there as often as it is due. All counts are halved alike, so the
// heap stays one.
func (b *busiest) age(now time.Time) {
	times := int(now.Sub(b.halved) / halfLife)
	if times <= 0 {
		return
	}
	b.halved = b.halved.Add(time.Duration(times) * halfLife)
	for range min(times, 64) {
		b.weight = (b.weight + halfLife) / 2
	}
	for i := range b.tallies {
		p := &b.tallies[i]
		p.count >>= min(times, 63)
		p.over >>= min(times, 63)
	}
}

// sink moves what is at i of the heap down until those below it have as many.
func (b *busiest) sink(i int32) {
	moving := b.heap[i]
	count, end := b.tallies[moving].count, int32(len(b.heap)) //nolint:gosec // at most busyKeys
	for {
		below := 2*i + 1
		if below+1 < end && b.at(below+1) < b.at(below) {
			below++
		}
		if below >= end || b.at(below) >= count {
			break
		}
		b.put(i, b.heap[below])
		i = below
	}
	b.put(i, moving)
}

// rise is the other way, of one that has nothing yet.
func (b *busiest) rise(i int32) {
	moving := b.heap[i]
	for ; i > 0 && b.at((i-1)/2) > b.tallies[moving].count; i = (i - 1) / 2 {
		b.put(i, b.heap[(i-1)/2])
	}
	b.put(i, moving)
}

func (b *busiest) at(i int32) uint64 { return b.tallies[b.heap[i]].count }

func (b *busiest) put(i, which int32) {
	b.heap[i] = which
	b.tallies[which].at = i
}

// top lists the keys whose pushes are surely the most, the busiest first.
func (b *busiest) top(now time.Time, limit int) []push.BusyKey {
	b.mu.Lock()
	b.age(now)
	all := slices.Clone(b.tallies)
	seconds := (b.weight + max(now.Sub(b.halved), 0)).Seconds()
	b.mu.Unlock()
	all = slices.DeleteFunc(all, func(p tally) bool { return p.count == p.over })
	slices.SortFunc(all, func(x, y tally) int {
		return cmp.Or(cmp.Compare(y.count-y.over, x.count-x.over), cmp.Compare(x.key, y.key))
	})
	keys := make([]push.BusyKey, 0, max(0, min(limit, len(all))))
	for _, p := range all[:cap(keys)] {
		keys = append(keys, push.BusyKey{Key: p.key, Least: perSecond(p.count-p.over, seconds), Most: perSecond(p.count, seconds)})
	}
	return keys
}

// perSecond makes a rate of a count. Of less than a second nothing can be told but
// what it would be in one.
func perSecond(count uint64, seconds float64) float64 {
	return float64(count) / weigh / math.Max(seconds, 1)
}
