package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// script makes a history line by line, with times that count up.
type script struct {
	events []Event
	skip   time.Duration // added to the times
}

func (s *script) add(e Event) {
	e.At = int64(1000+len(s.events)) + s.skip.Milliseconds()
	s.events = append(s.events, e)
}

func (s *script) try(token string) { s.add(Event{Kind: EvTry, Stream: "k", Token: token}) }

func (s *script) outcome(token string, state OutcomeState, id int64) {
	s.add(Event{Kind: EvOutcome, Stream: "k", Token: token, State: state, ID: id})
}

func (s *script) ack(token string, id int64) {
	s.try(token)
	s.outcome(token, Acked, id)
}

func (s *script) recall(id int64) {
	s.add(Event{Kind: EvWithdraw, Stream: "k", ID: id})
	s.add(Event{Kind: EvWithdrawn, Stream: "k", ID: id, State: Acked})
}

func (s *script) reader() { s.add(Event{Kind: EvReader, Reader: "r", Stream: "k"}) }
func (s *script) other() {
	s.add(Event{Kind: EvReader, Reader: "other", Stream: "k"})
	s.add(Event{Kind: EvOpened, Reader: "other"})
}
func (s *script) open()   { s.add(Event{Kind: EvOpened, Reader: "r"}) }
func (s *script) finish() { s.add(Event{Kind: EvFinished, Reader: "r", Stream: "k"}) }

func (s *script) see(token string, id, prev int64) {
	s.add(Event{Kind: EvSeen, Reader: "r", Stream: "k", Token: token, ID: id, Prev: prev})
}

// wants is one kind of violation, once, or none at all.
func (s *script) wants(t *testing.T, kind ViolationKind) {
	t.Helper()
	found := Check(s.events)
	if kind == "" && len(found) > 0 {
		t.Errorf("a clean history is blamed: %v", found)
	}
	if kind != "" && (len(found) != 1 || found[0].Kind != kind) {
		t.Errorf("got %v, want one %q", found, kind)
	}
}

