package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Component is a part of the process that runs until it is told to stop.
type Component struct {
	// Name is for logs and errors.
	Name string
	// Run works until ctx ends, then stops in order and returns nil. It calls
	// ready when the components after it may start; only the first call counts.
	// To return before ctx ends is a failure, and stops the whole group.
	Run func(ctx context.Context, ready func()) error
}

// GroupConfig says how components run together.
type GroupConfig struct {
	// Grace bounds the whole stop; 0: 15 s.
	Grace time.Duration
	// Ready is called when every component is ready; nil: nobody is told.
	Ready func()
}

// Validate fills in the defaults.
func (c *GroupConfig) Validate() error {
	if c.Grace == 0 {
		c.Grace = 15 * time.Second
	}
	if c.Grace < 0 {
		return fmt.Errorf("grace is %s; it must be positive", c.Grace)
	}
	return nil
}

// ErrGrace is what RunGroup returns when components are still running at the
// end of the grace. Their goroutines are left behind: the process should end.
var ErrGrace = errors.New("not stopped in time")

// RunGroup starts the components one after the other, each when the one before
// is ready, and runs them until ctx ends or one of them fails. Then it stops
// them in reverse order, each after the one behind it has returned. It returns
// the failures of all of them.
func RunGroup(ctx context.Context, cfg GroupConfig, log *slog.Logger, components ...Component) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	g := &group{log: log, ended: make(chan *running, len(components))}
	if g.start(ctx, components) && cfg.Ready != nil {
		cfg.Ready()
	}
	g.wait(ctx)
	return g.stop(cfg.Grace)
}

// group is owned by the goroutine of RunGroup, all of it. The goroutines of its
// components only send to ended, which never blocks.
type group struct {
	log     *slog.Logger
	started []*running
	ended   chan *running // has room for every component
	failed  bool
}

// running is a component that was started.
type running struct {
	name   string
	cancel context.CancelFunc
	ready  chan struct{}
	done   chan struct{} // closed before the component is sent to ended
	err    error         // to be read after done
}

// start reports whether all components came up.
//
// It gives up as soon as the context ends or any component does: what comes
// later would start on ground that is gone.
func (g *group) start(ctx context.Context, components []Component) bool {
	for _, c := range components {
		r := launch(ctx, c, g.ended)
		g.started = append(g.started, r)
		select {
		case <-r.ready:
			g.log.DebugContext(ctx, "started", slog.String("component", c.Name))
		case <-ctx.Done():
			return false
		case <-g.ended:
			g.failed = true
			return false
		}
	}
	return true
}

// launch runs c. Its context does not end with the parent: the order of the
// stop is the group's.
func launch(parent context.Context, c Component, ended chan<- *running) *running {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent)) // keeps the values
	r := &running{name: c.Name, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{})}
	announce := sync.OnceFunc(func() { close(r.ready) })
	go func() {
		defer cancel()
		err := c.Run(ctx, announce)
		// A part that is missing would be noticed late, by those who need it.
		if ctx.Err() == nil && err == nil {
			err = errors.New("ended by itself")
		}
		if err != nil {
			r.err = fmt.Errorf("%s: %w", c.Name, err)
		}
		close(r.done)
		ended <- r
	}()
	return r
}

// wait returns when it is time to stop.
func (g *group) wait(ctx context.Context) {
	if g.failed {
		return
	}
	select {
	case <-ctx.Done():
	case <-g.ended:
	}
}

// stop ends the components in reverse order, within the grace.
func (g *group) stop(grace time.Duration) error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var errs []error
	for i, r := range slices.Backward(g.started) {
		r.cancel()
		select {
		case <-r.done:
			g.log.Debug("stopped", slog.String("component", r.name))
			errs = append(errs, r.err)
		case <-timer.C:
			return g.abandon(g.started[:i+1], errs, grace)
		}
	}
	return errors.Join(errs...)
}

// abandon tells what is left to end, and names those that did not.
func (g *group) abandon(left []*running, errs []error, grace time.Duration) error {
	var names []string
	for _, r := range left {
		r.cancel()
		select {
		case <-r.done:
			errs = append(errs, r.err)
		default:
			names = append(names, r.name)
		}
	}
	late := fmt.Errorf("%s: %w (%s)", strings.Join(names, ", "), ErrGrace, grace)
	return errors.Join(append(errs, late)...)
}
