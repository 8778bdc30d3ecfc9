package hbase

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/zk"
	"google.golang.org/protobuf/proto"
)

// schemaCell is what was read of one: its value, and the region server's clock as it
// was written.
type schemaCell struct {
	value []byte
	stamp time.Time
}

// reader reads single cells; none is nil.
type reader interface {
	cell(ctx context.Context, table, row, family, qualifier string) (*schemaCell, error)
}

// rows is what is needed of a table's reserved rows.
type rows interface {
	reader
	// put writes a cell, synced; life 0 is for good.
	put(ctx context.Context, table, row string, value []byte, life time.Duration) error
	// swap does so if the cell has the expected value. None and an empty one are
	// the same to HBase. A swap that is repeated, because its answer got lost,
	// says no and has happened.
	swap(ctx context.Context, table, row string, expected, value []byte, life time.Duration) (bool, error)
	// scan calls each for every row from the row from on, and before to, until it
	// returns false.
	scan(ctx context.Context, table string, from, to []byte, families map[string][]string, each func(*hrpc.Result) bool) error
}

// routers are clients of tables, one for each.
type routers struct {
	cfg Config // immutable, valid

	mu  sync.Mutex
	all map[string]*router // guarded by mu; by table
}

func newRouters(cfg AdminConfig) (*routers, error) {
	silence()
	c := Config{ZooKeeper: quorum(cfg.ZooKeeper), Root: cfg.Root, Timeout: cfg.RequestTimeout}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &routers{cfg: c, all: make(map[string]*router)}, nil
}

func (r *routers) of(table string) (*router, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.all[table]; found != nil {
		return found, nil
	}
	m, err := newMetrics(nil)
	if err != nil {
		return nil, err
	}
	cfg := r.cfg
	cfg.Table = table
	// What goes wrong is in the errors.
	made := newRouter(cfg, newDialer(cfg), zk.NewClient(cfg.ZooKeeper, keeperSession), slog.New(slog.DiscardHandler), m)
	r.all[table] = made
	return made, nil
}

func (r *routers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for table, one := range r.all {
		one.close()
		delete(r.all, table)
	}
}

func (r *routers) cell(ctx context.Context, table, row, family, qualifier string) (*schemaCell, error) {
	one, err := r.of(table)
	if err != nil {
		return nil, err
	}
	return one.cell(ctx, table, row, family, qualifier)
}

// cell makes the store's own client a reader.
func (r *router) cell(ctx context.Context, table, row, family, qualifier string) (*schemaCell, error) {
	msg, _, err := r.do(ctx, &request{op: "schema", table: []byte(table), row: []byte(row), make: func(ctx context.Context) (hrpc.Call, error) {
		return hrpc.NewGetStr(ctx, table, row, hrpc.Families(map[string][]string{family: {qualifier}}))
	}})
	if err != nil {
		return nil, err
	}
	response, ok := msg.(*pb.GetResponse)
	if !ok {
		return nil, fmt.Errorf("hbase: a get was answered with a %T", msg)
	}
	cells := response.GetResult().GetCell()
	if len(cells) == 0 {
		return nil, nil
	}
	return &schemaCell{cells[0].GetValue(), time.UnixMilli(int64(cells[0].GetTimestamp()))}, nil
}

// reservedPut writes the cell of a reserved row.
func reservedPut(ctx context.Context, table, row string, value []byte, life time.Duration) (*hrpc.Mutate, error) {
	options := []func(hrpc.Call) error{hrpc.Durability(hrpc.FsyncWal)}
	if life > 0 {
		options = append(options, hrpc.TTL(life))
	}
	return hrpc.NewPutStr(ctx, table, row, map[string]map[string][]byte{SchemaFamily: {qualifierSchema: value}}, options...)
}

func (r *routers) put(ctx context.Context, table, row string, value []byte, life time.Duration) error {
	_, _, err := r.do(ctx, table, []byte(row), func(ctx context.Context) (hrpc.Call, error) {
		return reservedPut(ctx, table, row, value, life)
	})
	return err
}

func (r *routers) swap(ctx context.Context, table, row string, expected, value []byte, life time.Duration) (bool, error) {
	msg, _, err := r.do(ctx, table, []byte(row), func(ctx context.Context) (hrpc.Call, error) {
		put, err := reservedPut(ctx, table, row, value, life)
		if err != nil {
			return nil, err
		}
		return hrpc.NewCheckAndPut(put, SchemaFamily, qualifierSchema, expected)
	})
	if err != nil {
		return false, err
	}
	response, ok := msg.(*pb.MutateResponse)
	if !ok {
		return false, fmt.Errorf("hbase: a put was answered with a %T", msg)
	}
	return response.GetProcessed(), nil
}

// do sends a call through the table's router.
func (r *routers) do(ctx context.Context, table string, row []byte, call func(context.Context) (hrpc.Call, error)) (proto.Message, hrpc.RegionInfo, error) {
	one, err := r.of(table)
	if err != nil {
		return nil, nil, err
	}
	return one.do(ctx, &request{op: "schema", table: []byte(table), row: row, make: call})
}

// scanRows is how many rows one request of a scan asks for.
const scanRows = 128

func (r *routers) scan(ctx context.Context, table string, from, to []byte, families map[string][]string, each func(*hrpc.Result) bool) error {
	for {
		msg, at, err := r.do(ctx, table, from, func(ctx context.Context) (hrpc.Call, error) {
			return hrpc.NewScanRange(ctx, []byte(table), from, to, hrpc.Families(families), hrpc.CloseScanner(), hrpc.NumberOfRows(scanRows))
		})
		if err != nil {
			return err
		}
		response, ok := msg.(*pb.ScanResponse)
		if !ok {
			return fmt.Errorf("hbase: a scan was answered with a %T", msg)
		}
		for _, result := range response.GetResults() {
			row := hrpc.ToLocalResult(result)
			if !each(row) {
				return nil
			}
			from = append(bytes.Clone(row.Cells[0].Row), 0) // the one behind it
		}
		if len(response.GetResults()) > 0 || response.GetMoreResultsInRegion() {
			continue // this region may have more
		}
		end := at.StopKey()
		if len(end) == 0 || len(to) > 0 && bytes.Compare(end, to) >= 0 {
			return nil
		}
		from = end
	}
}
