package e2e

import (
	"maps"
	"slices"
	"time"
)

// readerSide follows each reader through what it saw, in order.
func (c *checker) readerSide(i int, e Event) {
	at := readerKey{e.Reader, e.Stream}
	switch e.Kind {
	case EvReader:
		c.readers[at] = &readerState{seen: make(map[string]int64)}
	case EvOpened:
		c.opened[e.Reader] = opening{index: i, at: e.At}
	case EvFault:
		c.complain(Faulty, e, "%s", e.Text)
	case EvSeen, EvGap, EvFinished:
		r := c.readers[at]
		switch {
		case r == nil:
			c.complain(Faulty, e, "%s of a reader that was not announced", e.Kind)
		case e.Kind == EvSeen:
			c.seen(r, e)
		case e.Kind == EvGap:
			c.gap(r, e)
		default:
			c.finish(r, e)
		}
	default:
	}
}

// seen checks one delivery: who pushed it, whether it may come at all, whether it
// is new, and whether it is the next one.
func (c *checker) seen(r *readerState, e Event) {
	p := c.pushes[e.Token]
	if p == nil || p.stream != e.Stream {
		c.complain(Phantom, e, "%q (id %d) was never pushed to this stream", e.Token, e.ID)
		return
	}
	c.mayCome(p, e)
	c.sameForAll(p, r, e)
	if first, again := r.seen[e.Token]; again {
		c.complain(Duplicated, e, "%s came as %d and again as %d, at the cursor %d", e.Token, first, e.ID, r.cursor)
		return
	}
	r.seen[e.Token] = e.ID
	if e.ID <= r.cursor {
		c.complain(Reordered, e, "%s (id %d) came at the cursor %d", e.Token, e.ID, r.cursor)
		return
	}
	c.chain(r, e)
	r.blind = r.blind || e.Prev == PrevUnknown
	r.cursor, r.jumped = e.ID, false
}

// sameForAll: every reader gets it under one id, and nothing else under that; a push that
// began when an id was known has a higher one.
func (c *checker) sameForAll(p *pushed, r *readerState, e Event) {
	s := c.stream(e.Stream)
	other, taken := s.owners[e.ID]
	_, again := r.seen[e.Token]
	switch {
	case taken && other != e.Token:
		c.complain(Duplicated, e, "the id %d is that of %s and of %s", e.ID, other, e.Token)
	case p.id != 0 || again: // the ack has the id that counts; or it is a duplicate here already
	case p.seen == 0:
		c.owe(p, e)
		if e.ID <= p.floor && e.ID > r.cursor {
			c.complain(Reordered, e, "%s has the id %d, though %d was known before it was pushed", e.Token, e.ID, p.floor)
		}
	case p.seen != e.ID:
		c.complain(Duplicated, e, "%s came as %d to somebody else, and as %d here", e.Token, p.seen, e.ID)
	}
	s.owners[e.ID] = e.Token
	if p.seen == 0 {
		p.seen = e.ID
	}
}

// owe: what one reader has seen is there for all, though nobody has acknowledged it; only
// who was past it already need not get it.
func (c *checker) owe(p *pushed, e Event) {
	if p.expires != 0 {
		return
	}
	for at, r := range c.readers {
		if at.stream == e.Stream && at.reader != e.Reader && r.cursor < e.ID {
			r.owed = append(r.owed, e.Token)
		}
	}
}

// tooLate is how long what is gone may still be on its way to a reader that has been
// connected since before.
const tooLate = time.Minute

