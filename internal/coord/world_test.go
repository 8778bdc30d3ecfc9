package coord

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopush/internal/push"
)

// world is a dumb service with the processes around it: it keeps what all see,
// carries actions out one by one when it is told to, and loses what it is told
// to lose. Whatever order a test chooses could happen.
type world struct {
	mono  time.Duration
	wall  push.ID // at mono 0; each process adds its own error
	seq   int64
	log   func(string)
	procs []*proc

	candidates []stored
	tenures    map[string]SawTenure
	ceilings   map[string]SawCeiling
	ring       SawRing
	messages   map[string]stored

	acked map[string]push.ID // by key
}

// stored is something that a session made.
type stored struct {
	Candidate
	owner *proc
	addr  string
}

// proc is a process: a machine, its session, and what it serves.
type proc struct {
	w    *world
	name string
	m    *Machine
	skew push.ID // of its wall clock

	session bool // as the service sees it
	knows   bool // as the machine sees it
	heard   time.Duration
	stuck   bool // hears and does nothing, but keeps its session

	asked []request
	late  []Action        // whose answer was lost, and that are still on their way
	dirty map[string]bool // pieces that have changed since they were read
	inbox []Event         // read, not told yet; in order
	terms map[string]*claimed
	view  *View
}

// request is an action that has not been carried out.
type request struct {
	action Action
	at     time.Duration
	rest   []string // pieces that a Refresh has not read yet
}

// claimed is what a comet would know of its term, and its pushes in flight.
type claimed struct {
	proc           *proc
	id, group      string
	epoch          int64
	floor, ceiling push.ID
	mark           push.ID
	until          time.Duration
	confirmed      int64
	won, over      bool
	asked          bool
	flight         map[string]push.ID
	why            string
}

func (c *claimed) valid() bool { return c.won && !c.over && c.proc.w.mono < c.until }

const (
	testLease   = 2 * time.Second
	testTimeout = 3 * time.Second
)

func newWorld() *world {
	return &world{
		wall: 17_000_000_000_000_000, tenures: map[string]SawTenure{}, ceilings: map[string]SawCeiling{},
		ring: SawRing{Stamp: 0}, messages: map[string]stored{}, acked: map[string]push.ID{}, log: func(string) {},
	}
}

func (w *world) add(name string, cfg Config) *proc {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	p := &proc{w: w, name: name, m: NewMachine(cfg), dirty: map[string]bool{}, terms: map[string]*claimed{}, view: &View{}}
	w.procs = append(w.procs, p)
	return p
}

// pieces is everything there is to read, in the order of a Refresh.
func (w *world) pieces() []string {
	all := []string{"candidates", "ring"}
	for _, g := range slices.Sorted(maps.Keys(w.tenures)) {
		all = append(all, "tenure "+g, "ceiling "+g)
	}
	return append(all, "messages")
}

// changed lets every session know that a piece is worth reading again. Ceilings
// are read when they are needed only.
func (w *world) changed(piece string) {
	for _, p := range w.procs {
		if p.session && p.knows {
			p.dirty[piece] = true
		}
	}
}

func (p *proc) wall() push.ID { return p.w.wall + ids(p.w.mono) + p.skew }

// tell has the machine decide, and sorts what comes back.
func (p *proc) tell(ev Event) {
	p.w.log(p.name + ": " + describe(ev))
	for _, a := range p.m.Step(Now{Mono: p.w.mono, Wall: p.wall()}, ev) {
		p.w.log("    " + describe(a))
		p.take(a)
	}
}

func (p *proc) take(a Action) {
	switch a := a.(type) {
	case Won:
		t := p.terms[a.ID]
		t.won, t.epoch, t.floor, t.ceiling, t.mark = true, a.Epoch, a.Floor, a.Ceiling, a.Floor
	case Hold:
		p.terms[a.ID].until = a.Until
	case Raised:
		p.terms[a.ID].ceiling = a.Ceiling
	case Floored:
		p.terms[a.ID].floor = a.Floor
	case Confirmed:
		p.terms[a.ID].confirmed = a.Version
	case Asked:
		p.terms[a.ID].asked = true
	case Failed:
		p.terms[a.ID].over, p.terms[a.ID].why = true, a.Why
	case Over:
		p.terms[a.ID].over, p.terms[a.ID].why = true, a.Why
	case Publish:
		p.view = a.View
	default:
		p.asked = append(p.asked, request{action: a, at: p.w.mono})
	}
}

