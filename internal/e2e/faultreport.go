package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// hit is a fault that happened, and who it was about.
type hit struct {
	fault    Fault
	began    time.Time
	index    int // of the history's first event after it had taken hold
	affected []string
}

// FaultLine is what one fault cost.
type FaultLine struct {
	Round int
	Fault Fault
	// Alone says that the round had no other fault, whose cost this could be as well.
	Alone bool
	// Stall is the longest time that a key which the fault is about had no acknowledged
	// push, from the fault's beginning until all was well again. Others is that of all other
	// keys; 0: there are none.
	Stall, Others time.Duration
	// First is how long it took until a client of each of the keys had been sent something
	// that was pushed after the fault had taken hold. 0: the fault is about no key.
	First time.Duration
}

func (l FaultLine) String() string {
	text := fmt.Sprintf("round %d: %s: no ack of a key for %s", l.Round, l.Fault, rounded(l.Stall))
	if l.Others > 0 {
		text += fmt.Sprintf(" (others %s)", rounded(l.Others))
	}
	text += fmt.Sprintf(", first delivery after %s", rounded(l.First))
	if !l.Alone {
		text += "; with others"
	}
	return text
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// FaultReport is what all faults cost.
type FaultReport []FaultLine

// String is a table: by sort of fault, those that were alone; then all that were not.
func (r FaultReport) String() string {
	sorts := make(map[string][]FaultLine)
	var together []FaultLine
	for _, line := range r {
		if line.Alone {
			sorts[line.Fault.Name()] = append(sorts[line.Fault.Name()], line)
		} else {
			together = append(together, line)
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, lines []FaultLine) {
		stall, others, first := spread(lines, func(l FaultLine) time.Duration { return l.Stall }),
			spread(lines, func(l FaultLine) time.Duration { return l.Others }),
			spread(lines, func(l FaultLine) time.Duration { return l.First })
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", name, len(lines), stall, others, first)
	}
	_, _ = fmt.Fprintln(w, "fault\tcount\tno ack: median, worst\tother keys\tfirst delivery")
	for _, name := range slices.Sorted(maps.Keys(sorts)) {
		row(name, sorts[name])
	}
	if len(together) > 0 {
		row("several at once", together)
	}
	_ = w.Flush()
	return b.String()
}

// spread is the median and the worst.
func spread(lines []FaultLine, of func(FaultLine) time.Duration) string {
	all := make([]time.Duration, 0, len(lines))
	for _, l := range lines {
		if d := of(l); d > 0 {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return fmt.Sprintf("%s, %s", rounded(all[len(all)/2]), rounded(all[len(all)-1]))
}

// measure adds a round to the report, as soon as a client of each key has got something.
func (r *faultRun) measure(number int, hits []*hit) {
	for _, h := range hits {
		line := FaultLine{Round: number, Fault: h.fault, Alone: len(hits) == 1}
		Until(r.tb, fleetPatience, "a delivery for each key after "+h.fault.String(), func() (bool, string) {
			at, missing := firstDelivery(r.load.history.Events()[h.index:], h.affected)
			line.First = max(0, time.Duration(at-h.began.UnixMilli())*time.Millisecond)
			return missing == "", "nothing has come for " + missing
		})
		others := slices.DeleteFunc(slices.Clone(r.load.keys), func(key string) bool { return slices.Contains(h.affected, key) })
		line.Stall, line.Others = r.load.Stall(h.began, h.affected...), r.load.Stall(h.began, others...)
		r.report = append(r.report, line)
		r.tb.Log(line)
	}
}

// firstDelivery is when the last of the keys' residents got the first message that was pushed
// within the events, and a key whose resident has got none.
func firstDelivery(events []Event, keys []string) (at int64, missing string) {
	waits := make(map[string]string, len(keys)) // the key, by its resident
	for _, key := range keys {
		waits[residentOf(key)] = key
	}
	tried := make(map[string]bool)
	for _, e := range events {
		switch {
		case len(waits) == 0:
			return at, ""
		case e.Kind == EvTry:
			tried[e.Token] = true
		case e.Kind == EvSeen && tried[e.Token] && e.Stream != "" && waits[e.Reader] != "":
			delete(waits, e.Reader)
			at = e.At
		}
	}
	for _, key := range waits {
		return at, key
	}
	return at, ""
}

// slowPush is a push that was acknowledged in the end.
type slowPush struct {
	token string
	took  time.Duration
}

// slowest lists the pushes that took longest from the first try to the ack.
func slowest(events []Event, n int) []slowPush {
	began := make(map[string]int64)
	var all []slowPush
	for _, e := range events {
		at, tried := began[e.Token]
		switch {
		case e.Kind == EvTry && !tried:
			began[e.Token] = e.At
		case e.Kind == EvOutcome && e.State == Acked && at > 0:
			all = append(all, slowPush{e.Token, time.Duration(e.At-at) * time.Millisecond})
			began[e.Token] = -1 // it may be pushed again later
		}
	}
	slices.SortStableFunc(all, func(a, b slowPush) int { return cmp.Compare(b.took, a.took) })
	return all[:min(n, len(all))]
}

// zombies counts the primaries that had a successor when they went on, and what they said to
// pushes that had waited for them.
func zombies(events []Event) string {
	deposed, acked, refused := 0, 0, 0
	for _, e := range events {
		switch {
		case e.Kind == EvDeposed:
			deposed++
		case e.Kind == EvOutcome && e.Node != "" && e.State == Acked:
			acked++
		case e.Kind == EvOutcome && e.Node != "":
			refused++
		default:
		}
	}
	return fmt.Sprintf("%d primaries went on with a successor; of the pushes to them, %d were acknowledged before, and %d never", deposed, acked, refused)
}
