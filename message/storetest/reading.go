package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopush/internal/push"
)

// Messages come in ascending order, however they were stored.
func checkOrder(s *Subject) error {
	st := s.stream("order")
	var all []push.Message
	for i := range 9 {
		all = append(all, st.message(fmt.Sprint(i), life))
	}
	for _, i := range []int{4, 0, 8, 2, 6, 1, 7, 3, 5} {
		if err := st.save(all[i]); err != nil {
			return err
		}
	}
	return st.expect(push.Span{}, messages(all...))
}

// A cursor excludes itself; the upper bound includes itself.
func checkCursor(s *Subject) error {
	st := s.stream("cursor")
	all, err := st.fill(5)
	if err != nil {
		return err
	}
	for i, m := range all {
		if err := st.expect(push.Span{After: m.ID}, messages(all[i+1:]...)); err != nil {
			return err
		}
		// Right below a message is above its predecessor: nothing is missed.
		if err := st.expect(push.Span{After: m.ID - 1}, messages(all[i:]...)); err != nil {
			return err
		}
		if err := st.expect(push.Span{Until: m.ID}, messages(all[:i+1]...)); err != nil {
			return err
		}
		if err := st.expect(push.Span{Until: m.ID - 1}, messages(all[:i]...)); err != nil {
			return err
		}
	}
	last := all[len(all)-1].ID
	return st.expect(push.Span{After: last + 100*push.Step}, push.Page{})
}

// A page holds exactly as many as it may, and says exactly whether there is more.
func checkLimit(s *Subject) error {
	st := s.stream("limit")
	const n = 7
	all, err := st.fill(n)
	if err != nil {
		return err
	}
	for limit := 1; limit <= n+2; limit++ {
		for i := range n {
			end := min(i+1+limit, n)
			want := push.Page{Messages: all[i+1 : end], More: end < n}
			if err := st.expect(push.Span{After: all[i].ID, Limit: limit}, want); err != nil {
				return err
			}
		}
	}
	// What lies above the span is not more of it.
	return st.expect(push.Span{Until: all[2].ID, Limit: 3}, messages(all[:3]...))
}