func (p *proc) campaign(id, group string, weight int) *claimed {
	p.terms[id] = &claimed{proc: p, id: id, group: group, flight: map[string]push.ID{}}
	p.tell(Campaign{ID: id, Member: Member{Group: group, Weight: weight, RPC: p.name + ":1"}})
	return p.terms[id]
}

// connect begins a session.
func (p *proc) connect() {
	p.session, p.knows, p.heard = true, true, p.w.mono
	p.tell(SessionBegan{Lease: testLease, Timeout: testTimeout})
}

// expire ends the session on the side of the service.
func (p *proc) expire() {
	w := p.w
	p.session = false
	w.candidates = slices.DeleteFunc(w.candidates, func(s stored) bool { return s.owner == p })
	maps.DeleteFunc(w.messages, func(_ string, s stored) bool { return s.owner == p })
	w.changed("candidates")
	w.changed("messages")
}

// notice ends it on the side of the process.
func (p *proc) notice() {
	p.knows = false
	p.asked, p.inbox, p.late = nil, nil, nil
	clear(p.dirty)
	p.tell(SessionEnded{})
}

// read reads a piece; it is told later, after what was read before.
func (p *proc) read(piece string) {
	delete(p.dirty, piece)
	p.inbox = append(p.inbox, p.look(piece))
}

func (p *proc) look(piece string) Event {
	w := p.w
	var kind, group string
	_, _ = fmt.Sscanf(piece, "%s %s", &kind, &group)
	switch kind {
	case "candidates":
		all := []Candidate{}
		for _, s := range w.candidates {
			c := s.Candidate
			c.Own = s.owner == p
			all = append(all, c)
		}
		return SawCandidates{All: all}
	case "tenure":
		return w.tenures[group]
	case "ceiling":
		return w.ceilings[group]
	case "messages":
		all := map[string]string{}
		for id, s := range w.messages {
			all[id] = s.addr
		}
		return SawMessages{All: all}
	default:
		return w.ring
	}
}

// perform carries out the i-th thing that was asked, or one part of it.
func (p *proc) perform(i int, mode Outcome, lost bool) {
	r := p.asked[i]
	p.heard = p.w.mono
	switch r.action.(type) {
	case Refresh:
		p.refresh(i, mode)
		return
	case Touch:
		p.asked = slices.Delete(p.asked, i, i+1)
		if mode != Done {
			p.tell(Answered{Action: r.action, Outcome: mode})
			return
		}
		p.inbox = append(p.inbox, p.look("ring"), Touched{Sent: r.at})
		return
	default:
	}
	p.asked = slices.Delete(p.asked, i, i+1)
	outcome := Unknown
	if lost {
		p.late = append(p.late, r.action)
	} else {
		outcome = p.w.write(p, r.action)
	}
	if mode != Done {
		outcome = mode
	}
	p.tell(Answered{Action: r.action, Outcome: outcome})
}

// refresh reads one piece, or answers after the last one.
func (p *proc) refresh(i int, mode Outcome) {
	r := &p.asked[i]
	if r.rest == nil {
		r.rest = p.w.pieces()
	}
	if mode == Done && len(r.rest) > 0 {
		p.read(r.rest[0])
		r.rest = r.rest[1:]
		if len(r.rest) > 0 {
			return
		}
	}
	p.inbox = append(p.inbox, Answered{Action: r.action, Outcome: mode})
	p.asked = slices.Delete(p.asked, i, i+1)
}

// arrive has what was on its way for long carried out.
func (p *proc) arrive() {
	for _, a := range p.late {
		p.w.write(p, a)
	}
	p.late = nil
}

