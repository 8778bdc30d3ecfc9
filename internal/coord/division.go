package coord

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// division is what is known of the ring, and of the change that this machine
// may be making.
type division struct {
	Ring
	stamp    int64
	seen     time.Duration            // since when Next is known here
	still    time.Duration            // since when nothing has changed, or nothing had to
	empty    map[string]time.Duration // groups of the ring without a node, since when
	removals []string                 // groups that an operator wants out

	writing bool  // a Rewrite is out
	need    int64 // number of the Refresh that it waits for
	plan    plan  // what a Refresh was asked for
}

// plan is a change of the ring that is about to be made. It is made only if it
// still looks right after all has been read again: otherwise two processes that
// know different things would undo each other's changes without end.
type plan struct {
	stamp    int64 // of the ring that it is a change of
	activate bool  // else it is a pending version, or the end of one
	places   []Place
}

// sure reports whether the plan was made before the last Refresh; if not, it
// asks for one.
func (m *Machine) sure(activate bool, wanted []Place) bool {
	d := &m.division
	p := plan{stamp: d.stamp, activate: activate, places: wanted}
	if d.plan.stamp == p.stamp && d.plan.activate == activate && sameShares(d.plan.places, wanted) {
		return true
	}
	d.plan, d.need = p, m.want()
	return false
}

// mustConfirm reports whether the term owes a confirmation: it may have keys
// that move.
func (m *Machine) mustConfirm(s *seat) bool {
	_, owner := place(m.division.Places, s.member.Group)
	return owner && !m.cfg.Instant && m.division.Next > m.tenures[s.member.Group].Confirmed
}

// confirmBy is when a term that owes a confirmation ends.
func (m *Machine) confirmBy() time.Duration { return m.division.seen + m.cfg.ConfirmWithin }

// drive moves the ring towards what the groups that are there make of it.
func (m *Machine) drive() {
	d := &m.division
	if !m.session || d.stamp == NoStamp || d.writing || m.reads.done < d.need || m.retire() {
		return
	}
	wanted := m.wanted()
	pending := d.Next != 0
	same := sameShares(wanted, d.Places)
	switch {
	case !pending && same:
		d.still, d.plan = m.now.Mono, plan{}
	case !m.drives():
		d.plan = plan{}
	case m.cfg.Instant || len(d.Places) == 0 || pending && sameShares(wanted, d.NextPlaces):
		m.activate(wanted)
	case !m.sure(false, wanted):
	case same:
		m.rewrite(func(r *Ring) { r.Next, r.NextPlaces = 0, nil })
	default:
		m.rewrite(func(r *Ring) {
			r.Last = max(r.Last, r.Version) + 1
			r.Next, r.NextPlaces = r.Last, wanted
		})
	}
}

// drives reports whether it is for this machine to change the ring. The primary
// of the first group that lives does so for all; if nothing happens, that of
// the next one after a session's timeout, and so on. Should two do it at once,
// the stamps let one of them write.
func (m *Machine) drives() bool {
	groups := slices.DeleteFunc(slices.Sorted(maps.Keys(m.tenures)), func(g string) bool { return !m.live(g) })
	return slices.ContainsFunc(m.seats, func(s *seat) bool {
		rank := slices.Index(groups, s.member.Group)
		turn := m.division.still + time.Duration(rank)*m.timeout
		return rank >= 0 && s.serving && !s.leaving && m.proven > m.now.Mono && m.now.Mono >= turn
	})
}

// wanted is the division among the groups that are there: those of the ring
// unless they have been without nodes for too long, and those that have come to
// serve.
func (m *Machine) wanted() []Place {
	var all []Place
	add := func(group string, weight int) {
		if t := m.tenures[group]; m.live(group) {
			weight = t.Member.Weight
		}
		if _, ok := place(all, group); !ok {
			all = append(all, Place{Group: group, Weight: weight})
		}
	}
	for _, p := range m.division.Places {
		if !m.abandoned(p.Group) {
			add(p.Group, p.Weight)
		}
	}
	for _, p := range m.division.NextPlaces {
		if _, ok := m.first(p.Group); ok {
			add(p.Group, p.Weight)
		}
	}
	for group := range m.tenures {
		if m.live(group) {
			add(group, 0)
		}
	}
	slices.SortFunc(all, func(a, b Place) int { return cmp.Compare(a.Group, b.Group) })
	return all
}

// abandoned reports whether a group of the ring has to leave it.
func (m *Machine) abandoned(group string) bool {
	since, empty := m.division.empty[group]
	if !empty {
		return false
	}
	late := m.cfg.RemoveAfter > 0 && m.now.Mono-since >= m.cfg.RemoveAfter
	return late || slices.Contains(m.division.Removed, group)
}

// settled reports whether every term that could still take something under the
// active version has confirmed the pending one, or has surely lost its lease.
func (m *Machine) settled() bool {
	return !slices.ContainsFunc(m.division.Places, func(p Place) bool {
		t := m.tenures[p.Group]
		return m.live(p.Group) && t.Confirmed < m.division.Next && m.now.Mono < m.division.seen+t.Cover
	})
}

// activate makes the division the active one, once nobody takes anything under
// the old one any more. The ceilings are read once more before: what is read
// after the last confirmation covers every id that the old owners have given
// for keys that move.
func (m *Machine) activate(wanted []Place) {
	d := &m.division
	if !m.cfg.Instant && !m.settled() {
		d.plan = plan{}
		return
	}
	if !m.sure(true, wanted) {
		return
	}
	places := slices.Clone(wanted)
	for i := range places {
		p := &places[i]
		before, _ := place(d.Places, p.Group)
		p.Floor = before.Floor
		if gains(d.Places, wanted, p.Group) {
			p.Floor = max(p.Floor, m.highest(p.Group))
		}
	}
	m.rewrite(func(r *Ring) {
		r.Version, r.Places, r.Next, r.NextPlaces = max(r.Version, m.version)+1, places, 0, nil
	})
}

// retire notes for all that an operator takes a group out. It reports whether
// it wrote.
func (m *Machine) retire() bool {
	d := &m.division
	for len(d.removals) > 0 {
		group := d.removals[0]
		_, there := place(d.Places, group)
		_, peopled := m.first(group)
		if there && !peopled && !slices.Contains(d.Removed, group) {
			m.rewrite(func(r *Ring) { r.Removed = append(r.Removed, group) })
			return true
		}
		d.removals = d.removals[1:]
	}
	return false
}

// rewrite writes the ring with a change. Groups that have a node again are not
// removed any more.
func (m *Machine) rewrite(change func(r *Ring)) {
	next := m.division.Ring
	next.Removed = slices.DeleteFunc(slices.Clone(next.Removed), func(g string) bool {
		_, peopled := m.first(g)
		return peopled
	})
	next.Last = max(next.Last, m.last)
	change(&next)
	slices.Sort(next.Removed)
	m.division.writing = true
	m.do(Rewrite{Ring: next, Stamp: m.division.stamp})
}

// rewritten notes the end of a Rewrite.
func (m *Machine) rewritten(a Rewrite, outcome Outcome) {
	m.division.writing = false
	if outcome != Done {
		m.division.need = m.want()
		return
	}
	m.sawRing(a.Ring, a.Stamp+1)
}
