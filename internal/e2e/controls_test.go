package e2e

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gopush/internal/config"
	vocabulary "gopush/internal/push"
	"gopush/internal/serve"
)

// The checker sees: each of four mechanisms that hold the promises is taken out of real
// processes, and a scenario in which it matters is played. The history must then hold
// the violations that the mechanism prevents, and with the product as it is none.
//
// Broken once by each edit left out in its turn, so that the product held; and by a
// checker that lets pushers' ids descend, does not look below cursors at the end, or
// does not follow the chain.
func TestNegativeControls(t *testing.T) {
	path := buildBroken(t)
	for _, control := range []struct {
		broken string // see edits
		play   func(*testing.T, Program) *stage
		wants  []ViolationKind
	}{
		{"fencing", frozenAndThawed, []ViolationKind{BelowCursor, Reordered, Broken}},
		{"answer", killedBeforeStored, []ViolationKind{BelowCursor, Broken}},
		{"writes", overtaken, []ViolationKind{BelowCursor}},
		{"ids", clockSteppedBack, []ViolationKind{BelowCursor, Reordered}},
	} {
		t.Run(control.broken, func(t *testing.T) {
			t.Run("kept", func(t *testing.T) {
				s := control.play(t, Program{})
				Prove(t, s.cluster, Plan{Kills: []Kill{{}}}, s.history)
			})
			t.Run("broken", func(t *testing.T) {
				s := control.play(t, Program{Path: path, Broken: control.broken})
				s.violated(control.wants)
			})
		})
	}
}

// violated: the checker finds every one of the kinds, and no actor went astray.
func (s *stage) violated(wants []ViolationKind) {
	s.t.Helper()
	found := Check(s.history.Events())
	missing := slices.Clone(wants)
	for _, v := range found {
		s.t.Logf("found: %s", v)
		missing = slices.DeleteFunc(missing, func(k ViolationKind) bool { return k == v.Kind })
		if v.Kind == Faulty {
			s.t.Error("that is no violation of a promise")
		}
	}
	if len(missing) > 0 {
		s.t.Errorf("the checker does not see: %q", missing)
	}
}

// A primary stands still until it has a successor, and then goes on with a push. Its
// clock is an hour behind, so whatever it gives lies below what the successor gave.
func frozenAndThawed(t *testing.T, program Program) *stage {
	f := NewFleet(t, Topology{Groups: 1, Messages: 1, Webs: 1, Session: 2 * time.Second, Store: inFolder})
	f.ZooKeeper.Start()
	comets := f.Parts(serve.Comet, "")
	deposed, successor := comets[0], comets[1]
	deposed.StepClock(-time.Hour)
	for _, p := range f.Parts(0, "") {
		if p == successor { // it has done nothing wrong
			continue
		}
		p.Program = program
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	f.Settle()
	s := newStage(t, f.Cluster)
	s.acked("first")
	s.live.sees("first")
	_, epoch := f.Primary("node1")
	successor.Restart()
	client := dialComet(t, deposed)
	if _, err := client.Describe(t.Context(), stageKey, 0); err != nil { // there is a connection now, in any case
		t.Logf("before it stands still: %v", err)
	}
	deposed.Freeze()
	f.AwaitNodes("a successor", func(nodes []NodeState) bool {
		return slices.ContainsFunc(nodes, func(n NodeState) bool { return n.State == "serving" && n.Epoch > epoch })
	})
	s.acked("second")
	s.polled.sees("second")
	late := s.begin("third", func(ctx context.Context, push PlannedPush) Outcome {
		o := make(chan Outcome, 1)
		client.Push(ctx, vocabulary.Push{
			Key: vocabulary.Key(push.Key), Body: bodyOf(push), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: push.Token,
		}, func(r vocabulary.Receipt, err error) { o <- ofComet(r, err) })
		return <-o
	})
	deposed.Thaw()
	o := <-late
	t.Logf("the deposed primary answers: %s %s", o.State, o.Err)
	if o.State == Acked {
		s.live.sees("third")
	}
	s.settled("third", o)
	s.finish()
	return s
}

// ofComet is what a pusher knows that asks a comet itself.
func ofComet(r vocabulary.Receipt, err error) Outcome {
	switch {
	case err == nil:
		return Outcome{State: Acked, ID: int64(r.ID)}
	case vocabulary.Is(err, vocabulary.KindMoving), vocabulary.Is(err, vocabulary.KindNoNode):
		return Outcome{State: Refused, Err: err.Error()}
	default:
		return Outcome{Err: err.Error()}
	}
}

// A message is on its way into the store when the process is killed.
func killedBeforeStored(t *testing.T, program Program) *stage {
	s := startStage(t, program)
	s.acked("first")
	s.live.sees("first")
	s.polled.sees("first") // it is in the store
	s.gate.Hold(t, "second")
	o := <-s.begin("second", s.patiently)
	if o.State == Acked {
		s.live.sees("second")
	}
	s.gate.Await(t)
	s.cluster.Kill()
	s.gate.Open(t)
	s.cluster.Start()
	s.settled("second", o)
	s.acked("third")
	s.polled.sees("third")
	s.finish()
	return s
}

// The store takes its time with one message while another of its key is pushed.
func overtaken(t *testing.T, program Program) *stage {
	s := startStage(t, program)
	s.acked("first")
	s.live.sees("first")
	s.gate.Hold(t, "second")
	second := s.begin("second", s.once)
	s.gate.Await(t)
	third := <-s.begin("third", s.patiently)
	if third.State == Acked {
		s.live.sees("third")
	}
	s.polled.toTheEnd()
	s.gate.Open(t)
	s.settled("second", <-second)
	s.settled("third", third)
	s.finish()
	return s
}

// The clock is an hour behind after a restart.
func clockSteppedBack(t *testing.T, program Program) *stage {
	s := startStage(t, program)
	s.acked("first")
	s.live.sees("first")
	s.polled.sees("first")
	s.cluster.Kill()
	s.cluster.Step(-time.Hour)
	s.cluster.Start()
	s.acked("second")
	s.finish()
	return s
}

// inFolder keeps messages in the embedded store, whatever StoreEnv says.
func inFolder(*config.Store) {}

// startStage is a stage on a cluster of one process. Its pushes have time to wait for
// what holds them up.
func startStage(t *testing.T, program Program) *stage {
	t.Helper()
	gate := Gate(filepath.Join(t.TempDir(), "gate"))
	s := newStage(t, Start(t, Options{
		Child: true, Program: program, Gate: gate, Store: inFolder,
		Settings: func(c *config.Serve) { c.Web.PushTimeout = fleetPush },
	}))
	s.gate, s.patience = gate, 2*time.Second
	if program.Broken != "" {
		s.patience = 15 * time.Second // it comes: a slow machine may take its time
	}
	return s
}