// write is the service: versions checked, all or nothing.
func (w *world) write(p *proc, a Action) Outcome {
	switch a := a.(type) {
	case Create:
		w.seq++
		w.candidates = append(w.candidates, stored{owner: p, Candidate: Candidate{
			ID: a.ID, Name: fmt.Sprint("n", w.seq), Seq: w.seq, Member: a.Member,
		}})
		w.changed("candidates")
	case Delete:
		w.candidates = slices.DeleteFunc(w.candidates, func(s stored) bool { return s.Name == a.Name })
		w.changed("candidates")
	case Begin:
		group := a.Tenure.Member.Group
		if w.ring.Stamp != a.RingStamp || w.tenureStamp(group) != a.Stamp || w.ceilingStamp(group) != a.CeilingStamp {
			return Conflict
		}
		w.tenures[group] = SawTenure{Group: group, Tenure: a.Tenure, Stamp: a.Stamp + 1}
		w.ceilings[group] = SawCeiling{Group: group, Ceiling: a.Ceiling, Stamp: a.CeilingStamp + 1}
		w.changed("tenure " + group)
	case Lift:
		if w.tenureStamp(a.Group) != a.Stamp || w.ceilingStamp(a.Group) != a.CeilingStamp {
			return Conflict
		}
		w.ceilings[a.Group] = SawCeiling{Group: a.Group, Ceiling: a.Ceiling, Stamp: a.CeilingStamp + 1}
	case Amend:
		group := a.Tenure.Member.Group
		if w.tenureStamp(group) != a.Stamp {
			return Conflict
		}
		w.tenures[group] = SawTenure{Group: group, Tenure: a.Tenure, Stamp: a.Stamp + 1}
		w.changed("tenure " + group)
	case Rewrite:
		if w.ring.Stamp != a.Stamp {
			return Conflict
		}
		w.ring = SawRing{Ring: a.Ring, Stamp: a.Stamp + 1}
		w.changed("ring")
	case Announce:
		w.messages[a.ID] = stored{owner: p, addr: a.Addr}
		w.changed("messages")
	case Retract:
		delete(w.messages, a.ID)
		w.changed("messages")
	default:
		panic(fmt.Sprintf("unknown action %T", a))
	}
	return Done
}

func (w *world) tenureStamp(group string) int64 {
	if t, ok := w.tenures[group]; ok {
		return t.Stamp
	}
	return NoStamp
}

func (w *world) ceilingStamp(group string) int64 {
	if c, ok := w.ceilings[group]; ok {
		return c.Stamp
	}
	return NoStamp
}

// work does one thing that is to be done for p: something asked, read or told.
func (p *proc) work() bool {
	switch {
	case !p.session || !p.knows || p.stuck:
		return false
	case len(p.inbox) > 0:
		ev := p.inbox[0]
		p.inbox = p.inbox[1:]
		p.tell(ev)
	case len(p.asked) > 0:
		p.perform(0, Done, false)
	case len(p.dirty) > 0:
		p.read(slices.Min(slices.Collect(maps.Keys(p.dirty))))
	default:
		return false
	}
	return true
}

// run does everything that is to be done, in rounds.
func (w *world) run() {
	var last []string
	for busy, n := true, 0; busy; n++ {
		busy = false
		for _, p := range w.procs {
			busy = p.work() || busy
		}
		if n == 5_000 {
			w.log = func(line string) { last = append(last, line) }
		}
		if n > 5_030 {
			panic("the machines never rest:\n" + strings.Join(last, "\n"))
		}
	}
}

// pass lets time go by, with ticks for all.
func (w *world) pass(d time.Duration) {
	for end := w.mono + d; w.mono < end; {
		w.mono = min(end, w.mono+testLease/8)
		for _, p := range w.procs {
			if !p.stuck {
				p.tell(Tick{})
			}
		}
		w.run()
	}
}

// owns reports whether a comet would take a push for key now.
func (w *world) owns(t *claimed, key string) bool {
	v := t.proc.view
	return t.valid() && v.Ring.Owner(key) == t.group && !v.Moving(push.Key(key))
}

// owners are the terms that would take a push for key now.
func (w *world) owners(key string) []*claimed {
	var all []*claimed
	for _, p := range w.procs {
		for _, t := range p.terms {
			if w.owns(t, key) {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, func(a, b *claimed) int { return cmp.Compare(a.id, b.id) })
	return all
}
