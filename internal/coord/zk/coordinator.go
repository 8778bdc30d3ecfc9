package zk

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/held"
	"gopush/internal/push"
)

// ErrClosed is what a Coordinator answers after Close.
var ErrClosed = errors.New("coordination has ended")

// Coordinator implements coord.Directory, coord.Membership, coord.Registry and
// coord.Admin for one process.
type Coordinator struct {
	*held.Board

	cfg   Config           // immutable
	paths paths            // immutable
	log   *slog.Logger     // immutable
	now   func() time.Time // immutable; the wall clock
	began time.Time        // immutable; the monotonic clock counts from there

	life context.Context
	stop context.CancelFunc
	work sync.WaitGroup // the goroutines that Open started

	heard atomic.Int64 // when something came from ZooKeeper last, as mono counts
	begun atomic.Int64 // sessions that have begun
	lost  atomic.Int64 // sessions that were lost

	mu      sync.Mutex
	machine *coord.Machine   // guarded by mu
	terms   map[string]*term // guarded by mu; by id, those that are not over
	session *session         // guarded by mu; nil: there is none
	trouble error            // guarded by mu; why there is none, or why it is of no use; never nil without one
}

var (
	_ coord.Directory  = (*Coordinator)(nil)
	_ coord.Membership = (*Coordinator)(nil)
	_ coord.Registry   = (*Coordinator)(nil)
	_ coord.Admin      = (*Coordinator)(nil)
)

// Open starts coordination; it does not wait for ZooKeeper. now is the wall
// clock that floors of ids come from. The caller must Close.
func Open(cfg Config, log *slog.Logger, now func() time.Time) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{
		Board: held.NewBoard(), cfg: cfg, paths: paths(cfg.Root), log: log, now: now, began: time.Now(),
		machine: coord.NewMachine(cfg.Machine), terms: make(map[string]*term),
		trouble: errors.New("ZooKeeper has not answered yet"),
	}
	c.cfg.heard = func() { c.heard.Store(int64(c.mono())) }
	c.life, c.stop = context.WithCancel(context.Background())
	c.work.Go(c.sessions)
	c.work.Go(c.tick)
	return c, nil
}

// Close gives everything up at once: terms are over, and the session is closed,
// so that successors need not wait for its end.
func (c *Coordinator) Close() error {
	c.stop()
	c.work.Wait()
	return nil
}

// Health is nil while there is a connection over which everything could be read;
// the error says why not. Terms and the view may well last longer than that.
func (c *Coordinator) Health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == nil && !c.session.connected.Load() {
		return errors.New("there is no connection to ZooKeeper")
	}
	return c.trouble
}

// Status is how a process stands with ZooKeeper.
type Status struct {
	Session   bool          // there is one
	Connected bool          // there is a connection for it right now
	Begun     int64         // sessions that have begun
	Lost      int64         // sessions that ended otherwise than by Close
	Silence   time.Duration // since something came from ZooKeeper last, or since Open
}

// Status is for operators; Health says whether anything is wrong.
func (c *Coordinator) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{
		Session:   c.session != nil,
		Connected: c.session != nil && c.session.connected.Load(),
		Begun:     c.begun.Load(), Lost: c.lost.Load(),
		Silence: c.mono() - time.Duration(c.heard.Load()),
	}
}

// mono is the time on the monotonic clock.
func (c *Coordinator) mono() time.Duration { return time.Since(c.began) }

// sessions has one session after the other. The library's own new session
// after one that has expired is never used: with the old one everything was
// lost, and a fresh start is the simplest way to rebuild it all.
func (c *Coordinator) sessions() {
	for c.life.Err() == nil {
		s, err := newSession(c)
		if err == nil {
			err = s.run()
		}
		if err != nil && c.life.Err() == nil {
			c.log.Error("no session with ZooKeeper", slog.Any("error", err))
			c.fail(nil, err)
			pause(c.life, time.Second)
		}
	}
	c.tell(coord.SessionEnded{}) // for candidacies that never had one
}

// tick lets the machine see time pass.
func (c *Coordinator) tick() {
	ticker := time.NewTicker(max(c.cfg.Session/32, 20*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-ticker.C:
			c.tell(coord.Tick{})
		}
	}
}

// tell has the machine decide about an event, and carries the decisions out.
func (c *Coordinator) tell(ev coord.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step(ev)
}

// step does it. The caller holds mu; nothing here waits.
func (c *Coordinator) step(ev coord.Event) {
	now := coord.Now{Mono: c.mono(), Wall: push.IDAt(c.now())}
	for _, a := range c.machine.Step(now, ev) {
		id := held.About(a)
		t := c.terms[id]
		switch v, published := a.(coord.Publish); {
		case published:
			c.Show(v.View)
		case t != nil:
			if t.Apply(a) {
				delete(c.terms, id)
			}
		case id == "" && c.session != nil:
			c.session.do(a)
		}
	}
}

// report tells the machine what came of a session, unless that has ended.
func (c *Coordinator) report(s *session, events ...coord.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range events {
		if c.session == s {
			c.step(ev)
		}
	}
}

// attach begins a session.
func (c *Coordinator) attach(s *session, timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.begun.Add(1)
	c.step(coord.SessionBegan{Lease: timeout * 2 / 3, Timeout: timeout})
}

// detach ends it; from here on nothing of it is heard.
func (c *Coordinator) detach(s *session, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != s {
		return
	}
	c.session, c.trouble = nil, why
	if c.life.Err() == nil {
		c.lost.Add(1)
	}
	c.step(coord.SessionEnded{})
}

// fail notes why things cannot be read or written in a session; nil: they can.
func (c *Coordinator) fail(s *session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.trouble = err
	}
}

// unique makes an id that nobody has had and nobody will have.
func unique(prefix string) string { return prefix + "." + strings.ToLower(rand.Text()[:12]) }

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
