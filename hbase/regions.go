package hbase

import (
	"bytes"
	"slices"
	"sync"

	"github.com/tsuna/gohbase/hrpc"
)

// location is a region and the server that is believed to serve it.
type location struct {
	region hrpc.RegionInfo // immutable; without a connection of its own
	addr   string          // immutable
}

// holds reports whether the row lies in the region.
func (l *location) holds(row []byte) bool {
	stop := l.region.StopKey()
	return bytes.Compare(l.region.StartKey(), row) <= 0 && (len(stop) == 0 || bytes.Compare(row, stop) < 0)
}

func (l *location) overlaps(o *location) bool {
	before := func(a, b *location) bool { // a ends at or before the start of b
		return len(a.region.StopKey()) > 0 && bytes.Compare(a.region.StopKey(), b.region.StartKey()) <= 0
	}
	return !before(l, o) && !before(o, l)
}

// regions remembers where the regions of one table are. What it says may be out
// of date: the server then says so.
type regions struct {
	mu  sync.RWMutex
	all []*location // guarded by mu; by start key, none overlapping another
}

// find returns nil when it does not know.
func (r *regions) find(row []byte) *location {
	r.mu.RLock()
	defer r.mu.RUnlock()
	// The first that begins behind the row; the one before it may hold it.
	i, _ := slices.BinarySearchFunc(r.all, row, func(l *location, row []byte) int {
		if bytes.Compare(l.region.StartKey(), row) <= 0 {
			return -1
		}
		return 1
	})
	if i == 0 || !r.all[i-1].holds(row) {
		return nil
	}
	return r.all[i-1]
}

// count is how many are known.
func (r *regions) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.all)
}

// put replaces whatever overlaps l.
func (r *regions) put(l *location) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, l.overlaps)
	i, _ := slices.BinarySearchFunc(r.all, l, func(a, b *location) int {
		return bytes.Compare(a.region.StartKey(), b.region.StartKey())
	})
	r.all = slices.Insert(r.all, i, l)
}

// forget drops l, if it is what is believed still.
func (r *regions) forget(l *location) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(a *location) bool { return a == l })
}

// forgetServer drops all that is believed to be at addr.
func (r *regions) forgetServer(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(a *location) bool { return a.addr == addr })
}

// at returns a region that is believed to be at addr; nil: none is known.
func (r *regions) at(addr string) *location {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, l := range r.all {
		if l.addr == addr {
			return l
		}
	}
	return nil
}
