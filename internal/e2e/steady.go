package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// Steady is a cluster under load while a test does something to what it stands on:
// pushers that each insist on one message after the other, and readers of all kinds.
// At the end the history is proven like that of any scenario.
type Steady struct {
	*scene
	tb      testing.TB
	cluster *Cluster
	cancel  context.CancelFunc
	ctx     context.Context // over when everybody has to be gone
	going   context.Context // over when nothing new is to be begun
	stop    context.CancelFunc
	pace    time.Duration // immutable; between an ack and the next push
	pushers sync.WaitGroup
	readers sync.WaitGroup
	killer  sync.WaitGroup

	mu   sync.Mutex
	acks map[string][]time.Time // guarded by mu; of each key
}

// ackPatience bounds a wait for acks. HBase may have to start anew in it, on a slow machine.
const ackPatience = 5 * time.Minute

// steadyLimit bounds a whole run.
const steadyLimit = 12 * time.Minute

// StartSteady begins the load on the keys; with restarts, the process of the cluster
// is killed and started again all along.
func StartSteady(tb testing.TB, c *Cluster, restarts bool, keys ...string) *Steady {
	tb.Helper()
	s := newSteady(tb, c, steadyLimit, 5*time.Millisecond)
	for i, key := range keys {
		s.pushers.Go(func() { s.push(key) })
		for k, kind := range []ReaderKind{ReadWebsocket, ReadPoll, ReadSSE, ReadV1TCP} {
			if (i+k)%2 == 0 {
				plan := ReaderPlan{Name: fmt.Sprintf("%s of %s", kind, key), Key: key, Kind: kind, Limit: 50, Sessions: sessions(i)}
				s.readers.Go(func() { s.read(s.ctx, plan) })
			}
		}
	}
	if restarts {
		s.killer.Go(s.restart)
	}
	return s
}

// newSteady is load of which nothing has begun.
func newSteady(tb testing.TB, c *Cluster, limit, pace time.Duration) *Steady {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), limit)
	s := &Steady{
		scene: newScene(ctx, c), tb: tb, cluster: c, cancel: cancel, ctx: ctx, pace: pace, acks: make(map[string][]time.Time),
	}
	s.going, s.stop = context.WithCancel(ctx)
	return s
}

// sessions come and go for as long as a run can take.
func sessions(i int) []Session {
	var all []Session
	for at := time.Duration(i) * 50 * time.Millisecond; at < steadyLimit; at += 4 * time.Second {
		all = append(all, Session{From: at, To: at + 3500*time.Millisecond})
	}
	return all
}

// push pushes one message after the other, each until it is acknowledged.
func (s *Steady) push(key string) {
	p := &pusher{scene: s.scene, plan: PusherPlan{Name: "pusher of " + key}, rand: draw(1, key)}
	for n := 0; s.going.Err() == nil; n++ {
		o := p.insist(s.ctx, PlannedPush{Token: fmt.Sprintf("%s/%d", key, n), Key: key, Idempotent: true}, Outcome{State: Refused})
		if o.State != Acked {
			return
		}
		s.mu.Lock()
		s.acks[key] = append(s.acks[key], time.Now())
		s.mu.Unlock()
		Pause(s.ctx, s.pace)
	}
}

// restart kills the cluster's process and starts it again until the pushing ends.
// When it returns the cluster is up.
func (s *Steady) restart() {
	for Pause(s.going, 5*time.Second) {
		if err := s.cluster.take().kill(); err != nil {
			s.fault("killer", "%v", err)
		}
		if err := s.cluster.TryStart(); err != nil {
			s.fault("killer", "%v", err)
			return
		}
	}
}

// Acked waits until every key has had n more acks.
func (s *Steady) Acked(n int) {
	s.tb.Helper()
	before := s.count()
	Until(s.tb, ackPatience, fmt.Sprintf("%d more acks of each key", n), func() (bool, string) {
		now := s.count()
		for key, was := range before {
			if now[key] < was+n {
				return false, fmt.Sprintf("%s has %d of %d", key, now[key]-was, n)
			}
		}
		return len(now) > 0, "none yet"
	})
}

func (s *Steady) count() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make(map[string]int, len(s.acks))
	for key, acks := range s.acks {
		counts[key] = len(acks)
	}
	return counts
}

// Stall is the longest time without an ack that any of the keys had since then.
func (s *Steady) Stall(since time.Time, keys ...string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest time.Duration
	for _, key := range keys {
		last := since
		for _, at := range append(slices.Clone(s.acks[key]), time.Now()) {
			if at.After(since) {
				longest, last = max(longest, at.Sub(last)), at
			}
		}
	}
	return longest
}

// Prove ends the load, lets everybody read to the end, and proves the history.
func (s *Steady) Prove() {
	s.tb.Helper()
	s.finish()
	keys := slices.Sorted(maps.Keys(s.acks))
	Prove(s.tb, s.cluster, Plan{Keys: keys, Kills: []Kill{{}}}, s.history)
}

// finish ends the load, and returns when everybody has read to the end.
func (s *Steady) finish() {
	s.stop()
	s.killer.Wait()
	s.pushers.Wait()
	s.end()
	s.readers.Wait()
	s.cancel()
}
