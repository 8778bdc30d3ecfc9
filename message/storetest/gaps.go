package storetest

import (
	"fmt"
	"time"

	"gopush/internal/push"
)

// mixed stores messages that live long or short, as pattern says: "LsL".
func (st *stream) mixed(pattern string) ([]push.Message, error) {
	all := make([]push.Message, 0, len(pattern))
	for i, c := range pattern {
		live := life
		if c == 's' {
			live = time.Second
		}
		m, err := st.add(fmt.Sprintf("%c %d", c, i), live)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Readers that resume are told of what expired: before, between, after what is
// left, and when nothing is.
func checkExpiredGaps(s *Subject) error {
	for _, c := range []struct {
		pattern string
		after   int      // the cursor is at this message
		want    []int    // messages
		gaps    [][2]int // messages: after, until
	}{
		{"LsL", 0, []int{2}, [][2]int{{0, 1}}},
		{"LssL", 0, []int{3}, [][2]int{{0, 2}}},
		{"LssL", 1, []int{3}, [][2]int{{1, 2}}},
		{"LssL", 2, []int{3}, nil},
		{"LLsLsL", 0, []int{1, 3, 5}, [][2]int{{1, 2}, {3, 4}}},
		{"Ls", 0, nil, [][2]int{{0, 1}}},
		{"LLss", 0, []int{1}, [][2]int{{1, 3}}},
		{"sss", 0, nil, [][2]int{{0, 2}}},
		{"sLs", 0, []int{1}, [][2]int{{1, 2}}},
		{"sL", 0, []int{1}, nil},
		{"sL", 1, nil, nil},
		{"Ls", 1, nil, nil},
	} {
		st := s.stream("expired gaps " + c.pattern + fmt.Sprint(c.after))
		all, err := st.mixed(c.pattern)
		if err != nil {
			return err
		}
		s.Clock.Advance(time.Second)
		var want push.Page
		for _, i := range c.want {
			want.Messages = append(want.Messages, all[i])
		}
		for _, g := range c.gaps {
			want.Gaps = append(want.Gaps, gap(all[g[0]].ID, all[g[1]].ID, push.GapExpired)...)
		}
		if err := st.expect(push.Span{After: all[c.after].ID}, want); err != nil {
			return fmt.Errorf("pattern %s: %w", c.pattern, err)
		}
		if err := st.paged(all[c.after].ID, want); err != nil {
			return fmt.Errorf("pattern %s: %w", c.pattern, err)
		}
	}
	return checkGapsInSpan(s)
}

// paged reads message by message; in the end the reader knows the same.
func (st *stream) paged(after push.ID, want push.Page) error {
	var got push.Page
	span := push.Span{After: after, Limit: 1}
	for {
		page, err := st.read(st.key, span)
		if err != nil {
			return err
		}
		got.Messages = append(got.Messages, page.Messages...)
		got.Gaps = append(got.Gaps, page.Gaps...)
		span.After = page.Next
		if !page.More {
			break
		}
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("page by page: %w\ngot\n%swant\n%s", err, show(got), show(want))
	}
	return nil
}

// An upper bound hides no gap that lies below it.
func checkGapsInSpan(s *Subject) error {
	st := s.stream("gaps in a span")
	all, err := st.mixed("Lsss")
	if err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	for until := 1; until < len(all); until++ {
		want := push.Page{Gaps: gap(all[0].ID, all[until].ID, push.GapExpired)}
		if err := st.expect(push.Span{After: all[0].ID, Until: all[until].ID}, want); err != nil {
			return err
		}
	}
	return nil
}

// A reader from the beginning has missed nothing.
func checkQuiet(s *Subject) error {
	st := s.stream("quiet")
	all, err := st.mixed("LsLsLs")
	if err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	if err := s.Store.Delete(s.ctx, st.key, all[0].ID); err != nil {
		return err
	}
	if err := st.expect(push.Span{}, messages(all[2], all[4])); err != nil {
		return err
	}
	if err := st.expect(push.Span{Newest: 1}, messages(all[4])); err != nil {
		return err
	}
	if err := st.expect(push.Span{Limit: 1}, push.Page{Messages: all[2:3], More: true}); err != nil {
		return err
	}
	page, err := s.read(st.key, push.Span{Limit: 10})
	if err != nil {
		return err
	}
	// From where it ends, nothing more is to be told either.
	return st.expect(push.Span{After: page.Next}, push.Page{})
}

// A row that its writer gave up, and the stream went on without, is no hole in
// the stream when it ends.
func checkOffChain(s *Subject) error {
	st := s.stream("off chain")
	first, err := st.add("first", life)
	if err != nil {
		return err
	}
	given := st.message("given up", time.Second)
	st.prev = first.ID
	last, err := st.add("last", life)
	if err != nil {
		return err
	}
	if err := st.save(given); err != nil {
		return err
	}
	if err := st.expect(push.Span{After: first.ID}, messages(given, last)); err != nil {
		return err
	}
	if err := st.expect(push.Span{Newest: 1}, messages(last)); err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	return st.expect(push.Span{After: first.ID}, messages(last))
}

// Beyond the newest n nothing is readable, and readers that resume are told.
func checkNewestN(s *Subject) error {
	st := s.stream("newest n")
	all, err := st.fill(6)
	if err != nil {
		return err
	}
	for n := 1; n <= 7; n++ {
		for i := range all {
			want := push.Page{Messages: all[max(i+1, 6-n):]}
			if 6-n > i+1 {
				want.Gaps = gap(all[i].ID, all[5-n].ID, push.GapLimit)
			}
			if err := st.expect(push.Span{After: all[i].ID, Newest: n}, want); err != nil {
				return err
			}
			if err := st.expect(push.Span{Newest: n}, messages(all[max(0, 6-n):]...)); err != nil {
				return err
			}
		}
	}
	// Pages are cut from the same n.
	want := push.Page{Messages: all[3:5], Gaps: gap(all[0].ID, all[2].ID, push.GapLimit), More: true}
	if err := st.expect(push.Span{After: all[0].ID, Newest: 3, Limit: 2}, want); err != nil {
		return err
	}
	return checkNewestLiving(s)
}

// Expired and discarded messages do not count among the newest.
func checkNewestLiving(s *Subject) error {
	st := s.stream("newest living")
	all, err := st.mixed("LLsLs")
	if err != nil {
		return err
	}
	given := st.message("given up", life)
	if err := st.save(given); err != nil {
		return err
	}
	if err := s.Store.Discard(s.ctx, st.key, given.ID); err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	want := push.Page{
		Messages: []push.Message{all[1], all[3]},
		Gaps:     append(gap(all[1].ID, all[2].ID, push.GapExpired), gap(all[3].ID, all[4].ID, push.GapExpired)...),
	}
	if err := st.expect(push.Span{After: all[0].ID, Newest: 2}, want); err != nil {
		return err
	}
	want = push.Page{
		Messages: all[3:4],
		Gaps:     append(gap(all[0].ID, all[2].ID, push.GapLimit), gap(all[3].ID, all[4].ID, push.GapExpired)...),
	}
	return st.expect(push.Span{After: all[0].ID, Newest: 1}, want)
}
