package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"gopush/hbase"
	"gopush/hbase/hbasetest"
	"gopush/internal/config"
	"gopush/migrations"
)

// StoreEnv chooses the store of every cluster that does not bring its own: embedded,
// which is also the default, or hbase. A scenario is written once, for both.
const StoreEnv = "GOPUSH_E2E_STORE"

// namespace holds the tables of clusters.
const namespace = "gopush_e2e"

// backend is what a cluster's settings say of its store.
func backend(tb testing.TB) func(*config.Store) {
	tb.Helper()
	switch kind := os.Getenv(StoreEnv); kind {
	case "", "embedded":
		return func(*config.Store) {}
	case "hbase":
		zookeeper := hbasetest.Shared(tb)
		return inHBase(zookeeper, newTable(tb, zookeeper))
	default:
		tb.Fatalf("%s is %q; it may be embedded or hbase", StoreEnv, kind)
		return nil
	}
}

// inHBase are the settings of a store in a table.
func inHBase(zookeeper, table string) func(*config.Store) {
	return func(s *config.Store) {
		s.Kind, s.ZooKeeper, s.Table = "hbase", []string{zookeeper}, table
	}
}

// newTable migrates a table of the test's own, which goes with it; it may be cut into
// regions.
func newTable(tb testing.TB, zookeeper string, splits ...string) string {
	tb.Helper()
	name := namespace + ":" + hbasetest.UniqueName(tb)
	table, err := hbase.ParseTableName(name)
	if err != nil {
		tb.Fatal(err)
	}
	target := hbase.Target{ZooKeeper: []string{zookeeper}, Table: table}
	admin, err := hbase.NewAdmin(hbase.AdminConfig{ZooKeeper: target.ZooKeeper})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(admin.Close)
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Minute)
	defer cancel()
	m, err := migrations.New(admin, target, migrations.Options{Splits: splits}, nil)
	if err == nil {
		_, err = m.Up(ctx)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := dropTable(admin, table); err != nil {
			tb.Error(err)
		}
	})
	return name
}

func dropTable(admin *hbase.Admin, table hbase.TableName) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := admin.DisableTable(ctx, table, nil); err != nil {
		return fmt.Errorf("disable %s: %w", table, err)
	}
	return admin.DeleteTable(ctx, table, nil)
}
