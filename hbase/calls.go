package hbase

import (
	"context"
	"fmt"
	"time"

	"github.com/tsuna/gohbase/filter"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
)

// cells are what a put writes to one row, by qualifier.
type cells map[string][]byte

// put writes one row, atomically and durably. All of it has one timestamp and
// one life; life 0 is for good.
func (s *Store) put(ctx context.Context, op string, row []byte, values cells, stamp uint64, life time.Duration) error {
	options := make([]func(hrpc.Call) error, 0, 3)
	options = append(options, hrpc.TimestampUint64(stamp), hrpc.Durability(s.durability))
	if life > 0 {
		options = append(options, hrpc.TTL(life))
	}
	_, _, err := s.router.do(ctx, &request{op: op, table: s.table, row: row, make: func(ctx context.Context) (hrpc.Call, error) {
		return hrpc.NewPut(ctx, s.table, row, map[string]map[string][]byte{family: values}, options...)
	}})
	if err != nil {
		return notWritten(err)
	}
	return nil
}

// query says what of a row is wanted.
type query struct {
	qualifiers []string // nil: all
	keysOnly   bool     // without values
}

func (q query) options() []func(hrpc.Call) error {
	options := make([]func(hrpc.Call) error, 0, 6)
	options = append(options, hrpc.Families(map[string][]string{family: q.qualifiers}))
	if q.keysOnly {
		options = append(options, hrpc.Filters(filter.NewKeyOnlyFilter(false)))
	}
	return options
}

// get reads one row; no cells when there is none.
func (s *Store) get(ctx context.Context, op string, row []byte, q query) ([]*pb.Cell, error) {
	msg, _, err := s.router.do(ctx, &request{op: op, table: s.table, row: row, make: func(ctx context.Context) (hrpc.Call, error) {
		return hrpc.NewGet(ctx, s.table, row, q.options()...)
	}})
	if err != nil {
		return nil, notRead(err)
	}
	resp, ok := msg.(*pb.GetResponse)
	if !ok {
		return nil, notRead(fmt.Errorf("hbase: a get was answered with a %T", msg))
	}
	return resp.GetResult().GetCell(), nil
}

// scan reads rows of one region: those from the row from on, which is the first
// one in the direction of the scan, to before the row to.
func (s *Store) scan(ctx context.Context, op string, from, to []byte, more ...func(hrpc.Call) error) (*pb.ScanResponse, hrpc.RegionInfo, error) {
	// A scanner that stays open would have to be closed by another call, and
	// dies with its region; so each chunk is a scan of its own.
	more = append(more, hrpc.CloseScanner())
	msg, region, err := s.router.do(ctx, &request{op: op, table: s.table, row: from, make: func(ctx context.Context) (hrpc.Call, error) {
		return hrpc.NewScanRange(ctx, s.table, from, to, more...)
	}})
	if err != nil {
		return nil, nil, notRead(err)
	}
	resp, ok := msg.(*pb.ScanResponse)
	if !ok {
		return nil, nil, notRead(fmt.Errorf("hbase: a scan was answered with a %T", msg))
	}
	return resp, region, nil
}

// Get is gohbase's, for those who read reserved rows or hbase:meta.
func (r *router) Get(g *hrpc.Get) (*hrpc.Result, error) {
	msg, _, err := r.do(g.Context(), &request{op: "get", table: g.Table(), row: g.Key(), make: func(ctx context.Context) (hrpc.Call, error) {
		return hrpc.NewGet(ctx, g.Table(), g.Key(), g.Options()...)
	}})
	if err != nil {
		return nil, err
	}
	resp, ok := msg.(*pb.GetResponse)
	if !ok {
		return nil, fmt.Errorf("hbase: a get was answered with a %T", msg)
	}
	return hrpc.ToLocalResult(resp.GetResult()), nil
}
