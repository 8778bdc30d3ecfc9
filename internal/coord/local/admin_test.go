package local

import (
	"testing"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// TestDrain: a node is asked to hand over, does, and is the last in line then.
func TestDrain(t *testing.T) {
	c, _ := started(t)
	first := serve(t, c, "node1")
	won := make(chan coord.Term, 1)
	go func() {
		if term, err := c.Campaign(t.Context(), member("node1")); err == nil {
			won <- term
		}
	}()
	for len(c.View().Nodes) < 2 {
		<-c.Changed()
	}
	nodes := c.View().Nodes
	if nodes[0].Role != coord.Primary || nodes[1].Role != coord.Alternate {
		t.Errorf("%+v", nodes)
	}
	if err := c.Drain(t.Context(), "nobody"); !push.Is(err, push.KindNotFound) {
		t.Errorf("a node that is not there: %v", err)
	}
	if err := c.Drain(t.Context(), nodes[0].ID); err != nil {
		t.Fatal(err)
	}
	<-first.Asked()
	if !c.View().Nodes[0].Asked || !first.Valid() {
		t.Error("the request does not show, or has ended the term")
	}
	if err := first.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next := <-won; next.Epoch() != 2 {
		t.Errorf("epoch %d", next.Epoch())
	}
}

func TestRemoveGroup(t *testing.T) {
	c, _ := started(t)
	serve(t, c, "node1")
	other := serve(t, c, "node2")
	if err := c.RemoveGroup(t.Context(), "node2"); !push.Is(err, push.KindConflict) {
		t.Errorf("with a node: %v", err)
	}
	if err := c.RemoveGroup(t.Context(), "node3"); !push.Is(err, push.KindNotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
	_ = other.Resign(t.Context())
	if err := c.RemoveGroup(t.Context(), "node2"); err != nil {
		t.Fatal(err)
	}
	// "a" is a key of node2 as long as that is in the ring.
	if owner := c.View().Ring.Owner("a"); owner != "node1" {
		t.Errorf("its keys belong to %s", owner)
	}
	again := serve(t, c, "node2")
	if owner := c.View().Ring.Owner("a"); owner != "node2" || again.Epoch() != 2 {
		t.Errorf("after its return they belong to %s, epoch %d", owner, again.Epoch())
	}
}
