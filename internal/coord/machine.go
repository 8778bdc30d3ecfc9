package coord

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gopush/internal/push"
)

// Config sets a Machine up. Zero values mean the default that each field names.
type Config struct {
	// Lease is how much room for ids a new term has above its floor; default 5 s.
	Lease time.Duration
	// Headroom is how much more room a raise makes than was asked for, so that
	// the next ones find it made; default none.
	Headroom time.Duration
	// ConfirmWithin is how long a term may take to confirm a pending version of
	// the ring before it is taken away; default 5 s.
	ConfirmWithin time.Duration
	// RemoveAfter is how long a group may be without any node before it leaves
	// the ring; default 10 min, negative: for ever.
	RemoveAfter time.Duration
	// Instant makes changes of the ring active without asking anybody: for
	// groups that share a process and join before the first push.
	Instant bool
}

// Validate fills in the defaults and reports the first field that cannot be.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
		low       time.Duration
	}{
		{"Lease", &c.Lease, 5 * time.Second, 1},
		{"Headroom", &c.Headroom, 0, 0},
		{"ConfirmWithin", &c.ConfirmWithin, 5 * time.Second, 1},
		{"RemoveAfter", &c.RemoveAfter, 10 * time.Minute, -1 << 63},
	} {
		if *f.value == 0 {
			*f.value = f.otherwise
		}
		if *f.value < f.low {
			return fmt.Errorf("coordination: %s is %s; it must be positive", f.name, *f.value)
		}
	}
	if c.Lease > time.Hour {
		return errors.New("coordination: Lease is more than an hour; ids would run that far ahead of the clock")
	}
	return nil
}

// Machine decides for one process: what its candidates and message nodes have
// to do in order to serve, and how the cluster looks. Its owner tells it what
// happens, one Step at a time, and carries out what comes back, in order. The
// machine looks at all it knows after each event, so a missed or repeated
// observation is put right by the next one.
type Machine struct {
	cfg Config // immutable
	now Now    // of the running step
	out []Action

	session  bool
	lease    time.Duration // 0: for ever
	timeout  time.Duration
	proven   time.Duration // the lease of the newest proof ends then; 0: there was none
	sent     time.Duration // when the newest proof was asked for, or the session began
	touching bool          // a Touch is out
	touched  time.Duration // when the last one was begun
	reads    reads

	seats []*seat // in the order in which they came
	posts []*post

	line     line
	sweeping map[string]bool   // names of candidates that are being deleted
	tenures  map[string]tenure // by group
	messages map[string]string // address by id
	division division

	// What was ever seen, should what is kept be lost: neither epochs nor ids nor
	// versions of the ring may come again as long as a process knows of them.
	epochs  map[string]int64 // by group
	ceiling push.ID
	version int64 // of an active ring
	last    int64 // of a pending one

	known bool  // all has been read once in this session
	fresh bool  // something of what a view shows may have changed since the newest
	view  *View // the newest that was published
	drawn drawn
}

// tenure is what was seen of a group's newest term.
type tenure struct {
	Tenure
	stamp        int64
	ceiling      push.ID
	ceilingStamp int64
}

// reads numbers the Refreshes, so that a decision can wait for one that was
// begun after its need arose.
type reads struct {
	begun, done int64
	running     bool
	wanted      bool
}

// post is a message node of this process.
type post struct {
	id, addr string
	shown    bool // as far as is known
	busy     bool
	leaving  bool
}

// NewMachine makes a machine that knows nothing. The config must be valid.
func NewMachine(cfg Config) *Machine {
	return &Machine{
		cfg: cfg, sweeping: make(map[string]bool), tenures: make(map[string]tenure), epochs: make(map[string]int64),
		division: division{stamp: NoStamp, empty: make(map[string]time.Duration)}, view: &View{},
	}
}

// Step takes one event in and returns what has to be done now.
func (m *Machine) Step(now Now, ev Event) []Action {
	m.now = now
	m.take(ev)
	m.settle()
	out := m.out
	m.out = nil
	return out
}

// take notes what the event says; decisions are made in settle.
func (m *Machine) take(ev Event) {
	switch ev := ev.(type) {
	case SessionBegan:
		m.begin(ev)
	case SessionEnded:
		m.end()
	case Touched:
		m.touching = false
		m.sent = max(m.sent, ev.Sent)
		m.proven = max(m.proven, ev.Sent+m.lease)
	case Answered:
		m.answered(ev.Action, ev.Outcome)
	case SawCandidates:
		m.sawCandidates(ev.All)
	case SawTenure:
		m.sawTenure(ev)
	case SawCeiling:
		m.sawCeiling(ev)
	case SawRing:
		m.sawRing(ev.Ring, ev.Stamp)
	case SawMessages:
		m.sawMessages(ev.All)
	default:
		m.called(ev)
	}
}

