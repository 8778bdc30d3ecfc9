package message

import (
	"gopush/internal/push"
)

// Marks are what is known to be gone of a key, beyond single rows.
type Marks struct {
	Deleted push.ID // everything up to it was deleted
	Expired push.ID // the newest id that was removed after its expiry
	// Horizon is the id up to which rows may have been removed without leaving
	// a trace; 0 where every removal leaves one.
	Horizon push.ID
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
	floor   push.ID // rows below it are beyond Span.Newest
	expired push.ID // the newest expired row since the last message
	bytes   int
	quiet   bool // a reader from the beginning is told of no gaps
}

// NewAssembler begins a page. now is in milliseconds since the Unix epoch; marks
// are as they were before the first row was read.
func NewAssembler(span push.Span, marks Marks, now int64) *Assembler {
	a := &Assembler{span: span, marks: marks, now: now, pos: max(span.After, 0), quiet: span.After <= 0}
	a.gap(marks.Deleted, push.GapDeleted)
	return a
}

// From is the id above which rows are to be read.
func (a *Assembler) From() push.ID { return max(a.pos, a.floor-1) }

// Done reports whether the span holds no row that is still to be read.
func (a *Assembler) Done() bool { return a.span.Until > 0 && a.From() >= a.span.Until }

// Readable reports whether a row that is neither discarded nor below the
// watermarks can be read: whether it counts for Span.Newest.
func (a *Assembler) Readable(m *push.Message) bool { return m.ID > a.pos && !m.Expired(a.now) }

// Cut begins the page at the message with the id oldest, whose predecessor is
// prev. It is to be called when Span.Newest readable messages, this one the
// oldest of them, lie above at least one more that is readable.
func (a *Assembler) Cut(oldest, prev push.ID) {
	a.gap(min(prev, oldest-1), push.GapLimit)
	// A row between prev and oldest was given up by its writer: it is cut too.
	a.floor = oldest
}

// Add takes the next row; false: the page is full, and the row not in it.
func (a *Assembler) Add(m push.Message) bool {
	if m.ID <= a.pos || m.ID < a.floor {
		return true
	}
	if m.Expired(a.now) {
		a.expired = m.ID
		return true
	}
	if a.full(len(m.Body)) {
		a.page.More = true
		return false
	}
	a.gap(min(max(m.Prev, a.lost(m.Prev)), m.ID-1), push.GapExpired)
	a.page.Messages = append(a.page.Messages, m)
	a.bytes += len(m.Body)
	a.pos = m.ID
	return true
}

// full reports whether a body of n bytes does not fit in any more.
func (a *Assembler) full(n int) bool {
	have := len(a.page.Messages)
	return have >= a.span.Limit || (a.span.Bytes > 0 && have > 0 && a.bytes+n > a.span.Bytes)
}

// lost is the id up to which something may be gone without a trace, right above
// what is answered, if the message after that says it follows prev. If it follows
// on exactly that, nothing is. A reader from the beginning has lost nothing.
func (a *Assembler) lost(prev push.ID) push.ID {
	if a.quiet || prev == a.pos || a.pos >= a.marks.Horizon {
		return 0
	}
	return a.marks.Horizon
}

// Page ends the page. Rows are exhausted when Add never said false.
func (a *Assembler) Page() push.Page {
	if !a.page.More {
		// The watermark may lie above the span: then it is not known what
		// expired inside of it, and a gap too many is better than one too few.
		a.gap(max(a.expired, a.marks.Expired, a.lost(push.PrevUnknown)), push.GapExpired)
	}
	a.page.Next = a.pos
	return a.page
}

// gap answers everything up to until, as far as the span goes, with a gap; there
// is none when that is answered already.
func (a *Assembler) gap(until push.ID, reason push.GapReason) {
	if a.span.Until > 0 {
		until = min(until, a.span.Until)
	}
	if until <= a.pos {
		return
	}
	if !a.quiet {
		a.page.Gaps = append(a.page.Gaps, push.Gap{After: a.pos, Until: until, Reason: reason})
	}
	a.pos = until
}
