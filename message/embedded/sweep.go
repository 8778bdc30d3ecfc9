package embedded

import (
	"context"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
)

// sweepBatch bounds the entries that one step of the sweep removes.
const sweepBatch = 1000

// sweepLoop removes what has expired, until ctx ends.
func (s *Store) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(s.cfg.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweep failed", slog.Any("error", err))
		}
	}
}

// Sweep removes what has expired by now and returns how many entries that were.
// It goes by the expiry index, a batch at a time, and may stop at any of them.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	for ctx.Err() == nil {
		n, err := s.sweepOnce()
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
	return total, ctx.Err()
}

// sweepOnce removes one batch. Removing and raising the watermarks is atomic: no
// reader sees a row gone without a trace.
func (s *Store) sweepOnce() (int, error) {
	s.marking.Lock()
	defer s.marking.Unlock()
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{tableExpiry}, UpperBound: expiryKey(s.millis()+1, nil),
	})
	if err != nil {
		return 0, broken(err)
	}
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	n, marks := 0, map[push.Key]push.ID{}
	for ok := it.First(); ok && n < sweepBatch; ok = it.Next() {
		n++
		if err := s.sweepEntry(b, it.Key(), marks); err != nil {
			return 0, closeWith(it, err)
		}
	}
	if err := closeWith(it, nil); err != nil || n == 0 {
		return 0, err
	}
	for key, id := range marks {
		old, err := s.markOf(tableExpired, key)
		if err != nil {
			return 0, err
		}
		if id > old {
			if err := b.Set(markKey(tableExpired, key), idValue(id), nil); err != nil {
				return 0, unknown(err)
			}
		}
	}
	// Nobody waits for it to be durable: a sweep that is lost is done again.
	if err := b.Commit(pebble.NoSync); err != nil {
		return 0, unknown(err)
	}
	return n, nil
}

// sweepEntry removes what an entry of the expiry index names, and the entry.
func (s *Store) sweepEntry(b *pebble.Batch, entry []byte, marks map[push.Key]push.ID) error {
	ms, target, err := parseExpiry(entry)
	if err != nil {
		return err
	}
	if err := b.Delete(entry, nil); err != nil {
		return unknown(err)
	}
	if target[0] == tableIdempotency {
		return s.sweepReceipt(b, target, ms)
	}
	key, id, _, err := parseRow(target)
	if err != nil {
		return err
	}
	mark, err := s.get(markerKey(key, id))
	if err != nil {
		return err
	}
	if mark == nil || mark[0] != markDiscarded {
		marks[key] = max(marks[key], id)
	}
	return firstError(b.Delete(target, nil), b.Delete(markerKey(key, id), nil))
}

// sweepReceipt removes an idempotency key, unless it was used again since.
func (s *Store) sweepReceipt(b *pebble.Batch, target []byte, ms int64) error {
	value, err := s.get(target)
	if err != nil || value == nil {
		return err
	}
	if r, err := parseReceipt(value); err != nil || r.expires > ms {
		return err
	}
	return b.Delete(target, nil)
}
