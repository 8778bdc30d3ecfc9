package migrations

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/hbase"
	"gopush/internal/push"
)

// Snapshots of the fake hold nothing but the number of rows.

func (f *fake) Snapshots(ctx context.Context) (all []hbase.Snapshot, err error) {
	err = f.ask(ctx, "", func() error {
		for name, s := range f.snapshots {
			all = append(all, hbase.Snapshot{Name: name, Table: s.d.Table()})
		}
		slices.SortFunc(all, func(a, b hbase.Snapshot) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return all, err
}

func (f *fake) TakeSnapshot(ctx context.Context, name string, t hbase.TableName, _ hbase.Tick) error {
	return f.of(ctx, "snapshot "+name, t, func(ft *fakeTable) error {
		if f.snapshots[name] != nil {
			return push.E(push.KindConflict, "exists already")
		}
		copied := *ft
		f.snapshots[name] = &copied
		return nil
	})
}

func (f *fake) RestoreSnapshot(ctx context.Context, name string, t hbase.TableName, _ hbase.Tick) error {
	return f.ask(ctx, "restore "+name, func() error {
		s, is := f.snapshots[name], f.tables[t]
		if is != nil && is.state != hbase.TableDisabled {
			return errors.New("not disabled")
		}
		if _, ok := f.namespaces[t.Namespace]; !ok {
			return errors.New("no namespace")
		}
		copied := *s
		copied.state = hbase.TableEnabled
		if is != nil {
			copied.state = hbase.TableDisabled
		}
		f.tables[t] = &copied
		return nil
	})
}

func (f *fake) DeleteSnapshot(ctx context.Context, s hbase.Snapshot) error {
	return f.ask(ctx, "delete snapshot "+s.Name, func() error { delete(f.snapshots, s.Name); return nil })
}

func (f *fake) CheckSchema(ctx context.Context, target hbase.Target) error {
	return f.of(ctx, "", target.Table, func(ft *fakeTable) error { return target.Usable(ft.state, ft.cell) })
}

var _ Snapshots = (*fake)(nil)

// backedUp is a table of ours with five rows, the snapshot "five", and then six.
func backedUp(t *testing.T) (*fake, *Backup) {
	t.Helper()
	f := newFake()
	up(t, f, Options{}, Steps())
	b := NewBackup(f, target, nil)
	b.now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	f.tables[target.Table].rows = 5
	if name, err := b.Take(t.Context(), "five"); name != "five" || err != nil {
		t.Fatal(name, err)
	}
	f.tables[target.Table].rows = 6
	f.changes = nil
	return f, b
}

// Broken once by replacing without a snapshot before.
func TestBackupRestores(t *testing.T) {
	f, b := backedUp(t)
	delete(f.tables, target.Table)
	delete(f.namespaces, "gopush")
	if before, err := b.Restore(t.Context(), "five", false); before != "" || err != nil {
		t.Fatal(before, err)
	}
	if diff := cmp.Diff([]string{"create namespace gopush", "restore five"}, f.changes); diff != "" {
		t.Error(diff)
	}
	f, b = backedUp(t)
	before, err := b.Restore(t.Context(), "five", true)
	if err != nil || f.tables[target.Table].rows != 5 || f.tables[target.Table].state != hbase.TableEnabled {
		t.Error(err, f.tables[target.Table])
	}
	if before != "gopush.messages-20270115T080000.000Z" || f.snapshots[before].rows != 6 {
		t.Errorf("what was there is in %q", before)
	}
}

// TestBackupRestoresAgain: a restore that was killed at any request is repeated.
func TestBackupRestoresAgain(t *testing.T) {
	for at := 1; ; at++ {
		for _, after := range []bool{false, true} {
			f, b := backedUp(t)
			f.requests, f.breakAt, f.after = 0, at, after
			_, err := b.Restore(t.Context(), "five", true)
			if err == nil {
				return // there is no such request
			}
			f.revive()
			b.now = func() time.Time { return time.Unix(1_800_000_001, 0) }
			if _, err := b.Restore(t.Context(), "five", true); err != nil || f.tables[target.Table].rows != 5 {
				t.Errorf("request %d: %v", at, err)
			}
			if !slices.ContainsFunc(slices.Collect(maps.Values(f.snapshots)), func(s *fakeTable) bool { return s.rows == 6 }) {
				t.Errorf("request %d: what was there is lost", at)
			}
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	ctx := t.Context()
	other := hbase.Target{ZooKeeper: target.ZooKeeper, Table: hbase.TableName{Namespace: "default", Name: "other"}}
	for name, tt := range map[string]struct {
		do   func(*fake, *Backup) error
		kind push.Kind
		text string
	}{
		"the name is taken":  {func(_ *fake, b *Backup) error { _, err := b.Take(ctx, "five"); return err }, push.KindConflict, "exists already"},
		"no such snapshot":   {func(_ *fake, b *Backup) error { _, err := b.Restore(ctx, "six", true); return err }, push.KindNotFound, `no snapshot "six"`},
		"nothing to delete":  {func(_ *fake, b *Backup) error { return b.Delete(ctx, "six") }, push.KindNotFound, `no snapshot "six"`},
		"the table is there": {func(_ *fake, b *Backup) error { _, err := b.Restore(ctx, "five", false); return err }, push.KindConflict, "exists (it is enabled)"},
		"it is disabled": {func(f *fake, b *Backup) error {
			f.tables[target.Table].state = hbase.TableDisabled
			_, err := b.Restore(ctx, "five", false)
			return err
		}, push.KindConflict, "exists (it is disabled)"},
		"no table":         {func(f *fake, _ *Backup) error { _, err := NewBackup(f, other, nil).Take(ctx, "x"); return err }, push.KindNotFound, "HBase has no table other"},
		"of another table": {func(f *fake, _ *Backup) error { return NewBackup(f, other, nil).Delete(ctx, "five") }, push.KindConflict, "--table gopush:messages"},
		"over another table": {func(f *fake, _ *Backup) error {
			f.foreign(other.Table)
			_, err := NewBackup(f, other, nil).Restore(ctx, "five", true)
			return err
		}, push.KindConflict, "is of the table gopush:messages"},
		"somebody else's": {func(f *fake, _ *Backup) error {
			f.foreign(other.Table)
			_, err := NewBackup(f, other, nil).Take(ctx, "x")
			return err
		}, push.KindConflict, "was not made by gopush migrate"},
	} {
		t.Run(name, func(t *testing.T) {
			f, b := backedUp(t)
			if err := tt.do(f, b); !push.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
				t.Error(err)
			}
			if changes := fmt.Sprint(f.changes); strings.Contains(changes, "restore") || strings.Contains(changes, "delete") || strings.Contains(changes, "disable") {
				t.Error(changes)
			}
		})
	}
}

// foreign makes a table that no migration has made.
func (f *fake) foreign(table hbase.TableName) {
	f.tables[table] = &fakeTable{state: hbase.TableEnabled, d: hbase.NewDescriptor(table)}
}

// TestBackupOfAnOlderSchema: what is restored is there; what to run is said.
func TestBackupOfAnOlderSchema(t *testing.T) {
	f, b := backedUp(t)
	f.snapshots["five"].cell = hbase.Mark{}
	_, err := b.Restore(t.Context(), "five", true)
	if _, ok := errors.AsType[*hbase.SchemaError](err); !ok || !strings.Contains(err.Error(), "gopush migrate up") || f.tables[target.Table].rows != 5 {
		t.Error(err)
	}
}
