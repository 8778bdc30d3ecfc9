package migrations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gopush/hbase"
	"gopush/internal/push"
)

// Snapshots is what a Backup asks of HBase; *hbase.Admin is one.
type Snapshots interface {
	State(ctx context.Context, table hbase.TableName) (hbase.TableState, error)
	Describe(ctx context.Context, table hbase.TableName) (*hbase.Descriptor, error)
	CreateNamespace(ctx context.Context, namespace string, tick hbase.Tick) error
	EnableTable(ctx context.Context, table hbase.TableName, tick hbase.Tick) error
	DisableTable(ctx context.Context, table hbase.TableName, tick hbase.Tick) error
	CheckSchema(ctx context.Context, target hbase.Target) error

	Snapshots(ctx context.Context) ([]hbase.Snapshot, error)
	TakeSnapshot(ctx context.Context, name string, table hbase.TableName, tick hbase.Tick) error
	RestoreSnapshot(ctx context.Context, name string, table hbase.TableName, tick hbase.Tick) error
	DeleteSnapshot(ctx context.Context, s hbase.Snapshot) error
}

var _ Snapshots = (*hbase.Admin)(nil)

// Backup takes snapshots of one table and brings it back from them. HBase keeps
// them beside the table; bringing them to another place is not its matter.
type Backup struct {
	hbase  Snapshots
	target hbase.Target
	now    func() time.Time
	report func(Progress)
}

// NewBackup is for the table of the target; report may be nil.
func NewBackup(h Snapshots, target hbase.Target, report func(Progress)) *Backup {
	if report == nil {
		report = func(Progress) {}
	}
	return &Backup{hbase: h, target: target, now: time.Now, report: report}
}

// List returns the snapshots of every table, the oldest first.
func (b *Backup) List(ctx context.Context) ([]hbase.Snapshot, error) { return b.hbase.Snapshots(ctx) }

// Take keeps the table as it is now. An empty name is made of the table's and of
// the time. It returns the snapshot's name.
func (b *Backup) Take(ctx context.Context, name string) (string, error) {
	if name == "" {
		name = b.nameNow()
	}
	if err := b.ours(ctx); err != nil {
		return "", err
	}
	return name, b.step(fmt.Sprintf("take the snapshot %s of the table %s", name, b.target.Table), func(tick hbase.Tick) error {
		return b.hbase.TakeSnapshot(ctx, name, b.target.Table, tick)
	})
}

// nameNow is a name that sorts by time.
func (b *Backup) nameNow() string {
	return strings.ReplaceAll(b.target.Table.String(), ":", ".") + "-" + b.now().UTC().Format("20060102T150405.000Z")
}

// ours refuses a table that is not there, or that no migration has made.
func (b *Backup) ours(ctx context.Context) error {
	d, err := b.hbase.Describe(ctx, b.target.Table)
	if err != nil {
		return err
	}
	if d == nil {
		return push.E(push.KindNotFound, "HBase has no table %s; name another with --table", b.target.Table)
	}
	mark, err := hbase.MarkOf(d)
	if err == nil && mark.Version == 0 {
		err = push.E(push.KindConflict, "the table %s was not made by gopush migrate, and is left alone; name another with --table", b.target.Table)
	}
	return err
}

// find looks a snapshot up by its name.
func (b *Backup) find(ctx context.Context, name string) (hbase.Snapshot, error) {
	all, err := b.hbase.Snapshots(ctx)
	if err != nil {
		return hbase.Snapshot{}, err
	}
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
	}
	return hbase.Snapshot{}, push.E(push.KindNotFound, "HBase has no snapshot %q; gopush snapshot list shows those that it has", name)
}

// Restore makes the table what it was when the snapshot was taken. A table that
// exists is refused, unless it is to be replaced: then a snapshot of it is taken
// before, whose name is returned. If it was interrupted, it can be repeated.
//
// A *hbase.SchemaError says that the table is there, and that this program
// cannot use it as it is.
func (b *Backup) Restore(ctx context.Context, name string, replace bool) (before string, err error) {
	s, err := b.find(ctx, name)
	if err != nil {
		return "", err
	}
	state, err := b.hbase.State(ctx, b.target.Table)
	if err != nil {
		return "", err
	}
	if state == hbase.TableMissing {
		err = b.clone(ctx, s)
	} else {
		before, err = b.replace(ctx, s, state, replace)
	}
	if err != nil {
		return before, err
	}
	return before, b.hbase.CheckSchema(ctx, b.target)
}

func (b *Backup) clone(ctx context.Context, s hbase.Snapshot) error {
	return b.step(fmt.Sprintf("make the table %s from the snapshot %s", b.target.Table, s.Name), func(tick hbase.Tick) error {
		if err := b.hbase.CreateNamespace(ctx, b.target.Table.Namespace, tick); err != nil {
			return err
		}
		return b.hbase.RestoreSnapshot(ctx, s.Name, b.target.Table, tick)
	})
}

// replace gives a table that exists what the snapshot holds.
func (b *Backup) replace(ctx context.Context, s hbase.Snapshot, state hbase.TableState, agreed bool) (before string, err error) {
	table := b.target.Table
	switch {
	case s.Table != table:
		return "", push.E(push.KindConflict, "the table %s exists (it is %s), and the snapshot %s is of the table %s; restore it as a table that does not exist", table, state, s.Name, s.Table)
	case !agreed:
		return "", push.E(push.KindConflict, "the table %s exists (it is %s), and restoring replaces everything in it; stop all nodes and say --replace, or restore into another table with --table", table, state)
	}
	if before, err = b.Take(ctx, ""); err != nil {
		return "", err
	}
	return before, b.step(fmt.Sprintf("replace what is in the table %s by the snapshot %s", table, s.Name), func(tick hbase.Tick) error {
		if err := b.hbase.DisableTable(ctx, table, tick); err != nil {
			return err
		}
		if err := b.hbase.RestoreSnapshot(ctx, s.Name, table, tick); err != nil {
			return err
		}
		return b.hbase.EnableTable(ctx, table, tick)
	})
}

// Delete gives up a snapshot of the table.
func (b *Backup) Delete(ctx context.Context, name string) error {
	s, err := b.find(ctx, name)
	if err != nil {
		return err
	}
	if s.Table != b.target.Table {
		return push.E(push.KindConflict, "the snapshot %s is of the table %s; to delete it, say --table %s", name, s.Table, s.Table)
	}
	return b.step("delete the snapshot "+name, func(hbase.Tick) error { return b.hbase.DeleteSnapshot(ctx, s) })
}

// step does one thing and reports on it.
func (b *Backup) step(text string, do func(hbase.Tick) error) error {
	a, start := Action{Text: text}, time.Now()
	b.report(Progress{Action: a})
	if err := do(func(time.Duration) { b.report(Progress{Action: a, Took: time.Since(start)}) }); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	b.report(Progress{Action: a, Took: time.Since(start), Done: true})
	return nil
}
