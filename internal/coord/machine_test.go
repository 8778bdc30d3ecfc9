package coord

import (
	"maps"
	"slices"
	"testing"
	"time"

	"gopush/internal/push"
)

// joined is a world in which p1 has come to serve node2 beside p0's node1, and
// the change of the ring is pending.
func joined(t *testing.T) (w *world, old, young *claimed) {
	t.Helper()
	w = newWorld()
	for _, name := range []string{"p0", "p1"} {
		w.add(name, Config{ConfirmWithin: 3 * time.Second, RemoveAfter: -1}).connect()
	}
	old = w.procs[0].campaign("c0", "node1", 1)
	w.run()
	young = w.procs[1].campaign("c1", "node2", 1)
	w.run()
	if v := w.procs[0].view; v.PendingVersion != 2 || v.RingVersion != 1 {
		t.Fatalf("ring %d, pending %d", v.RingVersion, v.PendingVersion)
	}
	return w, old, young
}

// TestLeaseBeforeConfirming: others count on it that a term which has not
// confirmed stops when its time for that is over, even if it is frozen just
// before. So no proof of the session may carry its lease beyond.
func TestLeaseBeforeConfirming(t *testing.T) {
	w, old, _ := joined(t)
	limit := w.mono + 3*time.Second
	for old.proc.m.now.Mono < limit-testLease/8 {
		w.pass(testLease / 8)
		if old.until > limit {
			t.Fatalf("at %s the lease goes to %s, beyond %s", w.mono, old.until, limit)
		}
	}
	if !old.valid() || old.until != limit {
		t.Errorf("valid %t, until %s", old.valid(), old.until)
	}
	old.proc.tell(Confirm{ID: old.id, Version: 2})
	w.run()
	w.pass(testLease / 2)
	if !old.valid() || old.until <= limit {
		t.Errorf("after confirming: valid %t, until %s", old.valid(), old.until)
	}
}

// TestLeaseCountsFromSending: the answer to a touch may come late, and proves
// nothing about the time since it was sent.
func TestLeaseCountsFromSending(t *testing.T) {
	w, old, _ := joined(t)
	p := old.proc
	p.tell(Confirm{ID: old.id, Version: 2})
	w.run()
	w.mono += testLease / 2
	sent := w.mono
	p.tell(Tick{})
	i := slices.IndexFunc(p.asked, func(r request) bool { return r.action == Action(Touch{}) })
	if i < 0 {
		t.Fatalf("no touch is out: %+v", p.asked)
	}
	w.mono += testLease * 3 / 4
	p.perform(i, Done, false)
	for _, ev := range p.inbox {
		p.tell(ev)
	}
	if old.until != sent+testLease {
		t.Errorf("the lease goes to %s, it was proven at %s", old.until, sent)
	}
	w.mono = sent + testLease
	if old.valid() {
		t.Error("the lease holds though its proof is as old as that")
	}
	p.inbox = nil
	p.tell(Tick{})
	w.run()
	if !old.valid() {
		t.Error("the next touch does not help")
	}
}

// TestUnproven: a term whose session could not be proven for as long as that
// lasts is over, though nobody has said that the session is.
func TestUnproven(t *testing.T) {
	w, old, _ := joined(t)
	p := old.proc
	p.tell(Confirm{ID: old.id, Version: 2})
	w.run()
	p.stuck = true // the touches do not come back
	w.mono += testTimeout - 1
	if p.tell(Tick{}); old.over || old.valid() {
		t.Errorf("just before: over %t, valid %t", old.over, old.valid())
	}
	w.mono++
	if p.tell(Tick{}); !old.over {
		t.Error("it is not over")
	}
	p.stuck = false
	w.run()
	if slices.ContainsFunc(w.candidates, func(s stored) bool { return s.ID == old.id }) {
		t.Error("its place in line is kept")
	}
}

// TestWonBeforeProven: a session that is young, in a process that is old, has had
// no proof yet; that ends nothing.
func TestWonBeforeProven(t *testing.T) {
	w := newWorld()
	w.mono = time.Hour
	p := w.add("p", Config{})
	p.connect()
	term := p.campaign("c", "node1", 1)
	for range 100 {
		i := slices.IndexFunc(p.asked, func(r request) bool { return r.action != Action(Touch{}) })
		switch {
		case i >= 0:
			p.perform(i, Done, false)
		case len(p.inbox) > 0:
			ev := p.inbox[0]
			p.inbox = p.inbox[1:]
			p.tell(ev)
		}
	}
	if w.tenures["node1"].Tenure.Owner != "c" || term.won || term.over {
		t.Fatalf("%+v, won %t, over %t", w.tenures["node1"], term.won, term.over)
	}
	w.run()
	if !term.valid() {
		t.Error("the touch does not help")
	}
}

// untouched lets p do everything that is to be done but prove its session.
func (p *proc) untouched() {
	for range 200 {
		i := slices.IndexFunc(p.asked, func(r request) bool { return r.action != Action(Touch{}) })
		switch {
		case i >= 0:
			p.perform(i, Done, false)
		case len(p.inbox) > 0:
			ev := p.inbox[0]
			p.inbox = p.inbox[1:]
			p.tell(ev)
		case len(p.dirty) > 0:
			p.read(slices.Min(slices.Collect(maps.Keys(p.dirty))))
		default:
			return
		}
	}
}

