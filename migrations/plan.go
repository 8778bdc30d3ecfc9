package migrations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gopush/hbase"
	"gopush/internal/push"
)

// upward plans the way to the latest schema. Each action looks at nothing that
// one before it changes: the plan is made again after each of them.
func (m *Migrator) upward(s *state) ([]Action, error) {
	if err := m.refuse(s); err != nil {
		return nil, err
	}
	if s.mark.Version > m.latest() {
		return nil, nil // newer, and usable for this program: leave it to the newer one
	}
	changed, differences := s.differences(&m.options)
	actions := m.proof(s, differences)
	switch {
	case s.missing():
		return append(actions, m.fromNothing(s)...), nil
	case s.frozen() && s.table == hbase.TableDisabled, s.table == hbase.TableDisabled && m.options.Enable:
		actions = append(actions, m.enable())
	case !s.serves():
		actions = append(actions, m.await())
	}
	if s.frozen() {
		actions = append(actions, Action{
			Text: "make the table writable again, which a migration down was interrupted at",
			run:  func(ctx context.Context, w *Work) error { return freeze(ctx, w, false) },
		})
	}
	for _, step := range m.steps[s.mark.Version:] {
		actions = append(actions, m.take(step))
	}
	if len(differences) > 0 {
		actions = append(actions, alter(changed, differences))
	}
	if now := m.markOf(m.latest()); s.cell != now {
		actions = append(actions, m.tell(now))
	}
	return actions, nil
}

// refuse finds what no migration up can help with.
func (m *Migrator) refuse(s *state) error {
	switch {
	case s.descriptor != nil && !s.ours():
		return push.E(push.KindConflict, "the table %s was not made by gopush migrate, and is left alone; name another with --table, or remove it", m.target.Table)
	case s.mark.Oldest > m.latest():
		return push.E(push.KindConflict, "the table %s has schema %d, which programs older than schema %d cannot use, and this one knows %d; use a newer gopush", m.target.Table, s.mark.Version, s.mark.Oldest, m.latest())
	case s.table == hbase.TableDisabled && s.ours() && !s.frozen() && !m.options.Enable:
		return &hbase.SchemaError{
			Problem: fmt.Sprintf("the table %s is disabled in HBase", m.target.Table),
			Remedy:  "If nobody disabled it on purpose, run: " + m.target.Command("migrate up --enable"),
		}
	}
	return nil
}

// differences are those between options and the table that there is.
func (s *state) differences(o *Options) (*hbase.Descriptor, []string) {
	if s.descriptor == nil || !s.ours() {
		return nil, nil
	}
	return o.differences(s.descriptor)
}

// proof is due before a compression is used for the first time.
func (m *Migrator) proof(s *state, differences []string) []Action {
	c := m.options.Compression
	wanted := s.missing()
	for _, d := range differences {
		wanted = wanted || strings.HasPrefix(d, "COMPRESSION ")
	}
	if m.proven || !wanted || c == "" || c == "NONE" {
		return nil
	}
	return []Action{{
		Text: "prove that every region server can use the compression " + c + ", with a table that is dropped again",
		run: func(ctx context.Context, w *Work) error {
			if _, err := w.HBase.DropStaleProbes(ctx); err != nil {
				return err
			}
			p, err := w.HBase.ProveCompression(ctx, c, m.options.ProveWithin, w.Tick)
			if err != nil {
				return err
			}
			m.proven = true
			w.Say(fmt.Sprintf("%d of %d region servers opened a region with it", p.Servers, p.Live))
			return nil
		},
	}}
}

// fromNothing is the whole way.
func (m *Migrator) fromNothing(s *state) []Action {
	where := "the table " + m.target.Table.String()
	if !s.namespace {
		where = "the namespace " + m.target.Table.Namespace + " and " + where
	}
	splits, _ := m.options.splits() // validated
	var attributes []string
	for _, f := range m.options.family() {
		attributes = append(attributes, f.name+" "+f.value)
	}
	create := m.take(m.steps[0])
	create.Text = fmt.Sprintf("step 1: create %s; regions: %d; family %s: %s", where, len(splits)+1, hbase.SchemaFamily, strings.Join(attributes, ", "))
	actions := []Action{create}
	for _, step := range m.steps[1:] {
		actions = append(actions, m.take(step))
	}
	return append(actions, m.tell(m.markOf(m.latest())))
}

