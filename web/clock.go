package web

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// clockFresh is how long a comet's time is used again. An older value is lower,
// and a lower first cursor is as safe: it only shows more.
const clockFresh = time.Second

// clock knows an id that is safe as a first cursor: no message that is pushed
// after the answer has an id at or below it, whatever the clocks of the hosts
// say. That is the lowest of what the groups would give next, as any of them
// may own the key.
type clock struct {
	dir     coord.Directory    // immutable
	comet   func(string) Comet // immutable
	timeout time.Duration      // immutable
	now     func() time.Time   // immutable
	asking  singleflight.Group // by group

	mu   sync.Mutex
	last map[string]reading // by group; guarded by mu
}

// reading is what a group's comet said, and when.
type reading struct {
	id push.ID
	at time.Time
}

// newClock asks nothing yet: the first caller does.
func newClock(dir coord.Directory, comet func(string) Comet, timeout time.Duration, now func() time.Time) *clock {
	return &clock{dir: dir, comet: comet, timeout: timeout, now: now, last: make(map[string]reading)}
}

// safe returns the id. It fails with KindNoNode when there is no group at all.
func (c *clock) safe(ctx context.Context) (push.ID, error) {
	groups := c.dir.View().Groups
	if len(groups) == 0 {
		return 0, push.E(push.KindNoNode, "there is no comet node, hence no time to begin at; try again")
	}
	c.refresh(ctx, groups)
	c.mu.Lock()
	defer c.mu.Unlock()
	lowest := push.MaxID
	for name, g := range groups {
		id := g.Floor
		if r, ok := c.last[name]; ok {
			id = r.id
		}
		lowest = min(lowest, id)
	}
	c.forget(groups)
	return lowest, nil
}

// forget drops groups that have left. The caller holds mu.
func (c *clock) forget(groups map[string]coord.Group) {
	if len(c.last) <= len(groups) {
		return
	}
	for name := range c.last {
		if _, ok := groups[name]; !ok {
			delete(c.last, name)
		}
	}
}

// refresh asks the groups whose reading is old, all at once.
func (c *clock) refresh(ctx context.Context, groups map[string]coord.Group) {
	var old []coord.Group
	now := c.now()
	c.mu.Lock()
	for name, g := range groups {
		r, ok := c.last[name]
		if age := now.Sub(r.at); g.Serving && (!ok || age >= clockFresh || age < 0) {
			g.Group = name
			old = append(old, g)
		}
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, g := range old {
		wg.Go(func() { c.ask(ctx, g) })
	}
	wg.Wait()
}

// ask has one question per group in flight, for all callers: so it must not end
// with the caller that happened to be first.
func (c *clock) ask(ctx context.Context, g coord.Group) {
	_, _, _ = c.asking.Do(g.Group, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
		defer cancel()
		// The time of the question: the answer may be as old as that.
		at := c.now()
		id, err := c.comet(g.RPC).Time(ctx)
		if err != nil {
			return nil, err // the last reading, or the floor, stays
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last[g.Group] = reading{id: id, at: at}
		return nil, nil
	})
}
