package zk

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// TestStamps: every write that rests on something fails when that has changed,
// and then changes nothing.
func TestStamps(t *testing.T) {
	server := zktest.Start(t)
	a := open(t, testConfig(server))
	term := serve(t, a, node("node1", "a"))
	until(t, a, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	a.mu.Lock()
	s := a.session
	a.mu.Unlock()
	tenure := coord.Tenure{Epoch: 9, Owner: "x", Member: node("node1", "x")}
	fresh := coord.Tenure{Epoch: 1, Owner: "x", Member: node("node9", "x")}
	const ring = 1 // one change so far; of the term and its ceiling there is none
	for name, bad := range map[string]coord.Action{
		"begin after another term":      coord.Begin{Tenure: tenure, RingStamp: ring, Stamp: 5, CeilingStamp: 0},
		"begin with a ceiling raised":   coord.Begin{Tenure: tenure, RingStamp: ring, Stamp: 0, CeilingStamp: 5},
		"begin with a ring changed":     coord.Begin{Tenure: tenure, RingStamp: ring - 1, Stamp: 0, CeilingStamp: 0},
		"first begin with one there":    coord.Begin{Tenure: tenure, RingStamp: ring, Stamp: coord.NoStamp, CeilingStamp: coord.NoStamp},
		"first begin, the ring changed": coord.Begin{Tenure: fresh, RingStamp: ring - 1, Stamp: coord.NoStamp, CeilingStamp: coord.NoStamp},
		"lift in another term":          coord.Lift{Group: "node1", Stamp: 5, CeilingStamp: 0, Ceiling: push.MaxID},
		"lift after another":            coord.Lift{Group: "node1", Stamp: 0, CeilingStamp: 5, Ceiling: push.MaxID},
		"lift without a term":           coord.Lift{Group: "node9", Stamp: 0, CeilingStamp: 0},
		"lift over nothing":             coord.Lift{Group: "node1", Stamp: 0, CeilingStamp: coord.NoStamp, Ceiling: push.MaxID},
		"begin with an unknown ring":    coord.Begin{Tenure: tenure, RingStamp: coord.NoStamp, Stamp: 0, CeilingStamp: 0},
		"rewrite over nothing":          coord.Rewrite{Stamp: coord.NoStamp},
		"amend after another term":      coord.Amend{Tenure: tenure, Stamp: 5},
		"rewrite after another":         coord.Rewrite{Stamp: ring - 1},
	} {
		if got := s.outcome(s.perform(bad)); got != coord.Conflict {
			t.Errorf("%s: outcome %d", name, got)
		}
	}
	for name, good := range map[string]coord.Action{
		"deleting what is gone":     coord.Delete{Name: "node1.x-0000000099"},
		"taking away what is gone":  coord.Retract{ID: "message.x"},
		"announcing":                coord.Announce{ID: "message.x", Addr: "m:1"},
		"a term that is the newest": coord.Amend{Tenure: coord.Tenure{Epoch: 1, Owner: term.ID, Member: term.Member}, Stamp: 0},
	} {
		if got := s.outcome(s.perform(good)); got != coord.Done {
			t.Errorf("%s: outcome %d", name, got)
		}
	}
	if got := s.outcome(s.perform(coord.Announce{ID: "message.x", Addr: "m:1"})); got != coord.Done {
		t.Errorf("announcing again: outcome %d", got)
	}
	conn := raw(t, server)
	if there, _, err := conn.Exists(a.paths.term("node9")); err != nil || there {
		t.Errorf("a transaction that failed has left something: %t, %v", there, err)
	}
	if data, _, err := conn.Get(a.paths.ceiling("node1")); err != nil || !errors.Is(noError(decodeCeiling(data)), nil) {
		t.Errorf("%s, %v", data, err)
	} else if c, _ := decodeCeiling(data); c != term.Ceiling() {
		t.Errorf("the ceiling is %d, want %d", c, term.Ceiling())
	}
}

func noError(_ push.ID, err error) error { return err }

// TestStrangeRecords: records that nobody understands are left alone, and only
// concern their groups.
func TestStrangeRecords(t *testing.T) {
	server := zktest.Start(t)
	a := open(t, testConfig(server))
	becomes(t, "a session", func() bool { return a.Health() == nil })
	conn := raw(t, server)
	for path, data := range map[string]string{
		a.paths.comet("x"):                 `{"format":1}`,
		a.paths.comet("node1.y-000000001"): `nonsense`,
		a.paths.message("y"):               `{"format":7,"rpc":"m:9"}`,
		a.paths.term("node9"):              `{"format":2}`,
	} {
		if _, err := conn.Create(path, []byte(data), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Create(a.paths.ceiling("node9"), encodeCeiling(push.IDAt(a.now())+1e9), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	term := serve(t, a, node("node1", "a"))
	if floor := push.IDAt(a.now()); term.Floor() < floor+1e8 {
		t.Errorf("the floor %d is not above what another group was allowed", term.Floor())
	}
	v := until(t, a, "the node", servedBy("node1", "a:1", 1))
	if len(v.Nodes) != 1 || len(v.Messages) != 0 {
		t.Errorf("%+v", v)
	}
}

// TestLaterRing: a ring that only a later version understands is not touched,
// and nobody begins to serve without it.
func TestLaterRing(t *testing.T) {
	server := zktest.Start(t)
	a := open(t, testConfig(server))
	becomes(t, "a session", func() bool { return a.Health() == nil })
	conn := raw(t, server)
	later := `{"format":2}`
	if _, err := conn.Set(a.paths.ring(), []byte(later), -1); err != nil {
		t.Fatal(err)
	}
	b := open(t, testConfig(server))
	won := campaign(t, b, node("node1", "b"))
	becomes(t, "a complaint", func() bool { return b.Health() != nil && strings.Contains(b.Health().Error(), "format is 2") })
	select {
	case <-won:
		t.Error("it serves without knowing the ring")
	default:
	}
	if data, _, err := conn.Get(a.paths.ring()); err != nil || string(data) != later {
		t.Errorf("the ring is %s, %v", data, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestClose gives everything back at once: nobody has to wait for the session's
// end, though nobody has resigned.
func TestClose(t *testing.T) {
	server := zktest.Start(t)
	cfg := testConfig(server)
	cfg.Session = 30e9 // so that its end would not come within this test
	a, b := open(t, cfg), open(t, cfg)
	first := serve(t, a, node("node1", "a"))
	second := campaign(t, b, node("node1", "b"))
	a.Register("m:1")
	until(t, b, "both", func(v *coord.View) bool { return len(v.Nodes) == 2 && len(v.Messages) == 1 })
	waits := campaign(t, a, node("node2", "a")) // it may be won or not
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	await(t, "the end of the term", first.Done())
	if next := await(t, "the alternate", second); next.Epoch() != 2 {
		t.Errorf("epoch %d", next.Epoch())
	}
	until(t, b, "the end of the message node", func(v *coord.View) bool { return len(v.Messages) == 0 })
	select {
	case term := <-waits:
		<-term.Done()
	default:
	}
	if _, err := a.Campaign(bounded(t), node("node1", "a")); !errors.Is(err, ErrClosed) {
		t.Errorf("a candidate after Close: %v", err)
	}
	if err := a.Drain(bounded(t), first.ID); err == nil {
		t.Error("an order after Close")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
