package held

import (
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// Term is what a Machine has told about one candidacy, and the term that it has
// become. What is asked for each message is read without a lock.
type Term struct {
	ID     string               // immutable
	Member coord.Member         // immutable
	mono   func() time.Duration // immutable

	epoch   atomic.Int64
	floor   atomic.Int64
	ceiling atomic.Int64
	lease   atomic.Int64
	until   atomic.Int64 // end of the lease on the monotonic clock
	over    atomic.Bool

	done  chan struct{} // closed with over
	won   chan struct{} // closed when the candidacy has become a term
	asked chan struct{} // closed when an operator wants it handed over

	mu        sync.Mutex
	why       string        // guarded by mu; of the end
	failed    bool          // guarded by mu; it cannot come to serve
	left      bool          // guarded by mu; nothing is left to give up
	confirmed int64         // guarded by mu
	news      chan struct{} // guarded by mu; closed with the next change
}

// NewTerm is a candidacy of which nothing is known. mono is the clock on which
// the leases are given.
func NewTerm(id string, m coord.Member, mono func() time.Duration) *Term {
	return &Term{
		ID: id, Member: m, mono: mono,
		done: make(chan struct{}), won: make(chan struct{}), asked: make(chan struct{}), news: make(chan struct{}),
	}
}

// Epoch is 0 until the term is won.
func (t *Term) Epoch() int64 { return t.epoch.Load() }

// Floor is the id that all of the term are above.
func (t *Term) Floor() push.ID { return push.ID(t.floor.Load()) }

// Ceiling is the highest id that may be given.
func (t *Term) Ceiling() push.ID { return push.ID(t.ceiling.Load()) }

// Valid reports whether the lease holds.
func (t *Term) Valid() bool { return !t.over.Load() && int64(t.mono()) < t.until.Load() }

// Lease is how long one proof of the session lasts; 0: for ever.
func (t *Term) Lease() time.Duration { return time.Duration(t.lease.Load()) }

// Left is how long the lease holds.
func (t *Term) Left() time.Duration {
	until := time.Duration(t.until.Load())
	switch {
	case t.over.Load():
		return 0
	case until == coord.ForEver:
		return coord.ForEver
	default:
		return until - t.mono()
	}
}

// Done is closed when the term is over.
func (t *Term) Done() <-chan struct{} { return t.done }

// Won is closed when the candidacy has become a term.
func (t *Term) Won() <-chan struct{} { return t.won }

// Asked is closed when an operator wants the term handed over.
func (t *Term) Asked() <-chan struct{} { return t.asked }

// Over reports whether the term has ended.
func (t *Term) Over() bool { return t.over.Load() }

// Finish ends the term, once.
func (t *Term) Finish() {
	if !t.over.Swap(true) {
		close(t.done)
	}
}

// State is what changes seldom.
type State struct {
	Why       string // it ended; empty if its holder gave it up
	Failed    bool   // it cannot come to serve
	Left      bool   // nothing is left to give up
	Confirmed int64  // the highest version of the ring whose confirmation is written
}

// State returns it, and a channel that is closed with the next change of it or
// of the ceiling.
func (t *Term) State() (State, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return State{Why: t.why, Failed: t.failed, Left: t.left, Confirmed: t.confirmed}, t.news
}

// change applies f and wakes those that wait for news.
func (t *Term) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.news)
	t.news = make(chan struct{})
}

// Apply takes in what a Machine says about this candidacy. It reports whether
// nothing more will follow.
func (t *Term) Apply(a coord.Action) (last bool) {
	switch a := a.(type) {
	case coord.Won:
		t.epoch.Store(a.Epoch)
		t.floor.Store(int64(a.Floor))
		t.ceiling.Store(int64(a.Ceiling))
		t.lease.Store(int64(a.Lease))
		close(t.won)
	case coord.Hold:
		t.until.Store(int64(a.Until))
	case coord.Floored:
		t.floor.Store(int64(a.Floor))
	case coord.Raised:
		t.ceiling.Store(int64(a.Ceiling))
		t.change(func() {})
	case coord.Confirmed:
		t.change(func() { t.confirmed = a.Version })
	case coord.Asked:
		close(t.asked)
	case coord.Failed:
		t.change(func() { t.why, t.failed = a.Why, true })
		t.Finish()
		return true
	case coord.Over:
		t.change(func() { t.why, t.left = a.Why, true })
		t.Finish()
		return true
	default:
	}
	return false
}

// About is the id of the candidacy that an action tells of, if it tells of one.
func About(a coord.Action) string {
	switch a := a.(type) {
	case coord.Won:
		return a.ID
	case coord.Hold:
		return a.ID
	case coord.Floored:
		return a.ID
	case coord.Raised:
		return a.ID
	case coord.Confirmed:
		return a.ID
	case coord.Asked:
		return a.ID
	case coord.Failed:
		return a.ID
	case coord.Over:
		return a.ID
	default:
		return ""
	}
}
