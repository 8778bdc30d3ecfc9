package coord

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// sawCandidates takes the line in. A seat that stood there and does not any
// more has lost its place.
func (m *Machine) sawCandidates(all []Candidate) {
	m.candidates = slices.Clone(all)
	slices.SortFunc(m.candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Member.Group, b.Member.Group), cmp.Compare(a.Seq, b.Seq))
	})
	for _, s := range m.seats {
		_, there := m.own(s)
		s.seen, s.gone = s.seen || there, s.seen && !there
	}
	m.count()
}

// count notes since when groups of the ring have been without a node.
func (m *Machine) count() {
	empty := m.division.empty
	for _, p := range m.division.Places {
		_, peopled := m.first(p.Group)
		_, counted := empty[p.Group]
		switch {
		case peopled:
			delete(empty, p.Group)
		case !counted:
			empty[p.Group] = m.now.Mono
		}
	}
}

// sawTenure takes a group's newest term in, unless it is known already: what is
// read may be told after what was written later.
func (m *Machine) sawTenure(ev SawTenure) {
	t, known := m.tenures[ev.Group]
	if !known {
		t.stamp, t.ceilingStamp = NoStamp, NoStamp
	}
	if ev.Stamp > t.stamp {
		t.Tenure, t.stamp = ev.Tenure, ev.Stamp
		m.tenures[ev.Group] = t
		m.remember(ev.Tenure, 0)
	}
}

// remember notes what must never come again.
func (m *Machine) remember(t Tenure, ceiling push.ID) {
	m.epochs[t.Member.Group] = max(m.epochs[t.Member.Group], t.Epoch)
	m.ceiling = max(m.ceiling, ceiling)
}

func (m *Machine) sawCeiling(ev SawCeiling) {
	t, known := m.tenures[ev.Group]
	if !known {
		t.stamp, t.ceilingStamp = NoStamp, NoStamp
	}
	if ev.Stamp > t.ceilingStamp {
		t.ceiling, t.ceilingStamp = ev.Ceiling, ev.Stamp
		m.tenures[ev.Group] = t
		m.remember(t.Tenure, ev.Ceiling)
	}
}

func (m *Machine) sawRing(r Ring, stamp int64) {
	d := &m.division
	if stamp <= d.stamp {
		return
	}
	if r.Next != d.Next {
		d.seen = m.now.Mono
	}
	d.Ring, d.stamp, d.still = r, stamp, m.now.Mono
	m.version, m.last = max(m.version, r.Version), max(m.last, r.Last)
	maps.DeleteFunc(d.empty, func(group string, _ time.Duration) bool {
		_, there := place(r.Places, group)
		return !there
	})
	m.count()
}

func (m *Machine) sawMessages(all map[string]string) {
	m.messages = maps.Clone(all)
	for _, p := range m.posts {
		_, p.shown = all[p.id]
	}
}

// publish shows how the cluster looks, if it looks different.
func (m *Machine) publish() {
	if !m.known {
		return
	}
	next := m.picture()
	if next.same(m.view) {
		return
	}
	next.Version = m.view.Version + 1
	m.view = next
	m.do(Publish{View: next})
}

// drawn are the places that the newest view's rings were made from. Making one
// is much work.
type drawn struct{ ring, pending []Place }

// picture is how the cluster looks now.
func (m *Machine) picture() *View {
	d := &m.division
	v := &View{
		RingVersion: d.Version, Ring: m.view.Ring, PendingVersion: d.Next, Pending: m.view.Pending,
		Groups: make(map[string]Group), Nodes: m.nodes(), Messages: m.addresses(),
	}
	if !sameShares(m.drawn.ring, d.Places) || v.Ring == nil && d.Version != 0 {
		v.Ring = shape(d.Places)
	}
	switch {
	case d.Next == 0:
		v.Pending = nil
	case v.Pending == nil || !sameShares(m.drawn.pending, d.NextPlaces):
		v.Pending = shape(d.NextPlaces)
	}
	m.drawn = drawn{ring: d.Places, pending: d.NextPlaces}
	for _, p := range slices.Concat(d.Places, d.NextPlaces) {
		v.Groups[p.Group] = m.group(p.Group, p.Weight)
	}
	for group := range m.tenures {
		if m.live(group) {
			v.Groups[group] = m.group(group, 0)
		}
	}
	return v
}

// shape makes the ring of the places. Places come from members that were
// checked, so an error means a damaged record, and then nobody owns anything.
func shape(places []Place) *ring.Ring {
	r, err := build(places)
	if err != nil {
		return nil
	}
	return r
}

func (m *Machine) group(name string, weight int) Group {
	t := m.tenures[name]
	if t.Epoch == 0 {
		t.Member = Member{Group: name, Weight: weight}
	}
	return Group{Member: t.Member, Epoch: t.Epoch, Floor: t.Floor, Serving: m.live(name)}
}

func (m *Machine) nodes() []Node {
	nodes := make([]Node, 0, len(m.candidates))
	for _, c := range m.candidates {
		n := Node{ID: c.ID, Member: c.Member, Asked: c.Asked}
		if m.tenures[c.Member.Group].Owner == c.ID {
			n.Role = Primary
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// addresses are those of the message nodes, each once: one that has restarted
// may be there twice for a while.
func (m *Machine) addresses() []string {
	return slices.Compact(slices.Sorted(maps.Values(m.messages)))
}

// same reports whether two pictures show the same.
func (v *View) same(o *View) bool {
	return v.RingVersion == o.RingVersion && v.Ring == o.Ring && v.PendingVersion == o.PendingVersion && v.Pending == o.Pending &&
		maps.Equal(v.Groups, o.Groups) && slices.Equal(v.Nodes, o.Nodes) && slices.Equal(v.Messages, o.Messages)
}
