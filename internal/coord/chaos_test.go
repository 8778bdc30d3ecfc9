package coord

import (
	"fmt"
	"math/rand/v2"
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
		c := &chaos{world: newWorld(), fail: t.Fatalf}
		for i := range 3 {
			c.add(fmt.Sprint("p", i), Config{RemoveAfter: 6 * time.Second, ConfirmWithin: 2 * time.Second}).connect()
		}
		for i, p := range c.procs {
			c.campaignIn(p, []string{"node1", "node2", "node1"}[i])
		}
		if rapid.Bool().Draw(t, "from a cluster that serves") {
			c.rest(10 * time.Second)
		}
		t.Repeat(map[string]func(*rapid.T){
			"flow": c.doFlow, "flow more": c.doFlow, "flow on": c.doFlow,
			"work": c.doWork, "fail": c.doFail, "tick": c.doTick, "time": c.doTime,
			"campaign": c.doCampaign, "leave": c.doLeave, "raise": c.doRaise, "ask": c.doAsk, "remove": c.doRemove,
			"session": c.doSession, "clock": c.doClock, "": c.check,
		})
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
	fail   func(format string, args ...any)
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

// doFlow lets some of the processes work for a while, with pushes; the others
// are frozen, and may lose their sessions.
func (c *chaos) doFlow(t *rapid.T) {
	frozen := rapid.IntRange(-2, len(c.procs)-1).Draw(t, "frozen")
	steps := rapid.IntRange(1, 30).Draw(t, "steps")
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for range steps {
		c.mono += time.Duration(dice.Int64N(int64(200 * time.Millisecond)))
		for i, p := range c.procs {
			if i != frozen {
				c.flow(dice, p)
			} else if p.session && c.mono-p.heard >= testTimeout && dice.IntN(4) == 0 {
				p.expire()
			}
			c.invariants()
		}
	}
}

// flow is a moment in the life of a process.
func (c *chaos) flow(dice *rand.Rand, p *proc) {
	switch {
	case !p.session && p.knows:
		p.notice()
	case !p.session:
		p.connect()
	}
	p.tell(Tick{})
	c.push(dice, p)
	if dice.IntN(3) == 0 {
		p.arrive()
	}
	if len(p.asked) > 0 && p.session && dice.IntN(20) == 0 {
		p.perform(dice.IntN(len(p.asked)), Unknown, dice.IntN(2) == 0)
	}
	for range dice.IntN(20) {
		if len(p.asked) > 1 && p.session {
			p.perform(dice.IntN(len(p.asked)), Done, false)
		} else {
			p.work()
		}
		if dice.IntN(4) == 0 {
			c.push(dice, p)
		}
	}
	for _, id := range sortedKeys(p.terms) {
		s := p.terms[id]
		if s.won && !s.over && dice.IntN(2) == 0 {
			c.confirm(s)
		}
		if s.won && !s.over && dice.IntN(4) == 0 {
			p.tell(Raise{ID: id, To: max(s.mark, p.wall()) + ids(3*time.Second)})
		}
	}
}

// push begins and ends pushes of a process, as a comet would: it owns the key,
// and has an id for it; and it acknowledges if the lease still holds.
func (c *chaos) push(dice *rand.Rand, p *proc) {
	for _, id := range sortedKeys(p.terms) {
		s := p.terms[id]
		for _, key := range chaosKeys {
			switch at, flying := s.flight[key]; {
			case flying && dice.IntN(2) == 0:
				c.acknowledge(s, key, at)
			case !flying && c.owns(s, key) && dice.IntN(2) == 0:
				mark := max(s.mark, s.floor)
				if at := max(aligned(p.wall()), mark-mark%push.Step+push.Step); at <= s.ceiling {
					s.mark, s.flight[key] = at, at
				}
			}
		}
	}
}

func (c *chaos) acknowledge(s *claimed, key string, id push.ID) {
	delete(s.flight, key)
	if !s.valid() {
		return
	}
	if id <= c.acked[key] {
		c.fail("%s acknowledges id %d of %s after %d", s.id, id, key, c.acked[key])
	}
	c.acked[key] = id
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
func (c *chaos) check(*rapid.T) { c.invariants() }

func (c *chaos) invariants() {
	groups := map[string]string{}
	for _, p := range c.procs {
		for _, s := range p.terms {
			if !s.valid() {
				continue
			}
			if other := groups[s.group]; other != "" {
				c.fail("%s and %s serve %s at once", s.id, other, s.group)
			}
			groups[s.group] = s.id
			if stored := c.ceilings[s.group].Ceiling; s.ceiling > stored {
				c.fail("%s may go to %d, but only %d is written", s.id, s.ceiling, stored)
			}
		}
	}
	for _, key := range chaosKeys {
		if all := c.owners(key); len(all) > 1 {
			c.fail("%s and %s own %s at once", all[0].id, all[1].id, key)
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
		p.arrive()
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
		if s.owner.terms[s.ID].over {
			t.Fatalf("%s is a ghost", s.ID)
		}
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
