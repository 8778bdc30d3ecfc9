package migrations

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"gopush/hbase"
	"gopush/internal/push"
)

// fake is an HBase in memory. It can break down at any request, before or after
// it took effect, as a process that is killed sees it.
type fake struct {
	mu         sync.Mutex
	namespaces map[string]bool // whether it is ours
	tables     map[hbase.TableName]*fakeTable
	snapshots  map[string]*fakeTable
	codecs     map[string]bool
	requests   int
	changes    []string // what was asked for, and changes something
	breakAt    int      // the request that fails; 0: none
	after      bool     // it fails after it took effect
	onEmpty    func()   // called once while a migration looks whether a table is empty
}

type fakeTable struct {
	state  hbase.TableState
	d      *hbase.Descriptor
	splits int
	cell   hbase.Mark
	rows   int
	holder string
}

var errBroken = errors.New("the process was killed")

func newFake() *fake {
	return &fake{namespaces: map[string]bool{"default": false}, tables: make(map[hbase.TableName]*fakeTable), snapshots: make(map[string]*fakeTable), codecs: map[string]bool{"NONE": true, "SNAPPY": true}}
}

// ask is one request. It fails if its context has ended. Nothing is held while change runs but mu.
func (f *fake) ask(ctx context.Context, what string, change func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	broken := f.requests == f.breakAt
	if broken && !f.after {
		return errBroken
	}
	if what != "" {
		f.changes = append(f.changes, what)
	}
	if err := change(); err != nil {
		return err
	}
	if broken {
		return errBroken
	}
	return nil
}

func (f *fake) Cluster(ctx context.Context) (c hbase.Cluster, err error) {
	err = f.ask(ctx, "", func() error {
		c = hbase.Cluster{Version: "2.6.4", Live: make([]hbase.Server, 2)}
		return nil
	})
	return c, err
}

func (f *fake) Namespace(ctx context.Context, n string) (exists, ours bool, err error) {
	err = f.ask(ctx, "", func() error { ours, exists = f.namespaces[n]; return nil })
	return exists, ours, err
}

func (f *fake) CreateNamespace(ctx context.Context, n string, _ hbase.Tick) error {
	return f.ask(ctx, "create namespace "+n, func() error {
		if _, exists := f.namespaces[n]; !exists {
			f.namespaces[n] = true
		}
		return nil
	})
}

func (f *fake) DeleteNamespace(ctx context.Context, n string, _ hbase.Tick) (kept bool, err error) {
	err = f.ask(ctx, "delete namespace "+n, func() error {
		for t := range f.tables {
			kept = kept || t.Namespace == n
		}
		if !kept {
			delete(f.namespaces, n)
		}
		return nil
	})
	return kept, err
}

// of runs do on the table, which must exist.
func (f *fake) of(ctx context.Context, what string, t hbase.TableName, do func(*fakeTable) error) error {
	return f.ask(ctx, what, func() error {
		if f.tables[t] == nil {
			return fmt.Errorf("no table %s", t)
		}
		return do(f.tables[t])
	})
}

func (f *fake) State(ctx context.Context, t hbase.TableName) (s hbase.TableState, err error) {
	err = f.ask(ctx, "", func() error {
		if f.tables[t] != nil {
			s = f.tables[t].state
		}
		return nil
	})
	return s, err
}

func (f *fake) Describe(ctx context.Context, t hbase.TableName) (d *hbase.Descriptor, err error) {
	err = f.ask(ctx, "", func() error {
		if f.tables[t] != nil {
			d = f.tables[t].d.Clone()
		}
		return nil
	})
	return d, err
}

func (f *fake) Regions(ctx context.Context, t hbase.TableName) (at map[string]int, err error) {
	err = f.of(ctx, "", t, func(ft *fakeTable) error { at = map[string]int{"rs1:1": ft.splits + 1}; return nil })
	return at, err
}

func (f *fake) CreateTable(ctx context.Context, d *hbase.Descriptor, splits [][]byte, _ hbase.Tick) (exists bool, err error) {
	err = f.ask(ctx, "create table "+d.Table().String(), func() error {
		if _, ok := f.namespaces[d.Table().Namespace]; !ok {
			return errors.New("no namespace")
		}
		switch {
		case f.tables[d.Table()] != nil:
			exists = true
		case !f.codecs[d.FamilyAttribute("m", "COMPRESSION")]:
			return errors.New("no such codec")
		default:
			f.tables[d.Table()] = &fakeTable{state: hbase.TableEnabled, d: d.Clone(), splits: len(splits)}
		}
		return nil
	})
	return exists, err
}

