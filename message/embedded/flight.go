package embedded

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
)

// Pebble shows a batch as soon as it is applied, a moment before it is on disk. A
// reader must not learn of what a crash could still undo: its cursor would stand
// on a message that never was. So readers that met a key with changes in flight
// wait for those to be synced, before they answer.

// flights are the changes that are visible to readers of the database, but may not
// be on disk yet.
type flights struct {
	seed   maphash.Seed // immutable
	shards [64]flightShard
}

type flightShard struct {
	mu   sync.Mutex
	keys map[push.Key][]*flight // guarded by mu; no key has an empty list
}

// flight is one batch between being applied and being on disk.
type flight struct{ landed chan struct{} }

func newFlights() *flights {
	f := &flights{seed: maphash.MakeSeed()}
	for i := range f.shards {
		f.shards[i].keys = make(map[push.Key][]*flight)
	}
	return f
}

func (f *flights) shard(key push.Key) *flightShard {
	return &f.shards[maphash.String(f.seed, string(key))%uint64(len(f.shards))]
}

// depart is to be called before a batch that changes key is applied.
func (f *flights) depart(key push.Key, one *flight) {
	sh := f.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.keys[key] = append(sh.keys[key], one)
}

// arrive takes a flight back: it is on disk, or was never applied.
func (f *flights) arrive(key push.Key, one *flight) {
	sh := f.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	left := sh.keys[key]
	if i := slices.Index(left, one); i >= 0 {
		left = slices.Delete(left, i, i+1)
	}
	if len(left) == 0 {
		delete(sh.keys, key)
	} else {
		sh.keys[key] = left
	}
}

// of lists what is in flight for key.
func (f *flights) of(key push.Key) []*flight {
	sh := f.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Clone(sh.keys[key])
}

// settle waits until everything that the caller may have read of key is on disk.
// It is to be called after the database was looked at.
func (s *Store) settle(ctx context.Context, key push.Key) error {
	for _, one := range s.flights.of(key) {
		select {
		case <-one.landed:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	return nil
}

// fly has apply fill a batch that changes keys and make it visible, and waits until
// it is on disk.
func (s *Store) fly(keys []push.Key, b *pebble.Batch, apply func() error) error {
	one := &flight{landed: make(chan struct{})}
	for _, key := range keys {
		s.flights.depart(key, one)
	}
	defer func() {
		close(one.landed)
		for _, key := range keys {
			s.flights.arrive(key, one)
		}
	}()
	if err := apply(); err != nil {
		return err
	}
	s.synced(b)
	return nil
}