// mayCome: not what was refused, recalled or expired before the reader asked.
func (c *checker) mayCome(p *pushed, e Event) {
	s, asked := c.stream(e.Stream), c.opened[e.Reader]
	switch {
	case p.id == 0 && !p.unknown:
		c.complain(Resurrected, e, "%s (id %d) had been refused: nothing of it may appear", e.Token, e.ID)
	case p.id != 0 && p.id != e.ID:
		c.complain(Phantom, e, "%s came with the id %d, but was acknowledged as %d", e.Token, e.ID, p.id)
	case p.expires != 0 && p.expires <= max(asked.at, e.At-tooLate.Milliseconds()) && !c.clockWrong(p.began, e.At):
		c.complain(Resurrected, e, "%s (id %d) had expired %d ms before it came; the reader had asked %d ms before that",
			e.Token, e.ID, e.At-p.expires, e.At-asked.at)
	}
	if when, gone := s.withdrawn[e.ID]; gone && (when.index < asked.index || when.at <= e.At-tooLate.Milliseconds()) {
		c.complain(Resurrected, e, "%s (id %d) had been recalled %d ms before it came; the reader had asked %d ms before that",
			e.Token, e.ID, e.At-when.at, e.At-asked.at)
	}
}

// clockWrong reports whether a clock of the cluster was wrong at some time from one moment to
// another: lives are measured by them.
func (c *checker) clockWrong(from, to int64) bool {
	for i := 0; i < len(c.wrong); i += 2 {
		if c.wrong[i] <= to && (i+1 == len(c.wrong) || c.wrong[i+1] >= from) {
			return true
		}
	}
	return false
}

// chain: the id before a message is the reader's cursor, unless what lay between
// is gone for a reason.
func (c *checker) chain(r *readerState, e Event) {
	s := c.stream(e.Stream)
	switch {
	case e.Prev == PrevUnknown || e.Prev == r.cursor:
	case e.Prev < r.cursor && (r.jumped || s.maybe[r.cursor]):
	case e.Prev > r.cursor && (s.maybe[e.Prev] || c.shortLived(e.Stream, e.Prev)):
	default:
		c.complain(Broken, e, "%s (id %d) follows %d, but the cursor is %d", e.Token, e.ID, e.Prev, r.cursor)
	}
}

// shortLived reports whether the id is that of a message with an expiry, so that
// it may be missing. An id that no ack names may be one whose push never learned
// what became of it.
func (c *checker) shortLived(stream string, id int64) bool {
	s := c.stream(stream)
	if token, named := s.byID[id]; named {
		return c.pushes[token].expires != 0
	}
	return s.mortal
}

func (c *checker) gap(r *readerState, e Event) {
	if e.ID < e.After || e.ID < r.cursor {
		c.complain(Broken, e, "a gap from %d to %d at the cursor %d", e.After, e.ID, r.cursor)
	}
	r.cursor, r.jumped = max(r.cursor, e.ID), true
}

// finish: everything that still lives was seen, if it is acknowledged; or if another reader has
// seen it, and this one is told the chain. Others may miss what nobody acknowledged.
func (c *checker) finish(r *readerState, e Event) {
	s := c.stream(e.Stream)
	for _, token := range r.owed {
		p := c.pushes[token]
		if _, ok := r.seen[token]; !ok && !r.blind && !s.maybe[p.seen] {
			c.complain(Lost, e, "%s (id %d) came to somebody else, but never here; the cursor is %d", token, p.seen, r.cursor)
		}
	}
	for _, token := range s.acked {
		p := c.pushes[token]
		if _, ok := r.seen[token]; ok || p.expires != 0 || s.maybe[p.id] {
			continue
		}
		if p.id <= r.cursor {
			c.complain(BelowCursor, e, "%s (id %d) was acknowledged, but lies below the cursor %d and never came", token, p.id, r.cursor)
		} else {
			c.complain(Lost, e, "%s (id %d) was acknowledged, but never came; the cursor is %d", token, p.id, r.cursor)
		}
	}
}

// Unfinished lists the readers that never got to the end; a history with such
// readers proves nothing about losses.
func Unfinished(events []Event) []string {
	open := make(map[string]bool)
	for _, e := range events {
		name := e.Reader + " of stream " + e.Stream
		switch e.Kind {
		case EvReader:
			open[name] = true
		case EvFinished:
			delete(open, name)
		default:
		}
	}
	return slices.Sorted(maps.Keys(open))
}
