package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/ring"
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

// Coordinator implements coord.Directory and coord.Membership for the nodes of
// one process.
type Coordinator struct {
	lease push.ID          // immutable, in ticks
	dir   folder           // immutable
	now   func() time.Time // immutable
	log   *slog.Logger     // immutable

	// disk is the right to change the durable states. It is a channel and not a
	// mutex because its holder writes files, and waiting for it must end with
	// the waiter's context.
	disk   chan struct{}
	states map[string]state // owned by the holder of disk

	picture atomic.Pointer[picture]
	seen    atomic.Pointer[picture] // the newest that View has returned

	mu     sync.Mutex
	closed bool             // guarded by mu
	terms  map[string]*term // guarded by mu; those that are not over
	end    chan struct{}    // closed by Close
}

var (
	_ coord.Directory  = (*Coordinator)(nil)
	_ coord.Membership = (*Coordinator)(nil)
)

// picture is a view and the sign that a newer one is there.
type picture struct {
	coord.View
	replaced chan struct{} // closed after the newer one has been stored
}

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
	c := &Coordinator{
		lease: push.ID(cfg.Lease / tick), dir: dir, now: now, log: log,
		disk: make(chan struct{}, 1), states: states,
		terms: make(map[string]*term), end: make(chan struct{}),
	}
	c.picture.Store(&picture{replaced: make(chan struct{})})
	return c, nil
}

// View returns the newest picture.
func (c *Coordinator) View() *coord.View {
	p := c.picture.Load()
	if c.seen.Load() != p {
		c.seen.Store(p)
	}
	return &p.View
}

// Changed returns a channel that is closed when a picture newer than the last
// one that View returned is there. With several callers of View, only this
// order misses nothing: Changed, then View, then wait.
func (c *Coordinator) Changed() <-chan struct{} {
	if p := c.seen.Load(); p != nil {
		return p.replaced
	}
	return c.picture.Load().replaced
}

// change replaces the picture by one in which edit was applied to a copy. The
// caller holds mu.
func (c *Coordinator) change(edit func(v *coord.View)) {
	old := c.picture.Load()
	next := &picture{View: coord.View{
		Version:  old.Version + 1,
		Ring:     old.Ring,
		Groups:   maps.Clone(old.Groups),
		Messages: slices.Clone(old.Messages),
	}, replaced: make(chan struct{})}
	if next.Groups == nil { // the clone of the first picture's
		next.Groups = make(map[string]coord.Group)
	}
	edit(&next.View)
	c.picture.Store(next)
	close(old.replaced)
}

// Register adds the RPC address (host:port) of a message node until leave is
// called.
func (c *Coordinator) Register(addr string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(func(v *coord.View) { v.Messages = append(v.Messages, addr) })
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change(func(v *coord.View) {
			if i := slices.Index(v.Messages, addr); i >= 0 {
				v.Messages = slices.Delete(v.Messages, i, i+1)
			}
		})
	})
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
	open := slices.Collect(maps.Values(c.terms))
	c.mu.Unlock()
	for _, t := range open {
		t.finish()
	}
	c.disk <- struct{}{} // for good: nothing is written after Close
	return nil
}

// acquire takes the right to change the durable states.
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

// reshape makes the ring of the groups, with m as the newest of them.
func reshape(groups map[string]coord.Group, m coord.Member) (*ring.Ring, error) {
	nodes := []ring.Node{{Name: m.Group, Weight: m.Weight}}
	for name, g := range groups {
		if name != m.Group {
			nodes = append(nodes, ring.Node{Name: name, Weight: g.Weight})
		}
	}
	return ring.New(nodes)
}
