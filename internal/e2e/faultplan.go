package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Faults is what happens to a fleet: rounds of faults, each of which is over before the
// next begins. It is made from a seed and sizes alone: the same seed, the same faults.
type Faults struct {
	Seed   uint64
	Rounds []Round
}

// Round holds one fault, or several at once, in the order of their beginnings. At least one
// comet of each group, one web node, one message node of a shared store and most of
// ZooKeeper stay healthy.
type Round []Fault

// Fault is one thing that happens.
type Fault struct {
	Kind FaultKind
	// Victim is named by its role, and who that is may change: "primary of node1",
	// "alternate of node2", "message 1", "web 2"; by keys that it has, "region server of a"; or
	// it is a group.
	Victim string
	// Peer is the other end of a cut.
	Peer string `json:",omitempty"`
	// At is when it begins, after its round does; For is how long it lasts.
	At, For time.Duration
	// Weight is the group's new one.
	Weight int `json:",omitempty"`
}

// FaultKind is what happens to a victim.
type FaultKind string

// The kinds of faults.
const (
	Killed       FaultKind = "killed"         // SIGKILL, and started again
	Stopped      FaultKind = "stopped"        // SIGTERM, and started again
	Frozen       FaultKind = "frozen"         // SIGSTOP and SIGCONT; a comet for longer than its session
	CutOff       FaultKind = "cut from"       // the network between two roles
	CutShortly   FaultKind = "cut shortly"    // from ZooKeeper, for less than the session
	CutLong      FaultKind = "cut for long"   // from ZooKeeper, for more than the session
	SessionLost  FaultKind = "session lost"   // and nothing else
	ClockAhead   FaultKind = "clock ahead"    // an hour ahead for a while
	ClockBehind  FaultKind = "clock behind"   // an hour behind for a while
	GroupJoins   FaultKind = "joins"          // a third group, which stays
	GroupLeaves  FaultKind = "leaves"         // and leaves with a later fault
	WeightChange FaultKind = "changes weight" // of the keys that a group has
	Drained      FaultKind = "drained"        // the primary hands over
	LeaderKilled FaultKind = "leader killed"  // ZooKeeper's, and started again
	ServerKilled FaultKind = "crashes"        // a region server, and started again
	ServerFrozen FaultKind = "hangs"          // a region server, for longer than its session
)

// The roles of victims, without who of them it is.
const (
	rolePrimary   = "primary"
	roleAlternate = "alternate"
	roleMessage   = "message"
	roleWeb       = "web"
	roleGroup     = "node"
	roleServer    = "region server"
	roleLeader    = "ZooKeeper"
)

// role is that of a victim.
func role(victim string) string {
	for _, r := range []string{rolePrimary, roleAlternate, roleMessage, roleWeb, roleServer, roleLeader} {
		if strings.HasPrefix(victim, r) {
			return r
		}
	}
	return roleGroup
}

// groupOf is the group of a victim that is a comet or a group; else empty.
func groupOf(victim string) string {
	switch role(victim) {
	case rolePrimary, roleAlternate:
		_, group, _ := strings.Cut(victim, " of ")
		return group
	case roleGroup:
		return victim
	}
	return ""
}

// Name is what faults of the same sort have in common.
func (f Fault) Name() string {
	name := role(f.Victim) + " " + string(f.Kind)
	switch {
	case f.Peer != "":
		name += " " + role(f.Peer)
	case f.Kind == CutShortly || f.Kind == CutLong:
		name += " from ZooKeeper"
	}
	return name
}

func (f Fault) String() string {
	text := f.Victim + " " + string(f.Kind)
	switch {
	case f.Peer != "":
		text += " " + f.Peer
	case f.Kind == CutShortly || f.Kind == CutLong:
		text += " from ZooKeeper"
	case f.Weight != 0:
		text += fmt.Sprintf(" to %d", f.Weight)
	}
	if f.For > 0 {
		text += fmt.Sprintf(" for %s", f.For.Round(10*time.Millisecond))
	}
	if f.At > 0 {
		text += fmt.Sprintf(", %s later", f.At.Round(10*time.Millisecond))
	}
	return text
}

// Count is the number of faults.
func (f Faults) Count() (n int) {
	for _, round := range f.Rounds {
		n += len(round)
	}
	return n
}

// FaultSizes say of what faults are made.
type FaultSizes struct {
	Faults         int
	Messages, Webs int
	HBase          bool
	Session        time.Duration // of the roles, with ZooKeeper
	ServerSession  time.Duration // of region servers
	MostTogether   int           // in one round; 0: 3
}

