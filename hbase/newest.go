package hbase

import (
	"cmp"
	"context"
	"slices"

	"gopush/internal/push"
	"gopush/message"
)

// Newest is the highest id that the key is known to have had.
func (s *Store) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	w := s.walkDown("newest", key, 0)
	w.keysOnly = true
	var newest, deleted push.ID
	var p page
	var cells []cell
	for w.rows = 3; !w.done; w.rows = 100 {
		chunk, err := w.next(ctx)
		if err != nil {
			return 0, err
		}
		p.note(chunk)
		cells = append(cells, chunk...)
		newest, deleted = p.newest(cells)
		// The marker of an id is at the id's own place, so this one is certain
		// when the walk has got there.
		if w.reached(cells, max(newest, deleted)) {
			break
		}
	}
	return max(newest, deleted), nil
}

// newest finds the highest id among cells that was not discarded, and the
// watermark.
func (p *page) newest(cells []cell) (newest, deleted push.ID) {
	for i := range cells {
		switch c := &cells[i]; {
		case c.kind == cellDeleted:
			deleted = max(deleted, c.id)
		case c.kind == cellMessage && !p.discarded(c.id):
			newest = max(newest, c.id)
		}
	}
	return newest, deleted
}

// maxKept is how many bytes readNewest keeps rather than read them again.
const maxKept = 8 << 20

// readNewest goes down until it has seen one readable message more than the
// newest that are wanted. If that was not much, the page is made of it.
func (s *Store) readNewest(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	w := s.walkDown("read", key, span.After)
	w.rows = min(span.Newest, maxRows) + spareRows
	cells, deleted, err := w.collect(ctx, 1)
	if err != nil {
		return push.Page{}, err
	}
	t := &tally{page: s.newPage(span, deleted), newest: span.Newest}
	for {
		if err := t.see(cells); err != nil {
			return push.Page{}, err
		}
		all := w.reached(cells, t.From())
		if t.cut(all) || all {
			break
		}
		if cells, err = w.next(ctx); err != nil {
			return push.Page{}, err
		}
	}
	switch {
	case t.Done():
		return t.Page(), nil
	case t.size > maxKept:
		return s.fill(ctx, t.page, key, span)
	default:
		return t.all(t.kept)
	}
}

// tally counts readable messages, from the newest on.
type tally struct {
	*page
	newest int            // that may be readable
	heads  []push.Message // what was seen, without bodies
	last   push.ID        // the last row that was seen
	kept   []cell         // what was seen; nil once that is too much
	size   int
}

// see takes the next cells of a walk down.
func (t *tally) see(cells []cell) error {
	t.note(cells)
	for i := range cells {
		c := &cells[i]
		t.last = c.row
		t.size += len(c.value)
		if c.kind != cellMessage {
			continue
		}
		m, err := message.ParseEnvelopeHead(c.value, c.id)
		if err != nil {
			return corrupt(err)
		}
		t.heads = append(t.heads, m)
	}
	if t.kept = append(t.kept, cells...); t.size > maxKept {
		t.kept = nil
	}
	return nil
}

// cut begins the page where the newest ones do, and reports that, if more than
// those are readable. Only ids whose own place was seen count, unless all was:
// others may have a marker there.
func (t *tally) cut(all bool) bool {
	slices.SortFunc(t.heads, func(a, b push.Message) int { return cmp.Compare(b.ID, a.ID) })
	left := t.newest
	var oldest push.Message
	for i := range t.heads {
		m := &t.heads[i]
		if m.ID < t.last && !all {
			return false
		}
		if m.ID == oldest.ID || t.discarded(m.ID) || !t.Readable(m) {
			continue
		}
		if left == 0 {
			t.Cut(oldest.ID, oldest.Prev)
			return true
		}
		left--
		oldest = *m
	}
	return false
}
