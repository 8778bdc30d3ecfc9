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
	namespaces map[string]bool
	tables     map[hbase.TableName]*fakeTable
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
	return &fake{namespaces: map[string]bool{"default": true}, tables: make(map[hbase.TableName]*fakeTable), codecs: map[string]bool{"NONE": true, "SNAPPY": true}}
}

// ask is one request. Nothing is held while change runs but mu.
func (f *fake) ask(what string, change func() error) error {
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

func (f *fake) Cluster(context.Context) (c hbase.Cluster, err error) {
	err = f.ask("", func() error {
		c = hbase.Cluster{Version: "2.6.4", Live: make([]hbase.Server, 2)}
		return nil
	})
	return c, err
}

func (f *fake) NamespaceExists(_ context.Context, n string) (is bool, err error) {
	err = f.ask("", func() error { is = f.namespaces[n]; return nil })
	return is, err
}

func (f *fake) CreateNamespace(_ context.Context, n string, _ hbase.Tick) error {
	return f.ask("create namespace "+n, func() error { f.namespaces[n] = true; return nil })
}

func (f *fake) DeleteNamespace(_ context.Context, n string, _ hbase.Tick) (kept bool, err error) {
	err = f.ask("delete namespace "+n, func() error {
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
func (f *fake) of(what string, t hbase.TableName, do func(*fakeTable) error) error {
	return f.ask(what, func() error {
		if f.tables[t] == nil {
			return fmt.Errorf("no table %s", t)
		}
		return do(f.tables[t])
	})
}

func (f *fake) State(_ context.Context, t hbase.TableName) (s hbase.TableState, err error) {
	err = f.ask("", func() error {
		if f.tables[t] != nil {
			s = f.tables[t].state
		}
		return nil
	})
	return s, err
}

func (f *fake) Describe(_ context.Context, t hbase.TableName) (d *hbase.Descriptor, err error) {
	err = f.ask("", func() error {
		if f.tables[t] != nil {
			d = f.tables[t].d.Clone()
		}
		return nil
	})
	return d, err
}

func (f *fake) Regions(_ context.Context, t hbase.TableName) (at map[string]int, err error) {
	err = f.of("", t, func(ft *fakeTable) error { at = map[string]int{"rs1:1": ft.splits + 1}; return nil })
	return at, err
}

func (f *fake) CreateTable(_ context.Context, d *hbase.Descriptor, splits [][]byte, _ hbase.Tick) (exists bool, err error) {
	err = f.ask("create table "+d.Table().String(), func() error {
		switch {
		case f.tables[d.Table()] != nil:
			exists = true
		case !f.namespaces[d.Table().Namespace]:
			return errors.New("no namespace")
		case !f.codecs[d.FamilyAttribute("m", "COMPRESSION")]:
			return errors.New("no such codec")
		default:
			f.tables[d.Table()] = &fakeTable{state: hbase.TableEnabled, d: d.Clone(), splits: len(splits)}
		}
		return nil
	})
	return exists, err
}

func (f *fake) ModifyTable(_ context.Context, d *hbase.Descriptor, _ hbase.Tick) error {
	return f.of("modify table", d.Table(), func(t *fakeTable) error { t.d = d.Clone(); return nil })
}

func (f *fake) EnableTable(_ context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.of("enable table", t, func(ft *fakeTable) error { ft.state = hbase.TableEnabled; return nil })
}

func (f *fake) DisableTable(_ context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.of("disable table", t, func(ft *fakeTable) error { ft.state = hbase.TableDisabled; return nil })
}

func (f *fake) DeleteTable(_ context.Context, t hbase.TableName, _ hbase.Tick) error {
	return f.ask("delete table", func() error {
		if ft := f.tables[t]; ft != nil && ft.state != hbase.TableDisabled {
			return errors.New("not disabled")
		}
		delete(f.tables, t)
		return nil
	})
}

func (f *fake) Empty(_ context.Context, t hbase.TableName) (empty bool, err error) {
	err = f.of("", t, func(ft *fakeTable) error { empty = ft.rows == 0; return nil })
	if f.onEmpty != nil {
		f.onEmpty()
		f.onEmpty = nil
	}
	return empty, err
}

func (f *fake) ProveCompression(_ context.Context, name string, _ time.Duration, _ hbase.Tick) (hbase.Proof, error) {
	return hbase.Proof{Servers: 2, Live: 2}, f.ask("prove "+name, func() error {
		if !f.codecs[name] {
			return push.E(push.KindConflict, "the servers cannot use %s", name)
		}
		return nil
	})
}

func (f *fake) DropStaleProbes(context.Context) (int, error) {
	return 0, f.ask("", func() error { return nil })
}

func (f *fake) ReadMark(_ context.Context, t hbase.TableName) (m hbase.Mark, err error) {
	err = f.of("", t, func(ft *fakeTable) error { m = ft.cell; return nil })
	return m, err
}

func (f *fake) WriteMark(_ context.Context, t hbase.TableName, m hbase.Mark) error {
	return f.of(fmt.Sprintf("tell %d", m.Version), t, func(ft *fakeTable) error {
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
		err := f.of("", t, func(ft *fakeTable) error {
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
	return held, func(context.Context) error {
		cancel()
		return f.of("", t, func(ft *fakeTable) error { ft.holder = ""; return nil })
	}, nil
}

func (f *fake) LockHolder(_ context.Context, t hbase.TableName) (holder string, err error) {
	err = f.of("", t, func(ft *fakeTable) error { holder = ft.holder; return nil })
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
