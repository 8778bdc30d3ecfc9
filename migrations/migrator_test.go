package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/hbase"
	"gopush/internal/push"
)

var target = hbase.Target{ZooKeeper: []string{"zk1:2181"}, Table: hbase.TableName{Namespace: "gopush", Name: "messages"}}

// three are steps that also change the table, as later ones will.
func three() []Step {
	set := func(name, value string) func(context.Context, *Work) error {
		return func(ctx context.Context, w *Work) error {
			d, err := w.HBase.Describe(ctx, w.Table)
			if err != nil {
				return err
			}
			if value == "" {
				d.RemoveAttribute(name)
			} else {
				d.SetAttribute(name, value)
			}
			return w.HBase.ModifyTable(ctx, d, w.Tick)
		}
	}
	return append(Steps(),
		Step{Number: 2, Name: "two", Oldest: 1, Up: set("two", "yes"), Down: set("two", "")},
		Step{Number: 3, Name: "three", Oldest: 3, Up: set("three", "yes"), Down: set("three", "")})
}

func migrator(t *testing.T, f *fake, o Options, steps []Step) *Migrator {
	t.Helper()
	m, err := newMigrator(f, target, o, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func up(t *testing.T, f *fake, o Options, steps []Step) []Action {
	t.Helper()
	done, err := migrator(t, f, o, steps).Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestStepsLeadToWhatNodesNeed(t *testing.T) {
	if err := checkSteps(Steps()); err != nil {
		t.Error(err)
	}
	if n := len(Steps()); n != hbase.SchemaVersion {
		t.Errorf("the last step is %d, and nodes need %d", n, hbase.SchemaVersion)
	}
	for _, bad := range [][]Step{
		nil,
		{{Number: 2, Name: "x", Oldest: 1, Up: createMessages, Loses: "x"}},
		{{Number: 1, Oldest: 1, Up: createMessages, Loses: "x"}},
		{{Number: 1, Name: "x", Oldest: 2, Up: createMessages, Loses: "x"}},
		{{Number: 1, Name: "x", Oldest: 1, Up: createMessages}},
	} {
		if checkSteps(bad) == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestUp(t *testing.T) {
	f := newFake()
	done := up(t, f, Options{Compression: "snappy", Regions: 3}, Steps())
	want := seen{
		State: hbase.TableEnabled, Splits: 2, Cell: hbase.Mark{Version: 1, Oldest: 1}, Namespaces: []string{"gopush"},
		Attributes: map[string]string{"gopush.schema": "1", "gopush.schema.oldest": "1"},
		Family: map[string]string{
			"VERSIONS": "1", "MIN_VERSIONS": "0", "KEEP_DELETED_CELLS": "FALSE", "BLOOMFILTER": "ROW", "DATA_BLOCK_ENCODING": "FAST_DIFF",
			"BLOCKSIZE": "32768", "COMPRESSION": "SNAPPY", "TTL": "2147483647", "REPLICATION_SCOPE": "0",
		},
	}
	if diff := cmp.Diff(want, f.seen(target.Table)); diff != "" {
		t.Error(diff)
	}
	if len(done) != 3 || f.changes[0] != "prove SNAPPY" {
		t.Errorf("%v %v", done, f.changes)
	}
	f.changes = nil
	if done := up(t, f, Options{}, Steps()); len(done) != 0 || len(f.changes) != 0 {
		t.Errorf("the second time it did %v, %v", done, f.changes)
	}
}

// TestPlanIsWhatUpDoes, and changes nothing.
func TestPlanIsWhatUpDoes(t *testing.T) {
	f := newFake()
	o := Options{Compression: "SNAPPY"}
	plan, err := migrator(t, f, o, three()).Plan(t.Context())
	if err != nil || len(f.changes) != 0 {
		t.Fatal(err, f.changes)
	}
	texts := func(all []Action) (list []string) {
		for _, a := range all {
			list = append(list, a.Text)
		}
		return list
	}
	if diff := cmp.Diff(texts(plan), texts(up(t, f, o, three()))); diff != "" {
		t.Error(diff)
	}
}

// TestImpossibleCompression: nothing is made if the servers cannot use it.
func TestImpossibleCompression(t *testing.T) {
	f := newFake()
	_, err := migrator(t, f, Options{Compression: "ZSTD"}, Steps()).Up(t.Context())
	if !push.Is(err, push.KindConflict) {
		t.Error(err)
	}
	if diff := cmp.Diff(seen{}, f.seen(target.Table)); diff != "" {
		t.Error(diff)
	}
	up(t, f, Options{}, Steps())
	if _, err := migrator(t, f, Options{Compression: "ZSTD"}, Steps()).Up(t.Context()); !push.Is(err, push.KindConflict) {
		t.Error(err)
	}
	if c := f.seen(target.Table).Family["COMPRESSION"]; c != "NONE" {
		t.Errorf("the table has %s now", c)
	}
}

// TestInterrupted kills a migration at every request it makes, before and after
// the request took effect. The next one always gets to the same end.
func TestInterrupted(t *testing.T) {
	o := Options{Compression: "SNAPPY", Regions: 2}
	whole := newFake()
	up(t, whole, o, three())
	want, requests := whole.seen(target.Table), whole.requests
	for _, after := range []bool{false, true} {
		for at := 1; at <= requests; at++ {
			f := newFake()
			f.breakAt, f.after = at, after
			if _, err := migrator(t, f, o, three()).Up(t.Context()); err == nil && at < requests-1 {
				t.Errorf("request %d: not interrupted", at)
			}
			f.revive()
			up(t, f, o, three())
			if diff := cmp.Diff(want, f.seen(target.Table)); diff != "" {
				t.Errorf("interrupted at request %d (after its effect: %v):\n%s", at, after, diff)
			}
		}
	}
}

// TestDownInterrupted does the same on the way back, to no table at all.
func TestDownInterrupted(t *testing.T) {
	whole := newFake()
	up(t, whole, Options{}, three())
	whole.requests = 0
	if _, err := migrator(t, whole, Options{}, three()).Down(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seen{}, whole.seen(target.Table)); diff != "" {
		t.Fatal(diff)
	}
	requests := whole.requests
	for _, after := range []bool{false, true} {
		for at := 1; at <= requests; at++ {
			f := newFake()
			up(t, f, Options{}, three())
			f.requests, f.breakAt, f.after = 0, at, after
			_, _ = migrator(t, f, Options{}, three()).Down(t.Context(), 0)
			f.revive()
			if at%2 == 0 { // the other half is taken up again instead
				up(t, f, Options{}, three())
				if got := f.seen(target.Table); got.Cell.Version != 3 || got.State != hbase.TableEnabled || got.Attributes[readOnly] != "" {
					t.Errorf("request %d: up again: %+v", at, got)
				}
				continue
			}
			if _, err := migrator(t, f, Options{}, three()).Down(t.Context(), 0); err != nil {
				t.Errorf("request %d: %v", at, err)
			}
			if got := f.seen(target.Table); got.State != hbase.TableMissing {
				t.Errorf("request %d: down again: %+v", at, got)
			}
		}
	}
}

// TestAtOnce runs several at the same moment: all succeed, and each step is
// taken once, by one while all others wait for it.
func TestAtOnce(t *testing.T) {
	const others = 7
	f := newFake()
	steps := three()
	var inside atomic.Int32
	var waiting sync.WaitGroup // for all others to wait for the lock
	waiting.Add(others)
	two := steps[1].Up
	steps[1].Up = func(ctx context.Context, w *Work) error {
		if inside.Add(1) > 1 {
			return errors.New("two of them take the step")
		}
		waiting.Wait()
		return two(ctx, w)
	}
	var all sync.WaitGroup
	for range 1 + others {
		all.Go(func() {
			waits := sync.OnceFunc(waiting.Done)
			m, err := newMigrator(f, target, Options{}, steps, func(p Progress) {
				if strings.HasPrefix(p.Note, "another migration") {
					waits()
				}
			})
			if err == nil {
				_, err = m.Up(t.Context())
			}
			if err != nil {
				t.Error(err)
				waits() // for the others to end
			}
		})
	}
	all.Wait()
	told, modified := 0, 0
	for _, c := range f.changes {
		if c == "tell 3" {
			told++
		}
		if c == "modify table" {
			modified++
		}
	}
	// Each of the two later steps modifies the table twice: itself, and to note
	// its number.
	if got := f.seen(target.Table); got.Cell.Version != 3 || told != 1 || modified != 4 {
		t.Errorf("told %d, modified %d: %+v", told, modified, got)
	}
}

func TestDown(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, three())
	f.changes = nil
	if _, err := migrator(t, f, Options{}, three()).Down(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	got := f.seen(target.Table)
	if got.Cell != (hbase.Mark{Version: 1, Oldest: 1}) || got.Attributes["gopush.schema"] != "1" || got.Attributes["two"] != "" {
		t.Errorf("%+v", got)
	}
	// Nodes are told before anything is taken away.
	want := []string{"tell 2", "modify table", "modify table", "tell 1", "modify table", "modify table"}
	if diff := cmp.Diff(want, f.changes); diff != "" {
		t.Error(diff)
	}
	for _, to := range []int{-1, 3, 4} {
		if _, err := migrator(t, f, Options{}, three()).Down(t.Context(), to); !push.Is(err, push.KindBadRequest) {
			t.Errorf("to %d: %v", to, err)
		}
	}
}

// TestDownLosesNothing: a table with messages stays, and stays writable; a step
// without a way back stops everything before it begins.
func TestDownLosesNothing(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, Steps())
	f.tables[target.Table].rows = 1
	_, err := migrator(t, f, Options{}, Steps()).Down(t.Context(), 0)
	if got := f.seen(target.Table); !push.Is(err, push.KindConflict) || got.State != hbase.TableEnabled || got.Attributes[readOnly] != "" {
		t.Errorf("%v %+v", err, got)
	}
	_, err = migrator(t, f, Options{Lose: true}, Steps()).Down(t.Context(), 0)
	if got := f.seen(target.Table); err != nil || got.State != hbase.TableMissing {
		t.Errorf("%v %+v", err, got)
	}

	f = newFake()
	steps := three()
	steps[1].Down, steps[1].Loses = nil, "the twos would be lost"
	up(t, f, Options{}, steps)
	f.changes = nil
	_, err = migrator(t, f, Options{}, steps).Down(t.Context(), 1)
	if !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "the twos would be lost") || len(f.changes) != 0 {
		t.Errorf("%v %v", err, f.changes)
	}
}

// TestDownAgainstUp: an up that makes the table writable again, while a down
// believes it to be empty, saves the table.
func TestDownAgainstUp(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, Steps())
	f.onEmpty = func() { up(t, f, Options{}, Steps()) }
	_, err := migrator(t, f, Options{}, Steps()).Down(t.Context(), 0)
	if got := f.seen(target.Table); !push.Is(err, push.KindConflict) || got.State != hbase.TableEnabled {
		t.Errorf("%v %+v", err, got)
	}
}

// TestNamespaceOfOthers: one that was there before stays.
func TestNamespaceOfOthers(t *testing.T) {
	f := newFake()
	f.namespaces["gopush"] = false
	up(t, f, Options{}, Steps())
	if _, err := migrator(t, f, Options{}, Steps()).Down(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := f.seen(target.Table); got.State != hbase.TableMissing || len(got.Namespaces) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestNamespaceStaysWithOtherTables(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, Steps())
	f.tables[hbase.TableName{Namespace: "gopush", Name: "other"}] = &fakeTable{}
	var notes []string
	m, err := newMigrator(f, target, Options{}, Steps(), func(p Progress) {
		if p.Note != "" {
			notes = append(notes, p.Note)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Down(t.Context(), 0); err != nil || len(notes) != 1 || len(f.seen(target.Table).Namespaces) != 1 {
		t.Errorf("%v %v", err, notes)
	}
}

// TestRefused: tables that a migration must leave alone, and disabled ones.
func TestRefused(t *testing.T) {
	table := func(state hbase.TableState, attributes ...string) *fake {
		f := newFake()
		f.namespaces["gopush"] = true
		d := hbase.NewDescriptor(target.Table)
		d.SetFamilyAttribute("m", "VERSIONS", "1")
		for i := 0; i < len(attributes); i += 2 {
			d.SetAttribute(attributes[i], attributes[i+1])
		}
		f.tables[target.Table] = &fakeTable{state: state, d: d}
		return f
	}
	for name, tt := range map[string]struct {
		f    *fake
		want string
	}{
		"foreign":    {table(hbase.TableEnabled), "was not made by gopush"},
		"too new":    {table(hbase.TableEnabled, "gopush.schema", "9", "gopush.schema.oldest", "8"), "use a newer gopush"},
		"nonsense":   {table(hbase.TableEnabled, "gopush.schema", "x", "gopush.schema.oldest", "8"), "no version of a schema"},
		"disabled":   {table(hbase.TableDisabled, "gopush.schema", "1", "gopush.schema.oldest", "1"), "Run"},
		"half a one": {table(hbase.TableEnabled, "gopush.schema", "1"), "no version of a schema"},
	} {
		_, err := migrator(t, tt.f, Options{}, Steps()).Up(t.Context())
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.want)) || len(tt.f.changes) != 0 {
			t.Errorf("%s: %v, %v", name, err, tt.f.changes)
		}
	}
	// A newer one that still serves us is fine as it is.
	f := table(hbase.TableEnabled, "gopush.schema", "9", "gopush.schema.oldest", "1")
	if done := up(t, f, Options{}, Steps()); len(done) != 0 {
		t.Error(done)
	}
	if _, err := migrator(t, f, Options{}, Steps()).Down(t.Context(), 0); !push.Is(err, push.KindConflict) {
		t.Error(err)
	}
	f.tables[target.Table].state = hbase.TableDisabled
	if done := up(t, f, Options{Enable: true}, Steps()); len(done) != 1 || f.seen(target.Table).State != hbase.TableEnabled {
		t.Error(done)
	}
	f = table(hbase.TableDisabled, "gopush.schema", "1", "gopush.schema.oldest", "1")
	up(t, f, Options{Enable: true}, Steps())
	if got := f.seen(target.Table); got.State != hbase.TableEnabled || got.Cell.Version != 1 {
		t.Errorf("%+v", got)
	}
}

// TestAlter: what is given, and what promises rest on, is changed; the rest is
// left as somebody set it.
func TestAlter(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, Steps())
	d := f.tables[target.Table].d
	d.SetFamilyAttribute("m", "VERSIONS", "3")
	d.SetFamilyAttribute("m", "BLOCKSIZE", "65536")
	d.SetFamilyAttribute("m", "KEEP_DELETED_CELLS", "false") // as it has to be, spelled differently
	f.changes = nil
	done := up(t, f, Options{TTL: Forever, Replication: "1"}, Steps())
	got := f.seen(target.Table).Family
	if got["VERSIONS"] != "1" || got["BLOCKSIZE"] != "65536" || got["REPLICATION_SCOPE"] != "1" {
		t.Error(got)
	}
	if len(done) != 1 || !strings.Contains(done[0].Text, "VERSIONS 3 -> 1, REPLICATION_SCOPE 0 -> 1;") {
		t.Error(done)
	}
}

// TestLostLock: who cannot keep the lock stops, and says so.
func TestLostLock(t *testing.T) {
	f := newFake()
	lost := errors.New("the lock was lost")
	steps := three()
	steps[1].Up = func(ctx context.Context, _ *Work) error {
		<-ctx.Done()
		return ctx.Err()
	}
	m := migrator(t, f, Options{}, steps)
	m.hbase = &losing{f, lost}
	if _, err := m.Up(t.Context()); !errors.Is(err, lost) {
		t.Error(err)
	}
	if got := f.seen(target.Table); got.Attributes["gopush.schema"] != "1" {
		t.Errorf("%+v", got)
	}
}

// losing is an HBase whose locks are lost at once.
type losing struct {
	*fake
	why error
}

func (l *losing) LockSchema(ctx context.Context, t hbase.TableName, waiting func(string)) (context.Context, func(context.Context) error, error) {
	held, release, err := l.fake.LockSchema(ctx, t, waiting)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(held)
	cancel(l.why)
	return ctx, release, nil
}

// TestDeafHBase: a change that HBase takes and does not make ends in an error,
// not in an endless loop.
func TestDeafHBase(t *testing.T) {
	f := newFake()
	m := migrator(t, f, Options{}, Steps())
	m.hbase = &deaf{f}
	if _, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "shows nothing of it") {
		t.Error(err)
	}
}

type deaf struct{ *fake }

func (*deaf) WriteMark(context.Context, hbase.TableName, hbase.Mark) error { return nil }

func TestStatus(t *testing.T) {
	f := newFake()
	st, err := migrator(t, f, Options{}, Steps()).Status(t.Context())
	if err != nil || st.State != "missing" || len(st.Pending) != 2 ||
		st.Problem != "HBase has no table gopush:messages. Run: gopush migrate up --zookeeper zk1:2181" {
		t.Errorf("%v %+v", err, st)
	}
	up(t, f, Options{Regions: 4}, Steps())
	st, err = migrator(t, f, Options{}, Steps()).Status(t.Context())
	want := fmt.Sprint(map[string]int{"rs1:1": 4})
	if err != nil || st.Problem != "" || len(st.Pending) != 0 || st.Version != 1 || st.Told != 1 || fmt.Sprint(st.Regions) != want {
		t.Errorf("%v %+v", err, st)
	}
	f.tables[target.Table].cell = hbase.Mark{}
	if st, err = migrator(t, f, Options{}, Steps()).Status(t.Context()); err != nil || st.Problem == "" || len(st.Pending) != 1 {
		t.Errorf("%v %+v", err, st)
	}
}

// TestWait: a table that HBase is still making is waited for.
func TestWait(t *testing.T) {
	f := newFake()
	up(t, f, Options{}, Steps())
	f.tables[target.Table].state = hbase.TableEnabling
	f.tables[target.Table].cell = hbase.Mark{}
	m, err := newMigrator(f, target, Options{}, Steps(), func(p Progress) {
		if p.Took > 0 && !p.Done {
			f.mu.Lock()
			f.tables[target.Table].state = hbase.TableEnabled
			f.mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m.pause = 1
	if done, err := m.Up(t.Context()); err != nil || len(done) != 2 {
		t.Error(done, err)
	}
	f.tables[target.Table].state = hbase.TableEnabling
	ctx, cancel := context.WithCancel(t.Context())
	m, err = newMigrator(f, target, Options{}, Steps(), func(Progress) { cancel() })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(ctx); !push.Is(err, push.KindStoreUnavailable) {
		t.Error(err)
	}
}