// planted are histories with one fault each, and what a checker has to say.
var planted = []struct {
	name string
	want ViolationKind
	tell func(s *script)
}{
	{"everything once and in order", "", func(s *script) {
		s.ack("a", 16)
		s.ack("b", 32)
		s.see("a", 16, 0)
		s.see("b", 32, 16)
	}},
	{"lost at the end", Lost, func(s *script) {
		s.ack("a", 16)
		s.ack("b", 32)
		s.see("a", 16, 0)
	}},
	{"skipped: below the cursor for ever", BelowCursor, func(s *script) {
		s.ack("a", 16)
		s.ack("b", 32)
		s.see("b", 32, PrevUnknown)
	}},
	{"appears below the cursor", Reordered, func(s *script) {
		s.ack("b", 32)
		s.see("b", 32, 0)
		s.ack("c", 48)
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.see("a", 16, 0)
		s.see("c", 48, 32)
	}},
	{"an ack below an earlier ack", Reordered, func(s *script) {
		s.ack("b", 32)
		s.ack("a", 16)
		s.events = slices.DeleteFunc(s.events, func(e Event) bool { return e.Kind == EvReader })
	}},
	{"delivered twice", Duplicated, func(s *script) {
		s.ack("a", 16)
		s.see("a", 16, 0)
		s.see("a", 16, 0)
	}},
	{"a retry became a second message", Duplicated, func(s *script) {
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.try("a")
		s.outcome("a", Acked, 32)
		s.see("a", 32, 0)
		s.see("a", 48, 32)
		// The second delivery is also one under another id.
		s.events = slices.DeleteFunc(s.events, func(e Event) bool { return e.State == Acked })
	}},
	{"one push acknowledged under two ids", Duplicated, func(s *script) {
		s.ack("a", 16)
		s.ack("a", 32)
		s.see("a", 16, 0)
	}},
	{"one id for two pushes", Duplicated, func(s *script) {
		s.try("a")
		s.try("b")
		s.outcome("a", Acked, 16)
		s.outcome("b", Acked, 16)
		s.events = slices.DeleteFunc(s.events, func(e Event) bool { return e.Kind == EvReader })
	}},
	{"delivered in the wrong order", Reordered, func(s *script) {
		s.ack("a", 16)
		s.ack("b", 32)
		s.see("b", 32, PrevUnknown)
		s.see("a", 16, PrevUnknown)
	}},
	{"recalled, and there again", Resurrected, func(s *script) {
		s.ack("a", 16)
		s.recall(16)
		s.open()
		s.see("a", 16, 0)
	}},
	{"recalled while on its way", "", func(s *script) {
		s.ack("a", 16)
		s.recall(16)
		s.see("a", 16, 0)
	}},
	{"a recall that nobody answered", "", func(s *script) {
		s.ack("a", 16)
		s.add(Event{Kind: EvWithdraw, Stream: "k", ID: 16})
		s.open()
		s.see("a", 16, 0)
	}},
	{"refused, and yet there", Resurrected, func(s *script) {
		s.try("a")
		s.outcome("a", Refused, 0)
		s.see("a", 16, 0)
	}},
	{"expired before the reader asked", Resurrected, func(s *script) {
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Expires: 1002})
		s.outcome("a", Acked, 16)
		s.add(Event{Kind: EvNote, Text: "time passes"})
		s.open()
		s.see("a", 16, 0)
	}},
	{"unknown, once", "", func(s *script) {
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.see("a", 16, 0)
	}},
	{"unknown, never", "", func(s *script) {
		s.try("a")
		s.outcome("a", Unknown, 0)
	}},
	{"under another id than acknowledged", Phantom, func(s *script) {
		s.ack("a", 16)
		s.see("a", 32, 0)
	}},
	{"pushed by nobody", Phantom, func(s *script) { s.see("z", 16, 0) }},
	{"of another key", Phantom, func(s *script) {
		s.add(Event{Kind: EvTry, Stream: "other", Token: "a"})
		s.add(Event{Kind: EvOutcome, Stream: "other", Token: "a", State: Acked, ID: 16})
		s.see("a", 16, 0)
	}},
	{"the chain names an id that never came", Broken, func(s *script) {
		s.ack("b", 32)
		s.see("b", 32, 16)
	}},
	{"the chain points behind the cursor", Broken, func(s *script) {
		s.ack("a", 16)
		s.ack("b", 32)
		s.see("a", 16, 0)
		s.see("b", 32, 0)
	}},
	{"the chain crosses a recalled message", "", func(s *script) {
		s.ack("a", 16)
		s.recall(16)
		s.ack("b", 32)
		s.see("b", 32, 16)
	}},
	{"the chain crosses a gap", "", func(s *script) {
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Expires: 1001})
		s.outcome("a", Acked, 16)
		s.ack("b", 32)
		s.add(Event{Kind: EvGap, Reader: "r", Stream: "k", After: 0, ID: 16})
		s.see("b", 32, 16)
	}},
	{"a gap that swallows what lives", BelowCursor, func(s *script) {
		s.ack("a", 16)
		s.add(Event{Kind: EvGap, Reader: "r", Stream: "k", After: 0, ID: 16})
	}},
	{"a gap behind the cursor", Broken, func(s *script) {
		s.ack("a", 32)
		s.see("a", 32, 0)
		s.add(Event{Kind: EvGap, Reader: "r", Stream: "k", After: 0, ID: 16})
	}},
	{"one reader has seen it, another never does", Lost, func(s *script) {
		s.other()
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "a", ID: 16})
		s.ack("b", 32)
		s.see("b", 32, 0)
	}},
	{"the same, by a protocol without a chain", "", func(s *script) {
		s.other()
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "a", ID: 16})
		s.ack("b", 32)
		s.see("b", 32, PrevUnknown)
	}},
	{"it turns up behind a reader, without an ack", "", func(s *script) {
		s.other()
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.ack("b", 32)
		s.see("b", 32, PrevUnknown)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "a", ID: 16})
	}},
	{"one push under two ids, for two readers", Duplicated, func(s *script) {
		s.other()
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.see("a", 16, 0)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "a", ID: 32})
	}},
	{"one id for two pushes, for two readers", Duplicated, func(s *script) {
		s.other()
		s.ack("a", 16)
		s.see("a", 16, 0)
		s.try("b")
		s.outcome("b", Unknown, 0)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "b", ID: 16})
	}},
	{"pushed when a higher id was known, acknowledged", Reordered, func(s *script) {
		s.other()
		s.try("b")
		s.outcome("b", Unknown, 0)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "b", ID: 32})
		s.ack("a", 16)
		s.see("a", 16, 0)
		s.see("b", 32, 16)
	}},
	{"pushed when a higher id was known, never acknowledged", Reordered, func(s *script) {
		s.other()
		s.ack("b", 32)
		s.add(Event{Kind: EvSeen, Reader: "other", Stream: "k", Token: "b", ID: 32})
		s.try("a")
		s.outcome("a", Unknown, 0)
		s.see("a", 16, 0)
		s.see("b", 32, 16)
	}},
	{"acknowledged by who had a successor", Deposed, func(s *script) {
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Node: "n"})
		s.add(Event{Kind: EvDeposed, Node: "n"})
		s.add(Event{Kind: EvOutcome, Stream: "k", Token: "a", Node: "n", State: Acked, ID: 16})
		s.see("a", 16, 0)
	}},
	{"acknowledged by who serves again", "", func(s *script) {
		s.add(Event{Kind: EvDeposed, Node: "n"})
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Node: "n"})
		s.add(Event{Kind: EvOutcome, Stream: "k", Token: "a", Node: "n", State: Acked, ID: 16})
		s.see("a", 16, 0)
	}},
	{"expired, by a clock that was wrong", "", func(s *script) {
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Expires: 1002})
		s.outcome("a", Acked, 16)
		s.add(Event{Kind: EvClock, ID: 1})
		s.open()
		s.see("a", 16, 0)
	}},
	{"expired, after the clocks were right again", Resurrected, func(s *script) {
		s.add(Event{Kind: EvClock, ID: 1})
		s.add(Event{Kind: EvClock})
		s.add(Event{Kind: EvTry, Stream: "k", Token: "a", Expires: 1004})
		s.outcome("a", Acked, 16)
		s.add(Event{Kind: EvNote, Text: "time passes"})
		s.open()
		s.see("a", 16, 0)
	}},
	{"recalled long before it came, to who was connected", Resurrected, func(s *script) {
		s.ack("a", 16)
		s.recall(16)
		s.skip = time.Hour
		s.see("a", 16, 0)
	}},
	{"an actor's own complaint", Faulty, func(s *script) {
		s.add(Event{Kind: EvFault, Reader: "r", Text: "+h came twice"})
	}},
}

