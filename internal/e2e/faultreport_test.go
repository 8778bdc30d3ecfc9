package e2e

import (
	"strings"
	"testing"
	"time"
)

// Broken once by counting what had been pushed before the fault, and by stopping at the
// first key.
func TestFirstDelivery(t *testing.T) {
	events := []Event{
		{At: 1, Kind: EvSeen, Reader: residentOf("a"), Stream: "a", Token: "old"},
		{At: 2, Kind: EvTry, Stream: "a", Token: "a1"},
		{At: 3, Kind: EvTry, Stream: "b", Token: "b1"},
		{At: 4, Kind: EvTry, Token: "public"},
		{At: 5, Kind: EvSeen, Reader: residentOf("a"), Token: "public"},
		{At: 6, Kind: EvSeen, Reader: "somebody else", Stream: "a", Token: "a1"},
		{At: 7, Kind: EvSeen, Reader: residentOf("b"), Stream: "b", Token: "b1"},
		{At: 9, Kind: EvSeen, Reader: residentOf("a"), Stream: "a", Token: "a1"},
		{At: 11, Kind: EvSeen, Reader: residentOf("b"), Stream: "b", Token: "b1"},
	}
	if at, missing := firstDelivery(events, []string{"a", "b"}); at != 9 || missing != "" {
		t.Errorf("got %d, missing %q", at, missing)
	}
	if _, missing := firstDelivery(events[:7], []string{"a", "b"}); missing != "a" {
		t.Errorf("before that, %q is missing", missing)
	}
	if at, missing := firstDelivery(events, nil); at != 0 || missing != "" {
		t.Errorf("no keys: %d, missing %q", at, missing)
	}
}

// Broken once by counting from the last try.
func TestSlowest(t *testing.T) {
	got := slowest([]Event{
		{At: 1000, Kind: EvTry, Token: "a"},
		{At: 1001, Kind: EvTry, Token: "b"},
		{At: 1100, Kind: EvOutcome, Token: "b", State: Acked},
		{At: 2000, Kind: EvOutcome, Token: "a", State: Refused},
		{At: 3000, Kind: EvTry, Token: "a"},
		{At: 3500, Kind: EvOutcome, Token: "a", State: Acked},
		{At: 9000, Kind: EvTry, Token: "a"},
		{At: 9900, Kind: EvOutcome, Token: "a", State: Acked},
	}, 5)
	if len(got) != 2 || got[0] != (slowPush{"a", 2500 * time.Millisecond}) || got[1] != (slowPush{"b", 99 * time.Millisecond}) {
		t.Errorf("got %v", got)
	}
}

// Broken once by taking rounds of several faults into the rows of single ones.
func TestFaultTable(t *testing.T) {
	kill := Fault{Kind: Killed, Victim: "primary of node1"}
	text := FaultReport{
		{Fault: kill, Alone: true, Stall: time.Second, Others: 50 * time.Millisecond, First: 2 * time.Second},
		{Fault: kill, Alone: true, Stall: 3 * time.Second, First: 4 * time.Second},
		{Fault: kill, Alone: true, Stall: 2 * time.Second, First: 3 * time.Second},
		{Fault: kill, Stall: time.Minute},
	}.String()
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Fields(line))
	}
	if len(rows) != 3 || strings.Join(rows[1], " ") != "primary killed 3 2s, 3s 50ms, 50ms 3s, 4s" ||
		strings.Join(rows[2], " ") != "several at once 1 1m0s, 1m0s - -" {
		t.Errorf("got\n%s", text)
	}
}
