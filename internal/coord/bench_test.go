package coord

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStep is a step in which nothing happens, with two nodes per group. There
// are some ten of these per second in each process.
func BenchmarkStep(b *testing.B) {
	for _, groups := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			var cfg Config
			if err := cfg.Validate(); err != nil {
				b.Fatal(err)
			}
			m := NewMachine(cfg)
			m.Step(Now{}, SessionBegan{Lease: time.Second, Timeout: 2 * time.Second})
			var all []Candidate
			var places []Place
			for i := range groups {
				g := fmt.Sprintf("node%04d", i)
				member := Member{Group: g, Weight: 1}
				all = append(all, Candidate{ID: g + ".a", Seq: 1, Member: member}, Candidate{ID: g + ".b", Seq: 2, Member: member})
				places = append(places, Place{Group: g, Weight: 1})
				m.Step(Now{}, SawTenure{Group: g, Tenure: Tenure{Epoch: 1, Owner: g + ".a", Member: member}, Stamp: 1})
			}
			m.Step(Now{}, SawCandidates{All: all})
			m.Step(Now{}, SawRing{Ring: Ring{Version: 1, Places: places}, Stamp: 1})
			m.Step(Now{}, Campaign{ID: "own", Member: Member{Group: "node0000", Weight: 1}})
			if out := m.Step(Now{}, Answered{Action: Refresh{}}); len(m.view.Groups) != groups {
				b.Fatalf("%+v", out)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Step(Now{Mono: time.Millisecond}, Tick{})
			}
		})
	}
}
