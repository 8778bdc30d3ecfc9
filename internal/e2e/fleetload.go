package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// FullLoad is everything that a cluster has to bear, at a pace that lets a run take
// minutes: pushes with and without idempotency keys, in batches, by v1, and to everybody;
// readers of every kind that come and go; and for each key some that come only when all
// is over, and read everything that was stored.
func (f *Fleet) FullLoad(tb testing.TB, keys ...string) *FleetLoad {
	tb.Helper()
	l := &FleetLoad{Steady: newSteady(tb, f.Cluster, steadyLimit, paceSteady), fleet: f}
	for i, key := range keys {
		l.pushers.Go(func() { l.push(key) })
		l.pushers.Go(func() { l.each(key, "single", false, paceSteady, (*pusher).single) })
		l.pushers.Go(func() { l.each(key, "v1", false, paceSingle, (*pusher).byV1) })
		l.pushers.Go(func() { l.each(key, "batch", i%2 == 0, paceSingle, (*pusher).lines) })
		for _, kind := range []ReaderKind{ReadWebsocket, ReadSSE, ReadV1TCP, ReadV1WS, ReadPoll, ReadV1Poll} {
			comesAndGoes := ReaderPlan{Name: fmt.Sprintf("%s of %s", kind, key), Key: key, Kind: kind, Limit: 50, Sessions: sessions(i)}
			l.readers.Go(func() { l.read(l.ctx, comesAndGoes) })
		}
		for _, kind := range []ReaderKind{ReadSSE, ReadPoll, ReadV1Poll} {
			late := ReaderPlan{Name: fmt.Sprintf("late %s of %s", kind, key), Key: key, Kind: kind, Limit: 500}
			l.readers.Go(func() { l.read(l.ctx, late) })
		}
	}
	l.pushers.Go(func() { l.each("", "broadcast", false, pacePublic, (*pusher).single) })
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

// Longest is the longest time without an ack that any key had since then.
func (l *FleetLoad) Longest(since time.Time) time.Duration {
	return l.Stall(since, slices.Collect(maps.Keys(l.count()))...)
}

// Log tells for how long the keys of a group had no ack since then, at most.
func (l *FleetLoad) Log(what string, since time.Time) {
	l.tb.Helper()
	l.tb.Logf("%s: the longest time without an ack of a key was %s", what, l.Longest(since).Round(10*time.Millisecond))
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
