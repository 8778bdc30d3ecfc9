package zk

import (
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// TestOnePrimary: of two candidates one serves, and all see the same.
func TestOnePrimary(t *testing.T) {
	server := zktest.Start(t)
	a, b, web := open(t, testConfig(server)), open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	second := campaign(t, b, node("node1", "b"))
	leave := b.Register("m:1")
	v := until(t, web, "two nodes", func(v *coord.View) bool {
		return len(v.Nodes) == 2 && len(v.Messages) == 1 && servedBy("node1", "a:1", 1)(v) && v.RingVersion == 1
	})
	if v.Nodes[0].Role != coord.Primary || v.Nodes[1].Role != coord.Alternate || v.Nodes[0].RPC != "a:1" {
		t.Errorf("nodes %+v", v.Nodes)
	}
	if g, ok := v.Owner("k"); !ok || g.Public.WS != "a:2" {
		t.Errorf("owner %+v, %t", g, ok)
	}
	if err := web.Health(); err != nil {
		t.Error(err)
	}
	// A successor counts on it: with 0 it would not wait for anybody (P6).
	if lease := testConfig(server).Session * 2 / 3; first.Lease() != lease {
		t.Errorf("a lease of %s; want %s, two thirds of the session", first.Lease(), lease)
	}
	before := first.Ceiling()
	if err := first.Raise(bounded(t), before+1); err != nil || first.Ceiling() <= before {
		t.Errorf("raised to %d: %v", first.Ceiling(), err)
	}
	select {
	case <-second:
		t.Fatal("two primaries")
	default:
	}
	leave()
	at := time.Now()
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	next := await(t, "the alternate", second)
	t.Logf("handed over in %s", time.Since(at))
	if first.Valid() || !next.Valid() || next.Epoch() != 2 || next.Floor() < first.Ceiling() {
		t.Errorf("epoch %d, floor %d after ceiling %d, valid %t", next.Epoch(), next.Floor(), first.Ceiling(), next.Valid())
	}
	until(t, web, "the successor", func(v *coord.View) bool {
		return servedBy("node1", "b:1", 2)(v) && len(v.Messages) == 0
	})
	if err := first.Raise(bounded(t), next.Ceiling()+push.ID(1e9)); !push.Is(err, push.KindMoving) {
		t.Errorf("a term that is over can be raised: %v", err)
	}
}