// TestUntoldConfirms: a term whose caller does not know of it yet needs nobody to
// confirm a change that came in between.
func TestUntoldConfirms(t *testing.T) {
	w, old, young := joined(t)
	old.proc.tell(Confirm{ID: old.id, Version: 2})
	w.run()
	late := w.add("p2", Config{ConfirmWithin: 3 * time.Second, RemoveAfter: -1})
	late.connect()
	late.stuck = true
	young.proc.tell(Leave{ID: young.id})
	w.run()
	next := late.campaign("c2", "node2", 1)
	late.untouched()
	third := old.proc.campaign("c3", "node3", 1)
	w.run()
	if got := w.tenures["node2"].Tenure; got.Owner != next.id || got.Confirmed != 2 || next.won || !third.won || w.ring.Ring.Next != 3 {
		t.Fatalf("tenure %+v, won %t and %t, ring %+v", got, next.won, third.won, w.ring)
	}
	old.proc.tell(Confirm{ID: old.id, Version: 3})
	late.untouched()
	w.run()
	if got := w.tenures["node2"].Tenure; got.Confirmed != 3 || next.won || w.ring.Ring.Version != 3 {
		t.Errorf("tenure %+v, won %t, ring %+v", got, next.won, w.ring)
	}
	late.stuck = false
	w.run()
	if !next.valid() || late.view.RingVersion != 3 {
		t.Errorf("valid %t, ring %d", next.valid(), late.view.RingVersion)
	}
}

// TestPublicKeyMoves: the key of the public stream has an owner like any other.
func TestPublicKeyMoves(t *testing.T) {
	w, old, young := joined(t)
	v := old.proc.view
	before, after := v.Ring.Owner(string(push.PublicKey)), v.Pending.Owner(string(push.PublicKey))
	if got := v.Moving(push.PublicKey); got != (before != after) {
		t.Errorf("moving %t, from %s to %s", got, before, after)
	}
	old.proc.tell(Confirm{ID: old.id, Version: 2})
	w.run()
	if v := young.proc.view; v.Ring.Owner(string(push.PublicKey)) != after || v.Moving("a") {
		t.Errorf("it belongs to %s, want %s", v.Ring.Owner(string(push.PublicKey)), after)
	}
}

// TestWritesPerLease: raising the ceiling again and again, as a comet does,
// costs one write every few seconds.
func TestWritesPerLease(t *testing.T) {
	w := newWorld()
	p := w.add("p", Config{Headroom: 2500 * time.Millisecond})
	p.connect()
	term := p.campaign("c", "node1", 1)
	w.run()
	began := w.ceilings["node1"].Stamp
	for range 24 { // a minute
		p.tell(Raise{ID: term.id, To: p.wall() + ids(5*time.Second)})
		w.run()
		w.pass(1250 * time.Millisecond)
	}
	if writes := w.ceilings["node1"].Stamp - began; writes < 5 || writes > 13 {
		t.Errorf("%d writes in 30 s", writes)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"negative lease":    {Lease: -1},
		"endless lease":     {Lease: 2 * time.Hour},
		"negative headroom": {Headroom: -1},
		"no time":           {ConfirmWithin: -1},
	} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	var cfg Config
	if err := cfg.Validate(); err != nil || cfg.Lease == 0 || cfg.ConfirmWithin == 0 || cfg.RemoveAfter == 0 {
		t.Errorf("defaults %+v, %v", cfg, err)
	}
}

func TestMembers(t *testing.T) {
	for name, m := range map[string]Member{
		"no group":      {Weight: 1},
		"a path":        {Group: "a/b", Weight: 1},
		"no weight":     {Group: "a"},
		"a huge weight": {Group: "a", Weight: 1001},
	} {
		if err := m.Validate(); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := (&Member{Group: "node-1.a_B", Weight: 1000}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestGains: who gets keys when shares change, checked against the ring itself.
func TestGains(t *testing.T) {
	old := []Place{{Group: "a", Weight: 2}, {Group: "b", Weight: 1}, {Group: "c", Weight: 1}}
	for name, next := range map[string][]Place{
		"joins":   {{Group: "a", Weight: 2}, {Group: "b", Weight: 1}, {Group: "c", Weight: 1}, {Group: "d", Weight: 1}},
		"leaves":  {{Group: "a", Weight: 2}, {Group: "b", Weight: 1}},
		"grows":   {{Group: "a", Weight: 3}, {Group: "b", Weight: 1}, {Group: "c", Weight: 1}},
		"shrinks": {{Group: "a", Weight: 1}, {Group: "b", Weight: 1}, {Group: "c", Weight: 1}},
	} {
		before, after := shape(old), shape(next)
		got := map[string]bool{}
		for i := range 100_000 {
			key := push.ID(i).String()
			if to := after.Owner(key); to != before.Owner(key) {
				got[to] = true
			}
		}
		for _, g := range []string{"a", "b", "c", "d"} {
			if got[g] && !gains(old, next, g) {
				t.Errorf("%s: %s gets keys and is not said to", name, g)
			}
		}
	}
}
