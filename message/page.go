package message

import (
	"gopush/internal/push"
)

// Marks are what is known to be gone of a key, beyond single rows.
type Marks struct {
	Deleted push.ID // everything up to it was deleted
	Expired push.ID // the newest id that was removed after its expiry
}

// Assembler turns the rows of a key, in ascending order, into a page. It is what
// every Store shares: which rows are readable, where the gaps are, and where to
// go on. It reads no rows itself.
type Assembler struct {
	span  push.Span
	marks Marks
	now   int64

	page    push.Page
	pos     push.ID // everything up to it is answered
	expired push.ID // the newest expired row since the last message
	bytes   int
	quiet   bool // a reader from the beginning is told of no gaps
}

// NewAssembler begins a page. now is in milliseconds since the Unix epoch; marks
// are as they were before the first row was read.
func NewAssembler(span push.Span, marks Marks, now int64) *Assembler {
	a := &Assembler{span: span, marks: marks, now: now, pos: span.After, quiet: span.After == 0}
	if marks.Deleted > a.pos {
		a.gap(marks.Deleted, push.GapDeleted)
	}
	return a
}

// From is the id above which rows are to be read.
func (a *Assembler) From() push.ID { return a.pos }

// Cut begins the page at the message with the id oldest, whose predecessor is
// prev: what lies below is beyond Span.Newest.
func (a *Assembler) Cut(oldest, prev push.ID) {
	if oldest <= a.pos {
		return
	}
	if prev > a.pos {
		a.gap(min(prev, oldest-1), push.GapLimit)
	}
}

// Add takes the next row; false: the page is full, and the row not in it.
func (a *Assembler) Add(m push.Message) bool {
	if m.ID <= a.pos {
		return true
	}
	if m.Expired(a.now) {
		a.expired = m.ID
		return true
	}
	if len(a.page.Messages) >= a.span.Limit || (a.span.Bytes > 0 && len(a.page.Messages) > 0 && a.bytes+len(m.Body) > a.span.Bytes) {
		a.page.More = true
		return false
	}
	if m.Prev > a.pos {
		a.gap(m.Prev, push.GapExpired)
	}
	a.page.Messages = append(a.page.Messages, m)
	a.bytes += len(m.Body)
	a.pos = m.ID
	return true
}

// Page ends the page. Rows are exhausted when Add never said false.
func (a *Assembler) Page() push.Page {
	if !a.page.More {
		if end := max(a.expired, a.marks.Expired); end > a.pos && (a.span.Until == 0 || end <= a.span.Until) {
			a.gap(end, push.GapExpired)
		}
	}
	a.page.Next = a.pos
	return a.page
}

// gap answers everything up to until with a gap.
func (a *Assembler) gap(until push.ID, reason push.GapReason) {
	if !a.quiet {
		a.page.Gaps = append(a.page.Gaps, push.Gap{After: a.pos, Until: until, Reason: reason})
	}
	a.pos = until
}
