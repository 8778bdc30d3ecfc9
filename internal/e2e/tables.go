package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/hbase"
	"gopush/hbase/hbasetest"
	"gopush/migrations"
)

// namespace holds the tables of clusters.
const namespace = "gopush_e2e"

// tableTime bounds making and dropping a table.
const tableTime = 2 * time.Minute

// tables are those of the clusters of this process on the shared HBase. HBase takes a
// second to make one and another to drop it, so the next one is made while a test runs,
// and dropped while the next test does.
type tables struct {
	work sync.WaitGroup // makes and drops

	mu        sync.Mutex
	zookeeper string     // guarded by mu; of the HBase, once a table was taken
	next      chan table // guarded by mu; nil: no table was taken
	errs      []error    // guarded by mu; of drops
}

// table is a table that was made, or why it was not.
type table struct {
	name hbase.TableName
	err  error
}

var sharedTables tables

// take is a table that nobody else has; it goes when the test ends.
func (t *tables) take(tb testing.TB, zookeeper string) string {
	tb.Helper()
	made := <-t.turn(zookeeper)
	if made.err != nil {
		tb.Fatal(made.err)
	}
	tb.Cleanup(func() { t.drop(zookeeper, made.name) })
	return made.name.String()
}

// turn is the table that is next, and begins to make the one after it.
func (t *tables) turn(zookeeper string) chan table {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zookeeper = zookeeper
	next := t.next
	if next == nil {
		next = t.make(zookeeper)
	}
	t.next = t.make(zookeeper)
	return next
}

// make begins to make a table.
func (t *tables) make(zookeeper string) chan table {
	made := make(chan table, 1)
	t.work.Go(func() {
		name, err := makeTable(zookeeper, strings.ToLower(rand.Text()))
		if err != nil {
			err = fmt.Errorf("make a table for a test: %w", err)
		}
		made <- table{name, err}
	})
	return made
}

// drop begins to drop a table.
func (t *tables) drop(zookeeper string, name hbase.TableName) {
	t.work.Go(func() {
		if err := dropTable(zookeeper, name); err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.errs = append(t.errs, err)
		}
	})
}

// close drops the table that nobody took, and waits for all work.
func (t *tables) close() error {
	t.mu.Lock()
	next, zookeeper := t.next, t.zookeeper
	t.mu.Unlock()
	if next != nil {
		if left := <-next; left.err == nil {
			t.drop(zookeeper, left.name)
		}
	}
	t.work.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.errs...)
}

// withTables runs the tests of this package and then drops what they left.
type withTables struct{ tests hbasetest.Runner }

func (w withTables) Run() int {
	code := w.tests.Run()
	if err := sharedTables.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// newTable migrates a table of the test's own, which goes with it; it may be cut into
// regions.
func newTable(tb testing.TB, zookeeper string, splits ...string) string {
	tb.Helper()
	name, err := makeTable(zookeeper, hbasetest.UniqueName(tb), splits...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := dropTable(zookeeper, name); err != nil {
			tb.Error(err)
		}
	})
	return name.String()
}

func makeTable(zookeeper, name string, splits ...string) (hbase.TableName, error) {
	table, err := hbase.ParseTableName(namespace + ":" + name)
	if err != nil {
		return table, err
	}
	return table, administer(zookeeper, func(ctx context.Context, admin *hbase.Admin) error {
		target := hbase.Target{ZooKeeper: []string{zookeeper}, Table: table}
		m, err := migrations.New(admin, target, migrations.Options{Splits: splits}, nil)
		if err == nil {
			_, err = m.Up(ctx)
		}
		return err
	})
}

func dropTable(zookeeper string, table hbase.TableName) error {
	return administer(zookeeper, func(ctx context.Context, admin *hbase.Admin) error {
		if err := admin.DisableTable(ctx, table, nil); err != nil {
			return fmt.Errorf("disable %s: %w", table, err)
		}
		return admin.DeleteTable(ctx, table, nil)
	})
}

// administer does something with HBase's master, in the time that a table may take.
func administer(zookeeper string, do func(context.Context, *hbase.Admin) error) error {
	admin, err := hbase.NewAdmin(hbase.AdminConfig{ZooKeeper: []string{zookeeper}})
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), tableTime)
	defer cancel()
	return do(ctx, admin)
}
