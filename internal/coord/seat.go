package coord

import (
	"slices"
	"time"

	"gopush/internal/push"
)

// seat is one caller's candidacy, and the term that it becomes.
type seat struct {
	id     string // immutable
	member Member // immutable

	leaving bool
	busy    bool  // an action for it is out
	need    int64 // number of the Refresh that it waits for
	created bool  // a Create was begun; never twice once the place was seen
	seen    bool  // its place was seen in the line
	gone    bool  // and then it was not there any more
	stood   bool  // it has asked for a Refresh as the first in line

	serving bool // the tenure is its own
	told    bool // its caller has been told so
	ended   bool // its caller has been told that it is over
	asked   bool // its caller has been asked to hand over

	floor   push.ID       // as told
	ceiling push.ID       // as told
	until   time.Duration // as told
	raise   push.ID       // wanted
	confirm int64         // version that the caller has confirmed
	written int64         // version whose confirmation the caller knows to be written
}

func (m *Machine) seat(id string) *seat {
	i := slices.IndexFunc(m.seats, func(s *seat) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return m.seats[i]
}

// own is the place of the seat in line: the first, should there be several.
func (m *Machine) own(s *seat) (Candidate, bool) {
	i := slices.IndexFunc(m.candidates, func(c Candidate) bool { return c.Own && c.ID == s.id })
	if i < 0 {
		return Candidate{}, false
	}
	return m.candidates[i], true
}

// first is who stands first in the line of group.
func (m *Machine) first(group string) (Candidate, bool) {
	i := slices.IndexFunc(m.candidates, func(c Candidate) bool { return c.Member.Group == group })
	if i < 0 {
		return Candidate{}, false
	}
	return m.candidates[i], true
}

// live reports whether the group's newest term can still serve: its owner has
// kept its place.
func (m *Machine) live(group string) bool {
	t, ok := m.tenures[group]
	return ok && slices.ContainsFunc(m.candidates, func(c Candidate) bool {
		return c.ID == t.Owner && c.Member.Group == group
	})
}

// check ends a candidacy or term that has been lost. An id never stands in line
// a second time, so that an owner that is there is one that serves.
func (m *Machine) check(s *seat) {
	if s.leaving {
		return
	}
	own, _ := m.own(s)
	switch {
	case s.gone:
		m.over(s, "its place in line was taken away")
	case !s.serving && own.Asked:
		m.over(s, "an operator asked it to go to the end of the line")
	case !s.serving:
	case m.tenures[s.member.Group].Owner != s.id:
		m.over(s, "another node serves the group")
	case m.lease != 0 && m.now.Mono >= m.sent+m.timeout:
		// From now on there may be a successor. Whoever is connected here has to be
		// sent to it, and must not wait until this node can hear of it.
		m.over(s, "the session could not be proven for as long as it lasts")
	case m.mustConfirm(s) && m.now.Mono >= m.confirmBy():
		m.over(s, "it did not confirm the change of the ring in time")
	}
}

// over tells the caller, once, and gives the place up.
func (m *Machine) over(s *seat, why string) {
	s.leaving = true
	if !s.ended {
		s.ended = true
		m.do(Over{ID: s.id, Why: why})
	}
}

// drop forgets a seat that has nothing left to give up.
func (m *Machine) drop(s *seat) {
	m.over(s, "")
	m.seats = slices.DeleteFunc(m.seats, func(o *seat) bool { return o == s })
}

// advance takes the next step towards serving, while serving, or out.
func (m *Machine) advance(s *seat) {
	own, there := m.own(s)
	switch {
	case s.busy:
	case s.leaving && (!m.session || !s.created):
		m.drop(s)
	case !m.session:
	case s.leaving && there:
		s.busy = true
		m.remove(own)
	case m.reads.done < s.need:
	case s.leaving:
		m.drop(s)
	case !s.seen:
		s.busy, s.created = true, true
		m.do(Create{ID: s.id, Member: s.member})
	case !s.serving:
		m.stand(s)
	default:
		m.serve(s)
	}
}

// remove deletes a place in line.
func (m *Machine) remove(c Candidate) {
	m.sweeping[c.Name] = true
	m.do(Delete{ID: c.ID, Name: c.Name})
}

// seatAnswered notes the end of an action for a seat.
func (m *Machine) seatAnswered(a Action, outcome Outcome) {
	switch a := a.(type) {
	case Create:
		// Whether it is there, only the line itself tells: the answer may be lost.
		if s := m.free(a.ID); s != nil {
			s.need = m.want()
		}
	case Begin:
		m.begun(a, outcome)
	case Lift:
		m.lifted(a, outcome)
	case Amend:
		m.amended(a, outcome)
	default:
	}
}

// free finds the seat and notes that nothing is out for it any more.
func (m *Machine) free(id string) *seat {
	s := m.seat(id)
	if s != nil {
		s.busy = false
	}
	return s
}

// deleted notes that a place in line is gone. With an unknown outcome the line
// is read again, and if the place is still there it is deleted again.
func (m *Machine) deleted(a Delete, outcome Outcome) {
	delete(m.sweeping, a.Name)
	s := m.free(a.ID)
	if outcome == Done {
		m.candidates = slices.DeleteFunc(slices.Clone(m.candidates), func(c Candidate) bool { return c.Name == a.Name })
		return
	}
	if need := m.want(); s != nil {
		s.need = need
	}
}

// sweep deletes places in line that this session made for nobody: a Create
// whose answer was lost may have been carried out twice, or after its caller
// had left.
func (m *Machine) sweep() {
	if !m.session {
		return
	}
	for _, c := range m.candidates {
		if !c.Own || m.sweeping[c.Name] {
			continue
		}
		s := m.seat(c.ID)
		if s == nil {
			m.remove(c)
		} else if own, _ := m.own(s); own.Name != c.Name {
			m.sweeping[c.Name] = true
			m.do(Delete{Name: c.Name})
		}
	}
}