// called notes what a caller wants.
func (m *Machine) called(ev Event) {
	switch ev := ev.(type) {
	case Campaign:
		m.seats = append(m.seats, &seat{id: ev.ID, member: ev.Member})
	case Leave:
		if s := m.seat(ev.ID); s != nil {
			s.leaving = true
		}
	case Raise:
		if s := m.seat(ev.ID); s != nil {
			s.raise = max(s.raise, ev.To)
		}
	case Confirm:
		if s := m.seat(ev.ID); s != nil {
			s.confirm = max(s.confirm, ev.Version)
		}
	case Register:
		m.posts = append(m.posts, &post{id: ev.ID, addr: ev.Addr})
	case Unregister:
		for _, p := range m.posts {
			p.leaving = p.leaving || p.id == ev.ID
		}
	case Remove:
		m.division.removals = append(m.division.removals, ev.Group)
	default: // Tick: the time alone is the news
	}
}

// settle makes every decision that is due. What ends comes before what begins,
// and a term learns what binds it before anybody sees why.
func (m *Machine) settle() {
	for _, s := range slices.Clone(m.seats) {
		m.check(s)
	}
	for _, s := range slices.Clone(m.seats) {
		m.advance(s)
	}
	m.sweep()
	m.drive()
	for _, p := range slices.Clone(m.posts) {
		m.tend(p)
	}
	for _, s := range m.seats {
		m.bind(s)
	}
	m.publish()
	for _, s := range m.seats {
		m.win(s)
	}
	m.touch()
	m.refresh()
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

// begin starts over with a new session: nothing of ours is there yet, and what
// others keep is read anew.
func (m *Machine) begin(ev SessionBegan) {
	m.session, m.lease, m.timeout = true, ev.Lease, ev.Timeout
	m.proven, m.sent, m.touching, m.touched = 0, m.now.Mono, false, m.now.Mono-ev.Lease
	if m.lease == 0 {
		m.proven = ForEver
	}
	m.known = false
	m.line = line{}
	clear(m.tenures)
	m.division = division{stamp: NoStamp, empty: make(map[string]time.Duration), removals: m.division.removals, still: m.now.Mono}
	need := m.want()
	for _, s := range m.seats {
		s.need = need
	}
	m.division.need = need
}

// end takes every term and candidacy away: the places in line are gone with the
// session. What had not begun yet waits for the next one.
func (m *Machine) end() {
	m.session, m.proven, m.touching = false, 0, false
	m.reads.running, m.division.writing, m.division.plan = false, false, plan{}
	clear(m.sweeping)
	for _, s := range slices.Clone(m.seats) {
		s.busy = false
		if s.created || s.leaving {
			m.over(s, "its session has ended")
			m.drop(s)
		}
	}
	for _, p := range m.posts {
		p.busy, p.shown = false, false
	}
}

// want asks for a Refresh that begins after now, and returns its number.
func (m *Machine) want() int64 {
	m.reads.wanted = true
	return m.reads.begun + 1
}

// refresh begins the Refresh that somebody wants.
func (m *Machine) refresh() {
	if !m.session || m.reads.running || !m.reads.wanted {
		return
	}
	m.reads.begun++
	m.reads.running, m.reads.wanted = true, false
	m.do(Refresh{})
}

// touch proves the session, for those who need it, four times per lease.
func (m *Machine) touch() {
	if !m.session || m.lease == 0 || m.touching || len(m.seats) == 0 || m.now.Mono-m.touched < m.lease/4 {
		return
	}
	m.touching, m.touched = true, m.now.Mono
	m.do(Touch{})
}

// tend shows a message node, or takes it away.
func (m *Machine) tend(p *post) {
	switch {
	case p.leaving && (!m.session || !p.shown && !p.busy):
		m.posts = slices.DeleteFunc(m.posts, func(o *post) bool { return o == p })
	case !m.session || p.busy:
	case p.leaving:
		p.busy = true
		m.do(Retract{ID: p.id})
	case !p.shown:
		p.busy = true
		m.do(Announce{ID: p.id, Addr: p.addr})
	}
}

// answered notes how an action ended.
func (m *Machine) answered(a Action, outcome Outcome) {
	switch a := a.(type) {
	case Refresh:
		m.reads.running = false
		if outcome == Done {
			m.reads.done, m.known, m.fresh = m.reads.begun, true, true
		} else {
			m.want()
		}
	case Touch:
		m.touching = false
	case Rewrite:
		m.rewritten(a, outcome)
	case Announce:
		m.posted(a.ID, outcome, true)
	case Retract:
		m.posted(a.ID, outcome, false)
	case Delete:
		m.deleted(a, outcome)
	default:
		m.seatAnswered(a, outcome)
	}
}

// posted notes that a message node is shown, or not any more. With an unknown
// outcome it is done again, which does no harm.
func (m *Machine) posted(id string, outcome Outcome, shown bool) {
	for _, p := range m.posts {
		if p.id != id {
			continue
		}
		p.busy = false
		if outcome == Done {
			p.shown = shown
		} else if !shown {
			p.shown = true // perhaps; only a Retract that was carried out ends it
		}
	}
}
