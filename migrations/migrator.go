package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gopush/hbase"
	"gopush/internal/push"
)

// Action is one thing that is to be done.
type Action struct {
	Step int    `json:"step,omitempty"` // 0: of no step
	Text string `json:"action"`

	run func(ctx context.Context, w *Work) error
}

// Progress is what a run tells while it is under way.
type Progress struct {
	Action Action
	// Took is the time since the action began.
	Took time.Duration
	// Done says that the action has ended well.
	Done bool
	// Note is something else that is worth a line; then the rest says nothing.
	Note string
}

// Migrator migrates one table. It is used once.
type Migrator struct {
	hbase   HBase
	target  hbase.Target
	options Options
	steps   []Step
	report  func(Progress)

	proven bool                        // the compression, in this run
	held   context.Context             // of the lock; nil: not held
	unlock func(context.Context) error // likewise
	pause  time.Duration               // between looks at a table that HBase works on
}

// New checks the options; report may be nil.
func New(h HBase, target hbase.Target, options Options, report func(Progress)) (*Migrator, error) {
	return newMigrator(h, target, options, Steps(), report)
}

func newMigrator(h HBase, target hbase.Target, options Options, steps []Step, report func(Progress)) (*Migrator, error) {
	if err := checkSteps(steps); err != nil {
		return nil, err
	}
	if err := options.Validate(); err != nil {
		return nil, push.E(push.KindBadRequest, "%s", err)
	}
	if report == nil {
		report = func(Progress) {}
	}
	return &Migrator{hbase: h, target: target, options: options, steps: steps, report: report, pause: 500 * time.Millisecond}, nil
}

// latest is the schema that this program knows.
func (m *Migrator) latest() int { return len(m.steps) }

// markOf is the version after the step; 0: before all.
func (m *Migrator) markOf(number int) hbase.Mark {
	if number == 0 {
		return hbase.Mark{}
	}
	return hbase.Mark{Version: number, Oldest: m.steps[number-1].Oldest}
}

// Plan lists what Up would do now.
func (m *Migrator) Plan(ctx context.Context) ([]Action, error) {
	s, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	return m.upward(&s)
}

// Up takes every step that is missing, and returns what it did. The table is
// looked at anew after each action: what another migration has done meanwhile,
// or one before that was interrupted, is not done again.
func (m *Migrator) Up(ctx context.Context) ([]Action, error) {
	return m.drive(ctx, m.upward)
}

// Down takes steps back until the schema is to. It begins only if every step on
// the way can be taken back.
func (m *Migrator) Down(ctx context.Context, to int) ([]Action, error) {
	if to < 0 || to >= m.latest() {
		return nil, push.E(push.KindBadRequest, "the schema to go back to is %d; it must be 0 (no table) to %d", to, m.latest()-1)
	}
	return m.drive(ctx, func(s *state) ([]Action, error) { return m.downward(s, to) })
}

// drive does the first of the planned actions until there is none.
func (m *Migrator) drive(ctx context.Context, plan func(*state) ([]Action, error)) (done []Action, err error) {
	defer func() { m.release(ctx) }()
	for {
		s, err := m.look(ctx)
		if err != nil {
			return done, err
		}
		actions, err := plan(&s)
		if err != nil || len(actions) == 0 {
			return done, err
		}
		if locked, err := m.lock(ctx, &s); err != nil {
			return done, err
		} else if locked {
			continue // what was planned without the lock may be outdated
		}
		if repeats(done, actions[0]) {
			return done, fmt.Errorf("HBase took this, but shows nothing of it: %s", actions[0].Text)
		}
		if err := m.do(ctx, actions[0]); err != nil {
			return done, err
		}
		done = append(done, actions[0])
	}
}

// repeats reports whether the action was done twice in a row already; once more
// would be for ever.
func repeats(done []Action, a Action) bool {
	n := len(done)
	return n >= 2 && done[n-1].Text == a.Text && done[n-2].Text == a.Text
}

// lock takes the lock if the table is there to hold it.
func (m *Migrator) lock(ctx context.Context, s *state) (taken bool, err error) {
	if m.held != nil || !s.serves() || !s.ours() || s.frozen() {
		return false, nil
	}
	told := ""
	m.held, m.unlock, err = m.hbase.LockSchema(ctx, m.target.Table, func(holder string) {
		if holder != told {
			m.report(Progress{Note: "another migration is running, " + holder + "; waiting for its end"})
		}
		told = holder
	})
	return err == nil, err
}

// release gives the lock back, if it is held. Where that is not possible, such
// as when its table is gone, it ends with its lease.
func (m *Migrator) release(ctx context.Context) {
	if m.held == nil {
		return
	}
	_ = m.unlock(ctx)
	m.held, m.unlock = nil, nil
}

// do takes one action and reports on it. It ends early if the lock is lost.
func (m *Migrator) do(ctx context.Context, a Action) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := func() bool { return true }
	if held := m.held; held != nil {
		stop = context.AfterFunc(held, func() { cancel(context.Cause(held)) })
	}
	defer func() { stop() }()
	start := time.Now()
	m.report(Progress{Action: a})
	w := &Work{
		HBase: m.hbase, Table: m.target.Table, Options: &m.options, Mark: m.markOf(a.Step),
		Tick: func(time.Duration) { m.report(Progress{Action: a, Took: time.Since(start)}) },
		Say:  func(text string) { m.report(Progress{Note: text}) },
		Unlock: func() {
			stop() // first: giving it back ends its context, too
			m.release(ctx)
		},
	}
	if err := a.run(ctx, w); err != nil {
		return fmt.Errorf("%s: %w", a.Text, because(ctx, err))
	}
	m.report(Progress{Action: a, Took: time.Since(start), Done: true})
	return nil
}

// because prefers the loss of the lock to the errors that it leads to.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return err
}
