package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gopush/internal/coord/zk/zktest"
	"gopush/internal/ring"
	"gopush/internal/serve"
)

// broken is what is wrong with a fleet, for as long as nobody puts it right: it survives
// the restart of a process.
type broken struct {
	cuts    map[pair]bool           // who cannot reach whom
	lonely  map[*Part]bool          // cut off from ZooKeeper
	skews   map[*Part]time.Duration // of wall clocks
	weights map[string]int          // of groups, where they are not the usual ones
}

func newBroken() broken {
	return broken{
		cuts: make(map[pair]bool), lonely: make(map[*Part]bool),
		skews: make(map[*Part]time.Duration), weights: make(map[string]int),
	}
}

// pair are two parts, the one whose name comes first before the other.
type pair [2]*Part

func pairOf(p, q *Part) pair {
	if strings.Compare(p.Name, q.Name) > 0 {
		p, q = q, p
	}
	return pair{p, q}
}

// Cut puts a black hole between p and each of the peers, for what either has opened to
// the other and what it tries to open: what is sent vanishes and comes again after Mend.
// It follows them through restarts, to their new addresses. A part that stands still is cut
// when it goes on, perhaps a moment later.
func (p *Part) Cut(peers ...*Part) {
	f := p.fleet
	f.mu.Lock()
	for _, q := range peers {
		if q != p {
			f.broken.cuts[pairOf(p, q)] = true
		}
	}
	f.mu.Unlock()
	together(append(slices.Clone(peers), p), (*Part).bear)
}

// CutZooKeeper puts a black hole between p and every ZooKeeper server.
func (p *Part) CutZooKeeper() {
	p.fleet.mu.Lock()
	p.fleet.broken.lonely[p] = true
	p.fleet.mu.Unlock()
	p.bear()
}

// Mend ends every cut that p is part of, also one that a peer began. What was held is
// delivered then.
func (p *Part) Mend() {
	f := p.fleet
	peers := f.cutFrom(p)
	f.mu.Lock()
	delete(f.broken.lonely, p)
	maps.DeleteFunc(f.broken.cuts, func(cut pair, _ bool) bool { return cut[0] == p || cut[1] == p })
	f.mu.Unlock()
	together(append(peers, p), (*Part).bear)
}

// cutFrom are the parts that cannot reach p.
func (f *Fleet) cutFrom(p *Part) (peers []*Part) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for cut := range f.broken.cuts {
		switch p {
		case cut[0]:
			peers = append(peers, cut[1])
		case cut[1]:
			peers = append(peers, cut[0])
		}
	}
	return peers
}

// StepClock steps the wall clock of the process, beside what it is wrong by already, and
// for all of its lives until it is stepped back.
func (p *Part) StepClock(by time.Duration) {
	p.fleet.mu.Lock()
	p.fleet.broken.skews[p] += by
	p.fleet.mu.Unlock()
	p.bear()
}

// LoseSession has ZooKeeper end the sessions of the process, though the process and its
// connections are fine. The error is that of a process which has none for a while, or stands
// still: that one loses it when it goes on.
func (p *Part) LoseSession() error {
	if err := p.order(func() order { return order{LoseSession: true} }); err != nil {
		return fmt.Errorf("lose the session of %s: %w", p.Name, err)
	}
	return nil
}

// together does the same with each part, at once: those that hang need not be waited for one
// after the other.
func together(parts []*Part, do func(*Part)) {
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}

// bear puts everything that p has to bear into force. One that is dead bears it when it
// starts again, and one that stands still when it goes on.
func (p *Part) bear() {
	if err := p.order(bearing(p)); err != nil && !unable(err) {
		p.fleet.tb.Errorf("%s cannot be broken: %v", p.Name, err)
	}
}

func bearing(p *Part) func() order {
	return func() order {
		h := p.fleet.hardship(p)
		return order{Hardship: &h}
	}
}

// errNotRunning: orders are for processes that run.
var errNotRunning = errors.New("it does not run")

// orderTime is how long a process may take to carry out an order; it is long, as
// machines may be slow.
const orderTime = time.Minute

// order has the process carry something out.
func (p *Part) order(next func() order) error {
	p.mu.Lock()
	proc := p.proc
	p.mu.Unlock()
	if proc == nil {
		return errNotRunning
	}
	ctx, cancel := context.WithTimeout(context.Background(), orderTime)
	defer cancel()
	return proc.orders.do(ctx, func() bool { still, _ := proc.still(); return still }, next)
}

