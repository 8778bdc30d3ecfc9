package migrations

import (
	"context"
	"time"

	"gopush/hbase"
)

// HBase is what a migration asks of HBase; *hbase.Admin is one.
type HBase interface {
	Cluster(ctx context.Context) (hbase.Cluster, error)
	NamespaceExists(ctx context.Context, namespace string) (bool, error)
	CreateNamespace(ctx context.Context, namespace string, tick hbase.Tick) error
	DeleteNamespace(ctx context.Context, namespace string, tick hbase.Tick) (kept bool, err error)

	State(ctx context.Context, table hbase.TableName) (hbase.TableState, error)
	Describe(ctx context.Context, table hbase.TableName) (*hbase.Descriptor, error)
	Regions(ctx context.Context, table hbase.TableName) (map[string]int, error)
	CreateTable(ctx context.Context, d *hbase.Descriptor, splits [][]byte, tick hbase.Tick) (exists bool, err error)
	ModifyTable(ctx context.Context, d *hbase.Descriptor, tick hbase.Tick) error
	EnableTable(ctx context.Context, table hbase.TableName, tick hbase.Tick) error
	DisableTable(ctx context.Context, table hbase.TableName, tick hbase.Tick) error
	DeleteTable(ctx context.Context, table hbase.TableName, tick hbase.Tick) error
	Empty(ctx context.Context, table hbase.TableName) (bool, error)

	ProveCompression(ctx context.Context, name string, within time.Duration, tick hbase.Tick) (hbase.Proof, error)
	DropStaleProbes(ctx context.Context) (int, error)

	ReadMark(ctx context.Context, table hbase.TableName) (hbase.Mark, error)
	WriteMark(ctx context.Context, table hbase.TableName, m hbase.Mark) error
	// LockSchema returns a context that ends when the lock is lost.
	LockSchema(ctx context.Context, table hbase.TableName, waiting func(holder string)) (held context.Context, release func(context.Context) error, err error)
	LockHolder(ctx context.Context, table hbase.TableName) (string, error)
}

var _ HBase = (*hbase.Admin)(nil)