// Bytes end a page early, but a page holds one message at the least.
func checkBytes(s *Subject) error {
	st := s.stream("bytes")
	var all []push.Message
	for _, n := range []int{100, 100, 100, 1000, 1, 1} {
		m, err := st.add(strings.Repeat("x", n), life)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	for _, c := range []struct {
		from, bytes, want int
	}{
		{0, 1, 1},
		{0, 100, 1},
		{0, 199, 1},
		{0, 200, 2},
		{0, 299, 2},
		{0, 300, 3},
		{0, 1299, 3},
		{0, 1300, 4},
		{3, 10, 1},
		{4, 1, 1},
		{4, 2, 2},
		{0, 0, 6},
		{0, 1 << 20, 6},
	} {
		var after push.ID
		if c.from > 0 {
			after = all[c.from-1].ID
		}
		end := c.from + c.want
		want := push.Page{Messages: all[c.from:end], More: end < len(all)}
		if err := st.expect(push.Span{After: after, Bytes: c.bytes}, want); err != nil {
			return err
		}
	}
	return nil
}

// Whoever pages through everything gets each message once, with any page size,
// across bursts and single rows.
func checkPaging(s *Subject) error {
	st := s.stream("paging")
	var all []push.Message
	for _, n := range []int{1, 5, 1, 1, 12, 3, 1} {
		burst := make([]push.Message, 0, n)
		for i := range n {
			burst = append(burst, st.message(strings.Repeat("b", 1+i*7), life))
		}
		if err := st.save(burst...); err != nil {
			return err
		}
		all = append(all, burst...)
	}
	for size := 1; size <= len(all)+1; size++ {
		for _, span := range []push.Span{{Limit: size}, {Limit: 1000, Bytes: size * 5}} {
			got, err := st.everything(span)
			if err != nil {
				return err
			}
			if !slices.EqualFunc(got, all, equal) {
				return fmt.Errorf("pages of %+v gave %d messages, or others, instead of %d", span, len(got), len(all))
			}
		}
	}
	return nil
}

// everything pages through a stream.
func (st *stream) everything(span push.Span) ([]push.Message, error) {
	var got []push.Message
	for {
		page, err := st.read(st.key, span)
		if err != nil {
			return nil, err
		}
		got = append(got, page.Messages...)
		if !page.More {
			return got, nil
		}
		if page.Next <= span.After {
			return nil, fmt.Errorf("there is more, but the cursor stays at %d", page.Next)
		}
		span.After = page.Next
	}
}

// Ids are exact to the last bit: present ones are beyond what a double holds.
func checkExactIDs(s *Subject) error {
	st := s.stream("exact")
	first := s.ids.next()
	var all []push.Message
	for i := range 6 {
		m := st.message(fmt.Sprint(i), life)
		m.ID = first + push.ID(i)
		if m.Prev = 0; i > 0 {
			m.Prev = m.ID - 1
		}
		if err := st.save(m); err != nil {
			return err
		}
		all = append(all, m)
	}
	for i, m := range all {
		if err := st.expect(push.Span{After: m.ID}, messages(all[i+1:]...)); err != nil {
			return err
		}
	}
	newest, err := s.Store.Newest(s.ctx, st.key)
	if err == nil && newest != all[5].ID {
		err = fmt.Errorf("newest is %d, want %d", newest, all[5].ID)
	}
	return err
}

// Bodies come back byte for byte, and belong to whoever holds them.
func checkBodies(s *Subject) error {
	st := s.stream("bodies")
	var all []push.Message
	for _, body := range []string{`{}`, `"ü€😀"`, "\x00\x01\xff\n", strings.Repeat("z", 64<<10), ""} {
		m := st.message(body, life)
		if err := st.save(m); err != nil {
			return err
		}
		kept := m
		kept.Body = bytes.Clone(m.Body)
		all = append(all, kept)
		clear(m.Body) // the caller may use its memory again
	}
	for range 2 {
		page, err := s.read(st.key, push.Span{Limit: 10})
		if err != nil {
			return err
		}
		if err := same(page, messages(all...)); err != nil {
			return fmt.Errorf("%w\n%s", err, show(page))
		}
		for _, m := range page.Messages {
			clear(m.Body)
		}
	}
	return nil
}

// No key runs into another one, however alike they are.
func checkNeighbours(s *Subject) error {
	names := []string{"a", "ab", "abc", "b", "a ", "a~", "á", "á́", "中", "中文", "a:1", "a:10", "A"}
	long := strings.Repeat("y", push.MaxKeyBytes-len(s.tag))
	names = append(names, long, long[:len(long)-1], long[:len(long)-1]+"z", long[:len(long)-4]+"😀")
	streams := make([]*stream, len(names))
	want := make([][]push.Message, len(names))
	for round := range 3 {
		for i, name := range names {
			if streams[i] == nil {
				streams[i] = s.stream(name)
			}
			m, err := streams[i].add(fmt.Sprintf("%s %d", name, round), life)
			if err != nil {
				return fmt.Errorf("key %q: %w", name, err)
			}
			want[i] = append(want[i], m)
		}
	}
	for i, st := range streams {
		if err := st.expect(push.Span{}, messages(want[i]...)); err != nil {
			return fmt.Errorf("key %q: %w", names[i], err)
		}
	}
	// What is deleted of one is there of the others.
	if err := s.Store.Delete(s.ctx, streams[0].key, want[0][2].ID); err != nil {
		return err
	}
	for i, st := range streams[1:] {
		if err := st.expect(push.Span{}, messages(want[i+1]...)); err != nil {
			return fmt.Errorf("key %q after a delete of %q: %w", names[i+1], names[0], err)
		}
	}
	return nil
}

// The public stream is a key like any other.
func checkPublic(s *Subject) error {
	st := &stream{Subject: s, key: push.PublicKey}
	start := s.ids.next()
	st.prev = start
	all, err := st.fill(3)
	if err != nil {
		return err
	}
	return st.expect(push.Span{After: start}, messages(all...))
}

// A key that nobody wrote to is empty, not an error.
func checkUnknownKey(s *Subject) error {
	st := s.stream("unknown")
	if err := st.expect(push.Span{}, push.Page{}); err != nil {
		return err
	}
	if err := st.expect(push.Span{After: s.ids.next(), Newest: 3, Bytes: 1}, push.Page{}); err != nil {
		return err
	}
	newest, err := s.Store.Newest(s.ctx, st.key)
	if err != nil || newest != 0 {
		return fmt.Errorf("newest of an unknown key is %d, %v", newest, err)
	}
	found, err := s.Store.Find(s.ctx, st.key, "nothing")
	if err != nil || found.ID != 0 {
		return fmt.Errorf("found %+v under an unknown key, %v", found, err)
	}
	return nil
}
