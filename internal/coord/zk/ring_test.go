package zk

import (
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// moving is a key that goes from node1 to node2 when that joins, of protocol
// v1's vectors.
const moving = "a"

// TestRingChange: a second group joins. Keys that move belong to nobody until
// the first has confirmed, and then begin above all that it may have given.
func TestRingChange(t *testing.T) {
	server := zktest.Start(t)
	a, b := open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	until(t, a, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	second := serve(t, b, node("node2", "b"))
	v := until(t, a, "a pending version", func(v *coord.View) bool { return v.PendingVersion == 2 })
	if !v.Moving(moving) || v.Moving("Terry-Mao") {
		t.Error("the wrong keys move")
	}
	if _, ok := v.Owner(moving); ok {
		t.Error("somebody owns a key that moves")
	}
	if g, ok := v.Owner("Terry-Mao"); !ok || g.Group != "node1" {
		t.Errorf("a key that stays belongs to %+v, %t", g, ok)
	}
	if err := first.Raise(bounded(t), first.Ceiling()+push.ID(time.Minute/100)); err != nil {
		t.Fatal(err)
	}
	if err := first.Confirm(bounded(t), 3); !push.Is(err, push.KindConflict) {
		t.Errorf("another version was confirmed: %v", err)
	}
	if err := first.Confirm(bounded(t), 2); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	v = until(t, b, "the new ring", func(v *coord.View) bool { return v.RingVersion == 2 && v.PendingVersion == 0 })
	t.Logf("active %s after the confirmation", time.Since(at))
	if g, ok := v.Owner(moving); !ok || g.Group != "node2" {
		t.Errorf("the key belongs to %+v, %t", g, ok)
	}
	if second.Floor() < first.Ceiling() {
		t.Errorf("the floor %d is below %d", second.Floor(), first.Ceiling())
	}
	if !first.Valid() || !second.Valid() {
		t.Error("a term has ended")
	}
}

// TestSilentOwner: one that does not confirm loses its term, and the change goes
// on; it comes back with another term.
func TestSilentOwner(t *testing.T) {
	server := zktest.Start(t)
	cfg := testConfig(server)
	cfg.Machine.ConfirmWithin = 500 * time.Millisecond
	a, b := open(t, cfg), open(t, cfg)
	first := serve(t, a, node("node1", "a"))
	until(t, a, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	serve(t, b, node("node2", "b"))
	await(t, "the end of the silent term", first.Done())
	until(t, b, "the new ring", func(v *coord.View) bool { return v.RingVersion == 2 })
	if again := serve(t, a, node("node1", "a")); again.Epoch() != 2 {
		t.Errorf("epoch %d", again.Epoch())
	}
}

// TestGroupLeaves: a group without nodes is taken out after the configured time,
// by an operator at once, and comes back by itself.
func TestGroupLeaves(t *testing.T) {
	server := zktest.Start(t)
	cfg := testConfig(server)
	cfg.Machine.RemoveAfter = 300 * time.Millisecond
	a, b := open(t, cfg), open(t, cfg)
	first := serve(t, a, node("node1", "a"))
	confirming(t, a, first)
	for round := range 2 {
		second := serve(t, b, node("node2", "b"))
		confirming(t, b, second)
		until(t, a, "the group in the ring", func(v *coord.View) bool { return v.Ring.Owner(moving) == "node2" })
		if err := a.RemoveGroup(bounded(t), "node2"); !push.Is(err, push.KindConflict) {
			t.Errorf("a group with a node was removed: %v", err)
		}
		if err := second.Resign(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			until(t, a, "the group's end", func(v *coord.View) bool { return v.Ring.Owner(moving) == "node1" })
			continue
		}
		until(t, b, "its leaving", func(v *coord.View) bool { return len(v.Nodes) == 1 })
		if err := b.RemoveGroup(bounded(t), "node2"); err != nil && !push.Is(err, push.KindNotFound) {
			t.Error(err)
		}
		if v := b.View(); v.Ring.Owner(moving) != "node1" {
			t.Error("the group is still in the ring")
		}
	}
	if err := a.RemoveGroup(bounded(t), "node9"); !push.Is(err, push.KindNotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
}

// confirming has a term confirm whatever comes, until it ends.
func confirming(t *testing.T, c *Coordinator, term *term) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	ctx := bounded(t)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			changed := c.Changed()
			if v := c.View().PendingVersion; v != 0 {
				_ = term.Confirm(ctx, v) // it may be another one meanwhile
			}
			select {
			case <-changed:
			case <-term.Done():
				return
			case <-ctx.Done():
			}
		}
	}()
}

// TestDrain: an operator has a node hand over; it is the last in line then.
func TestDrain(t *testing.T) {
	server := zktest.Start(t)
	a, b, web := open(t, testConfig(server)), open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	second := campaign(t, b, node("node1", "b"))
	v := until(t, web, "both", func(v *coord.View) bool { return len(v.Nodes) == 2 })
	if err := web.Drain(bounded(t), "nobody"); !push.Is(err, push.KindNotFound) {
		t.Errorf("a node that is not there: %v", err)
	}
	if err := web.Drain(bounded(t), v.Nodes[0].ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the request", first.Asked())
	if !first.Valid() {
		t.Error("the term has ended by itself")
	}
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	campaign(t, a, node("node1", "a"))
	await(t, "the alternate", second)
	v = until(t, web, "both again", func(v *coord.View) bool { return len(v.Nodes) == 2 && servedBy("node1", "b:1", 2)(v) })
	// The alternate is asked as well: that changes nothing but the order.
	if err := web.Drain(bounded(t), v.Nodes[1].ID); err != nil {
		t.Fatal(err)
	}
	until(t, web, "another place in line", func(now *coord.View) bool {
		return len(now.Nodes) == 2 && now.Nodes[1].ID != v.Nodes[1].ID && !now.Nodes[1].Asked
	})
}

// TestClocks: wall clocks that are an hour apart change nothing for ids.
func TestClocks(t *testing.T) {
	server := zktest.Start(t)
	ahead, behind := &clock{step: time.Hour}, &clock{step: -time.Hour}
	a, b := openAt(t, testConfig(server), ahead.now), openAt(t, testConfig(server), behind.now)
	first := serve(t, a, node("node1", "a"))
	if first.Floor() < push.IDAt(time.Now().Add(59*time.Minute)) {
		t.Errorf("floor %s", first.Floor().Time())
	}
	ahead.set(-time.Hour)
	if err := first.Raise(bounded(t), first.Ceiling()+1); err != nil || !first.Valid() {
		t.Errorf("after a step: %v, valid %t", err, first.Valid())
	}
	second := campaign(t, b, node("node1", "b"))
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if next := await(t, "the alternate", second); next.Floor() < first.Ceiling() {
		t.Errorf("the floor %s is below the ceiling %s", next.Floor().Time(), first.Ceiling().Time())
	}
}
