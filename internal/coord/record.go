package coord

import (
	"slices"
	"time"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// What is kept where all nodes see it. A Stamp counts the changes of a record
// and lets a write fail that was decided on an older one.

// NoStamp is the stamp of what is not there.
const NoStamp int64 = -1

// Candidate is a node's place in the line of its group. It lasts as long as the
// node's session.
type Candidate struct {
	ID     string // given by the node, unique among all that ever were
	Name   string // where it is kept
	Seq    int64  // the lowest of a group is first in line
	Member Member
	Asked  bool // to hand over, by an operator
	Own    bool // made by this session
}

// Tenure is the newest term of a group. It outlives sessions.
type Tenure struct {
	Epoch  int64
	Owner  string // id of the candidate; the term lasts no longer than its place
	Member Member
	Floor  push.ID
	// Confirmed is the highest version of the ring that this term has confirmed.
	Confirmed int64
	// Cover is the time from a pending version on after which this term has lost
	// its lease, if it has not confirmed.
	Cover time.Duration
}

// Place is a group's part of a ring.
type Place struct {
	Group  string
	Weight int
	// Floor is what any group had given of the keys that came here: the group
	// gives only ids above it.
	Floor push.ID
}

// Ring is the division of keys among groups, and the change that is under way.
type Ring struct {
	Version int64   // counts the divisions that were active
	Places  []Place // ascending by group

	Next       int64   // 0: no change is under way
	NextPlaces []Place // ascending by group; their floors are not known yet

	Last int64 // the highest Next that ever was; some were called off
	// Removed are groups that an operator has taken out and that have not come
	// back, ascending.
	Removed []string
}

// place finds a group.
func place(places []Place, group string) (Place, bool) {
	i := slices.IndexFunc(places, func(p Place) bool { return p.Group == group })
	if i < 0 {
		return Place{}, false
	}
	return places[i], true
}

// sameShares reports whether two divisions give every key to the same group.
func sameShares(a, b []Place) bool {
	return slices.EqualFunc(a, b, func(x, y Place) bool { return x.Group == y.Group && x.Weight == y.Weight })
}

// gains reports whether group gets keys from others when shares change from old
// to next: it has more points than before, or somebody else has fewer.
func gains(old, next []Place, group string) bool {
	mine, _ := place(next, group)
	if before, _ := place(old, group); mine.Weight > before.Weight {
		return true
	}
	return slices.ContainsFunc(old, func(p Place) bool {
		now, _ := place(next, p.Group)
		return p.Group != group && now.Weight < p.Weight
	})
}

// build makes the ring of the places. They come from members that were checked,
// so an error means a damaged record.
func build(places []Place) (*ring.Ring, error) {
	nodes := make([]ring.Node, 0, len(places))
	for _, p := range places {
		nodes = append(nodes, ring.Node{Name: p.Group, Weight: p.Weight})
	}
	return ring.New(nodes)
}

// aligned rounds up to what an id can be.
func aligned(id push.ID) push.ID { return (id + push.Step - 1) / push.Step * push.Step }
