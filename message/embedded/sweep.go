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
	total, from := 0, []byte{tableExpiry}
	for {
		n, next, err := s.sweepStep(ctx, from)
		total, from = total+n, next
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

// sweepStep removes one batch, of the entries at or above from, and returns where
// the next one begins: from the very start it would go through all that was
// removed, once more. Removing and raising the watermarks is atomic: no reader
// sees a row gone without a trace.
func (s *Store) sweepStep(ctx context.Context, from []byte) (n int, next []byte, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, nil, err
	}
	defer s.leave()
	s.marking.Lock()
	defer s.marking.Unlock()
	c := sweeper{Store: s, batch: s.db.NewBatch(), expired: make(map[push.Key]push.ID)}
	if err := c.collect(from); err != nil || c.n == 0 {
		return 0, nil, err
	}
	for key, id := range c.expired {
		if err := c.raiseExpired(key, id); err != nil {
			return 0, nil, err
		}
	}
	// Nobody waits for it to be durable: a sweep that is lost is done again.
	if err := s.apply(c.batch, pebble.NoSync); err != nil {
		return 0, nil, err
	}
	return c.n, c.last, closed(c.batch, nil)
}

// sweeper is one step of a sweep.
type sweeper struct {
	*Store
	batch   *pebble.Batch
	n       int    // entries that batch removes
	last    []byte // the last of them
	expired map[push.Key]push.ID
}

// collect puts the removal of up to sweepBatch ended entries into the batch.
func (s *sweeper) collect(from []byte) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: appendExpiry(nil, s.millis()+1)})
	if err != nil {
		return broken(err)
	}
	for ok := it.First(); ok && s.n < sweepBatch && err == nil; ok = it.Next() {
		s.n++
		s.last = append(s.last[:0], it.Key()...)
		err = s.remove(s.last)
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return broken(err)
	}
	return nil
}

// raiseExpired moves a key's watermark of what expired, never down.
func (s *sweeper) raiseExpired(key push.Key, id push.ID) error {
	marks, err := s.marks(key)
	if err != nil || id <= max(marks.Expired, marks.Deleted) {
		return err
	}
	marks.Expired = id
	return s.batch.Set(marksKey(key), marksValue(marks), nil)
}

// remove removes what an entry of the expiry index names, and the entry.
func (s *sweeper) remove(entry []byte) error {
	if err := s.batch.Delete(entry, nil); err != nil {
		return err
	}
	ms, target, err := parseExpiry(entry)
	if err == nil && target[0] == tableIdempotency {
		return s.removeReceipt(target, ms)
	}
	var key push.Key
	var id push.ID
	if err == nil {
		key, id, err = parseRow(target)
	}
	if err != nil {
		// One that leads nowhere must not stand in the way of the others.
		s.log.Error("an entry of the expiry index is dropped", slog.Any("error", err))
		return nil
	}
	mark, err := s.markOf(key, id)
	if err != nil {
		return err
	}
	if mark != markDiscarded {
		s.expired[key] = max(s.expired[key], id)
	}
	return firstError(s.batch.Delete(target, nil), s.batch.Delete(markerKey(key, id), nil))
}

// removeReceipt removes an idempotency key, unless it was used again since.
func (s *sweeper) removeReceipt(target []byte, ms int64) error {
	r, err := s.receipt(target)
	if err != nil || r.id == 0 || r.expires > ms {
		return err
	}
	return s.batch.Delete(target, nil)
}
