package embedded

import (
	"context"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
)

// sweepBatch bounds the entries that one step of the sweep removes, and so how
// long it keeps others from marking.
const sweepBatch = 256

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
			s.log.WarnContext(ctx, "sweep failed", slog.Any("error", err))
		}
	}
}

// Sweep removes what has expired by now and returns how many entries that were.
// It goes by the expiry index, a batch at a time, and may stop at any of them.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := s.sweepStep(ctx)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

// sweepStep removes one batch. Removing and raising the watermarks is atomic: no
// reader sees a row gone without a trace.
func (s *Store) sweepStep(ctx context.Context) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	s.marking.Lock()
	defer s.marking.Unlock()
	b := s.db.NewBatch()
	n, expired, err := s.collect(b)
	if err != nil || n == 0 {
		return 0, err
	}
	for key, id := range expired {
		if err := s.raiseExpired(b, key, id); err != nil {
			return 0, err
		}
	}
	// Nobody waits for it to be durable: a sweep that is lost is done again.
	if err := s.apply(b, pebble.NoSync); err != nil {
		return 0, err
	}
	return n, closed(b, nil)
}

// collect puts the removal of up to sweepBatch ended entries into b, and returns
// how many, and the highest id that expired of each key.
func (s *Store) collect(b *pebble.Batch) (n int, expired map[push.Key]push.ID, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{tableExpiry}, UpperBound: appendExpiry(nil, s.millis()+1),
	})
	if err != nil {
		return 0, nil, broken(err)
	}
	expired = make(map[push.Key]push.ID)
	for ok := it.First(); ok && n < sweepBatch && err == nil; ok = it.Next() {
		n++
		err = s.sweepEntry(b, it.Key(), expired)
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, nil, broken(err)
	}
	return n, expired, nil
}

// raiseExpired moves a key's watermark of what expired, never down.
func (s *Store) raiseExpired(b *pebble.Batch, key push.Key, id push.ID) error {
	marks, err := s.marks(key)
	if err != nil || id <= max(marks.Expired, marks.Deleted) {
		return err
	}
	marks.Expired = id
	return b.Set(marksKey(key), marksValue(marks), nil)
}

// sweepEntry removes what an entry of the expiry index names, and the entry.
func (s *Store) sweepEntry(b *pebble.Batch, entry []byte, expired map[push.Key]push.ID) error {
	ms, target, err := parseExpiry(entry)
	if err != nil {
		return err
	}
	if err := b.Delete(entry, nil); err != nil {
		return err
	}
	if target[0] == tableIdempotency {
		return s.sweepReceipt(b, target, ms)
	}
	key, id, err := parseRow(target)
	if err != nil {
		return err
	}
	mark, err := s.markOf(key, id)
	if err != nil {
		return err
	}
	if mark != markDiscarded {
		expired[key] = max(expired[key], id)
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