func (f *fake) ModifyTable(ctx context.Context, d *hbase.Descriptor, _ hbase.Tick) error {
	return f.of(ctx, "modify table", d.Table(), func(t *fakeTable) error { t.d = d.Clone(); return nil })
}

func (f *fake) EnableTable(ctx context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.of(ctx, "enable table", t, func(ft *fakeTable) error { ft.state = hbase.TableEnabled; return nil })
}

func (f *fake) DisableTable(ctx context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.of(ctx, "disable table", t, func(ft *fakeTable) error { ft.state = hbase.TableDisabled; return nil })
}

func (f *fake) DeleteTable(ctx context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.ask(ctx, "delete table", func() error {
		if ft := f.tables[t]; ft != nil && ft.state != hbase.TableDisabled {
			return errors.New("not disabled")
		}
		delete(f.tables, t)
		return nil
	})
}

func (f *fake) Empty(ctx context.Context, t hbase.TableName) (empty bool, err error) {
	err = f.of(ctx, "", t, func(ft *fakeTable) error { empty = ft.rows == 0; return nil })
	if f.onEmpty != nil {
		f.onEmpty()
		f.onEmpty = nil
	}
	return empty, err
}

func (f *fake) ProveCompression(ctx context.Context, name string, _ time.Duration, _ hbase.Tick) (hbase.Proof, error) {
	return hbase.Proof{Servers: 2, Live: 2}, f.ask(ctx, "prove "+name, func() error {
		if !f.codecs[name] {
			return push.E(push.KindConflict, "the servers cannot use %s", name)
		}
		return nil
	})
}

func (f *fake) DropStaleProbes(ctx context.Context) (int, error) {
	return 0, f.ask(ctx, "", func() error { return nil })
}

func (f *fake) ReadMark(ctx context.Context, t hbase.TableName) (m hbase.Mark, err error) {
	err = f.of(ctx, "", t, func(ft *fakeTable) error { m = ft.cell; return nil })
	return m, err
}

func (f *fake) WriteMark(ctx context.Context, t hbase.TableName, m hbase.Mark) error {
	return f.of(ctx, fmt.Sprintf("tell %d", m.Version), t, func(ft *fakeTable) error {
		if ft.d.Attribute(readOnly) == "true" {
			return errors.New("read only")
		}
		ft.cell = m
		return nil
	})
}

// LockSchema polls, as the real one does. A holder that was killed has let go by
// the time the next one comes.
func (f *fake) LockSchema(ctx context.Context, t hbase.TableName, waiting func(string)) (context.Context, func(context.Context) error, error) {
	for {
		taken := false
		err := f.of(ctx, "", t, func(ft *fakeTable) error {
			if taken = ft.holder == ""; taken {
				ft.holder = "somebody"
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		if taken {
			break
		}
		waiting("somebody")
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	held, cancel := context.WithCancel(ctx)
	return held, func(ctx context.Context) error {
		cancel()
		return f.of(ctx, "", t, func(ft *fakeTable) error { ft.holder = ""; return nil })
	}, nil
}

func (f *fake) LockHolder(ctx context.Context, t hbase.TableName) (holder string, err error) {
	err = f.of(ctx, "", t, func(ft *fakeTable) error { holder = ft.holder; return nil })
	return holder, err
}

// seen is everything of a table that a migration decides.
type seen struct {
	State      hbase.TableState
	Attributes map[string]string
	Family     map[string]string
	Splits     int
	Cell       hbase.Mark
	Namespaces []string
}

func (f *fake) seen(t hbase.TableName) seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := seen{}
	for n := range maps.Keys(f.namespaces) {
		if n != "default" {
			s.Namespaces = append(s.Namespaces, n)
		}
	}
	if ft := f.tables[t]; ft != nil {
		s.State, s.Attributes, s.Family, s.Splits, s.Cell = ft.state, ft.d.Attributes(), ft.d.Families()["m"], ft.splits, ft.cell
	}
	return s
}

// revive lets a broken HBase, or a killed process, go on.
func (f *fake) revive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breakAt, f.requests = 0, 0
	for _, t := range f.tables {
		t.holder = ""
	}
}
