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
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // it was committed, or is dropped
	if indexed(writes) {
		s.marking.Lock()
		defer s.marking.Unlock()
	}
	var envelope []byte
	for _, w := range writes {
		for i := range w.Messages {
			m := &w.Messages[i]
			envelope = message.AppendEnvelope(envelope[:0], m)
			row := rowKey(w.Key, m.ID)
			if err := firstError(
				b.Set(row, envelope, nil),
				b.Set(expiryKey(m.ExpiresAt, row), nil, nil),
				s.index(b, w.Key, m),
			); err != nil {
				return err
			}
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return unknown(err)
	}
	return nil
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

// index adds a message's idempotency key, unless a later message has it: then
// this one is a write that was given up, and comes late.
func (s *Store) index(b *pebble.Batch, key push.Key, m *push.Message) error {
	if m.IdempotencyKey == "" {
		return nil
	}
	k := idempotencyKey(key, m.IdempotencyKey)
	old, err := s.get(k)
	if err != nil {
		return err
	}
	if old != nil {
		if r, err := parseReceipt(old); err != nil || r.id > m.ID {
			return err
		}
	}
	r := receipt{id: m.ID, sum: message.BodySum(m.Body)}
	r.expires = max(m.ExpiresAt, s.now().Add(s.cfg.IdempotencyLife).UnixMilli())
	return firstError(b.Set(k, r.value(), nil), b.Set(expiryKey(r.expires, k), nil, nil))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Discard withdraws an id that was given up.
func (s *Store) Discard(ctx context.Context, key push.Key, id push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	return s.mark(key, id, markDiscarded)
}

// Recall withdraws a message for good.
func (s *Store) Recall(ctx context.Context, key push.Key, id push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.marking.Lock()
	defer s.marking.Unlock()
	switch found, recalled, err := s.one(key, id); {
	case err != nil:
		return err
	case recalled:
		return nil
	case !found:
		return push.E(push.KindNotFound, "the key has no message %s", id)
	}
	return s.mark(key, id, markRecalled)
}

// mark writes a marker. It ends when its message's own life would: until then a
// late write of the message could come.
func (s *Store) mark(key push.Key, id push.ID, mark byte) error {
	if err := s.db.Set(markerKey(key, id), []byte{mark}, pebble.Sync); err != nil {
		return unknown(err)
	}
	return nil
}

// Delete sets the watermark and removes the rows below it.
func (s *Store) Delete(ctx context.Context, key push.Key, upTo push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.marking.Lock()
	defer s.marking.Unlock()
	marks, err := s.marks(key)
	if err != nil {
		return err
	}
	if upTo <= marks.Deleted {
		return nil
	}
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	from, to := rowRange(key, 0, upTo)
	// Id 0 lies at the very end of the range, and no message has it.
	if err := firstError(b.Set(markKey(tableDeleted, key), idValue(upTo), nil), b.DeleteRange(from, to, nil)); err != nil {
		return unknown(err)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return unknown(err)
	}
	return nil
}
