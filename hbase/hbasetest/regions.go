package hbasetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"google.golang.org/protobuf/proto"
)

// MetaTable is the name of HBase's own table of regions.
const MetaTable = "hbase:meta"

// Region is a part of a table, and where HBase has it at the moment.
type Region struct {
	Table      string // with its namespace, if that is not the default
	Start, End []byte // rows from Start up to End, without it; empty: no bound
	State      string // such as OPEN, OPENING or CLOSED
	Server     Server

	info *pb.RegionInfo // nil for MetaTable's
	name string         // as HBase derives it from the above, the encoded name at its end
}

// holds reports whether a row lies in the region.
func (r *Region) holds(row []byte) bool {
	return bytes.Compare(r.Start, row) <= 0 && (len(r.End) == 0 || bytes.Compare(row, r.End) < 0)
}

// Server is one life of a region server.
type Server struct {
	Addr    string // host:port
	Started uint64 // milliseconds; tells lives at one address apart
}

func (s Server) String() string { return fmt.Sprintf("%s since %d", s.Addr, s.Started) }

func serverOf(name *pb.ServerName) Server { return Server{address(name), name.GetStartCode()} }

// regions lists all regions, that of hbase:meta first.
func (c cluster) regions(ctx context.Context) ([]Region, error) {
	var meta pb.MetaRegionServer
	if err := c.node(ctx, "/hbase/meta-region-server", &meta); err != nil {
		return nil, err
	}
	list := []Region{{Table: MetaTable, State: meta.GetState().String(), Server: serverOf(meta.GetServer())}}
	for from := []byte{}; from != nil; {
		rows, err := scanMeta(ctx, list[0].Server.Addr, from)
		if err != nil {
			return nil, err
		}
		from = nil
		for _, row := range rows {
			if len(row.GetCell()) == 0 {
				continue
			}
			from = append(bytes.Clone(row.GetCell()[0].GetRow()), 0) // the next row there can be
			r, err := parseRegion(row.GetCell())
			if err != nil {
				return nil, fmt.Errorf("row %q of %s: %w", row.GetCell()[0].GetRow(), MetaTable, err)
			}
			if r != nil {
				list = append(list, *r)
			}
		}
	}
	return list, nil
}

// scanMeta reads some rows of hbase:meta, which has a single region.
func scanMeta(ctx context.Context, addr string, from []byte) ([]*pb.Result, error) {
	const rows = 1000
	scan, err := hrpc.NewScanRange(ctx, []byte(MetaTable), from, nil,
		hrpc.Families(map[string][]string{"info": nil}), hrpc.NumberOfRows(rows), hrpc.CloseScanner())
	if err != nil {
		return nil, err
	}
	scan.SetRegion(region.NewInfo(0, []byte("hbase"), []byte("meta"), []byte("hbase:meta,,1"), nil, nil))
	msg, err := send(ctx, addr, region.RegionClient, scan)
	if err != nil {
		return nil, err
	}
	answer, ok := msg.(*pb.ScanResponse)
	if !ok {
		return nil, fmt.Errorf("%s answers a scan with a %T", addr, msg)
	}
	return answer.GetResults(), nil
}

// parseRegion reads a row of hbase:meta; nil: that of a region which has been
// split, or of none.
func parseRegion(cells []*pb.Cell) (*Region, error) {
	var r Region
	var info pb.RegionInfo
	for _, cell := range cells {
		value := cell.GetValue()
		switch string(cell.GetQualifier()) {
		case "regioninfo":
			if !bytes.HasPrefix(value, []byte(magic)) {
				return nil, errors.New("the region's description has no header")
			}
			if err := proto.Unmarshal(value[len(magic):], &info); err != nil {
				return nil, err
			}
		case "state":
			r.State = string(value)
		case "server":
			r.Server.Addr = string(value)
		case "serverstartcode":
			if len(value) == 8 {
				r.Server.Started = binary.BigEndian.Uint64(value)
			}
		}
	}
	if info.GetTableName() == nil || info.GetSplit() {
		return nil, nil
	}
	name := info.GetTableName()
	r.Table = strings.TrimPrefix(string(name.GetNamespace())+":"+string(name.GetQualifier()), "default:")
	r.Start, r.End = info.GetStartKey(), info.GetEndKey()
	r.info, r.name = &info, string(cells[0].GetRow())
	return &r, nil
}

// find is the region that holds a row.
func find(list []Region, table string, row []byte) (*Region, error) {
	for i, r := range list {
		if r.Table == table && r.holds(row) {
			return &list[i], nil
		}
	}
	return nil, fmt.Errorf("no region of table %q holds row %q", table, row)
}
