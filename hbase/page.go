package hbase

import (
	"cmp"
	"slices"

	"gopush/internal/push"
	"gopush/message"
)

// page makes a page out of cells.
type page struct {
	*message.Assembler
	until  push.ID          // 0: no upper bound
	marked map[push.ID]byte // kinds of markers, or-ed together, by id
}

func (s *Store) newPage(span push.Span, deleted push.ID) *page {
	now := s.now()
	marks := message.Marks{Deleted: deleted, Horizon: s.lives.horizon(now)}
	return &page{Assembler: message.NewAssembler(span, marks, now.UnixMilli()), until: span.Until}
}

// note remembers the markers among cells.
func (p *page) note(cells []cell) {
	for i := range cells {
		if c := &cells[i]; c.kind == markRecalled || c.kind == markDiscarded {
			p.mark(c.id, c.kind)
		}
	}
}

func (p *page) mark(id push.ID, kind byte) {
	if p.marked == nil {
		p.marked = make(map[push.ID]byte)
	}
	p.marked[id] |= kind
}

func (p *page) discarded(id push.ID) bool { return p.marked[id]&markDiscarded != 0 }

// wanted reports whether a cell is a message that may belong to the page.
func (p *page) wanted(c *cell) bool {
	return c.kind == cellMessage && c.id > p.From() && (p.until <= 0 || c.id <= p.until) && !p.discarded(c.id)
}

// add adds the messages among cells, which ascend, and whose markers have been
// noted; false: the page is full.
func (p *page) add(cells []cell) (bool, error) {
	for i := range cells {
		c := &cells[i]
		if !p.wanted(c) {
			continue
		}
		m, err := p.read(c)
		if err != nil {
			return false, err
		}
		if !p.Add(m) {
			return false, nil
		}
	}
	return true, nil
}

// read reads a message; of a recalled one there is no body.
func (p *page) read(c *cell) (m push.Message, err error) {
	if p.marked[c.id]&markRecalled == 0 {
		m, err = message.ParseEnvelope(c.value, c.id)
	} else {
		m, err = message.ParseEnvelopeHead(c.value, c.id)
		m.Recalled = true
	}
	if err != nil {
		return m, corrupt(err)
	}
	return m, nil
}

// all makes the page out of everything that there is.
func (p *page) all(cells []cell) (push.Page, error) {
	p.note(cells)
	ascend(cells)
	if _, err := p.add(cells); err != nil {
		return push.Page{}, err
	}
	return p.Page(), nil
}

// ascend sorts the cells of a walk down by the id that they are about. All but
// those of bursts are in the opposite order.
func ascend(cells []cell) {
	byID := func(a, b cell) int { return cmp.Compare(a.id, b.id) }
	slices.Reverse(cells)
	if !slices.IsSortedFunc(cells, byID) {
		slices.SortFunc(cells, byID)
	}
}
