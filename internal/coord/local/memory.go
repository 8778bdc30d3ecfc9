package local

import (
	"maps"
	"slices"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// memory is what a cluster keeps where all nodes see it. What must outlive the
// process is in files as well, and is put here once it is.
type memory struct {
	seq        int64
	candidates []coord.Candidate
	groups     map[string]*group
	ring       coord.Ring
	ringStamp  int64
	messages   map[string]string
}

// group is the newest term of a group, and how far it may go.
type group struct {
	tenure       coord.Tenure
	stamp        int64
	ceiling      push.ID
	ceilingStamp int64
}

// remember begins with what the files hold. Of earlier terms they know the
// epoch alone, and that is all that is needed of them.
func remember(states map[string]state) memory {
	m := memory{groups: make(map[string]*group), messages: make(map[string]string)}
	for name, s := range states {
		m.groups[name] = &group{tenure: coord.Tenure{Epoch: s.epoch}, ceiling: s.ceiling}
	}
	return m
}

// perform carries out an action that needs no file, and returns what there is
// to see then.
func (m *memory) perform(a coord.Action) []coord.Event {
	done := coord.Answered{Action: a, Outcome: coord.Done}
	switch a := a.(type) {
	case coord.Create:
		m.seq++
		m.candidates = append(m.candidates, coord.Candidate{ID: a.ID, Name: a.ID, Seq: m.seq, Member: a.Member, Own: true})
		return []coord.Event{done, m.line()}
	case coord.Delete:
		m.candidates = slices.DeleteFunc(m.candidates, func(c coord.Candidate) bool { return c.Name == a.Name })
		return []coord.Event{done, m.line()}
	case coord.Rewrite:
		m.ring, m.ringStamp = a.Ring, m.ringStamp+1
		return []coord.Event{done}
	case coord.Announce:
		m.messages[a.ID] = a.Addr
		return []coord.Event{done, coord.SawMessages{All: maps.Clone(m.messages)}}
	case coord.Retract:
		delete(m.messages, a.ID)
		return []coord.Event{done, coord.SawMessages{All: maps.Clone(m.messages)}}
	case coord.Refresh:
		return append(m.all(), done)
	default: // it tells a caller that has left
		return nil
	}
}

// all is everything there is to see.
func (m *memory) all() []coord.Event {
	events := []coord.Event{m.line(), coord.SawRing{Ring: m.ring, Stamp: m.ringStamp}, coord.SawMessages{All: maps.Clone(m.messages)}}
	for name, g := range m.groups {
		events = append(events,
			coord.SawTenure{Group: name, Tenure: g.tenure, Stamp: g.stamp},
			coord.SawCeiling{Group: name, Ceiling: g.ceiling, Stamp: g.ceilingStamp})
	}
	return events
}

// line is the line of candidates.
func (m *memory) line() coord.Event { return coord.SawCandidates{All: slices.Clone(m.candidates)} }

// ask marks a candidate; false if there is none with that id.
func (m *memory) ask(id string) bool {
	for i := range m.candidates {
		if m.candidates[i].ID == id {
			m.candidates[i].Asked = true
			return true
		}
	}
	return false
}

// begun notes a term that is on disk.
func (m *memory) begun(a coord.Begin) {
	m.groups[a.Tenure.Member.Group] = &group{
		tenure: a.Tenure, stamp: a.Stamp + 1, ceiling: a.Ceiling, ceilingStamp: a.CeilingStamp + 1,
	}
}

// lifted notes a ceiling that is on disk.
func (m *memory) lifted(a coord.Lift) {
	g := m.groups[a.Group]
	g.ceiling, g.ceilingStamp = a.Ceiling, a.CeilingStamp+1
}
