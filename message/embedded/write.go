package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
	"gopush/message"
)

// Save writes all rows as one synced batch, which is atomic: a burst's messages
// have a row each, and become visible together all the same.
func (s *Store) Save(ctx context.Context, writes []push.Write) []error {
	errs := make([]error, len(writes))
	if err := s.save(ctx, writes); err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (s *Store) save(ctx context.Context, writes []push.Write) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	keys := make([]push.Key, len(writes))
	for i := range writes {
		keys[i] = writes[i].Key
	}
	b := s.db.NewBatch()
	return closed(b, s.fly(keys, b, func() error { return s.put(b, writes) }))
}

// put builds the batch of a Save and applies it.
func (s *Store) put(b *pebble.Batch, writes []push.Write) error {
	if indexed(writes) {
		s.marking.Lock()
		defer s.marking.Unlock()
	}
	for _, w := range writes {
		for i := range w.Messages {
			m := &w.Messages[i]
			if err := firstError(putMessage(b, w.Key, m), s.index(b, w.Key, m)); err != nil {
				return err
			}
		}
	}
	if err := s.reserve.take(b.Len()); err != nil {
		return err
	}
	return s.apply(b, pebble.Sync)
}

// closed gives a batch back. After an error it is left to the collector: Pebble
// may still hold it.
func closed(b *pebble.Batch, err error) error {
	if err != nil {
		return err
	}
	return b.Close()
}

// putMessage adds a message's row and its end, built where the batch keeps them.
func putMessage(b *pebble.Batch, key push.Key, m *push.Message) error {
	n := rowHead(key) + idBytes
	row := b.SetDeferred(n, message.EnvelopeSize(m))
	appendRowKey(row.Key[:0], key, m.ID)
	message.AppendEnvelope(row.Value[:0], m)
	if err := row.Finish(); err != nil {
		return err
	}
	end := b.SetDeferred(expiryBytes+n, 0)
	appendRowKey(appendExpiry(end.Key[:0], m.ExpiresAt), key, m.ID)
	return end.Finish()
}

// indexed reports whether a message has an idempotency key.
func indexed(writes []push.Write) bool {
	for _, w := range writes {
		for i := range w.Messages {
			if w.Messages[i].IdempotencyKey != "" {
				return true
			}
		}
	}
	return false
}

// index adds a message's idempotency key, unless it stands for this message
// already, or the message is a write that was given up and comes late: then it
// was discarded or deleted before, or a later message has the key.
func (s *Store) index(b *pebble.Batch, key push.Key, m *push.Message) error {
	if m.IdempotencyKey == "" {
		return nil
	}
	k := idempotencyKey(key, m.IdempotencyKey)
	old, err := s.receipt(k)
	if err != nil || old.id >= m.ID {
		return err
	}
	marks, err := s.marks(key)
	if err != nil || m.ID <= marks.Deleted {
		return err
	}
	mark, err := s.markOf(key, m.ID)
	if err != nil || mark == markDiscarded {
		return err
	}
	r := receipt{id: m.ID, sum: message.BodySum(m.Body)}
	r.expires = max(m.ExpiresAt, s.now().Add(s.cfg.IdempotencyLife).UnixMilli())
	return firstError(b.Set(k, r.value(), nil), b.Set(append(appendExpiry(nil, r.expires), k...), nil, nil))
}

// free gives a message's idempotency key free, if it has one that still stands
// for it.
func (s *Store) free(b *pebble.Batch, key push.Key, id push.ID) error {
	value, err := s.get(rowKey(key, id))
	if err != nil || value == nil {
		return err
	}
	m, err := message.ParseEnvelopeHead(value, id)
	if err != nil {
		return broken(err)
	}
	if m.IdempotencyKey == "" {
		return nil
	}
	k := idempotencyKey(key, m.IdempotencyKey)
	r, err := s.receipt(k)
	if err != nil || r.id != id {
		return err
	}
	return b.Delete(k, nil)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Discard withdraws an id that was given up. It wins over a recall.
func (s *Store) Discard(ctx context.Context, key push.Key, id push.ID) error {
	return s.change(ctx, key, func(b *pebble.Batch) error {
		return firstError(s.free(b, key, id), b.Set(markerKey(key, id), []byte{markDiscarded}, nil))
	})
}

// Recall withdraws a message for good. Its marker ends with the message: until
// then a late write of it could come.
func (s *Store) Recall(ctx context.Context, key push.Key, id push.ID) error {
	return s.change(ctx, key, func(b *pebble.Batch) error {
		found, err := s.recallable(key, id)
		if err != nil {
			return err
		}
		if !found {
			return push.E(push.KindNotFound, "the key has no message %s", id)
		}
		return b.Set(markerKey(key, id), []byte{markRecalled}, nil)
	})
}

// Delete sets the watermark and removes the rows below it.
func (s *Store) Delete(ctx context.Context, key push.Key, upTo push.ID) error {
	return s.change(ctx, key, func(b *pebble.Batch) error {
		marks, err := s.marks(key)
		if err != nil {
			return err
		}
		marks.Deleted = max(marks.Deleted, upTo)
		from, to := rowRange(key, 0, upTo)
		return firstError(b.Set(marksKey(key), marksValue(marks), nil), b.DeleteRange(from, to, nil))
	})
}

// change makes one durable change out of what build reads and puts into a batch.
// It is never empty, even if all is as asked for already: the change that made
// it so may still be on its way to the disk.
func (s *Store) change(ctx context.Context, key push.Key, build func(*pebble.Batch) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	b := s.db.NewBatch()
	return closed(b, s.fly([]push.Key{key}, b, func() error { return s.applyChange(b, build) }))
}

func (s *Store) applyChange(b *pebble.Batch, build func(*pebble.Batch) error) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	if err := build(b); err != nil {
		return err
	}
	return s.apply(b, pebble.Sync)
}
