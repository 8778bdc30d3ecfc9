package migrations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/hbase"
	"gopush/internal/push"
)

// realZooKeeper is that of the HBase that the tests are given.
func realZooKeeper(t *testing.T) []string {
	t.Helper()
	addrs := os.Getenv("GOPUSH_HBASE_ZOOKEEPER")
	if addrs == "" {
		t.Fatal("GOPUSH_HBASE_ZOOKEEPER is not set; this test needs a real HBase")
	}
	return strings.Split(addrs, ",")
}

// realTarget is a table in a namespace of the test's own. It is removed at the
// end, whatever is in it.
func realTarget(t *testing.T) hbase.Target {
	t.Helper()
	target := hbase.Target{
		ZooKeeper: realZooKeeper(t),
		Table:     hbase.TableName{Namespace: fmt.Sprintf("gopush_migrations_test_%08x", rand.Uint32()), Name: "messages"},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		a := admin(t, target)
		state, err := a.State(ctx, target.Table)
		if err == nil && state != hbase.TableMissing {
			err = errors.Join(a.DisableTable(ctx, target.Table, nil), a.DeleteTable(ctx, target.Table, nil))
		}
		_, dropped := a.DeleteNamespace(ctx, target.Table.Namespace, nil)
		if err := errors.Join(err, dropped); err != nil {
			t.Error(err)
		}
	})
	return target
}

