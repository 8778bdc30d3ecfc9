package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"gopush/internal/push"
)

// One Save takes writes of several keys and answers each.
func checkManyKeys(s *Subject) error {
	if errs := s.Store.Save(s.ctx, nil); len(errs) != 0 {
		return fmt.Errorf("a save of nothing has %d results", len(errs))
	}
	var writes []push.Write
	var streams []*stream
	for i := range 20 {
		st := s.stream(strconv.Itoa(i))
		streams = append(streams, st)
		w := push.Write{Key: st.key}
		for j := range 1 + i%3 {
			w.Messages = append(w.Messages, st.message(strconv.Itoa(j), life))
		}
		writes = append(writes, w)
	}
	errs := s.Store.Save(s.ctx, writes)
	if len(errs) != len(writes) {
		return fmt.Errorf("%d results for %d writes", len(errs), len(writes))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, st := range streams {
		if err := st.expect(push.Span{}, messages(writes[i].Messages...)); err != nil {
			return err
		}
	}
	return nil
}

// Saving the same again changes nothing: it makes no second message, and no
// longer life.
func checkRepeat(s *Subject) error {
	st := s.stream("repeat")
	m, err := st.add("once", time.Hour)
	if err != nil {
		return err
	}
	long, err := st.add("long", life)
	if err != nil {
		return err
	}
	for range 3 {
		s.Clock.Advance(time.Hour/3 - time.Second)
		if err := st.save(m); err != nil {
			return err
		}
		if err := st.expect(push.Span{}, messages(m, long)); err != nil {
			return err
		}
	}
	s.Clock.Advance(3 * time.Second)
	if err := st.expect(push.Span{}, messages(long)); err != nil {
		return fmt.Errorf("a repeated save gave it a longer life: %w", err)
	}
	// Not even a repeat that comes when it is over.
	if err := st.save(m); err != nil {
		return err
	}
	return st.expect(push.Span{}, messages(long))
}

// A write may have as many messages as a burst can.
func checkFullBurst(s *Subject) error {
	st := s.stream("full")
	burst := make([]push.Message, 0, push.MaxBurstMessages)
	for i := range push.MaxBurstMessages {
		burst = append(burst, st.message(fmt.Sprintf("%01000d", i), life))
	}
	if err := st.save(burst...); err != nil {
		return err
	}
	if err := st.expect(push.Span{}, messages(burst...)); err != nil {
		return err
	}
	half := burst[100]
	return st.expect(push.Span{After: half.ID, Limit: 50}, push.Page{Messages: burst[101:151], More: true})
}

// Expiry is exact, and needs nobody who cleans up.
func checkExpiry(s *Subject) error {
	st := s.stream("expiry")
	short, err := st.add("short", 10*time.Second)
	if err != nil {
		return err
	}
	long, err := st.add("long", life)
	if err != nil {
		return err
	}
	s.Clock.Advance(10*time.Second - time.Millisecond)
	if err := st.expect(push.Span{}, messages(short, long)); err != nil {
		return fmt.Errorf("one millisecond before: %w", err)
	}
	s.Clock.Advance(time.Millisecond)
	if err := st.expect(push.Span{}, messages(long)); err != nil {
		return fmt.Errorf("at the very moment: %w", err)
	}
	// In a burst each has its own end.
	burst := []push.Message{st.message("a", 3*time.Second), st.message("b", life), st.message("c", 2*time.Second)}
	if err := st.save(burst...); err != nil {
		return err
	}
	s.Clock.Advance(2 * time.Second)
	if err := st.expect(push.Span{}, messages(long, burst[0], burst[1])); err != nil {
		return err
	}
	s.Clock.Advance(time.Second)
	if err := st.expect(push.Span{}, messages(long, burst[1])); err != nil {
		return err
	}
	// What came expired was never there.
	late, err := st.add("late", -time.Second)
	if err != nil {
		return err
	}
	return st.expect(push.Span{After: burst[1].ID}, push.Page{Gaps: gap(burst[1].ID, late.ID, push.GapExpired)})
}
