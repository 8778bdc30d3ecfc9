package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
	"gopush/message"
)

// marks reads the key's watermarks.
func (s *Store) marks(key push.Key) (m message.Marks, err error) {
	if m.Deleted, err = s.markOf(tableDeleted, key); err == nil {
		m.Expired, err = s.markOf(tableExpired, key)
	}
	return m, err
}

func (s *Store) markOf(table byte, key push.Key) (push.ID, error) {
	value, err := s.get(markKey(table, key))
	if err != nil || value == nil {
		return 0, err
	}
	return parseIDValue(value)
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
		if err := s.cut(ctx, a, key, span); err != nil {
			return push.Page{}, err
		}
	}
	from, to := rowRange(key, a.From(), span.Until)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return push.Page{}, broken(err)
	}
	rows := rowsOf(it)
	for rows.previous() {
		if ctx.Err() != nil {
			return push.Page{}, closeWith(it, push.Wrap(push.KindStoreUnavailable, ctx.Err(), "the read ended before it was done"))
		}
		m, err := rows.message()
		if err != nil {
			return push.Page{}, closeWith(it, err)
		}
		if rows.mark != markDiscarded && !a.Add(m) {
			break
		}
	}
	if err := closeWith(it, nil); err != nil {
		return push.Page{}, err
	}
	return a.Page(), nil
}

func closeWith(it *pebble.Iterator, err error) error {
	if closeErr := it.Close(); err == nil && closeErr != nil {
		return broken(closeErr)
	}
	return err
}

// cut finds the oldest message that is still among the newest span.Newest, going
// down from the newest.
func (s *Store) cut(ctx context.Context, a *message.Assembler, key push.Key, span push.Span) error {
	from, to := rowRange(key, a.From(), 0)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return broken(err)
	}
	left, now := span.Newest, s.millis()
	for ok := it.First(); ok && ctx.Err() == nil; {
		m, mark, next, err := rowAt(it)
		if err != nil {
			return closeWith(it, err)
		}
		ok = next
		if mark == markDiscarded || (mark == 0 && m.Expired(now)) || m.ID == 0 {
			continue
		}
		if left--; left == 0 {
			a.Cut(m.ID, m.Prev)
			break
		}
	}
	return closeWith(it, nil)
}

// rowAt reads the message at the iterator and the marker behind it, and goes on
// to the next row. A marker without a message gives the zero message.
func rowAt(it *pebble.Iterator) (m push.Message, mark byte, next bool, err error) {
	_, id, marker, err := parseRow(it.Key())
	if err != nil {
		return m, 0, false, err
	}
	if marker {
		return m, 0, it.Next(), nil
	}
	if m, err = message.ParseEnvelope(it.Value(), id); err != nil {
		return m, 0, false, err
	}
	if next = it.Next(); next {
		_, behind, marker, err := parseRow(it.Key())
		if err != nil {
			return m, 0, false, err
		}
		if marker && behind == id {
			mark = it.Value()[0]
			next = it.Next()
		}
	}
	return m, mark, next, nil
}

// rows goes through messages in ascending order; a marker comes right before its
// message then.
type rows struct {
	it      *pebble.Iterator
	started bool
	mark    byte // of the message at the iterator; 0: none
}

func rowsOf(it *pebble.Iterator) *rows { return &rows{it: it} }

// previous moves to the next message, upwards in ids.
func (r *rows) previous() bool {
	r.mark = 0
	var marked push.ID
	for {
		ok := false
		if r.started {
			ok = r.it.Prev()
		} else {
			ok, r.started = r.it.Last(), true
		}
		if !ok {
			return false
		}
		_, id, marker, err := parseRow(r.it.Key())
		switch {
		case err != nil:
			return true // message reports it
		case marker && len(r.it.Value()) == 1:
			r.mark, marked = r.it.Value()[0], id
			continue
		case id != marked:
			r.mark = 0
		}
		return true
	}
}

// message reads the message at the iterator.
func (r *rows) message() (push.Message, error) {
	_, id, _, err := parseRow(r.it.Key())
	if err != nil {
		return push.Message{}, err
	}
	m, err := message.ParseEnvelope(r.it.Value(), id)
	if r.mark == markRecalled {
		m.Recalled, m.Body = true, nil
	}
	return m, err
}

// one looks at a single message: is it there and alive, or was it recalled?
func (s *Store) one(key push.Key, id push.ID) (found, recalled bool, err error) {
	mark, err := s.get(markerKey(key, id))
	if err != nil {
		return false, false, err
	}
	value, err := s.get(rowKey(key, id))
	if err != nil || value == nil || (len(mark) == 1 && mark[0] == markDiscarded) {
		return false, false, err
	}
	deleted, err := s.markOf(tableDeleted, key)
	if err != nil || id <= deleted {
		return false, false, err
	}
	m, err := message.ParseEnvelope(value, id)
	return err == nil && !m.Expired(s.millis()), len(mark) == 1, err
}

// Newest is the highest id that the key is known to have had.
func (s *Store) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	marks, err := s.marks(key)
	if err != nil {
		return 0, err
	}
	newest := max(marks.Deleted, marks.Expired)
	from, to := rowRange(key, newest, 0)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return 0, broken(err)
	}
	for ok := it.First(); ok; {
		m, mark, next, err := rowAt(it)
		if err != nil {
			return 0, closeWith(it, err)
		}
		if m.ID > 0 && mark != markDiscarded {
			newest = m.ID
			break
		}
		ok = next
	}
	return newest, closeWith(it, nil)
}

// Find looks an idempotency key up. A message and its key are written in one
// batch, so nothing is ever in doubt here.
func (s *Store) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	if err := s.enter(ctx); err != nil {
		return message.Found{}, err
	}
	defer s.leave()
	value, err := s.get(idempotencyKey(key, idem))
	if err != nil || value == nil {
		return message.Found{}, err
	}
	r, err := parseReceipt(value)
	if err != nil || r.expires <= s.millis() {
		return message.Found{}, err
	}
	mark, err := s.get(markerKey(key, r.id))
	if err != nil || (len(mark) == 1 && mark[0] == markDiscarded) {
		return message.Found{}, err
	}
	return message.Found{ID: r.id, Sum: r.sum}, nil
}
