package e2e

import (
	"os"
	"testing"

	"gopush/hbase/hbasetest"
	"gopush/internal/config"
)

// StoreEnv chooses the store of every cluster that does not bring its own: embedded,
// which is also the default, or hbase. A scenario is written once, for both.
const StoreEnv = "GOPUSH_E2E_STORE"

// backend is what a cluster's settings say of its store.
func backend(tb testing.TB) func(*config.Store) {
	tb.Helper()
	switch kind := os.Getenv(StoreEnv); kind {
	case "", "embedded":
		return func(*config.Store) {}
	case "hbase":
		zookeeper := hbasetest.Shared(tb)
		return inHBase(zookeeper, sharedTables.take(tb, zookeeper))
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
