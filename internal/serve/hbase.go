package serve

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/hbase"
	"gopush/internal/config"
	"gopush/message"
)

// hbaseStore knows where its table is, so that it can name the command that
// mends it.
type hbaseStore struct {
	*hbase.Store
	target hbase.Target
}

var (
	_ message.Store = (*hbaseStore)(nil)
	_ checked       = (*hbaseStore)(nil)
)

// openHBase turns settings into those of the store.
func openHBase(c config.Store, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) (message.Store, error) {
	table, err := hbase.ParseTableName(c.Table)
	if err != nil {
		return nil, err
	}
	store, err := hbase.Open(hbase.Config{
		ZooKeeper: strings.Join(c.ZooKeeper, ","), Root: c.ZnodeParent, Table: table.String(),
		Durability: hbase.Durability(c.Durability), Keep: c.Keep, Timeout: c.Timeout,
	}, log, now, reg)
	if err != nil {
		return nil, err
	}
	return &hbaseStore{store, hbase.Target{ZooKeeper: c.ZooKeeper, Root: c.ZnodeParent, Table: table}}, nil
}

// Check reports whether the table is there, and one that this program can use.
func (s *hbaseStore) Check(ctx context.Context) error { return s.CheckSchema(ctx, s.target) }
