package e2e

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func testSizes(faults int, hbase bool) FaultSizes {
	s := FaultSizes{Faults: faults, Messages: 1, Webs: 2, Session: 2 * time.Second}
	if hbase {
		s.Messages, s.HBase, s.ServerSession = 3, true, 10*time.Second
	}
	return s
}

// Broken once by drawing from the global source.
func TestSameSeedSameFaults(t *testing.T) {
	a, b, other := MakeFaults(7, testSizes(100, true)), MakeFaults(7, testSizes(100, true)), MakeFaults(8, testSizes(100, true))
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives other faults")
	}
	if reflect.DeepEqual(a.Rounds, other.Rounds) {
		t.Error("another seed gives the same faults")
	}
}

// A long run holds every kind of fault, on every kind of victim, alone and with others.
//
// Broken once by leaving a card out of the deck, and by rounds of one fault only.
func TestFaultsHoldEverything(t *testing.T) {
	f := MakeFaults(1, testSizes(200, true))
	if f.Count() != 200 {
		t.Errorf("%d faults, not 200", f.Count())
	}
	names := make(map[string]int)
	together := 0
	for _, round := range f.Rounds {
		count(&together, len(round) > 1)
		for _, fault := range round {
			names[fault.Name()]++
		}
	}
	if n := len(f.Rounds); together < n/5 || together > n/2 {
		t.Errorf("%d of %d rounds have several faults", together, n)
	}
	for name, victims := range map[string]string{
		"killed": "primary alternate web message", "stopped": "primary alternate web message", "frozen": "primary alternate web message",
		"cut from message": "primary web", "cut from primary": "primary web", "cut shortly from ZooKeeper": "primary message",
		"cut for long from ZooKeeper": "primary alternate web message", "session lost": "primary alternate web message",
		"clock ahead": "primary alternate web message", "clock behind": "primary alternate web message",
		"joins": "node", "leaves": "node", "changes weight": "node", "drained": "node", "leader killed": "ZooKeeper",
	} {
		for victim := range strings.FieldsSeq(victims) {
			if names[victim+" "+name] == 0 {
				t.Errorf("there is no %q", victim+" "+name)
			}
		}
	}
	if names["region server crashes"] == 0 || names["region server hangs"] == 0 {
		t.Error("nothing happens to region servers")
	}
}

// A short run on HBase has what only HBase has.
//
// Broken once by leaving those cards where the shuffle puts them.
func TestShortFaultsOnHBase(t *testing.T) {
	for seed := range uint64(50) {
		kinds := make(map[FaultKind]bool)
		for _, round := range MakeFaults(seed, testSizes(8, true)).Rounds {
			for _, fault := range round {
				kinds[fault.Kind] = true
			}
		}
		if !kinds[ServerKilled] || !kinds[ServerFrozen] {
			t.Errorf("seed %d has only %v", seed, kinds)
		}
	}
}

// No round takes more than what may be missing: one comet of a group, one web and one message
// node; and the third group is hit only while it is there.
//
// Broken once by not looking at what a round has hit already, and by having the third group
// be a victim in the round in which it joins.
func TestRoundsLeaveEnough(t *testing.T) {
	for seed := range uint64(100) {
		for _, hbase := range []bool{false, true} {
			there := false
			for i, round := range MakeFaults(seed, testSizes(60, hbase)).Rounds {
				before := there
				hit := make(map[string]bool)
				for _, fault := range round {
					for _, victim := range []string{fault.Victim, fault.Peer} {
						mark := groupOf(victim)
						if mark == "" {
							mark = strings.TrimRight(victim, " 123az")
						}
						if mark != "" && hit[mark] {
							t.Fatalf("seed %d, round %d hits %s twice: %v", seed, i, mark, round)
						}
						hit[mark] = true
						if groupOf(victim) == thirdGroup && !before && fault.Kind != GroupJoins {
							t.Fatalf("seed %d, round %d: %s is not there: %v", seed, i, thirdGroup, round)
						}
					}
					if fault.Kind == GroupJoins || fault.Kind == GroupLeaves {
						if there == (fault.Kind == GroupJoins) {
							t.Fatalf("seed %d, round %d: %v twice", seed, i, fault)
						}
						there = !there
					}
				}
				if !slices.IsSortedFunc(round, func(a, b Fault) int { return int(a.At - b.At) }) || round[0].At != 0 {
					t.Fatalf("seed %d, round %d is not in order: %v", seed, i, round)
				}
			}
		}
	}
}

// Faults around the session are surely shorter, or surely longer.
func TestFaultsLast(t *testing.T) {
	sizes := testSizes(200, true)
	for _, round := range MakeFaults(3, sizes).Rounds {
		for _, f := range round {
			comet := role(f.Victim) == rolePrimary || role(f.Victim) == roleAlternate
			longer := f.Kind == CutLong || f.Kind == Frozen && comet
			if longer && f.For < sizes.Session*3/2 || f.Kind == CutShortly && f.For > sizes.Session*2/3 {
				t.Errorf("%s", f)
			}
			if f.Kind == ServerFrozen && f.For <= sizes.ServerSession {
				t.Errorf("%s", f)
			}
		}
	}
}

func TestFaultNames(t *testing.T) {
	for _, c := range []struct {
		fault      Fault
		name, text string
	}{
		{Fault{Kind: Killed, Victim: "primary of node1", For: time.Second}, "primary killed", "primary of node1 killed for 1s"},
		{
			Fault{Kind: CutOff, Victim: "web 1", Peer: "message 2", At: time.Second},
			"web cut from message", "web 1 cut from message 2, 1s later",
		},
		{Fault{Kind: CutLong, Victim: "alternate of node2"}, "alternate cut for long from ZooKeeper", "alternate of node2 cut for long from ZooKeeper"},
		{Fault{Kind: WeightChange, Victim: "node1", Weight: 3}, "node changes weight", "node1 changes weight to 3"},
		{Fault{Kind: ServerKilled, Victim: "region server of a"}, "region server crashes", "region server of a crashes"},
	} {
		if c.fault.Name() != c.name || c.fault.String() != c.text {
			t.Errorf("got %q and %q, want %q and %q", c.fault.Name(), c.fault, c.name, c.text)
		}
	}
}
