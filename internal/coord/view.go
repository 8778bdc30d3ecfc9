package coord

import (
	"gopush/internal/push"
	"gopush/internal/ring"
)

// Group is a comet group as others see it: its primary, if one serves.
type Group struct {
	Member
	Epoch   int64
	Floor   push.ID // the epoch gives only ids above it
	Serving bool
}

// Role is what a comet node is to its group.
type Role int8

// Roles of a comet node.
const (
	Alternate Role = iota // waits in line
	Primary               // serves
)

// String is how logs and APIs name the role.
func (r Role) String() string {
	if r == Primary {
		return "primary"
	}
	return "alternate"
}

// Node is one comet node of a group.
type Node struct {
	ID string // unique among all nodes that ever were
	Member
	Role  Role
	Asked bool // to hand over, by an operator
}

// View is one consistent picture of the cluster. It is immutable.
type View struct {
	Version int64 // of the picture; grows with every change

	// RingVersion counts the changes of Ring, one by one; 0: there is none yet.
	// Whatever is remembered of keys under one version is worth nothing under
	// the next: a key may have gone and come back.
	RingVersion int64
	Ring        *ring.Ring // says who serves a key

	// PendingVersion names Pending; 0: no change is under way. It counts up too,
	// but some that were pending are called off.
	PendingVersion int64
	// Pending is the ring to come. Keys that it gives to another group than Ring
	// does are moving: nobody may take anything new for them.
	Pending *ring.Ring

	Groups   map[string]Group
	Nodes    []Node   // by group, and in it in the order of succession
	Messages []string // RPC addresses (host:port) of the message nodes
}

// Owner finds the group that owns key; ok is false when the ring is empty, the
// group has no primary that serves, or the key is moving to another group.
func (v *View) Owner(key push.Key) (Group, bool) {
	g, ok := v.Groups[v.Ring.Owner(string(key))]
	return g, ok && g.Serving && !v.Moving(key)
}

// Moving reports whether a change of the ring that is under way takes the key
// from its group.
func (v *View) Moving(key push.Key) bool {
	return v.PendingVersion != 0 && v.Pending.Owner(string(key)) != v.Ring.Owner(string(key))
}

// Removable reports what keeps an operator from taking a group out of the ring.
func Removable(v *View, group string) error {
	for _, n := range v.Nodes {
		if n.Group == group {
			return push.E(push.KindConflict, "the group %s still has the node %s; stop its nodes first", group, n.RPC)
		}
	}
	if _, ok := v.Groups[group]; !ok {
		return push.E(push.KindNotFound, "there is no group %q in the ring", group)
	}
	return nil
}
