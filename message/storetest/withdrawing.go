package storetest

import (
	"fmt"
	"time"

	"gopush/internal/push"
)

// What was deleted is gone for good; what comes later is there.
func checkDelete(s *Subject) error {
	st := s.stream("delete")
	all, err := st.fill(5)
	if err != nil {
		return err
	}
	last := all[4].ID
	if err := s.Store.Delete(s.ctx, st.key, all[2].ID); err != nil {
		return err
	}
	for i, want := range []push.Page{
		{Messages: all[3:], Gaps: gap(all[0].ID, all[2].ID, push.GapDeleted)},
		{Messages: all[3:], Gaps: gap(all[1].ID, all[2].ID, push.GapDeleted)},
		{Messages: all[3:]},
		{Messages: all[4:]},
	} {
		if err := st.expect(push.Span{After: all[i].ID}, want); err != nil {
			return err
		}
	}
	if err := st.expect(push.Span{After: all[0].ID, Until: all[1].ID}, push.Page{Gaps: gap(all[0].ID, all[1].ID, push.GapDeleted)}); err != nil {
		return err
	}
	// Again, and lower, changes nothing.
	for _, upTo := range []push.ID{all[2].ID, all[0].ID} {
		if err := s.Store.Delete(s.ctx, st.key, upTo); err != nil {
			return err
		}
	}
	if err := st.expect(push.Span{}, messages(all[3:]...)); err != nil {
		return err
	}
	// All of it, and a new beginning.
	if err := s.Store.Delete(s.ctx, st.key, last); err != nil {
		return err
	}
	if err := st.expect(push.Span{}, push.Page{}); err != nil {
		return err
	}
	if err := st.expect(push.Span{After: all[1].ID}, push.Page{Gaps: gap(all[1].ID, last, push.GapDeleted)}); err != nil {
		return err
	}
	m, err := st.add("new", life)
	if err != nil {
		return err
	}
	return st.expect(push.Span{After: all[1].ID}, push.Page{Messages: []push.Message{m}, Gaps: gap(all[1].ID, last, push.GapDeleted)})
}

// A write of what was deleted that lands later stays unreadable.
func checkLateDeleted(s *Subject) error {
	st := s.stream("late deleted")
	all, err := st.fill(2)
	if err != nil {
		return err
	}
	late := st.message("late", life)
	last, err := st.add("last", life)
	if err != nil {
		return err
	}
	if err := s.Store.Delete(s.ctx, st.key, last.ID); err != nil {
		return err
	}
	for _, m := range []push.Message{late, all[0], last} {
		if err := st.save(m); err != nil {
			return err
		}
	}
	if err := st.expect(push.Span{}, push.Page{}); err != nil {
		return err
	}
	if err := st.expect(push.Span{Newest: 1}, push.Page{}); err != nil {
		return err
	}
	newest, err := s.Store.Newest(s.ctx, st.key)
	if err != nil || newest != last.ID {
		return fmt.Errorf("newest is %d, want %d, %v", newest, last.ID, err)
	}
	return nil
}

// A recalled message leaves its place; the others stay as they are.
func checkRecall(s *Subject) error {
	st := s.stream("recall")
	all, err := st.fill(3)
	if err != nil {
		return err
	}
	burst := []push.Message{st.message("a", life), st.message("b", life), st.message("c", time.Minute)}
	if err := st.save(burst...); err != nil {
		return err
	}
	for _, id := range []push.ID{all[1].ID, burst[1].ID, burst[1].ID, burst[2].ID} {
		if err := s.Store.Recall(s.ctx, st.key, id); err != nil {
			return fmt.Errorf("recall %d: %w", id, err)
		}
	}
	want := []push.Message{all[0], recalled(all[1]), all[2], burst[0], recalled(burst[1]), recalled(burst[2])}
	for i := range want {
		if err := st.expect(push.Span{After: want[i].ID}, messages(want[i+1:]...)); err != nil {
			return err
		}
	}
	if err := st.expect(push.Span{Newest: 2}, messages(want[4:]...)); err != nil {
		return err
	}
	// Its place ends with its life.
	s.Clock.Advance(time.Minute)
	if err := st.expect(push.Span{}, messages(want[:5]...)); err != nil {
		return err
	}
	// It counts among the newest no more.
	return st.expect(push.Span{Newest: 2}, messages(want[3:5]...))
}

