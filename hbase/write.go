package hbase

import (
	"context"
	"sync"

	"gopush/internal/push"
	"gopush/message"
)

// Save writes what idempotency keys lead to, and when that is durable a row for
// each write: HBase makes no two rows one, and a message must not be visible
// whose idempotency key is not known. All rows go out together, so that those
// for one server become one request.
func (s *Store) Save(ctx context.Context, writes []push.Write) []error {
	errs := make([]error, len(writes))
	if err := s.enter(ctx); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer s.leave()
	s.claimAll(ctx, writes, errs)
	each(writes, func(i int, w *push.Write) {
		if errs[i] == nil && len(w.Messages) > 0 {
			errs[i] = s.save(ctx, w)
		}
	})
	return errs
}

// each runs f for all elements, at the same time. What is under way with HBase
// is bounded there.
func each[E any](all []E, f func(int, *E)) {
	if len(all) == 1 {
		f(0, &all[0])
		return
	}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { f(i, &all[i]) })
	}
	wg.Wait()
}

// save writes one row.
func (s *Store) save(ctx context.Context, w *push.Write) error {
	last := w.Messages[len(w.Messages)-1].ID
	values := make(cells, len(w.Messages))
	var expires int64
	for i := range w.Messages {
		m := &w.Messages[i]
		values[messageQualifier(m.ID)] = message.AppendEnvelope(make([]byte, 0, message.EnvelopeSize(m)), m)
		expires = max(expires, m.ExpiresAt)
	}
	return s.put(ctx, "save", messageRow(w.Key, last), values, stamp(last), s.lives.place(last, expires))
}

// pledge is a claim that is to be written.
type pledge struct {
	write int // whose it is
	key   push.Key
	idem  string
	claim claim
}

// claimAll makes the claims of all writes durable. A write whose claims are not
// gets an error, and its messages are not sent: surely nothing of it is stored.
func (s *Store) claimAll(ctx context.Context, writes []push.Write, errs []error) {
	pledges := s.pledges(writes)
	if len(pledges) == 0 {
		return
	}
	failed := make([]error, len(pledges))
	each(pledges, func(i int, p *pledge) { failed[i] = s.pledge(ctx, p) })
	for i, err := range failed {
		if err != nil {
			errs[pledges[i].write] = push.Wrap(push.KindStoreUnavailable, err, "HBase did not take the idempotency key; the message was not stored, try again")
		}
	}
}

func (s *Store) pledges(writes []push.Write) []pledge {
	var all []pledge
	for i := range writes {
		w := &writes[i]
		for j := range w.Messages {
			m := &w.Messages[j]
			if m.IdempotencyKey == "" {
				continue
			}
			c := claim{id: m.ID, row: w.Messages[len(w.Messages)-1].ID, sum: message.BodySum(m.Body)}
			c.expires = max(m.ExpiresAt, s.now().Add(s.claimLife).UnixMilli())
			all = append(all, pledge{i, w.Key, m.IdempotencyKey, c})
		}
	}
	return all
}

func (s *Store) pledge(ctx context.Context, p *pledge) error {
	c := &p.claim
	return s.put(ctx, "claim", claimRow(p.key, p.idem), cells{messageQualifier(c.id): c.value()}, stamp(c.id), s.lives.until(c.id, c.expires))
}

// Discard withdraws an id that was given up. The marker stays for good: the
// message may land at any time, and nobody knows for how long it lives.
func (s *Store) Discard(ctx context.Context, key push.Key, id push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	// Not older than any cell that it hides, should the table forget by age.
	at := max(stamp(id), uint64(s.millis()))
	return s.put(ctx, "discard", messageRow(key, id), cells{markQualifier(id, markDiscarded): {}}, at, 0)
}

// Recall withdraws a message for good. Its marker is there as long as the
// message lives.
func (s *Store) Recall(ctx context.Context, key push.Key, id push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	found, err := s.readBetween(ctx, key, push.Span{After: id - 1, Until: id, Limit: 1})
	if err != nil {
		return err
	}
	if id <= 0 || len(found.Messages) == 0 {
		return push.E(push.KindNotFound, "the key has no message %s", id)
	}
	life := s.lives.place(id, found.Messages[0].ExpiresAt)
	return s.put(ctx, "recall", messageRow(key, id), cells{markQualifier(id, markRecalled): {}}, stamp(id), life)
}

// Delete raises the watermark. The rows below it stay until they end, so that
// reading them over costs nothing more than before, which tombstones would.
func (s *Store) Delete(ctx context.Context, key push.Key, upTo push.ID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if upTo <= 0 {
		return nil
	}
	value := []byte(upTo.String()) // for whoever looks; the timestamp counts
	return s.put(ctx, "delete", headRow(key), cells{qualifierDeleted: value}, watermarkStamp(upTo), 0)
}