// hardship is what p has to bear now.
func (f *Fleet) hardship(p *Part) hardship {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := hardship{Skew: f.broken.skews[p]}
	for cut := range f.broken.cuts {
		switch p {
		case cut[0]:
			h.Cut = append(h.Cut, cut[1].reach()...)
		case cut[1]:
			h.Cut = append(h.Cut, cut[0].reach()...)
		}
	}
	if f.broken.lonely[p] {
		h.Cut = append(h.Cut, f.zooKeeperAddrs()...)
	}
	return h
}

// reach is where other parts reach it, if it has ever run: web nodes nobody calls.
func (p *Part) reach() []string {
	a := p.Addrs()
	var addrs []string
	if a.Message != "" {
		addrs = append(addrs, a.Message)
	}
	for _, c := range a.Comets {
		addrs = append(addrs, c.RPC)
	}
	return addrs
}

func (f *Fleet) zooKeeperAddrs() []string {
	addrs := make([]string, len(f.ZooKeepers))
	for i, s := range f.ZooKeepers {
		addrs[i] = s.Addr()
	}
	return addrs
}

// KillZooKeeperLeader kills the server that leads the ensemble; back starts it again, once,
// and waits until it serves. Of an only server, that is all of ZooKeeper.
func (f *Fleet) KillZooKeeperLeader() (back func()) {
	f.tb.Helper()
	leader := f.ZooKeeper
	if len(f.ZooKeepers) > 1 {
		Until(f.tb, fleetPatience, "ZooKeeper to have a leader", func() (bool, string) {
			i := slices.IndexFunc(f.ZooKeepers, (*zktest.Server).Leads)
			if i >= 0 {
				leader = f.ZooKeepers[i]
			}
			return i >= 0, "without one"
		})
	}
	leader.Kill()
	return sync.OnceFunc(leader.Start)
}

// weight is that of a group; 0: the usual one.
func (f *Fleet) weight(group string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken.weights[group]
}

// SetWeight changes the weight of a group as an operator does: its comets that run, of
// which none may stand still, are restarted one by one with it, the primary last. It
// returns when the ring has changed.
func (f *Fleet) SetWeight(group string, weight int) {
	f.tb.Helper()
	primary, _ := f.Primary(group)
	f.mu.Lock()
	f.broken.weights[group] = weight
	f.mu.Unlock()
	comets := slices.DeleteFunc(f.Parts(serve.Comet, group), func(p *Part) bool { return p == primary })
	for _, p := range append(comets, primary) {
		proc := p.take()
		if proc == nil {
			continue
		}
		if err := proc.stop(); err != nil {
			f.tb.Errorf("stop %s: %v", p.Name, err)
		}
		p.Restart()
	}
	f.awaitDivision(group)
}

// awaitDivision waits until keys belong to the groups that the weights give them to. Those
// of groups that nobody serves cannot be looked up.
func (f *Fleet) awaitDivision(group string) {
	f.tb.Helper()
	var groups []ring.Node
	Until(f.tb, fleetPatience, "the groups of the ring", func() (bool, string) {
		nodes, err := f.API.Nodes(f.tb.Context())
		if err != nil {
			return false, err.Error()
		}
		groups = f.division(nodes)
		return true, ""
	})
	division, err := ring.New(groups)
	if err != nil {
		f.tb.Fatal(err)
	}
	Until(f.tb, fleetPatience, fmt.Sprintf("the ring to be that of %+v", groups), func() (bool, string) {
		for i := range 50 {
			key := fmt.Sprintf("weighed-%d", i)
			want := division.Owner(key)
			switch node, err := f.API.Node(f.tb.Context(), key); {
			case err != nil && want == group:
				return false, err.Error()
			case err == nil && node.Node != want:
				return false, fmt.Sprintf("%s belongs to %s, not %s", key, node.Node, want)
			}
		}
		return true, ""
	})
}

// division are the groups among the nodes, with their weights.
func (f *Fleet) division(nodes []NodeState) []ring.Node {
	var groups []ring.Node
	for _, n := range nodes {
		if n.Role != "comet" || slices.ContainsFunc(groups, func(g ring.Node) bool { return g.Name == n.Group }) {
			continue
		}
		groups = append(groups, ring.Node{Name: n.Group, Weight: max(f.weight(n.Group), 1)})
	}
	return groups
}