// Recalling what is not there says so.
func checkRecallNothing(s *Subject) error {
	st := s.stream("recall nothing")
	all, err := st.mixed("LLs")
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
	if err := s.Store.Delete(s.ctx, st.key, all[0].ID); err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	for what, id := range map[string]push.ID{
		"unknown": s.ids.next(), "right below one": all[1].ID - 1, "right above one": all[1].ID + 1,
		"deleted": all[0].ID, "expired": all[2].ID, "discarded": given.ID,
	} {
		if err := s.Store.Recall(s.ctx, st.key, id); !push.Is(err, push.KindNotFound) {
			return fmt.Errorf("the recall of an id that is %s: %v, want %s", what, err, push.KindNotFound)
		}
	}
	if err := s.Store.Recall(s.ctx, s.key("recall nowhere"), all[1].ID); !push.Is(err, push.KindNotFound) {
		return fmt.Errorf("the recall of another key's message: %v", err)
	}
	return st.expect(push.Span{Until: given.ID}, messages(all[1]))
}

// A write of what was recalled that lands later does not bring it back.
func checkLateRecalled(s *Subject) error {
	st := s.stream("late recalled")
	burst := []push.Message{st.message("a", life), st.message("b", life)}
	if err := st.save(burst...); err != nil {
		return err
	}
	if err := s.Store.Recall(s.ctx, st.key, burst[0].ID); err != nil {
		return err
	}
	if err := st.save(burst...); err != nil {
		return err
	}
	return st.expect(push.Span{}, messages(recalled(burst[0]), burst[1]))
}

// A discarded message leaves no trace.
func checkDiscard(s *Subject) error {
	st := s.stream("discard")
	first, err := st.add("first", life)
	if err != nil {
		return err
	}
	given := st.message("given up", life)
	if err := st.save(given); err != nil {
		return err
	}
	for range 2 {
		if err := s.Store.Discard(s.ctx, st.key, given.ID); err != nil {
			return err
		}
	}
	if err := st.expect(push.Span{After: first.ID}, push.Page{}); err != nil {
		return err
	}
	st.prev = first.ID
	last, err := st.add("last", life)
	if err != nil {
		return err
	}
	// It wins over a recall that came before.
	other := st.message("recalled, then given up", life)
	st.prev = last.ID
	if err := st.save(other); err != nil {
		return err
	}
	if err := s.Store.Recall(s.ctx, st.key, other.ID); err != nil {
		return err
	}
	if err := s.Store.Discard(s.ctx, st.key, other.ID); err != nil {
		return err
	}
	if err := st.expect(push.Span{}, messages(first, last)); err != nil {
		return err
	}
	s.Clock.Advance(life)
	return st.expect(push.Span{After: last.ID}, push.Page{})
}

// A write of what was discarded that lands later stays invisible, whether the
// first one ever landed or not.
func checkLateDiscarded(s *Subject) error {
	st := s.stream("late discarded")
	first, err := st.add("first", life)
	if err != nil {
		return err
	}
	landed, lost := st.message("landed", life), st.message("lost", life)
	burst := []push.Message{st.message("burst a", life), st.message("burst b", life)}
	if err := st.save(landed); err != nil {
		return err
	}
	for _, id := range []push.ID{landed.ID, lost.ID, burst[0].ID, burst[1].ID} {
		if err := s.Store.Discard(s.ctx, st.key, id); err != nil {
			return err
		}
	}
	for _, late := range [][]push.Message{{landed}, {lost}, burst} {
		if err := st.save(late...); err != nil {
			return err
		}
		if err := st.expect(push.Span{}, messages(first)); err != nil {
			return err
		}
	}
	newest, err := s.Store.Newest(s.ctx, st.key)
	if err != nil || newest != first.ID {
		return fmt.Errorf("newest is %d, want %d, %v", newest, first.ID, err)
	}
	return nil
}

// Newest remembers what is gone, but for what was discarded.
func checkNewest(s *Subject) error {
	st := s.stream("newest")
	want := func(what string, id push.ID) error {
		got, err := s.Store.Newest(s.ctx, st.key)
		if err != nil || got != id {
			return fmt.Errorf("newest after %s is %d, want %d, %v", what, got, id, err)
		}
		return nil
	}
	all, err := st.mixed("LLs")
	if err != nil {
		return err
	}
	given := st.message("given up", life)
	st.prev = all[2].ID
	if err := st.save(given); err != nil {
		return err
	}
	if err := want("a save", given.ID); err != nil {
		return err
	}
	if err := s.Store.Discard(s.ctx, st.key, given.ID); err != nil {
		return err
	}
	if err := want("a discard", all[2].ID); err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	if err := want("an expiry", all[2].ID); err != nil {
		return err
	}
	m, err := st.add("recalled", life)
	if err != nil {
		return err
	}
	if err := s.Store.Recall(s.ctx, st.key, m.ID); err != nil {
		return err
	}
	if err := want("a recall", m.ID); err != nil {
		return err
	}
	if err := s.Store.Delete(s.ctx, st.key, m.ID); err != nil {
		return err
	}
	if err := want("a delete", m.ID); err != nil {
		return err
	}
	s.Clock.Advance(2 * life)
	return want("everything ended", m.ID)
}
