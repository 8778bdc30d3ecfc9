package coord

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/push"
	"gopush/internal/ring"
)

var chaosKeys = []string{"Terry-Mao", "a", "b", "c", "d", "e", "f", "中文"}

// TestChaos lets everything happen in any order that a service with sessions
// allows, clocks that step included, and checks after each step that the
// promises hold. In the end it lets the cluster rest, and compares it with a
// twin that only knows who is there.
func TestChaos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &chaos{world: newWorld()}
		for i := range 3 {
			c.add(fmt.Sprint("p", i), Config{RemoveAfter: 30 * time.Second, ConfirmWithin: 2 * time.Second}).connect()
		}
		if rapid.Bool().Draw(t, "from a cluster that serves") {
			for i, p := range c.procs {
				c.campaignIn(p, []string{"node1", "node2", "node1"}[i])
			}
			c.rest(10 * time.Second)
		}
		actions := map[string]func(*rapid.T){
			"work": c.doWork, "work more": c.doMore, "fail": c.doFail, "tick": c.doTick, "time": c.doTime,
			"campaign": c.doCampaign, "leave": c.doLeave, "raise": c.doRaise, "ask": c.doAsk, "remove": c.doRemove,
			"push": c.doPush, "push more": c.doPush, "finish": c.doFinish, "confirm": c.doConfirm,
			"session": c.doSession, "clock": c.doClock,
		}
		actions[""] = c.check
		t.Repeat(actions)
		c.rest(2 * time.Minute)
		c.check(t)
		c.compare(t)
	})
}

// What is drawn is printed when a check fails, so briefly.

func (p *proc) GoString() string    { return p.name }
func (c *claimed) GoString() string { return c.id }

type chaos struct {
	*world
	serial int
}

func (c *chaos) any(t *rapid.T) *proc { return rapid.SampledFrom(c.procs).Draw(t, "process") }

