package e2e

import (
	"testing"
	"time"
)

// The roles as processes of their own: they start before ZooKeeper does, find each
// other, take pushes, and survive the loss of a primary.
func TestFleet(t *testing.T) {
	f := NewFleet(t, Topology{})
	f.StartAll()
	f.ZooKeeper.Start()
	f.Settle()
	steady := StartSteady(t, f.Cluster, false, "a", "b", "c", "d")
	steady.Acked(3)
	for _, group := range []string{"node1", "node2"} {
		primary, epoch := f.Primary(group)
		began := time.Now()
		primary.Kill()
		if successor, next := f.Primary(group); successor == primary || next <= epoch {
			t.Errorf("%s with epoch %d follows %s with %d", successor.Name, next, primary.Name, epoch)
		}
		t.Logf("%s: a successor is known after %s", group, time.Since(began).Round(10*time.Millisecond))
		steady.Acked(3)
	}
	steady.Prove()
}
