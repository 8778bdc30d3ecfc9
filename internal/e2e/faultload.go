package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// FaultLoad is everybody at once, for as long as faults go on: pushers of all kinds, and
// readers that stay, that come and go, or that only ask. It is slower than other loads, as
// its history must fit into memory.
type FaultLoad struct {
	*Steady
	seed uint64
	keys []string
}

// How fast the pushers of a FaultLoad are.
const (
	paceSteady  = 60 * time.Millisecond
	paceSingle  = 150 * time.Millisecond
	paceBatch   = 400 * time.Millisecond
	paceCareful = 200 * time.Millisecond
	pacePublic  = 350 * time.Millisecond
)

// LoadForFaults begins the load on the keys; limit bounds it.
func (f *Fleet) LoadForFaults(tb testing.TB, seed uint64, limit time.Duration, keys []string) *FaultLoad {
	tb.Helper()
	l := &FaultLoad{Steady: newSteady(tb, f.Cluster, limit, paceSteady), seed: seed, keys: keys}
	for i, key := range keys {
		l.pushers.Go(func() { l.push(key) })
		l.pushers.Go(func() { l.each(key, "single", false, paceSingle, (*pusher).single) })
		l.pushers.Go(func() { l.each(key, "batch", i%2 == 0, paceBatch, (*pusher).lines) })
		if i%2 == 1 {
			l.pushers.Go(func() { l.careful(key) })
		}
		l.readersOf(i, key, limit)
	}
	l.pushers.Go(func() { l.each("", "broadcast", true, pacePublic, (*pusher).single) })
	l.pushers.Go(func() { l.each("", "plain-broadcast", false, 2*pacePublic, (*pusher).single) })
	return l
}

// readersOf are a resident of the key, who is online all the time, and two that come and
// go, so that there is every kind.
func (l *FaultLoad) readersOf(i int, key string, limit time.Duration) {
	kinds := []ReaderKind{ReadSSE, ReadV1TCP, ReadPoll, ReadV1WS, ReadV1Poll, ReadWebsocket}
	resident := ReaderPlan{Name: residentOf(key), Key: key, Kind: ReadWebsocket, Sessions: []Session{{To: limit}}}
	l.readers.Go(func() { l.read(l.ctx, resident) })
	for n := range 2 {
		name := fmt.Sprintf("reader %d of %s", n, key)
		plan := makeReader(draw(l.seed, name), name, key, limit)
		plan.Kind = kinds[(2*i+n)%len(kinds)]
		l.readers.Go(func() { l.read(l.ctx, plan) })
	}
}

// Prove ends the load, lets everybody read to the end, and proves the history.
func (l *FaultLoad) Prove() {
	l.tb.Helper()
	l.finish()
	Prove(l.tb, l.cluster, Plan{Seed: l.seed, Keys: l.keys, Kills: []Kill{{}}}, l.history)
}

func residentOf(key string) string { return "resident of " + key }

// careful pushes with idempotency keys, and goes on with what it has pushed: it recalls some,
// lets some expire, repeats some, and tries to pass something else off as one of them.
func (l *FaultLoad) careful(key string) {
	name := "careful-" + key
	p := &pusher{scene: l.scene, plan: PusherPlan{Name: name}, rand: draw(l.seed, name)}
	var old []keptPush
	for n := 0; l.going.Err() == nil; n++ {
		push := PlannedPush{Token: fmt.Sprintf("%s/%d", name, n), Key: key, Idempotent: true}
		what := p.rand.IntN(5)
		if what == 0 {
			push.TTL = time.Duration(1+p.rand.IntN(3)) * time.Second
		}
		o := p.insist(l.ctx, push, Outcome{State: Refused})
		switch {
		case o.State != Acked:
			return
		case what == 1:
			p.recall(l.ctx, key, o.ID)
		case what > 1:
			old = append(old, keptPush{push, o.ID})
		}
		if len(old) > 0 && what > 2 {
			// Mostly a young one, so that many are repeated across the next fault.
			i := len(old) - 1 - min(p.rand.IntN(len(old)), p.rand.IntN(200))
			p.again(l.ctx, old[i], what == 3)
		}
		Pause(l.ctx, paceCareful)
	}
}

// keptPush is one that was acknowledged.
type keptPush struct {
	PlannedPush
	id int64
}

// again pushes once more what was acknowledged, or another body under its idempotency key:
// the one is answered as before, the other is a conflict.
func (p *pusher) again(ctx context.Context, old keptPush, other bool) {
	if !other {
		p.insist(ctx, old.PlannedPush, Outcome{State: Refused})
		return
	}
	m := asked(old.PlannedPush)
	m.Data = Text("somebody else's")
	// Whatever else it is answered may be a fault's doing, but no ack.
	if o := p.api.Push(ctx, m); o.State == Acked {
		p.fault(p.plan.Name, "another body under the idempotency key of %s (id %d) is acknowledged as %d", old.Token, old.id, o.ID)
	}
}