// term draws a term that its process believes in.
func (c *chaos) term(t *rapid.T, p *proc) *claimed {
	var all []*claimed
	for _, id := range sortedKeys(p.terms) {
		if !p.terms[id].over {
			all = append(all, p.terms[id])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(t, "term")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// one does one of the things that are to be done for p, whichever.
func (c *chaos) one(t *rapid.T, p *proc) {
	choices := []func(){}
	if len(p.inbox) > 0 {
		choices = append(choices, func() {
			ev := p.inbox[0]
			p.inbox = p.inbox[1:]
			p.tell(ev)
		})
	}
	if p.session && p.knows {
		for i := range p.asked {
			choices = append(choices, func() { p.perform(i, Done, false) })
		}
		for _, piece := range sortedKeys(p.dirty) {
			choices = append(choices, func() { p.read(piece) })
		}
	}
	if len(choices) > 0 {
		choices[rapid.IntRange(0, len(choices)-1).Draw(t, "which")]()
	}
}

func (c *chaos) doWork(t *rapid.T) { c.one(t, c.any(t)) }

func (c *chaos) doMore(t *rapid.T) {
	p := c.any(t)
	for range rapid.IntRange(1, 30).Draw(t, "times") {
		c.one(t, p)
	}
}

func (c *chaos) doFail(t *rapid.T) {
	p := c.any(t)
	if p.session && p.knows && len(p.asked) > 0 {
		i := rapid.IntRange(0, len(p.asked)-1).Draw(t, "which")
		p.perform(i, Unknown, rapid.Bool().Draw(t, "lost"))
	}
}

func (c *chaos) doTick(t *rapid.T) { c.any(t).tell(Tick{}) }

func (c *chaos) doTime(t *rapid.T) {
	c.mono += time.Duration(rapid.Int64Range(0, int64(1500*time.Millisecond)).Draw(t, "by"))
}

func (c *chaos) campaignIn(p *proc, group string) {
	c.serial++
	p.campaign(fmt.Sprint("c", c.serial), group, 1+c.serial%2)
}

func (c *chaos) doCampaign(t *rapid.T) {
	c.campaignIn(c.any(t), rapid.SampledFrom([]string{"node1", "node2", "node3"}).Draw(t, "group"))
}

func (c *chaos) doLeave(t *rapid.T) {
	p := c.any(t)
	if s := c.term(t, p); s != nil {
		s.over = true // a term that resigns is over at once
		p.tell(Leave{ID: s.id})
	}
}

func (c *chaos) doRaise(t *rapid.T) {
	p := c.any(t)
	if s := c.term(t, p); s != nil {
		p.tell(Raise{ID: s.id, To: max(s.mark, p.wall()) + ids(3*time.Second)})
	}
}

func (c *chaos) doAsk(t *rapid.T) {
	if len(c.candidates) > 0 {
		c.candidates[rapid.IntRange(0, len(c.candidates)-1).Draw(t, "which")].Asked = true
		c.changed("candidates")
	}
}

func (c *chaos) doRemove(t *rapid.T) {
	c.any(t).tell(Remove{Group: rapid.SampledFrom([]string{"node1", "node2", "node3"}).Draw(t, "group")})
}

func (c *chaos) doSession(t *rapid.T) {
	p := c.any(t)
	switch {
	case p.session && c.mono-p.heard >= testTimeout:
		p.expire()
	case !p.session && p.knows:
		p.notice()
	case !p.session:
		p.connect()
	}
}

func (c *chaos) doClock(t *rapid.T) {
	c.any(t).skew += ids(time.Duration(rapid.Int64Range(int64(-time.Hour), int64(time.Hour)).Draw(t, "by")))
}

// doPush begins a push, as a comet would: it owns the key, and has an id for it.
func (c *chaos) doPush(t *rapid.T) {
	key := rapid.SampledFrom(chaosKeys).Draw(t, "key")
	for _, s := range c.owners(key) {
		if s.flight[key] != 0 {
			continue
		}
		mark := max(s.mark, s.floor)
		if id := max(aligned(s.proc.wall()), mark-mark%push.Step+push.Step); id <= s.ceiling {
			s.mark, s.flight[key] = id, id
		}
	}
}

// doFinish acknowledges one, if the lease still holds.
func (c *chaos) doFinish(t *rapid.T) {
	p := c.any(t)
	s := c.term(t, p)
	if s == nil {
		return
	}
	for _, key := range sortedKeys(s.flight) {
		if id := s.flight[key]; s.valid() {
			if id <= c.acked[key] {
				t.Fatalf("%s acknowledges id %d of %s after %d", s.id, id, key, c.acked[key])
			}
			c.acked[key] = id
		}
		delete(s.flight, key)
	}
}

// doConfirm confirms as soon as nothing is in flight for keys that move.
func (c *chaos) doConfirm(t *rapid.T) {
	p := c.any(t)
	if s := c.term(t, p); s != nil {
		c.confirm(s)
	}
}

func (c *chaos) confirm(s *claimed) {
	v := s.proc.view
	if !s.won || v.PendingVersion == 0 || s.confirmed >= v.PendingVersion {
		return
	}
	for key := range s.flight {
		if v.Moving(push.Key(key)) {
			return
		}
	}
	s.proc.tell(Confirm{ID: s.id, Version: v.PendingVersion})
}

// check is what must hold at any time.
func (c *chaos) check(t *rapid.T) {
	groups := map[string]string{}
	for _, p := range c.procs {
		for _, s := range p.terms {
			if !s.valid() {
				continue
			}
			if other := groups[s.group]; other != "" {
				t.Fatalf("%s and %s serve %s at once", s.id, other, s.group)
			}
			groups[s.group] = s.id
			if stored := c.ceilings[s.group].Ceiling; s.ceiling > stored {
				t.Fatalf("%s may go to %d, but only %d is written", s.id, s.ceiling, stored)
			}
		}
	}
	for _, key := range chaosKeys {
		if all := c.owners(key); len(all) > 1 {
			t.Fatalf("%s and %s own %s at once", all[0].id, all[1].id, key)
		}
	}
}

// rest lets everything work for a while, with honest comets.
func (c *chaos) rest(d time.Duration) {
	for _, p := range c.procs {
		if !p.session && p.knows {
			p.notice()
		}
		if !p.session {
			p.connect()
		}
		for _, s := range p.terms {
			clear(s.flight)
		}
	}
	c.run()
	for end := c.mono + d; c.mono < end; {
		for _, p := range c.procs {
			for _, id := range sortedKeys(p.terms) {
				if !p.terms[id].over {
					c.confirm(p.terms[id])
				}
			}
		}
		c.pass(testLease / 8)
	}
}

// compare is the twin: it knows the line, and hence who must serve what.
func (c *chaos) compare(t *rapid.T) {
	first, nodes := map[string]stored{}, []ring.Node{}
	for _, s := range c.candidates {
		if other, ok := first[s.Member.Group]; !ok || s.Seq < other.Seq {
			first[s.Member.Group] = s
		}
	}
	if len(first) == 0 {
		return
	}
	for _, g := range sortedKeys(first) {
		nodes = append(nodes, ring.Node{Name: g, Weight: first[g].Member.Weight})
		if s := first[g].owner.terms[first[g].ID]; !s.valid() {
			t.Fatalf("%s is the first of %s and does not serve: %+v", s.id, g, s)
		}
	}
	for _, p := range c.procs {
		v := p.view
		if v.PendingVersion != 0 || !slices.Equal(v.Ring.Nodes(), nodes) {
			t.Fatalf("%s sees the ring %v, pending %d; want %v", p.name, v.Ring.Nodes(), v.PendingVersion, nodes)
		}
		for g, s := range first {
			if got := v.Groups[g]; !got.Serving || got.Epoch != s.owner.terms[s.ID].epoch || got.RPC != s.owner.name+":1" {
				t.Fatalf("%s sees %s as %+v, want epoch %d of %s", p.name, g, got, s.owner.terms[s.ID].epoch, s.owner.name)
			}
		}
		if len(p.asked) != 0 || len(p.inbox) != 0 {
			t.Fatalf("%s does not rest: %+v %+v", p.name, p.asked, p.inbox)
		}
	}
}