// take is one step, and the note that it was taken.
func (m *Migrator) take(step Step) Action {
	return Action{
		Step: step.Number, Text: fmt.Sprintf("step %d: %s", step.Number, step.Name),
		run: func(ctx context.Context, w *Work) error {
			if err := step.Up(ctx, w); err != nil || step.Number == 1 {
				return err // the first one makes the table with its version
			}
			return note(ctx, w, w.Mark)
		},
	}
}

// note puts the version into the table's attributes.
func note(ctx context.Context, w *Work, mark hbase.Mark) error {
	d, err := w.HBase.Describe(ctx, w.Table)
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("the table %s is gone", w.Table)
	}
	hbase.SetMark(d, mark)
	return w.HBase.ModifyTable(ctx, d, w.Tick)
}

// tell writes the copy of the version that nodes read.
func (m *Migrator) tell(mark hbase.Mark) Action {
	return Action{
		Text: fmt.Sprintf("tell nodes that the table has schema %d", mark.Version),
		run:  func(ctx context.Context, w *Work) error { return w.HBase.WriteMark(ctx, w.Table, mark) },
	}
}

func alter(changed *hbase.Descriptor, differences []string) Action {
	return Action{
		Text: fmt.Sprintf("change the family %s: %s; data that is there changes with its next compaction", hbase.SchemaFamily, strings.Join(differences, ", ")),
		run:  func(ctx context.Context, w *Work) error { return w.HBase.ModifyTable(ctx, changed, w.Tick) },
	}
}

func (m *Migrator) enable() Action {
	return Action{
		Text: "enable the table " + m.target.Table.String(),
		run:  func(ctx context.Context, w *Work) error { return w.HBase.EnableTable(ctx, w.Table, w.Tick) },
	}
}

// await waits while HBase, or another migration, makes or changes the table.
func (m *Migrator) await() Action {
	return Action{
		Text: "wait until HBase serves the table " + m.target.Table.String(),
		run: func(ctx context.Context, w *Work) error {
			start := time.Now()
			for {
				s, err := m.look(ctx)
				if err != nil || s.serves() || s.missing() || s.table == hbase.TableDisabled {
					return err
				}
				w.Tick(time.Since(start))
				timer := time.NewTimer(m.pause)
				select {
				case <-timer.C:
				case <-ctx.Done():
					timer.Stop()
					return push.E(push.KindStoreUnavailable, "HBase does not come to serve the table %s, which is %s; its master's log says why. Run this again once it does", w.Table, s.table)
				}
			}
		},
	}
}

// downward plans the way back to a schema.
func (m *Migrator) downward(s *state, to int) ([]Action, error) {
	switch {
	case s.missing() || s.ours() && s.mark.Version <= to && s.cell == s.mark:
		return nil, nil
	case s.mark.Version > m.latest():
		return nil, push.E(push.KindConflict, "the table %s has schema %d, and this program knows %d; only the gopush that took it there can take it back", m.target.Table, s.mark.Version, m.latest())
	}
	if err := m.refuse(s); err != nil {
		return nil, err
	}
	for n := s.mark.Version; n > to; n-- {
		if step := m.steps[n-1]; step.Down == nil {
			return nil, push.E(push.KindConflict, "step %d (%s) cannot be taken back: %s", n, step.Name, step.Loses)
		}
	}
	if s.table == hbase.TableDisabled {
		return []Action{m.enable()}, nil
	}
	if !s.serves() {
		return []Action{m.await()}, nil
	}
	var actions []Action
	for n := s.mark.Version; n > to; n-- {
		actions = append(actions, m.back(m.steps[n-1]))
	}
	if to > 0 && len(actions) == 0 {
		actions = append(actions, m.tell(s.mark))
	}
	return actions, nil
}

// back takes a step back. Nodes are told first, so that none of them uses what
// is about to go; the first step takes the table with it.
func (m *Migrator) back(step Step) Action {
	return Action{
		Step: step.Number, Text: fmt.Sprintf("take step %d back: %s", step.Number, step.Name),
		run: func(ctx context.Context, w *Work) error {
			before := m.markOf(step.Number - 1)
			if step.Number == 1 {
				return step.Down(ctx, w)
			}
			if err := w.HBase.WriteMark(ctx, w.Table, before); err != nil {
				return err
			}
			if err := step.Down(ctx, w); err != nil {
				return err
			}
			return note(ctx, w, before)
		},
	}
}
