package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopush/internal/push"
)

// sound holds a page to what is true of every answer to span.
func sound(span push.Span, p push.Page) error {
	return errors.Join(soundMessages(span, p), soundBounds(span, p), soundGaps(span, p))
}

func soundMessages(span push.Span, p push.Page) error {
	last := span.After
	for i := range p.Messages {
		m := &p.Messages[i]
		switch {
		case m.ID <= last:
			return fmt.Errorf("message %d comes after %d", m.ID, last)
		case span.Until > 0 && m.ID > span.Until:
			return fmt.Errorf("message %d is above the span", m.ID)
		case m.Prev >= m.ID:
			return fmt.Errorf("message %d has the predecessor %d", m.ID, m.Prev)
		case m.Recalled && len(m.Body) > 0:
			return fmt.Errorf("message %d was recalled and has its body", m.ID)
		}
		last = m.ID
	}
	if p.Next < last {
		return fmt.Errorf("the next cursor %d is below %d, which was answered", p.Next, last)
	}
	return nil
}

func soundBounds(span push.Span, p push.Page) error {
	size := 0
	for _, m := range p.Messages {
		size += len(m.Body)
	}
	switch {
	case len(p.Messages) > span.Limit:
		return fmt.Errorf("%d messages in a page of %d", len(p.Messages), span.Limit)
	case span.Bytes > 0 && size > span.Bytes && len(p.Messages) > 1:
		return fmt.Errorf("%d messages of %d bytes in a page of %d bytes", len(p.Messages), size, span.Bytes)
	case p.More && len(p.Messages) == 0:
		return errors.New("there is more, but the page is empty")
	}
	return nil
}

func soundGaps(span push.Span, p push.Page) error {
	last := span.After
	for _, g := range p.Gaps {
		switch {
		case span.After == 0:
			return errors.New("a reader from the beginning is told of a gap")
		case g.After < last || g.Until <= g.After || g.Until > p.Next:
			return fmt.Errorf("the gap %+v does not stand where it should", g)
		case span.Until > 0 && g.Until > span.Until:
			return fmt.Errorf("the gap %+v is above the span", g)
		case slices.ContainsFunc(p.Messages, func(m push.Message) bool { return m.ID > g.After && m.ID <= g.Until }):
			return fmt.Errorf("the gap %+v covers a message of the page", g)
		}
		last = g.Until
	}
	return nil
}

// same compares two pages, but for Next.
func same(got, want push.Page) error {
	if !slices.EqualFunc(got.Messages, want.Messages, equal) {
		return errors.New("the messages differ")
	}
	if !slices.Equal(got.Gaps, want.Gaps) {
		return errors.New("the gaps differ")
	}
	if got.More != want.More {
		return fmt.Errorf("more is %v", got.More)
	}
	return nil
}

func equal(a, b push.Message) bool {
	return a.ID == b.ID && a.Prev == b.Prev && a.ExpiresAt == b.ExpiresAt && a.Recalled == b.Recalled && bytes.Equal(a.Body, b.Body)
}

// show prints a page for whoever has to find the fault.
func show(p push.Page) string {
	var b strings.Builder
	for _, m := range p.Messages {
		fmt.Fprintf(&b, "  message %d prev %d expires %d recalled %v %.40s\n", m.ID, m.Prev, m.ExpiresAt, m.Recalled, m.Body)
	}
	for _, g := range p.Gaps {
		fmt.Fprintf(&b, "  gap %d to %d %s\n", g.After, g.Until, g.Reason)
	}
	fmt.Fprintf(&b, "  next %d more %v\n", p.Next, p.More)
	return b.String()
}
