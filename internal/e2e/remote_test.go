package e2e

import "testing"

// TestRemote: a cluster that somebody else has started bears the same load and the same proof.
// With other addresses than those that are given, such as none, it fails.
func TestRemote(t *testing.T) {
	c := Start(t, Options{})
	r := Remote(t, c.Addrs)
	first := c.API.Push(t.Context(), Message{Key: "remote-1", Data: Text("here")})
	again := r.API.Push(t.Context(), Message{Key: "remote-1", Data: Text("there")})
	if first.State != Acked || again.State != Acked || again.ID <= first.ID {
		t.Fatalf("two ways to one cluster: %+v and %+v", first, again)
	}
	load := StartSteady(t, r, false, "remote-2", "remote-3")
	load.Acked(5)
	load.Prove()
}
