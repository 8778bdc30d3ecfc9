package trace_test

import (
	"context"
	"errors"
	"testing"

	"gopush/internal/push"
	"gopush/internal/trace"
	"gopush/internal/trace/tracetest"
)

const (
	foreign   = "4bf92f3577b34da6a3ce929d0e0e4736"
	foreignID = "00f067aa0ba902b7"
)

// A trace goes on where it was begun elsewhere, if it is recorded there.
//
// Broken once by not reading the header.
func TestBegin(t *testing.T) {
	r := tracetest.Record()
	tracer := trace.New(r, "test")
	for _, c := range []struct {
		name, parent     string
		trace, parentID  string // empty: of its own, none
		recorded, itsOwn bool
	}{
		{"recorded", "00-" + foreign + "-" + foreignID + "-01", foreign, foreignID, true, false},
		{"not recorded", "00-" + foreign + "-" + foreignID + "-00", "", "", false, false},
		{"none", "", "", "", true, true},
		{"malformed", "00-" + foreign + "-01", "", "", true, true},
		{"zero", "00-00000000000000000000000000000000-" + foreignID + "-01", "", "", true, true},
	} {
		before := len(r.Spans())
		s := tracer.Begin(c.parent, c.name, trace.Server)
		s.End(nil)
		if s.Recorded() != c.recorded {
			t.Errorf("%s: recorded is %v", c.name, s.Recorded())
		}
		got := r.Spans()[before:]
		if !c.recorded {
			if len(got) != 0 {
				t.Errorf("%s: got %+v", c.name, got)
			}
			continue
		}
		if own := got[0].Trace != foreign; own != c.itsOwn || got[0].Parent != c.parentID {
			t.Errorf("%s: trace %s, parent %s", c.name, got[0].Trace, got[0].Parent)
		}
	}
}

// What is carried leads to a child, through those that record nothing, too; anything else
// leads nowhere.
//
// Broken once by leaving the span's id out of what is carried.
func TestCarry(t *testing.T) {
	r := tracetest.Record()
	tracer, off := trace.New(r, "test"), trace.New(nil, "test")
	first := tracer.Begin("", "first", trace.Client)
	carried := off.Continue(first.Carry(""), "no one", trace.Server).Carry(first.Carry(""))
	second := tracer.Continue(carried, "second", trace.Server)
	ctx, third := tracer.Start(second.In(t.Context()), "third", trace.Internal)
	_, fourth := trace.Below(ctx, "part", "fourth", trace.Client)
	for _, s := range []trace.Span{fourth, third, second, first} {
		s.End(nil)
	}
	if got, want := tracetest.Tree(r.Spans()), "first\n  second\n    third\n      fourth\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, wrong := range []string{"", "short", carried + "x", string(make([]byte, trace.CarriedSize))} {
		if tracer.Continue(wrong, "wrong", trace.Server).Recorded() {
			t.Errorf("%q was continued", wrong)
		}
	}
	if _, s := tracer.Start(t.Context(), "alone", trace.Internal); s.Recorded() {
		t.Error("a step without a trace is recorded")
	}
	if _, s := trace.Below(t.Context(), "part", "alone", trace.Internal); s.Recorded() {
		t.Error("a step below nothing is recorded")
	}
}

// Work for many is below the first, and has links to others, not to any number of them.
//
// Broken once by not linking.
func TestJoin(t *testing.T) {
	r := tracetest.Record()
	tracer := trace.New(r, "test")
	var carried []string
	for range 100 {
		s := tracer.Begin("", "push", trace.Server)
		s.End(nil)
		carried = append(carried, s.Carry(""))
	}
	s := tracer.Join(carried, "write", trace.Internal)
	s.End(nil)
	pushes, write := r.Spans()[:100], r.Spans()[100]
	if write.Parent != pushes[0].ID || write.Trace != pushes[0].Trace {
		t.Errorf("it is below %s, the first is %s", write.Parent, pushes[0].ID)
	}
	if len(write.Links) != 32 || write.Links[0] != pushes[1].ID {
		t.Errorf("links: %v", write.Links)
	}
	if tracer.Join(nil, "write", trace.Internal).Recorded() {
		t.Error("a write of nobody is recorded")
	}
}

// An error is told by its kind alone: its text may hold what was sent.
//
// Broken once by setting the error's text as the status.
func TestErrors(t *testing.T) {
	r := tracetest.Record()
	s := trace.New(r, "test").Begin("", "call", trace.Client)
	s.End(push.Wrap(push.KindBusy, errors.New("the key alice"), "alice is busy"))
	s.End(nil) // counts no more
	got := r.Spans()
	if len(got) != 1 || got[0].Failed != "busy" || got[0].Attrs["error.type"] != "busy" || len(got[0].Attrs) != 1 {
		t.Errorf("got %+v", got)
	}
}

// Without a provider nothing is done, and no memory taken.
//
// Broken once by having Carry make a string of its own.
func TestOff(t *testing.T) {
	tracer, ctx, came := trace.New(nil, "test"), context.WithoutCancel(t.Context()), "came"
	n := testing.AllocsPerRun(100, func() {
		s := tracer.Begin("00-"+foreign+"-"+foreignID+"-01", "a", trace.Server)
		_, started := tracer.Start(s.In(ctx), "b", trace.Internal)
		started.Number("n", 7)
		s.Text("t", "x")
		s.Link(started)
		joined := tracer.Join([]string{came, came}, "c", trace.Internal)
		if joined.Carry(came) != came || tracer.Under(ctx, came) != ctx || joined.Recorded() {
			t.Error("something is there")
		}
		joined.End(nil)
		tracer.Continue(came, "d", trace.Server).End(context.Canceled)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