// faultSides are what keys begin with, in two regions of the table.
func faultSides() []string { return []string{"a", "z"} }

// thirdGroup joins and leaves; the two others stay.
const thirdGroup = "node3"

// MakeFaults draws faults.
func MakeFaults(seed uint64, s FaultSizes) Faults {
	d := &faultDraw{rand: draw(seed, "faults"), sizes: s}
	if d.sizes.MostTogether == 0 {
		d.sizes.MostTogether = 3
	}
	all := Faults{Seed: seed}
	for left := s.Faults; left > 0; {
		round := d.round(left)
		all.Rounds = append(all.Rounds, round)
		left -= len(round)
	}
	return all
}

// card is a sort of fault; the deck has it as often as it is wanted.
type card struct {
	kind   FaultKind
	victim string // a role
	peer   string // a role
}

// deck is every sort of fault. What hits a primary is worth most.
func (s *FaultSizes) deck() []card {
	cards := []card{
		{Killed, rolePrimary, ""},
		{Killed, rolePrimary, ""},
		{Killed, rolePrimary, ""},
		{Killed, roleAlternate, ""},
		{Killed, roleWeb, ""},
		{Killed, roleMessage, ""},
		{Stopped, rolePrimary, ""},
		{Stopped, rolePrimary, ""},
		{Stopped, roleAlternate, ""},
		{Stopped, roleWeb, ""},
		{Stopped, roleMessage, ""},
		{Frozen, rolePrimary, ""},
		{Frozen, rolePrimary, ""},
		{Frozen, rolePrimary, ""},
		{Frozen, roleAlternate, ""},
		{Frozen, roleWeb, ""},
		{Frozen, roleMessage, ""},
		{CutOff, rolePrimary, roleMessage},
		{CutOff, rolePrimary, roleMessage},
		{CutOff, roleWeb, rolePrimary},
		{CutOff, roleWeb, roleMessage},
		{CutOff, rolePrimary, rolePrimary},
		{CutShortly, rolePrimary, ""},
		{CutShortly, roleMessage, ""},
		{CutLong, rolePrimary, ""},
		{CutLong, rolePrimary, ""},
		{CutLong, roleAlternate, ""},
		{CutLong, roleWeb, ""},
		{CutLong, roleMessage, ""},
		{SessionLost, rolePrimary, ""},
		{SessionLost, rolePrimary, ""},
		{SessionLost, roleAlternate, ""},
		{SessionLost, roleMessage, ""},
		{SessionLost, roleWeb, ""},
		{ClockAhead, rolePrimary, ""},
		{ClockAhead, roleAlternate, ""},
		{ClockAhead, roleMessage, ""},
		{ClockAhead, roleWeb, ""},
		{ClockBehind, rolePrimary, ""},
		{ClockBehind, roleAlternate, ""},
		{ClockBehind, roleMessage, ""},
		{ClockBehind, roleWeb, ""},
		{GroupJoins, roleGroup, ""},
		{GroupLeaves, roleGroup, ""},
		{GroupJoins, roleGroup, ""},
		{GroupLeaves, roleGroup, ""},
		{WeightChange, roleGroup, ""},
		{Drained, roleGroup, ""},
		{Drained, roleGroup, ""},
		{LeaderKilled, roleLeader, ""},
		{LeaderKilled, roleLeader, ""},
	}
	if s.HBase {
		cards = append(cards, card{ServerKilled, roleServer, ""}, card{ServerFrozen, roleServer, ""})
	}
	return cards
}

// faultDraw draws one round after the other.
type faultDraw struct {
	rand   *rand.Rand
	sizes  FaultSizes
	cards  []card // the rest of the deck
	drawn  bool   // the deck was shuffled before
	joined bool   // the third group is there
}

// round is one fault; every third time two or three.
func (d *faultDraw) round(left int) Round {
	n := 1
	if d.rand.IntN(3) == 0 {
		n = 2 + d.rand.IntN(max(1, d.sizes.MostTogether-1))
	}
	var round Round
	hit := make(map[string]bool)
	present := d.joined // a group that joins is no victim until it has
	for len(round) < min(n, left) {
		f, ok := d.next(hit, present, len(round) > 0)
		if !ok {
			break // nothing goes with what the round has
		}
		if len(round) > 0 {
			f.At = round[len(round)-1].At + upTo(d.rand, d.sizes.Session)
		}
		round = append(round, f)
	}
	return round
}

