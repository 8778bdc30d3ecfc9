package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gopush/internal/serve"
)

// FleetLoad is load on a fleet: besides what Steady does, pushers without idempotency
// keys, which cannot be repeated when an answer is lost, and batches.
type FleetLoad struct {
	*Steady
	fleet *Fleet
}

// Load begins the load on the keys. Without plain every push has an idempotency key.
func (f *Fleet) Load(tb testing.TB, plain bool, keys ...string) *FleetLoad {
	tb.Helper()
	l := &FleetLoad{Steady: StartSteady(tb, f.Cluster, false, keys...), fleet: f}
	for i, key := range keys {
		l.pushers.Go(func() { l.each(key, "single", !plain, 20*time.Millisecond, (*pusher).single) })
		if i%2 == 0 {
			l.pushers.Go(func() { l.each(key, "batch", !plain, 20*time.Millisecond, (*pusher).lines) })
		}
	}
	return l
}

// each does the same again and again until the pushing ends.
func (s *Steady) each(key, kind string, idempotent bool, pace time.Duration, do func(*pusher, context.Context, func() PlannedPush)) {
	name := kind + "-" + key
	p := &pusher{scene: s.scene, plan: PusherPlan{Name: name}, rand: draw(2, name)}
	n := 0
	next := func() PlannedPush {
		n++
		return PlannedPush{Token: fmt.Sprintf("%s/%d", name, n), Key: key, Idempotent: idempotent}
	}
	for s.going.Err() == nil {
		do(p, s.ctx, next)
		Pause(s.ctx, pace)
	}
}

func (p *pusher) single(ctx context.Context, next func() PlannedPush) {
	p.insist(ctx, next(), Outcome{State: Refused})
}

func (p *pusher) lines(ctx context.Context, next func() PlannedPush) {
	step := Step{Batch: true}
	for range 5 {
		step.Pushes = append(step.Pushes, next())
	}
	p.batch(ctx, step)
}

// Clean is Prove, and no push may have failed: not a single try.
func (l *FleetLoad) Clean() {
	l.tb.Helper()
	l.Prove()
	events := l.history.Events()
	if n := tally(events); n.Refusals+n.Unknowns > 0 {
		l.tb.Errorf("%d tries were refused and %d have an unknown outcome; none may fail", n.Refusals, n.Unknowns)
		for _, e := range events {
			if e.Kind == EvOutcome && e.State != Acked {
				l.tb.Errorf("such as %s: %s %s", e.Token, e.State, e.Text)
				return
			}
		}
	}
}

// Log tells for how long the keys of a group had no ack since then, at most.
func (l *FleetLoad) Log(what string, since time.Time) {
	l.tb.Helper()
	keys := make([]string, 0, len(l.count()))
	for key := range l.count() {
		keys = append(keys, key)
	}
	l.tb.Logf("%s: the longest time without an ack of a key was %s", what, l.Stall(since, keys...).Round(10*time.Millisecond))
}

// Owners looks up which group each of n keys belongs to.
func (f *Fleet) Owners(n int) map[string]string {
	f.tb.Helper()
	owners := make(map[string]string, n)
	for i := range n {
		key := fmt.Sprintf("owned-%d", i)
		owners[key] = f.Owner(key)
	}
	return owners
}

// AwaitNodes waits until every web node that runs sees the nodes so.
func (f *Fleet) AwaitNodes(what string, cond func([]NodeState) bool) {
	f.tb.Helper()
	for _, w := range f.Parts(serve.Web, "") {
		if !w.Running() {
			continue
		}
		api := w.API()
		Until(f.tb, fleetPatience, w.Name+" to see "+what, func() (bool, string) {
			nodes, err := api.Nodes(f.tb.Context())
			if err != nil {
				return false, err.Error()
			}
			return cond(nodes), fmt.Sprintf("%+v", nodes)
		})
	}
}
