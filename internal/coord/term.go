package coord

import (
	"time"

	"gopush/internal/push"
)

// tick is the unit of an id.
const tick = 100 * time.Nanosecond

// ids is a span of time as a distance of ids.
func ids(d time.Duration) push.ID { return push.ID(d / tick) }

// stand begins a term if the seat is the first in line. Everything is read
// again before: the floor must be above what anybody was allowed before the
// place became the first, and an earlier Begin may have been carried out though
// its answer was lost.
func (m *Machine) stand(s *seat) {
	group := s.member.Group
	switch {
	case m.line.firsts[group] != s.id, m.division.stamp == NoStamp: // or nobody can read the ring
	case !s.stood:
		s.stood, s.need = true, m.want()
	case m.tenures[group].Owner == s.id:
		m.enthrone(s)
	default:
		m.claim(s)
	}
}

// claim writes the next epoch of the group, above all ids that were allowed.
func (m *Machine) claim(s *seat) {
	group := s.member.Group
	last, known := m.tenures[group]
	if !known {
		last = tenure{stamp: NoStamp, ceilingStamp: NoStamp}
	}
	floor := max(m.now.Wall, m.placeFloor(group), m.highest(""), m.ceiling, 0) // a clock before 1970 counts as none
	room := ids(m.cfg.Lease)
	if floor > push.MaxID-2*room-push.Step {
		m.do(Failed{ID: s.id, Why: "the range of message ids is used up; the clock or the coordination state was far in the future"})
		s.ended, s.leaving = true, true
		m.advance(s)
		return
	}
	s.busy = true
	m.do(Begin{
		ID: s.id, RingStamp: m.division.stamp,
		Stamp: last.stamp, CeilingStamp: last.ceilingStamp, Ceiling: aligned(floor + room),
		Tenure: Tenure{
			Epoch: max(last.Epoch, m.epochs[group]) + 1, Owner: s.id, Member: s.member, Floor: floor,
			Confirmed: max(m.division.Version, m.division.Last), Cover: m.timeout + m.cfg.ConfirmWithin,
		},
	})
}

// placeFloor is what the active ring demands of the group.
func (m *Machine) placeFloor(group string) push.ID {
	p, _ := place(m.division.Places, group)
	return p.Floor
}

// highest is the highest ceiling of all groups but one.
func (m *Machine) highest(except string) push.ID {
	var high push.ID
	for group, t := range m.tenures {
		if group != except {
			high = max(high, t.ceiling)
		}
	}
	return high
}

// begun notes the end of a Begin.
func (m *Machine) begun(a Begin, outcome Outcome) {
	s := m.free(a.ID)
	if s == nil {
		return
	}
	s.stood = false // unless it was carried out, all is read again
	if outcome != Done {
		return
	}
	m.tenures[s.member.Group] = tenure{
		Tenure: a.Tenure, stamp: a.Stamp + 1, ceiling: a.Ceiling, ceilingStamp: a.CeilingStamp + 1,
	}
	m.fresh = true
	m.remember(a.Tenure, a.Ceiling)
	if !s.leaving {
		m.enthrone(s)
	}
}

// enthrone makes the seat a term.
func (m *Machine) enthrone(s *seat) {
	s.serving = true
	s.floor = m.tenures[s.member.Group].Floor
}

// serve writes what a term needs written: first what others wait for.
func (m *Machine) serve(s *seat) {
	t := m.tenures[s.member.Group]
	confirm := s.confirm
	if !s.told {
		confirm = m.division.Next // who does not know yet that he serves has nothing in flight
	}
	switch {
	case confirm > t.Confirmed && confirm == m.division.Next:
		next := t.Tenure
		next.Confirmed = confirm
		s.busy = true
		m.do(Amend{ID: s.id, Tenure: next, Stamp: t.stamp})
	case s.raise > t.ceiling:
		s.busy = true
		m.do(Lift{
			ID: s.id, Group: s.member.Group, Stamp: t.stamp, CeilingStamp: t.ceilingStamp,
			Ceiling: aligned(min(s.raise, push.MaxID-ids(m.cfg.Headroom)-push.Step) + ids(m.cfg.Headroom)),
		})
	}
}

// lifted notes the end of a Lift.
func (m *Machine) lifted(a Lift, outcome Outcome) {
	s := m.free(a.ID)
	if s == nil {
		return
	}
	if outcome != Done {
		s.need = m.want()
		return
	}
	t := m.tenures[a.Group]
	if a.CeilingStamp >= t.ceilingStamp { // else something newer was read already
		t.ceiling, t.ceilingStamp = a.Ceiling, a.CeilingStamp+1
		m.tenures[a.Group] = t
		m.remember(t.Tenure, a.Ceiling)
	}
}

// amended notes the end of an Amend.
func (m *Machine) amended(a Amend, outcome Outcome) {
	s := m.free(a.ID)
	if s == nil {
		return
	}
	if outcome != Done {
		s.need = m.want()
		return
	}
	t := m.tenures[s.member.Group]
	if a.Stamp >= t.stamp {
		t.Tenure, t.stamp = a.Tenure, a.Stamp+1
		m.tenures[s.member.Group], m.fresh = t, true
	}
}

// bind tells a term what has changed for it.
func (m *Machine) bind(s *seat) {
	if !s.serving || s.leaving {
		return
	}
	t := m.tenures[s.member.Group]
	if floor := m.placeFloor(s.member.Group); floor > s.floor {
		s.floor = floor
		if s.told {
			m.do(Floored{ID: s.id, Floor: floor})
		}
	}
	if until := m.until(s); until != s.until {
		s.until = until
		m.do(Hold{ID: s.id, Until: until})
	}
	if s.told && t.ceiling > s.ceiling {
		s.ceiling = t.ceiling
		m.do(Raised{ID: s.id, Ceiling: t.ceiling})
	}
	if s.told && t.Confirmed > s.written {
		s.written = t.Confirmed
		m.do(Confirmed{ID: s.id, Version: t.Confirmed})
	}
	if own, _ := m.own(s); s.told && own.Asked && !s.asked {
		s.asked = true
		m.do(Asked{ID: s.id})
	}
}

// until is the end of the term's lease: that of the session, or the moment at
// which others may count on it that the term has stopped.
func (m *Machine) until(s *seat) time.Duration {
	if m.mustConfirm(s) {
		return min(m.proven, m.confirmBy())
	}
	return m.proven
}

// win tells the caller that it serves, once a lease holds.
func (m *Machine) win(s *seat) {
	if !s.serving || s.leaving || s.told || s.until <= m.now.Mono {
		return
	}
	t := m.tenures[s.member.Group]
	s.told, s.ceiling, s.written = true, t.ceiling, t.Confirmed
	m.do(Won{ID: s.id, Epoch: t.Epoch, Floor: s.floor, Ceiling: t.ceiling, Lease: m.lease})
}
