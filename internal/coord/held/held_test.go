package held

import (
	"testing"
	"time"

	"gopush/internal/coord"
)

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestBoard(t *testing.T) {
	b := NewBoard()
	if v := b.View(); v == nil || v.Version != 0 || v.Ring.Owner("k") != "" {
		t.Errorf("at first: %+v", v)
	}
	changed := b.Changed()
	if isClosed(changed) {
		t.Error("changed before anything happened")
	}
	b.Show(&coord.View{Version: 1})
	if !isClosed(changed) || b.Changed() != changed {
		t.Error("the news are gone before they were seen")
	}
	if b.View().Version != 1 || isClosed(b.Changed()) {
		t.Error("the newest picture is not seen")
	}
}

// TestTerm walks through a life of a term.
func TestTerm(t *testing.T) {
	var now time.Duration
	term := NewTerm("a", coord.Member{Group: "node1"}, func() time.Duration { return now })
	_, news := term.State()
	if term.Valid() || term.Epoch() != 0 || isClosed(term.Won()) {
		t.Error("a candidacy passes for a term")
	}
	for _, a := range []coord.Action{
		coord.Hold{ID: "a", Until: 10}, coord.Won{ID: "a", Epoch: 3, Floor: 16, Ceiling: 160},
	} {
		if About(a) != "a" || term.Apply(a) {
			t.Errorf("%+v is the last", a)
		}
	}
	if !isClosed(term.Won()) || term.Epoch() != 3 || term.Floor() != 16 || term.Ceiling() != 160 || !term.Valid() {
		t.Errorf("won: epoch %d, ids %d to %d, valid %t", term.Epoch(), term.Floor(), term.Ceiling(), term.Valid())
	}
	if now = 10; term.Valid() {
		t.Error("the lease holds beyond its end")
	}
	term.Apply(coord.Hold{ID: "a", Until: 20})
	if !term.Valid() {
		t.Error("a lease does not come back")
	}
	if isClosed(news) {
		t.Error("a lease is no news to those who wait")
	}
	term.Apply(coord.Raised{ID: "a", Ceiling: 320})
	if !isClosed(news) || term.Ceiling() != 320 {
		t.Error("a higher ceiling is")
	}
	term.Apply(coord.Floored{ID: "a", Floor: 32})
	term.Apply(coord.Confirmed{ID: "a", Version: 5})
	term.Apply(coord.Asked{ID: "a"})
	state, news := term.State()
	if term.Floor() != 32 || state != (State{Confirmed: 5}) || !isClosed(term.Asked()) {
		t.Errorf("floor %d, %+v", term.Floor(), state)
	}
	term.Finish() // its holder gives it up
	if !isClosed(term.Done()) || term.Valid() || isClosed(news) {
		t.Error("it is not over, or nothing is left to give up")
	}
	if !term.Apply(coord.Over{ID: "a"}) || !isClosed(news) {
		t.Error("the end is not the last")
	}
	if state, _ := term.State(); !state.Left || state.Why != "" || state.Failed {
		t.Errorf("%+v", state)
	}
}

func TestFailed(t *testing.T) {
	term := NewTerm("a", coord.Member{}, func() time.Duration { return 0 })
	if !term.Apply(coord.Failed{ID: "a", Why: "no ids are left"}) || !isClosed(term.Done()) {
		t.Error("it goes on")
	}
	if state, _ := term.State(); !state.Failed || state.Why == "" {
		t.Errorf("%+v", state)
	}
	if About(coord.Refresh{}) != "" || About(coord.Create{ID: "a"}) != "" {
		t.Error("what is asked of the shell passes for news")
	}
}