func TestCheckFindsWhatIsPlanted(t *testing.T) {
	for _, c := range planted {
		t.Run(c.name, func(t *testing.T) {
			var s script
			s.reader()
			s.open()
			c.tell(&s)
			if slices.ContainsFunc(s.events, func(e Event) bool { return e.Kind == EvReader }) {
				s.finish()
			}
			s.wants(t, c.want)
		})
	}
}

// A history that is right by construction is never blamed, and one planted fault
// anywhere in it is always found.
func TestCheckProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "messages")
		var s script
		s.reader()
		for i := range n {
			s.ack(fmt.Sprint("t", i), int64(16*(i+1)))
		}
		at := 0
		for at < n {
			s.open()
			for range rapid.IntRange(1, n).Draw(t, "session") {
				if at < n {
					s.see(fmt.Sprint("t", at), int64(16*(at+1)), int64(16*at))
					at++
				}
			}
		}
		s.finish()
		if found := Check(s.events); len(found) > 0 {
			t.Fatalf("a clean history is blamed: %v", found)
		}
		var seen []int
		for i, e := range s.events {
			if e.Kind == EvSeen {
				seen = append(seen, i)
			}
		}
		i := rapid.SampledFrom(seen).Draw(t, "victim")
		damaged := slices.Clone(s.events)
		switch rapid.SampledFrom([]string{"drop", "repeat", "swap"}).Draw(t, "fault") {
		case "drop":
			damaged = slices.Delete(damaged, i, i+1)
		case "repeat":
			damaged = slices.Insert(damaged, i, damaged[i])
		default:
			j := seen[(slices.Index(seen, i)+1)%len(seen)]
			damaged[i], damaged[j] = damaged[j], damaged[i]
		}
		if len(Check(damaged)) == 0 {
			t.Fatalf("nothing is found in a damaged history")
		}
	})
}

func TestUnfinished(t *testing.T) {
	var s script
	s.reader()
	s.add(Event{Kind: EvReader, Reader: "x", Stream: ""})
	s.finish()
	if got := Unfinished(s.events); !slices.Equal(got, []string{"x of stream "}) {
		t.Errorf("unfinished: %q", got)
	}
}

func TestHistoryKeepsItsOrder(t *testing.T) {
	var h History
	for i := range 100 {
		h.Add(Event{Kind: EvNote, Text: fmt.Sprint(i)})
	}
	var out bytes.Buffer
	if err := h.Write(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, line := range lines {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Text != fmt.Sprint(i) || e.At == 0 {
			t.Fatalf("line %d is %s (%v)", i, line, err)
		}
	}
	if len(lines) != 100 {
		t.Errorf("%d lines", len(lines))
	}
}
