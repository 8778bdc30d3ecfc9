package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/hbase/hbasetest"
	"gopush/internal/serve"
)

// faultRun is a fleet under load to which faults happen. It is used by the test's
// goroutine.
type faultRun struct {
	tb    testing.TB
	fleet *Fleet
	bound time.Duration // of a push, from its first try to the ack
	load  *FaultLoad
	stack *hbasetest.Stack // nil: the store is no HBase
	table string           // in that HBase

	aside   sync.WaitGroup     // what takes long, and must be over before the round is
	victims map[string]*Part   // of this round, by role
	server  *hbasetest.Process // likewise; nil: none is hit
	askers  map[*Part]*asker   // of primaries that will stand still
	owners  map[string]string  // the group of each key of the load, before this round
	late    int                // pushes to primaries that stood still
	wrong   int                // clocks that are
	report  FaultReport
}

// act is a part of a round: a fault begins or ends.
type act struct {
	at time.Duration
	do func()
}

// run has all rounds happen, and stops early when something failed.
func (r *faultRun) run(all Faults) {
	r.settle()
	for i, round := range all.Rounds {
		if r.tb.Failed() {
			return
		}
		r.round(i+1, round)
	}
}

// round has its faults happen, waits until all is well again, and measures.
func (r *faultRun) round(number int, round Round) {
	r.cast(round)
	began := time.Now()
	hits := make([]*hit, len(round))
	var acts []act
	for i, f := range round {
		acts = append(acts, act{f.At, func() {
			r.load.note("round %d: %s", number, f)
			h := &hit{fault: f, began: time.Now(), affected: r.affected(f)}
			hits[i] = h
			undo := r.begin(f)
			h.index = len(r.load.history.Events())
			if undo != nil {
				acts = append(acts, act{time.Since(began) + f.For, undo})
			}
		}})
	}
	for len(acts) > 0 {
		slices.SortStableFunc(acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
		next := acts[0]
		acts = acts[1:]
		if !Pause(r.tb.Context(), next.at-time.Since(began)) {
			return
		}
		next.do()
	}
	r.aside.Wait()
	r.load.note("round %d: nothing is wrong any more", number)
	r.settle()
	r.load.Acked(2)
	r.measure(number, hits)
}

// settle waits until everybody is back where they belong.
func (r *faultRun) settle() {
	r.tb.Helper()
	if r.stack != nil {
		if err := r.stack.StartAll(); err != nil {
			r.tb.Fatal(err)
		}
		if err := r.stack.Wait(r.tb.Context()); err != nil {
			r.tb.Fatal(err)
		}
	}
	parts := r.fleet.Parts(0, "")
	for _, p := range parts {
		p.AwaitReady()
	}
	r.fleet.AwaitNodes("everybody", func(nodes []NodeState) bool {
		primaries := make(map[string]int)
		comets, messages := 0, 0
		for _, n := range nodes {
			switch {
			case n.Role == "comet" && n.State == "serving":
				primaries[n.Group]++
				comets++
			case n.Role == "comet" && n.State == "standby":
				comets++
			case n.Role == "message":
				messages++
			}
		}
		for _, p := range parts {
			if p.Group != "" && primaries[p.Group] != 1 {
				return false
			}
		}
		return comets == len(r.fleet.Parts(serve.Comet, "")) && messages == len(r.fleet.Parts(serve.Message, ""))
	})
}

// cast finds out who has the roles that the round names, and who owns which key.
func (r *faultRun) cast(round Round) {
	r.victims, r.owners, r.askers = make(map[string]*Part), make(map[string]string), make(map[*Part]*asker)
	for _, key := range r.load.keys {
		r.owners[key] = r.fleet.Owner(key)
	}
	for _, f := range round {
		for _, victim := range []string{f.Victim, f.Peer} {
			if role(victim) == roleServer {
				_, side, _ := strings.Cut(victim, " of ")
				r.server = r.holder(side)
			}
			if p := r.part(victim); p != nil {
				r.victims[victim] = p
			}
		}
		if f.Kind == Frozen && role(f.Victim) == rolePrimary {
			r.prepare(r.victims[f.Victim])
		}
	}
}

// part is who has a role now; nil if that is none of the fleet's processes.
func (r *faultRun) part(victim string) *Part {
	group := groupOf(victim)
	switch role(victim) {
	case rolePrimary:
		p, _ := r.fleet.Primary(group)
		return p
	case roleAlternate:
		primary, _ := r.fleet.Primary(group)
		parts := slices.DeleteFunc(r.fleet.Parts(serve.Comet, group), func(p *Part) bool { return p == primary })
		return parts[0]
	case roleMessage:
		return r.fleet.Parts(serve.Message, "")[ordinal(victim)-1]
	case roleWeb:
		return r.fleet.Parts(serve.Web, "")[ordinal(victim)-1]
	}
	return nil
}

// ordinal is the number at the end of a victim's name.
func ordinal(victim string) int {
	n, _ := strconv.Atoi(victim[strings.LastIndexByte(victim, ' ')+1:]) // the plan has made it
	return n
}

// affected are the keys that a fault is about: those of the victim's group or region
// server, or all.
func (r *faultRun) affected(f Fault) []string {
	group := groupOf(f.Victim)
	if role(f.Victim) == roleWeb && f.Peer != "" {
		group = groupOf(f.Peer)
	}
	switch {
	case f.Kind == GroupJoins || f.Kind == GroupLeaves || f.Kind == WeightChange:
		return r.load.keys
	case group != "":
		return slices.DeleteFunc(slices.Clone(r.load.keys), func(key string) bool { return r.owners[key] != group })
	case role(f.Victim) == roleServer:
		return slices.DeleteFunc(slices.Clone(r.load.keys), func(key string) bool { return r.holder(key) != r.server })
	}
	return r.load.keys
}

// holder is the region server of a key. HBase may take a while to say.
func (r *faultRun) holder(key string) (server *hbasetest.Process) {
	Until(r.tb, fleetPatience, "the region server of "+key, func() (bool, string) {
		var err error
		server, err = r.stack.Holder(r.tb.Context(), r.table, []byte(key))
		return err == nil, fmt.Sprint(err)
	})
	return server
}

// begin has a fault begin, and returns what ends it; nil: it ends by itself. It must not wait
// for anybody who may be hit: others have to be let go in time.
func (r *faultRun) begin(f Fault) (undo func()) {
	p := r.victims[f.Victim]
	switch f.Kind {
	case Killed:
		p.Kill()
		return func() { r.start(p) }
	case Stopped:
		return r.stop(p)
	case Frozen:
		return r.freeze(f, p)
	case CutOff:
		p.Cut(r.victims[f.Peer])
		return p.Mend
	case CutShortly, CutLong:
		p.CutZooKeeper()
		return p.Mend
	case SessionLost:
		r.must(p.LoseSession())
	case ClockAhead:
		return r.step(p, time.Hour)
	case ClockBehind:
		return r.step(p, -time.Hour)
	case GroupJoins:
		r.join()
	case GroupLeaves:
		r.leave()
	case WeightChange:
		r.aside.Go(func() { r.fleet.SetWeight(f.Victim, f.Weight) })
	case Drained:
		r.aside.Go(func() { r.order(http.MethodPost, "/v2/nodes/"+f.Victim+"/drain", http.StatusOK) })
	case LeaderKilled:
		return r.fleet.KillZooKeeperLeader()
	case ServerKilled:
		server := r.server
		r.must(server.Kill())
		return func() { r.must(server.Start()) }
	case ServerFrozen:
		server := r.server
		r.must(server.Pause())
		return func() { r.thawServer(server) }
	}
	return nil
}

func (r *faultRun) must(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Errorf("the fault itself failed: %v", err)
	}
}

