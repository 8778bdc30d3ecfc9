package e2e

import (
	"os"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/serve"
)

// drainDelay is what web nodes have in tests of deployments: many times what a balancer
// needs to notice.
const drainDelay = 3 * time.Second

// deployable is a fleet of two processes of everything that there may be two of, behind a
// balancer.
func deployable(t *testing.T) (*Fleet, *Balancer) {
	t.Helper()
	messages := 1 // the embedded store is of one process
	if os.Getenv(StoreEnv) == "hbase" {
		messages = 2
	}
	f := NewFleet(t, Topology{Messages: messages})
	for _, w := range f.Parts(serve.Web, "") {
		w.Tune(func(s *config.Serve) { s.DrainDelay = drainDelay })
	}
	f.ZooKeeper.Start()
	f.StartAll()
	f.Settle()
	b := f.Balance()
	for _, w := range f.Parts(serve.Web, "") {
		b.Await(t, w)
	}
	return f, b
}

// replace stops a process in order, and starts it again; others may follow when it returns.
func (b *Balancer) replace(t *testing.T, p *Part, program Program) {
	t.Helper()
	p.Stop()
	p.Program = program
	p.Restart()
	if p.Roles.Has(serve.Web) {
		b.Await(t, p)
	}
}

// Every process in turn is stopped with SIGTERM and started again, under load: the way in
// which a version is rolled out. No push fails, not even one that cannot be repeated; no
// message is lost, comes twice or out of order; and clients come back at a pace.
//
// Broken once by web nodes without a drain delay: a push has failed, and connections were
// refused; by readiness that stays on until the listeners close: refused as well; by comets
// that give every client the same time to come back, and none: they are not spread; and by
// comets that close connections without a word.
func TestFleetRestarts(t *testing.T) {
	const listeners = 240
	f, b := deployable(t)
	load := f.FullLoad(t, f.Keys("rolling")...)
	load.Acked(3)
	clients := assemble(t, f, listeners)
	owned := make(map[string]int)
	for i := range listeners {
		owned[f.Owner(listenerKey(i))]++
	}
	var serving, alternates []*Part
	for _, group := range []string{"node1", "node2"} {
		primary, _ := f.Primary(group)
		serving = append(serving, primary)
		for _, p := range f.Parts(serve.Comet, group) {
			if p != primary {
				alternates = append(alternates, p)
			}
		}
	}
	for _, turn := range []struct {
		role  string
		parts []*Part
		moves bool
	}{
		{"message", f.Parts(serve.Message, ""), false},
		{"comet, alternate", alternates, false},
		{"comet, primary", serving, true},
		{"web", f.Parts(serve.Web, ""), false},
	} {
		var longest time.Duration
		var all []moved
		for _, p := range turn.parts {
			began := time.Now()
			b.replace(t, p, Program{})
			load.Acked(3)
			want := 0
			if turn.moves {
				want = owned[p.Group]
			}
			clients.Await(listeners, want)
			longest = max(longest, load.Longest(began))
			moves, cuts := clients.Moves()
			all = append(all, moves...)
			if len(cuts) > 0 {
				t.Errorf("%s: %d clients were cut off without a word, such as %s", p.Name, len(cuts), cuts[0])
			}
			if len(moves) != want {
				t.Errorf("%s: %d clients moved rather than %d", p.Name, len(moves), want)
			}
			// A millisecond for each connection of the node, of which nobody has more than all.
			if err := spreadOver(moves, time.Duration(listeners+load.streams())*time.Millisecond); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
		t.Logf("%d × %s: the longest time without an ack of a key was %s; %s",
			len(turn.parts), turn.role, longest.Round(10*time.Millisecond), absence(all))
	}
	// They have noticed in time, so this is nothing that luck has to do with.
	if n := b.Refused(); n > 0 {
		t.Errorf("%d connections were refused by nodes that had been ready the last time", n)
	}
	clients.disperse()
	load.Clean()
}

// streams is how many connections the readers of the load may have at once.
func (l *FleetLoad) streams() int { return 4 * len(l.count()) }

// What is said of clients that come back: evenly is fine, at once is not.
func TestSpreadOver(t *testing.T) {
	even, same := make([]moved, 120), make([]moved, 120)
	for i := range even {
		even[i].hint, same[i].hint = time.Duration(i+1)*time.Millisecond, time.Millisecond
	}
	for _, tt := range []struct {
		name  string
		moves []moved
		most  time.Duration
		fine  bool
	}{
		{"none", nil, 0, true},
		{"even", even, 120 * time.Millisecond, true},
		{"too long", even, 119 * time.Millisecond, false},
		{"all at once", same, time.Second, false},
		{"all but one at once", append(same[:119:119], moved{hint: time.Second}), time.Second, false},
	} {
		if err := spreadOver(tt.moves, tt.most); (err == nil) != tt.fine {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	base := time.Now()
	var moves []moved
	for _, ms := range []int{500, 0, 50, 100, 101, 900} {
		moves = append(moves, moved{asked: base.Add(time.Duration(ms) * time.Millisecond)})
	}
	if n := atOnce(moves, 100*time.Millisecond); n != 3 {
		t.Errorf("%d within 100 ms", n)
	}
}
