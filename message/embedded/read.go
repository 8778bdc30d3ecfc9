package embedded

import (
	"context"

	"gopush/internal/push"
	"gopush/message"
)

// marks reads the key's watermarks.
func (s *Store) marks(key push.Key) (message.Marks, error) {
	value, err := s.get(marksKey(key))
	if err != nil || value == nil {
		return message.Marks{}, err
	}
	m, err := parseMarks(value)
	if err != nil {
		return m, broken(err)
	}
	return m, nil
}

// Read assembles a page, in ascending order of ids: against the order of the
// rows, as the newest comes first.
func (s *Store) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	if err := s.enter(ctx); err != nil {
		return push.Page{}, err
	}
	defer s.leave()
	// The watermarks are read before the rows: what a sweep removes in between is
	// missed by both, and told with the next page.
	marks, err := s.marks(key)
	if err != nil {
		return push.Page{}, err
	}
	a := message.NewAssembler(span, marks, s.millis())
	if span.Newest > 0 {
		if err := s.cut(ctx, a, key, span.Newest); err != nil {
			return push.Page{}, err
		}
	}
	if !a.Done() {
		if err := s.fill(ctx, a, key, span.Until); err != nil {
			return push.Page{}, err
		}
	}
	return a.Page(), s.settle(ctx, key)
}

// fill adds rows until the page is full.
func (s *Store) fill(ctx context.Context, a *message.Assembler, key push.Key, until push.ID) error {
	r, err := s.rows(key, a.From(), until)
	if err != nil {
		return err
	}
	for r.ascend() && ctx.Err() == nil {
		if r.mark == markDiscarded {
			continue
		}
		m, err := r.message()
		if err != nil {
			return r.close(broken(err))
		}
		if !a.Add(m) {
			break
		}
	}
	return r.close(ended(ctx))
}

// cut tells a where the newest n readable messages begin, if there are more. It
// goes down from the newest, and not below what a has answered.
func (s *Store) cut(ctx context.Context, a *message.Assembler, key push.Key, n int) error {
	r, err := s.rows(key, a.From(), 0)
	if err != nil {
		return err
	}
	var oldest push.Message
	for r.descend() && ctx.Err() == nil {
		if r.mark == markDiscarded || !a.Readable(&r.head) {
			continue
		}
		if n == 0 {
			a.Cut(oldest.ID, oldest.Prev)
			break
		}
		n--
		oldest = r.head
	}
	return r.close(ended(ctx))
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return push.Wrap(push.KindStoreUnavailable, err, "the read ended before it was done")
	}
	return nil
}

// recallable reports whether the key has a message of that id that lives or was
// recalled before.
func (s *Store) recallable(key push.Key, id push.ID) (bool, error) {
	mark, err := s.markOf(key, id)
	if err != nil || mark == markDiscarded {
		return false, err
	}
	value, err := s.get(rowKey(key, id))
	if err != nil || value == nil {
		return false, err
	}
	marks, err := s.marks(key)
	if err != nil || id <= marks.Deleted {
		return false, err
	}
	m, err := message.ParseEnvelopeHead(value, id)
	if err != nil {
		return false, broken(err)
	}
	return !m.Expired(s.millis()), nil
}

// markOf reads a message's marker; 0: none.
func (s *Store) markOf(key push.Key, id push.ID) (byte, error) {
	value, err := s.get(markerKey(key, id))
	if err != nil || value == nil {
		return 0, err
	}
	mark, err := parseMarker(value)
	if err != nil {
		return 0, broken(err)
	}
	return mark, nil
}

// Newest is the highest id that the key is known to have had.
func (s *Store) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	r, err := s.rows(key, 0, 0)
	if err != nil {
		return 0, err
	}
	var newest push.ID
	for r.descend() && ctx.Err() == nil {
		if r.mark != markDiscarded {
			newest = r.head.ID
			break
		}
	}
	if err := r.close(ended(ctx)); err != nil {
		return 0, err
	}
	// The watermarks come last: they hold what a sweep removed before the rows
	// were looked at.
	marks, err := s.marks(key)
	if err != nil {
		return 0, err
	}
	return max(newest, marks.Deleted, marks.Expired), s.settle(ctx, key)
}

// Find looks an idempotency key up. A message and its key are written in one
// batch, so nothing is ever in doubt here.
func (s *Store) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	if err := s.enter(ctx); err != nil {
		return message.Found{}, err
	}
	defer s.leave()
	r, err := s.receipt(idempotencyKey(key, idem))
	if err != nil {
		return message.Found{}, err
	}
	if err := s.settle(ctx, key); err != nil || r.expires <= s.millis() {
		return message.Found{}, err
	}
	return message.Found{ID: r.id, Sum: r.sum}, nil
}

// receipt reads what an idempotency key stands for; the zero receipt: nothing.
func (s *Store) receipt(k []byte) (receipt, error) {
	value, err := s.get(k)
	if err != nil || value == nil {
		return receipt{}, err
	}
	r, err := parseReceipt(value)
	if err != nil {
		return receipt{}, broken(err)
	}
	return r, nil
}