func (r *faultRun) start(p *Part) {
	if err := p.Start(); err != nil {
		r.tb.Errorf("start %s: %v", p.Name, err)
	}
}

// stop stops a part in order, while the round goes on.
func (r *faultRun) stop(p *Part) (undo func()) {
	ended := make(chan struct{})
	r.aside.Go(func() {
		defer close(ended)
		p.Stop()
	})
	return func() {
		r.aside.Go(func() {
			<-ended
			r.start(p)
		})
	}
}

// step has a process's clock be wrong. What lives for seconds may live for another time
// then.
func (r *faultRun) step(p *Part, by time.Duration) (undo func()) {
	tell := func(n int) {
		r.wrong += n
		r.load.history.Add(Event{Kind: EvClock, ID: int64(r.wrong)})
	}
	tell(1)
	p.StepClock(by)
	return func() {
		p.StepClock(-by)
		tell(-1)
	}
}

// join starts the third group, and waits aside until it owns keys.
func (r *faultRun) join() {
	parts := r.fleet.AddGroup(thirdGroup)
	for _, p := range parts {
		r.aside.Go(func() { r.start(p) })
	}
	r.aside.Go(func() {
		for n := 0; ; n++ { // a key of its own comes at last
			node, err := r.fleet.API.Node(r.load.ctx, fmt.Sprint("any-", n))
			if err == nil && node.Node == thirdGroup || !Pause(r.load.ctx, pollEvery) {
				return
			}
		}
	})
}

// leave stops the third group in order, and takes it out.
func (r *faultRun) leave() {
	var stopped sync.WaitGroup
	for _, p := range r.fleet.Parts(serve.Comet, thirdGroup) {
		stopped.Go(p.Stop)
	}
	r.aside.Go(func() {
		stopped.Wait()
		r.order(http.MethodDelete, "/v2/nodes/"+thirdGroup, http.StatusNoContent)
		r.fleet.Forget(thirdGroup)
	})
}

// order gives an order to the fleet, again and again until it is obeyed: whoever gets it may
// not see yet that it can be.
func (r *faultRun) order(method, target string, want int) {
	ctx, cancel := context.WithTimeout(r.load.ctx, fleetPatience)
	defer cancel()
	for {
		res, err := r.fleet.API.Admin(ctx, method, target, "")
		if err == nil && res.Status == want {
			return
		}
		if !Pause(ctx, 10*pollEvery) {
			r.tb.Errorf("%s %s is answered %s, %v", method, target, res, err)
			return
		}
	}
}

// thawServer lets a region server go on whose regions were given away: it ends itself.
func (r *faultRun) thawServer(server *hbasetest.Process) {
	r.must(server.Continue())
	Until(r.tb, fleetPatience, server.Name()+" to end", func() (bool, string) { return server.PID() == 0, "it runs" })
	r.must(server.Start())
}
