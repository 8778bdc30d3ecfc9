package oldredis

import (
	"errors"
	"fmt"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// Part is the part of the keys that is moved: those that a ring gives to some of its groups.
// The zero Part has all keys.
type Part struct {
	ring   *ring.Ring
	groups map[string]bool
}

// NewPart reads the ring of the old system, NAME=WEIGHT each, and which of its groups are
// meant. Both may be empty; a ring alone means nothing, so it is an error.
func NewPart(nodes, groups []string) (Part, error) {
	if len(nodes) == 0 && len(groups) == 0 {
		return Part{}, nil
	}
	if len(groups) == 0 || len(nodes) == 0 {
		return Part{}, errors.New("groups are parts of a ring: name the comet nodes of the old system with their weights (--ring node1=1,node2=1), and the groups that are meant (--group node1)")
	}
	r, err := ring.Parse(nodes)
	if err != nil {
		return Part{}, err
	}
	p := Part{r, make(map[string]bool)}
	for _, g := range groups {
		if !r.Has(g) {
			return Part{}, fmt.Errorf("there is no group %q on the ring", g)
		}
		p.groups[g] = true
	}
	return p, nil
}

// Has reports whether the key is meant.
func (p Part) Has(key push.Key) bool { return p.ring == nil || p.groups[p.ring.Owner(string(key))] }
