package hbase

import (
	"context"
	"slices"

	"gopush/internal/push"
)

const (
	// spareRows are read besides those that a page needs: the head row, the
	// one that tells that there is more, and markers.
	spareRows = 6
	// minChunk is the least that is read at once, as bodies are not all of it.
	minChunk = 256 << 10
	// maxRows bounds the rows of a chunk.
	maxRows = 1000
)

// chunkOf is how much to read for a page.
func chunkOf(span push.Span) (rows, bytes int) {
	rows = min(span.Limit, maxRows) + spareRows
	if span.Bytes <= 0 || span.Bytes > maxChunk/2 {
		return rows, maxChunk
	}
	return rows, max(2*span.Bytes, minChunk)
}

// Read assembles a page, in ascending order of ids: against the order of the
// rows, as the newest comes first.
func (s *Store) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	if err := s.enter(ctx); err != nil {
		return push.Page{}, err
	}
	defer s.leave()
	switch {
	case span.Newest > 0:
		return s.readNewest(ctx, key, span)
	case span.Until > 0:
		return s.readBetween(ctx, key, span)
	default:
		return s.readRecent(ctx, key, span)
	}
}

// readRecent goes down from the newest row, in the hope that it gets to the
// cursor in one chunk: then that one call has answered everything. For a reader
// that is far behind it has told the watermark.
func (s *Store) readRecent(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	w := s.walkDown("read", key, span.After)
	w.rows, w.bytes = chunkOf(span)
	cells, deleted, err := w.collect(ctx, w.rows)
	if err != nil {
		return push.Page{}, err
	}
	p := s.newPage(span, deleted)
	if w.reached(cells, deleted) {
		return p.all(cells)
	}
	return s.fill(ctx, p, key, span)
}

// readBetween goes up from the cursor: what lies above the upper bound is not
// read, but for the row that ends the span.
func (s *Store) readBetween(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	deleted, err := s.watermark(ctx, "read", key)
	if err != nil {
		return push.Page{}, err
	}
	p := s.newPage(span, deleted)
	if p.Done() {
		return p.Page(), nil
	}
	return s.fill(ctx, p, key, span)
}

// watermark is up to where the key was deleted.
func (s *Store) watermark(ctx context.Context, op string, key push.Key) (push.ID, error) {
	row := headRow(key)
	found, err := s.get(ctx, op, row, query{keysOnly: true})
	if err != nil {
		return 0, err
	}
	var deleted push.ID
	for _, c := range found {
		parsed, err := parseCell(c, len(key)+1)
		if err != nil {
			return 0, corrupt(err)
		}
		if parsed.kind == cellDeleted {
			deleted = max(deleted, parsed.id)
		}
	}
	return deleted, nil
}

// collect reads chunks until there are as many rows, one is full, or the walk is
// done. It also tells the watermark, which is in the first row.
func (w *walk) collect(ctx context.Context, rows int) (cells []cell, deleted push.ID, err error) {
	for n := 0; !w.done && n < rows; {
		chunk, err := w.next(ctx)
		if err != nil {
			return nil, 0, err
		}
		for i := range chunk {
			if chunk[i].kind == cellDeleted {
				deleted = max(deleted, chunk[i].id)
			}
			if i == 0 || chunk[i].row != chunk[i-1].row {
				n++
			}
		}
		if cells = append(cells, chunk...); w.cut && len(chunk) > 0 {
			break
		}
	}
	return cells, deleted, nil
}

// reached reports whether a walk down has seen all that lies above id.
func (w *walk) reached(cells []cell, id push.ID) bool {
	return w.done || (len(cells) > 0 && cells[len(cells)-1].row <= id)
}

// fill goes up, from where p stands, until the page is full.
func (s *Store) fill(ctx context.Context, p *page, key push.Key, span push.Span) (push.Page, error) {
	w := s.walkUp("read", key, p.From())
	w.rows, w.bytes = chunkOf(span)
	var last push.ID // the last row of the chunks before
	for !w.done {
		chunk, err := w.next(ctx)
		if err != nil {
			return push.Page{}, err
		}
		for len(chunk) > 0 {
			row := chunk[:rowLength(chunk)]
			chunk = chunk[len(row):]
			p.note(row)
			if err := s.noteBehind(ctx, p, key, row, last); err != nil {
				return push.Page{}, err
			}
			room, err := p.add(row)
			if err != nil {
				return push.Page{}, err
			}
			if !room || ends(row, span.Until) {
				return p.Page(), nil
			}
			if len(chunk) == 0 {
				last = row[0].row
			}
		}
	}
	return p.Page(), nil
}

// ends reports whether no row above this one can have a message of the span. One
// that has markers alone does not tell: the message that they are about may be in
// a later one.
func ends(row []cell, until push.ID) bool {
	return until > 0 && row[0].row >= until && slices.ContainsFunc(row, func(c cell) bool { return c.kind == cellMessage })
}

// rowLength is how many cells the first row of a chunk has.
func rowLength(chunk []cell) int {
	n := 1
	for n < len(chunk) && chunk[n].row == chunk[0].row {
		n++
	}
	return n
}

// noteBehind looks for the markers of messages in a row whose own places lie in
// a chunk that was read before: they may have been set since. That a row reaches
// back behind another one is rare.
func (s *Store) noteBehind(ctx context.Context, p *page, key push.Key, row []cell, last push.ID) error {
	for i := range row {
		if c := &row[i]; c.id <= last && p.wanted(c) {
			found, err := s.get(ctx, "read", messageRow(key, c.id), markQuery(c.id))
			if err != nil {
				return err
			}
			for _, m := range found {
				p.mark(c.id, m.GetQualifier()[idBytes])
			}
		}
	}
	return nil
}

// markQuery asks for the markers of an id.
func markQuery(id push.ID) query {
	return query{qualifiers: []string{markQualifier(id, markRecalled), markQualifier(id, markDiscarded)}, keysOnly: true}
}
