package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/held"
	"gopush/internal/push"
)

// ErrClosed is what a Coordinator answers after Close.
var ErrClosed = errors.New("coordination has ended")

// Config sets a Coordinator up.
type Config struct {
	// Dir holds the durable states; it is made if need be. Required.
	Dir string
	// Fresh says that no message can have been stored yet, so that a folder
	// without states is a beginning and not a loss.
	Fresh bool
	// Lease is how much room for ids a new term has above its floor before it
	// must be raised; 0: 5 s.
	Lease time.Duration
}

// Validate fills in the defaults and reports the first field that cannot be.
func (c *Config) Validate() error {
	if c.Dir == "" {
		return errors.New("local coordination: Dir is empty; name a folder")
	}
	if c.Lease == 0 {
		c.Lease = 5 * time.Second
	}
	if c.Lease < 0 || c.Lease > time.Hour {
		return fmt.Errorf("local coordination: Lease is %s; it must be positive and at most an hour", c.Lease)
	}
	return nil
}

// Coordinator implements coord.Directory, coord.Membership, coord.Registry and
// coord.Admin for the nodes of one process.
type Coordinator struct {
	*held.Board

	dir folder           // immutable
	now func() time.Time // immutable
	log *slog.Logger     // immutable

	// disk is the right to change the files. It is a channel and not a mutex
	// because its holder writes files, and waiting for it must end with the
	// waiter's context.
	disk   chan struct{}
	states map[string]state // what the files hold; owned by the holder of disk

	mu      sync.Mutex
	closed  bool                    // guarded by mu
	machine *coord.Machine          // guarded by mu
	memory  memory                  // guarded by mu
	terms   map[string]*term        // guarded by mu; by id, those that are not over
	todo    map[string]coord.Action // guarded by mu; by id, what is to be written to disk
	serial  int64                   // guarded by mu
	end     chan struct{}           // closed by Close
}

var (
	_ coord.Directory  = (*Coordinator)(nil)
	_ coord.Membership = (*Coordinator)(nil)
	_ coord.Registry   = (*Coordinator)(nil)
	_ coord.Admin      = (*Coordinator)(nil)
)

// Open reads the states in the folder. now is the clock that floors come from.
func Open(cfg Config, log *slog.Logger, now func() time.Time) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir := folder(cfg.Dir)
	states, err := dir.load(cfg.Fresh)
	if err != nil {
		return nil, err
	}
	rules := coord.Config{Lease: cfg.Lease, RemoveAfter: -1, Instant: true}
	if err := rules.Validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{
		Board: held.NewBoard(), dir: dir, now: now, log: log,
		disk: make(chan struct{}, 1), states: states, machine: coord.NewMachine(rules), memory: remember(states),
		terms: make(map[string]*term), todo: make(map[string]coord.Action), end: make(chan struct{}),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step(coord.SessionBegan{}) // in one process it lasts for ever
	return c, nil
}

// mono never moves: no lease ends here.
func mono() time.Duration { return 0 }

// step lets the machine decide, and carries out all that needs no file. The
// caller holds mu.
func (c *Coordinator) step(ev coord.Event) {
	for events := []coord.Event{ev}; len(events) > 0; events = events[1:] {
		now := coord.Now{Mono: mono(), Wall: push.IDAt(c.now())}
		for _, a := range c.machine.Step(now, events[0]) {
			events = append(events, c.perform(a)...)
		}
	}
}

// perform carries an action out, or leaves it to whoever waits for it. The
// caller holds mu.
func (c *Coordinator) perform(a coord.Action) []coord.Event {
	switch a := a.(type) {
	case coord.Publish:
		c.Show(a.View)
	case coord.Begin:
		c.leave(a.ID, a)
	case coord.Lift:
		c.leave(a.ID, a)
	default:
		if t := c.terms[held.About(a)]; t != nil {
			if t.Apply(a) {
				delete(c.terms, t.ID)
			}
			return nil
		}
		return c.memory.perform(a)
	}
	return nil
}

// leave has the caller that waits for id write to disk. The caller holds mu.
func (c *Coordinator) leave(id string, a coord.Action) {
	c.todo[id] = a
	select {
	case c.terms[id].wake <- struct{}{}:
	default: // it is awake
	}
}

// unique makes an id. The caller holds mu.
func (c *Coordinator) unique(prefix string) string {
	c.serial++
	return prefix + "-" + strconv.FormatInt(c.serial, 10)
}

// Register adds the RPC address (host:port) of a message node until leave is
// called.
func (c *Coordinator) Register(addr string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.unique("message")
	c.step(coord.Register{ID: id, Addr: addr})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.step(coord.Unregister{ID: id})
	}
}

// Drain asks a comet node of this process to hand over.
func (c *Coordinator) Drain(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.memory.ask(node) {
		return push.E(push.KindNotFound, "there is no comet node %q; list the nodes again", node)
	}
	c.step(c.memory.line())
	return nil
}

// RemoveGroup takes a group without nodes out of the ring.
func (c *Coordinator) RemoveGroup(_ context.Context, group string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := coord.Removable(c.View(), group); err != nil {
		return err
	}
	c.step(coord.Remove{Group: group})
	return nil
}

// Close ends every term and every Campaign that waits. What is being written to
// disk is finished first.
func (c *Coordinator) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.end)
	ids := make([]string, 0, len(c.terms))
	for id := range c.terms {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		c.withdraw(c.terms[id])
	}
	c.mu.Unlock()
	c.disk <- struct{}{} // for good: nothing is written after Close
	return nil
}

// acquire takes the right to change the files.
func (c *Coordinator) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // select would choose at random
	}
	select {
	case c.disk <- struct{}{}:
		return nil
	case <-c.end:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("waiting for the coordination folder: %w", context.Cause(ctx))
	}
}

// release gives it back.
func (c *Coordinator) release() { <-c.disk }

// Health is nil until Close: nothing can be away.
func (c *Coordinator) Health() error {
	select {
	case <-c.end:
		return ErrClosed
	default:
		return nil
	}
}
