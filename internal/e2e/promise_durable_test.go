package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// P1: an ack is durable. Pushers push without a pause, and the process is killed
// the moment the n-th ack is in; after the next start everything acknowledged is
// there, under the id of its ack.
//
// Broken once by saving with NoSync in message/embedded: most acks of the first
// round were missing.
func TestP1AckSurvivesKill(t *testing.T) {
	c := Start(t, Options{Child: true})
	for round := range 6 {
		acked := pushUntilKilled(t, c, round, 40+30*round)
		c.Start()
		for key, ids := range acked {
			page, err := c.API.Messages(t.Context(), key, "0", "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			stored := make(map[string]string)
			for _, m := range page.Messages {
				stored[m.ID] = string(m.Data)
			}
			for id, data := range ids {
				if stored[id] != data {
					t.Errorf("round %d: %s of %s was acknowledged as %s, and is now %q", round, data, key, id, stored[id])
				}
			}
		}
	}
}

// pushUntilKilled pushes from many connections until the kill, and returns the data
// of what was acknowledged, by key and id.
func pushUntilKilled(t *testing.T, c *Cluster, round, killAfter int) map[string]map[string]string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	acked, n := make(map[string]map[string]string), 0
	enough := make(chan struct{})
	var pushers sync.WaitGroup
	for w := range 16 {
		pushers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key, data := fmt.Sprintf("p1-%d-%d", round, w%8), fmt.Sprintf("%d/%d", w, i)
				o := c.API.Push(ctx, Message{Key: key, Data: Text(data)})
				if o.State != Acked {
					return
				}
				mu.Lock()
				if acked[key] == nil {
					acked[key] = make(map[string]string)
				}
				acked[key][fmt.Sprint(o.ID)] = string(Text(data))
				if n++; n == killAfter {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(20 * time.Second):
		t.Error("too few acks in 20 s")
	}
	c.Kill()
	pushers.Wait()
	return acked
}

// P1, the readers' half: what somebody has seen is on disk too. Pollers read as fast
// as they can while the process is killed; after the next start everything that they
// saw is there, acknowledged or not. Otherwise a cursor would stand on a message that
// never was.
//
// Broken once by not waiting for the disk in Read of message/embedded: a message that
// was seen was gone.
func TestP1WhatWasSeenSurvivesKill(t *testing.T) {
	c := Start(t, Options{Child: true})
	for round := range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		seen := make([]map[string]string, 8)
		var pollers sync.WaitGroup
		for i := range seen {
			seen[i] = make(map[string]string)
			pollers.Go(func() { follow(ctx, c, fmt.Sprintf("p1-%d-%d", round, i), seen[i]) })
		}
		pushUntilKilled(t, c, round, 40+30*round)
		cancel()
		pollers.Wait()
		c.Start()
		for i := range seen {
			key := fmt.Sprintf("p1-%d-%d", round, i)
			page, err := c.API.Messages(t.Context(), key, "0", "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				delete(seen[i], m.ID)
			}
			for id, data := range seen[i] {
				t.Errorf("round %d: message %s (%s) of %s was seen, and is gone", round, id, data, key)
			}
		}
	}
}

// follow polls a key until ctx ends and notes what it sees, by id.
func follow(ctx context.Context, c *Cluster, key string, seen map[string]string) {
	after := "0"
	for ctx.Err() == nil {
		page, err := c.API.Messages(ctx, key, after, "", 1000)
		if err != nil {
			continue // killed, or about to start
		}
		for _, m := range page.Messages {
			seen[m.ID], after = string(m.Data), m.ID
		}
	}
}

// P2: ids of a key strictly increase in the order of the acks, whatever the clock
// does: steps of an hour in both directions, while it runs and between runs, after
// a kill and after an orderly stop.
//
// Broken once by starting a term at the clock instead of above the old ceiling: the
// first push after a restart with the clock set back found its id taken.
func TestP2IDsAscend(t *testing.T) {
	steps := []time.Duration{0, -time.Hour, 2 * time.Hour, -3 * time.Hour, time.Minute, 2 * time.Hour}
	t.Run("while it runs", func(t *testing.T) {
		c := Start(t, Options{})
		var last ascending
		for _, step := range steps {
			c.Step(step)
			for range 20 {
				last.push(t, c)
			}
		}
	})
	for name, end := range map[string]func(*Cluster){"kill": (*Cluster).Kill, "stop": (*Cluster).Stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{Child: true})
			var last ascending
			for _, step := range steps {
				c.Step(step)
				end(c)
				c.Start()
				for range 5 {
					last.push(t, c)
				}
			}
		})
	}
}

// ascending pushes to a private key and to everybody, and compares with the last
// ids.
type ascending struct{ private, public int64 }

func (a *ascending) push(t *testing.T, c *Cluster) {
	t.Helper()
	for key, last := range map[string]*int64{"p2": &a.private, "": &a.public} {
		o := c.API.Push(t.Context(), Message{Key: key, Data: Text("x")})
		if o.State != Acked || o.ID <= *last || o.ID%16 != 0 {
			t.Fatalf("key %q: %+v after %d", key, o, *last)
		}
		*last = o.ID
	}
}
