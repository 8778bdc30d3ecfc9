package zk

import (
	"slices"
	"testing"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
)

// TestQuorum: what counts is the quorum, not the server that one is connected
// to. That one goes on answering reads for a while when it is cut off from the
// others, who may be ending the session meanwhile.
func TestQuorum(t *testing.T) {
	servers := zktest.StartEnsemble(t, 3)
	leader := slices.IndexFunc(servers, (*zktest.Server).Leads)
	if leader < 0 {
		t.Fatal("no server leads")
	}
	follower := servers[(leader+1)%3]
	cfg := testConfig(follower) // that one alone
	a := open(t, cfg)
	term := serve(t, a, node("node1", "a"))
	until(t, a, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	conn := raw(t, follower)
	if _, _, err := conn.Get(a.paths.ring()); err != nil {
		t.Fatal(err)
	}

	for _, s := range servers {
		if s != follower {
			s.Pause()
		}
	}
	becomes(t, "the end of the lease", func() bool { return !term.Valid() })
	if _, _, err := conn.Get(a.paths.ring()); err != nil {
		t.Errorf("the server does not even answer reads, so this proves nothing: %v", err)
	}
	for _, s := range servers {
		if s != follower {
			s.Continue()
		}
	}
	becomes(t, "the lease again, or the end of the term", func() bool { return term.Valid() || term.Over() })

	// Without the leader the others elect another one; nobody has to do anything.
	cfg.Servers = nil
	for _, s := range servers {
		cfg.Servers = append(cfg.Servers, s.Addr())
	}
	b := open(t, cfg)
	other := serve(t, b, node("node2", "b"))
	servers[slices.IndexFunc(servers, (*zktest.Server).Leads)].Kill()
	becomes(t, "a term under the next leader", func() bool {
		if other.Over() {
			other = serve(t, b, node("node2", "b"))
		}
		return other.Valid() && other.Raise(bounded(t), other.Ceiling()+1) == nil
	})
}