func admin(t *testing.T, target hbase.Target) *hbase.Admin {
	t.Helper()
	a, err := hbase.NewAdmin(hbase.AdminConfig{ZooKeeper: target.ZooKeeper, RequestTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// usable fails the test unless nodes can use the table and nothing is pending.
func usable(t *testing.T, a *hbase.Admin, target hbase.Target, o Options) {
	t.Helper()
	if err := a.CheckSchema(t.Context(), target); err != nil {
		t.Error(err)
	}
	m, err := New(a, target, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := m.Plan(t.Context()); err != nil || len(plan) != 0 {
		t.Errorf("still to be done: %v, %v", plan, err)
	}
}

// TestRealUpAtOnce: several that know nothing of each other, each with
// connections of its own.
func TestRealUpAtOnce(t *testing.T) {
	target := realTarget(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	steps := make(map[string]int)
	for range 4 {
		a := admin(t, target)
		all.Go(func() {
			m, err := New(a, target, Options{Regions: 4, Compression: "GZ"}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			done, err := m.Up(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range done {
				steps[d.Text]++
			}
		})
	}
	all.Wait()
	a := admin(t, target)
	usable(t, a, target, Options{Regions: 4, Compression: "GZ"})
	at, err := a.Regions(t.Context(), target.Table)
	total := 0
	for _, n := range at {
		total += n
	}
	if err != nil || total != 4 {
		t.Error(at, err)
	}
	if n := steps["tell nodes that the table has schema 1"]; n != 1 {
		t.Errorf("nodes were told by %d of them: %v", n, steps)
	}
}

// TestRealDown: what holds messages stays; what is empty goes, without a trace.
func TestRealDown(t *testing.T) {
	target := realTarget(t)
	a := admin(t, target)
	run := func(do func(*Migrator) ([]Action, error)) ([]Action, error) {
		m, err := New(a, target, Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return do(m)
	}
	up := func(m *Migrator) ([]Action, error) { return m.Up(t.Context()) }
	down := func(m *Migrator) ([]Action, error) { return m.Down(t.Context(), 0) }
	if _, err := run(up); err != nil {
		t.Fatal(err)
	}
	store, err := hbase.Open(hbase.Config{ZooKeeper: strings.Join(target.ZooKeeper, ","), Table: target.Table.String()}, quiet, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := push.IDAt(time.Now())
	write := push.Write{Key: "a", Messages: []push.Message{{ID: id, Body: []byte("1"), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}}}
	if err := errors.Join(store.Save(t.Context(), []push.Write{write})...); err != nil {
		t.Fatal(err)
	}
	if _, err := run(down); !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "holds messages") {
		t.Error(err)
	}
	usable(t, a, target, Options{})
	// It stayed writable.
	if err := errors.Join(store.Discard(t.Context(), "a", id), store.Close()); err != nil {
		t.Error(err)
	}
	// A marker is data, too: emptied by hand it goes.
	if err := errors.Join(a.DisableTable(t.Context(), target.Table, nil), a.DeleteTable(t.Context(), target.Table, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := run(up); err != nil {
		t.Fatal(err)
	}
	if done, err := run(down); err != nil || len(done) != 1 {
		t.Error(done, err)
	}
	if is, err := a.NamespaceExists(t.Context(), target.Table.Namespace); is || err != nil {
		t.Error("the namespace stays:", is, err)
	}
	if done, err := run(down); err != nil || len(done) != 0 {
		t.Error("down twice:", done, err)
	}
}

// TestRealImpossible: nothing is there afterwards, not even the namespace.
func TestRealImpossible(t *testing.T) {
	target := realTarget(t)
	a := admin(t, target)
	m, err := New(a, target, Options{Compression: "LZO"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); !push.Is(err, push.KindConflict) {
		t.Error(err)
	}
	if is, err := a.NamespaceExists(t.Context(), target.Table.Namespace); is || err != nil {
		t.Error(is, err)
	}
}

// A child that is to be killed stops before one request, or in the middle of
// waiting for one, and says so.
const (
	childTable = "GOPUSH_TEST_MIGRATE_TABLE"
	childStop  = "GOPUSH_TEST_MIGRATE_STOP"
	childReady = "stopped"
)

// stopping is an HBase that a child stops at.
type stopping struct {
	*hbase.Admin
	at string
}

// stop never returns if this is the place; the parent kills the process.
func (s *stopping) stop(at string) {
	if s.at == at {
		fmt.Println(childReady) //nolint:forbidigo // the parent reads it
		select {}
	}
}

func (s *stopping) CreateTable(ctx context.Context, d *hbase.Descriptor, splits [][]byte, tick hbase.Tick) (bool, error) {
	s.stop("before the table")
	return s.Admin.CreateTable(ctx, d, splits, func(took time.Duration) {
		s.stop("while the table is made")
		tick(took)
	})
}

func (s *stopping) WriteMark(ctx context.Context, t hbase.TableName, m hbase.Mark) error {
	s.stop("with the lock, before nodes are told")
	return s.Admin.WriteMark(ctx, t, m)
}

// TestRealKilled: the next one completes what a killed one began, wherever that
// was.
func TestRealKilled(t *testing.T) {
	if os.Getenv(childStop) != "" {
		child(t)
		return
	}
	for _, at := range []string{"before the table", "while the table is made", "with the lock, before nodes are told"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			target := realTarget(t)
			kill(t, target, at)
			a := admin(t, target)
			if err := a.CheckSchema(t.Context(), target); err == nil {
				t.Error("the child was done already")
			}
			o := Options{Regions: 3}
			m, err := New(a, target, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			usable(t, a, target, o)
		})
	}
}

// kill runs a child until it has stopped at the place, and kills it.
func kill(t *testing.T, target hbase.Target, at string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run", "^TestRealKilled$", "-test.v")
	cmd.Env = append(os.Environ(), childTable+"="+target.Table.String(), childStop+"="+at)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	stopped := false
	var said []string
	for !stopped && lines.Scan() {
		said = append(said, lines.Text())
		stopped = lines.Text() == childReady
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if !stopped {
		t.Fatalf("the child did not stop %s:\n%s", at, strings.Join(said, "\n"))
	}
}

// child migrates until it stops. That the parent ends it is the way out.
func child(t *testing.T) {
	table, err := hbase.ParseTableName(os.Getenv(childTable))
	if err != nil {
		t.Fatal(err)
	}
	target := hbase.Target{ZooKeeper: realZooKeeper(t), Table: table}
	m, err := New(&stopping{admin(t, target), os.Getenv(childStop)}, target, Options{Regions: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done, err := m.Up(t.Context())
	t.Fatalf("it did not stop: %v, %v", done, err)
}

// TestRealAlter changes a table that serves.
func TestRealAlter(t *testing.T) {
	target := realTarget(t)
	a := admin(t, target)
	for _, o := range []Options{{}, {BlockBytes: 16 << 10, TTL: 48 * time.Hour, Encoding: "DIFF", Replication: "1"}} {
		m, err := New(a, target, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		usable(t, a, target, o)
	}
	d, err := a.Describe(t.Context(), target.Table)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	want := map[string]string{"VERSIONS": "1", "BLOCKSIZE": "16384", "TTL": "172800", "DATA_BLOCK_ENCODING": "DIFF", "REPLICATION_SCOPE": "1", "BLOOMFILTER": "ROW"}
	for name := range want {
		got[name] = d.FamilyAttribute(hbase.SchemaFamily, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
