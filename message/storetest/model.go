package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// model does the same random things to a store and to its twin, and compares
// what both answer.
type model struct {
	*Subject
	rand    *rand.Rand
	twin    *twin
	streams []*modelStream
	trace   []string
}

// modelStream is a key with what its owner knows of it.
type modelStream struct {
	*stream
	start  push.ID          // a cursor before everything
	writes [][]push.Message // every write that was ever made, landed or not
	loose  []push.ID        // given up: the stream went on without them
}

const (
	modelRuns  = 100
	modelIdems = 5
)

// checkModel compares the store with its twin over many short histories; short
// ones come first, as they are easier to understand when they fail.
func checkModel(s *Subject) error {
	for run := range modelRuns {
		seed := rand.Uint64()
		m := &model{Subject: s, rand: rand.New(rand.NewPCG(seed, 0)), twin: newTwin(s.Clock)}
		for _, name := range []string{"a", "ab"} {
			m.streams = append(m.streams, &modelStream{stream: s.stream(strconv.Itoa(run) + name), start: s.ids.next()})
		}
		if err := m.run(2 + run/4); err != nil {
			return fmt.Errorf("seed %d: %w\nafter\n  %s", seed, err, strings.Join(m.trace, "\n  "))
		}
	}
	return nil
}

func (m *model) run(steps int) error {
	for range steps {
		st := m.streams[m.rand.IntN(len(m.streams))]
		if err := m.step(st); err != nil {
			return err
		}
		if err := m.compare(st); err != nil {
			return err
		}
	}
	for _, st := range m.streams {
		if err := m.compare(st); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

// step does one thing.
func (m *model) step(st *modelStream) error {
	switch n := m.rand.IntN(100); {
	case n < 35:
		return m.write(st, true, true)
	case n < 45:
		return m.write(st, m.rand.IntN(2) == 0, false)
	case n < 55:
		return m.again(st)
	case n < 65:
		return m.discard(st)
	case n < 75:
		return m.recall(st)
	case n < 82:
		id := m.anyID(st)
		m.note("%s: delete up to %d", st.key, id)
		return m.both(m.Store.Delete(m.ctx, st.key, id), m.twin.Delete(m.ctx, st.key, id))
	default:
		d := []time.Duration{time.Millisecond, time.Second, 2 * time.Second, 5 * time.Minute}[m.rand.IntN(4)]
		m.note("%s later", d)
		m.Clock.Advance(d)
		return nil
	}
}

// write makes a write. If it is not kept, the stream goes on without it; if it
// has not landed, it may later.
func (m *model) write(st *modelStream, landed, kept bool) error {
	prev := st.prev
	ms := make([]push.Message, 0, 4)
	for range 1 + m.rand.IntN(4)*m.rand.IntN(2) {
		live := []time.Duration{time.Second, 3 * time.Second, time.Minute, time.Hour}[m.rand.IntN(4)]
		msg := st.message(strings.Repeat("x", m.rand.IntN(40)), live)
		if m.rand.IntN(3) == 0 {
			msg.IdempotencyKey = strconv.Itoa(m.rand.IntN(modelIdems))
		}
		ms = append(ms, msg)
	}
	m.note("%s: write %s landed %v kept %v", st.key, brief(ms), landed, kept)
	st.writes = append(st.writes, ms)
	if !kept {
		st.prev = prev
		for _, msg := range ms {
			st.loose = append(st.loose, msg.ID)
		}
	}
	if !landed {
		return nil
	}
	return m.save(st, ms)
}

func (m *model) save(st *modelStream, ms []push.Message) error {
	w := []push.Write{{Key: st.key, Prev: ms[0].Prev, Messages: ms}}
	return m.both(m.Store.Save(m.ctx, w)[0], m.twin.Save(m.ctx, w)[0])
}

// again saves an earlier write once more, or for the first time, late. Once a
// message of it has ended, its owner has long stopped to try.
func (m *model) again(st *modelStream) error {
	if len(st.writes) == 0 {
		return nil
	}
	ms := st.writes[m.rand.IntN(len(st.writes))]
	for i := range ms {
		if ms[i].Expired(m.Clock.millis()) {
			return nil
		}
	}
	m.note("%s: save again %s", st.key, brief(ms))
	return m.save(st, ms)
}

// discard withdraws a message that was given up, while it lives: what was
// deleted needs no discard.
func (m *model) discard(st *modelStream) error {
	if len(st.loose) == 0 {
		return nil
	}
	id := st.loose[m.rand.IntN(len(st.loose))]
	if id <= m.twin.deleted(st.key) {
		return nil
	}
	for _, ms := range st.writes {
		for i := range ms {
			if ms[i].ID == id && ms[i].Expired(m.Clock.millis()) {
				return nil
			}
		}
	}
	m.note("%s: discard %d", st.key, id)
	return m.both(m.Store.Discard(m.ctx, st.key, id), m.twin.Discard(m.ctx, st.key, id))
}

func (m *model) recall(st *modelStream) error {
	id := m.anyID(st)
	m.note("%s: recall %d", st.key, id)
	return m.both(m.Store.Recall(m.ctx, st.key, id), m.twin.Recall(m.ctx, st.key, id))
}

// anyID is an id of the stream, or one that it never had.
func (m *model) anyID(st *modelStream) push.ID {
	if len(st.writes) == 0 || m.rand.IntN(20) == 0 {
		return m.ids.next()
	}
	ms := st.writes[m.rand.IntN(len(st.writes))]
	return ms[m.rand.IntN(len(ms))].ID
}

// both wants the same kind of answer from both.
func (m *model) both(got, want error) error {
	if (got == nil) != (want == nil) || push.KindOf(got) != push.KindOf(want) {
		return fmt.Errorf("it answered %v, the twin %v", got, want)
	}
	return nil
}

// compare looks at a key in every way there is.
func (m *model) compare(st *modelStream) error {
	got, err := m.Store.Newest(m.ctx, st.key)
	if want, _ := m.twin.Newest(m.ctx, st.key); err != nil || got != want {
		return fmt.Errorf("%s: newest is %d, the twin's %d, %v", st.key, got, want, err)
	}
	for i := range modelIdems {
		idem := strconv.Itoa(i)
		got, err := m.Store.Find(m.ctx, st.key, idem)
		if got.InDoubt {
			got = message.Found{} // whoever asked discards it, and has the key
		}
		want, _ := m.twin.Find(m.ctx, st.key, idem)
		if other := m.twin.findsBeside(st.key, idem); err != nil || (got != want && got != other) {
			return fmt.Errorf("%s: find %s gave %+v, the twin %+v or %+v, %v", st.key, idem, got, want, other, err)
		}
	}
	random := push.Span{Limit: 1 + m.rand.IntN(6), Bytes: m.rand.IntN(80), Newest: m.rand.IntN(5)}
	if m.rand.IntN(4) > 0 {
		random.After = m.anyID(st) - push.ID(m.rand.IntN(2))
	}
	if m.rand.IntN(4) == 0 {
		random.Until = m.anyID(st)
	}
	for _, span := range []push.Span{{Limit: 1000}, {Limit: 1000, After: st.start}, random} {
		if err := m.compareRead(st, span); err != nil {
			return fmt.Errorf("%s: %w", st.key, err)
		}
	}
	return nil
}

func (m *model) compareRead(st *modelStream, span push.Span) error {
	got, err := m.read(st.key, span)
	if err != nil {
		return err
	}
	want, err := m.twin.Read(m.ctx, st.key, span)
	if err != nil {
		return err
	}
	if span.Until > 0 {
		// A store need not know where in the span something expired: it may
		// tell of more, if it tells of all.
		if err := covers(got, want); err != nil {
			return fmt.Errorf("read %+v: %w\ngot\n%sthe twin's\n%s", span, err, show(got), show(want))
		}
		got.Gaps = want.Gaps
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("read %+v: %w\ngot\n%sthe twin's\n%s", span, err, show(got), show(want))
	}
	return nil
}

// covers wants every gap of want to lie within one of got.
func covers(got, want push.Page) error {
	for _, g := range want.Gaps {
		found := false
		for _, h := range got.Gaps {
			found = found || (h.After <= g.After && h.Until >= g.Until && h.Reason == g.Reason)
		}
		if !found {
			return fmt.Errorf("nothing is told of the gap %+v", g)
		}
	}
	return nil
}

// brief names messages in a trace.
func brief(ms []push.Message) string {
	var b strings.Builder
	for i := range ms {
		fmt.Fprintf(&b, "[%d prev %d ends %d key %q]", ms[i].ID, ms[i].Prev, ms[i].ExpiresAt, ms[i].IdempotencyKey)
	}
	return b.String()
}