// next takes the first card that goes with the round, and says who it hits.
func (d *faultDraw) next(hit map[string]bool, present, more bool) (Fault, bool) {
	d.shuffle()
	for i, c := range d.cards {
		f, ok := d.fault(c, hit, present)
		if !ok || more && c.kind == ServerFrozen {
			continue
		}
		d.cards = slices.Delete(d.cards, i, i+1)
		return f, true
	}
	return Fault{}, false
}

// shuffle begins the deck again when it is nearly used up: cards that do not go with a
// round stay until one comes with which they do. What only HBase has comes early the first
// time, as short runs are there for it.
func (d *faultDraw) shuffle() {
	if len(d.cards) > 4 {
		return
	}
	fresh := d.sizes.deck()
	d.rand.Shuffle(len(fresh), func(i, j int) { fresh[i], fresh[j] = fresh[j], fresh[i] })
	if !d.drawn {
		early := 0
		for i, c := range fresh {
			if c.victim == roleServer {
				fresh[i], fresh[early] = fresh[early], c
				early += 2
			}
		}
	}
	d.drawn = true
	d.cards = append(d.cards, fresh...)
}

// fault fills a card in, if the round allows it: hit has what it hits already.
func (d *faultDraw) fault(c card, hit map[string]bool, present bool) (Fault, bool) {
	if c.kind == GroupJoins && (d.joined || present) || c.kind == GroupLeaves && !present {
		return Fault{}, false
	}
	f := Fault{Kind: c.kind, Victim: d.victim(c.victim, present, ""), For: d.lasts(c)}
	switch c.kind {
	case GroupJoins, GroupLeaves:
		f.Victim = thirdGroup
	case WeightChange:
		f.Weight = 1 + d.rand.IntN(3)
	}
	if c.peer != "" {
		f.Peer = d.victim(c.peer, present, groupOf(f.Victim))
	}
	marks := f.hits()
	for _, mark := range marks {
		if hit[mark] {
			return Fault{}, false
		}
	}
	for _, mark := range marks {
		hit[mark] = true
	}
	if c.kind == GroupJoins || c.kind == GroupLeaves {
		d.joined = c.kind == GroupJoins
	}
	return f, true
}

// hits are marks of which a round may have each once, so that enough stays healthy.
func (f Fault) hits() []string {
	var marks []string
	for _, victim := range []string{f.Victim, f.Peer} {
		switch r := role(victim); {
		case victim == "":
		case groupOf(victim) != "":
			marks = append(marks, groupOf(victim))
		default:
			marks = append(marks, r)
		}
	}
	if f.Kind == GroupJoins || f.Kind == GroupLeaves || f.Kind == WeightChange {
		marks = append(marks, "ring")
	}
	return marks
}

// victim names one with the role; a comet not of the group that the other end is of.
func (d *faultDraw) victim(r string, present bool, not string) string {
	switch r {
	case roleMessage:
		return fmt.Sprintf("%s %d", r, 1+d.rand.IntN(d.sizes.Messages))
	case roleWeb:
		return fmt.Sprintf("%s %d", r, 1+d.rand.IntN(d.sizes.Webs))
	case roleServer:
		return r + " of " + faultSides()[d.rand.IntN(2)]
	case roleLeader:
		return r
	}
	groups := []string{"node1", "node2"}
	if present {
		groups = append(groups, thirdGroup)
	}
	groups = slices.DeleteFunc(groups, func(g string) bool { return g == not })
	group := groups[d.rand.IntN(len(groups))]
	if r == roleGroup {
		return group
	}
	return r + " of " + group
}

// lasts is for how long.
func (d *faultDraw) lasts(c card) time.Duration {
	session := d.sizes.Session
	between := func(least, most float64, of time.Duration) time.Duration {
		return time.Duration(least*float64(of)) + upTo(d.rand, time.Duration((most-least)*float64(of)))
	}
	comet := c.victim == rolePrimary || c.victim == roleAlternate
	switch c.kind {
	case Killed, Stopped:
		return between(0.1, 2, session)
	case Frozen:
		if comet {
			return between(1.5, 3, session)
		}
		return between(0.5, 2, session)
	case CutOff, ClockAhead, ClockBehind:
		return between(0.5, 2.5, session)
	case CutShortly:
		return between(0.1, 0.6, session)
	case CutLong:
		return between(1.5, 3, session)
	case LeaderKilled:
		return between(0.5, 1.5, session)
	case ServerKilled:
		return between(0.2, 1, d.sizes.ServerSession)
	case ServerFrozen:
		return between(1.2, 1.5, d.sizes.ServerSession)
	}
	return 0
}
