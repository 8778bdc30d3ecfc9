package hbase

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
)

// fakeTable is a table of HBase in memory: one version of each cell, the one
// with the highest timestamp; cells with a life of their own; scans in both
// directions, cut into chunks that may end within a row.
type fakeTable struct {
	now func() time.Time // immutable

	mu   sync.Mutex
	keys []string                       // guarded by mu; sorted
	rows map[string]map[string]fakeCell // guarded by mu; by row key, then qualifier
	// chunk, if it is not 0, is the most bytes in an answer to a scan.
	chunk int
	// breathe makes each scan end early as often as that: with a sign of life
	// instead of rows. 0: never.
	breathe, scans int
}

type fakeCell struct {
	stamp   uint64
	value   []byte
	expires int64 // milliseconds; 0: never
}

func newFakeTable(now func() time.Time) *fakeTable {
	return &fakeTable{now: now, rows: make(map[string]map[string]fakeCell)}
}

func (t *fakeTable) put(m *pb.MutationProto) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	stamp := uint64(t.now().UnixMilli())
	if m.Timestamp != nil {
		stamp = m.GetTimestamp()
	}
	var expires int64
	for _, a := range m.GetAttribute() {
		if a.GetName() == "_ttl" {
			expires = int64(stamp) + int64(binary.BigEndian.Uint64(a.GetValue()))
		}
	}
	row := string(m.GetRow())
	if t.rows[row] == nil {
		t.rows[row] = make(map[string]fakeCell)
		i, _ := slices.BinarySearch(t.keys, row)
		t.keys = slices.Insert(t.keys, i, row)
	}
	for _, column := range m.GetColumnValue() {
		if string(column.GetFamily()) != family {
			return errors.New("HBase Java exception org.apache.hadoop.hbase.regionserver." + classNoFamily + ":\nno such family")
		}
		for _, q := range column.GetQualifierValue() {
			name := string(q.GetQualifier())
			if old, ok := t.rows[row][name]; ok && old.stamp > stamp && t.lives(old) {
				continue
			}
			t.rows[row][name] = fakeCell{stamp, bytes.Clone(q.GetValue()), expires}
		}
	}
	return nil
}

func (t *fakeTable) lives(c fakeCell) bool { return c.expires == 0 || c.expires > t.now().UnixMilli() }

// read returns the living cells of a row that are asked for.
func (t *fakeTable) read(row string, columns []*pb.Column, f *pb.Filter) *pb.Result {
	wanted := func(q string) bool {
		if len(columns) == 0 || len(columns[0].GetQualifier()) == 0 {
			return true
		}
		return slices.ContainsFunc(columns[0].GetQualifier(), func(w []byte) bool { return string(w) == q })
	}
	out := &pb.Result{}
	for _, q := range slices.Sorted(maps.Keys(t.rows[row])) {
		c := t.rows[row][q]
		if !t.lives(c) || !wanted(q) {
			continue
		}
		cell := &pb.Cell{Row: []byte(row), Family: []byte(family), Qualifier: []byte(q), Timestamp: new(c.stamp)}
		if !strings.HasSuffix(f.GetName(), ".KeyOnlyFilter") {
			cell.Value = bytes.Clone(c.value)
		}
		out.Cell = append(out.Cell, cell)
	}
	return out
}

func (t *fakeTable) get(g *pb.Get) *pb.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read(string(g.GetRow()), g.GetColumn(), g.GetFilter())
}

// scan answers one chunk of a scan, within a region.
func (t *fakeTable) scan(req *pb.ScanRequest, region hrpc.RegionInfo) *pb.ScanResponse {
	t.mu.Lock()
	defer t.mu.Unlock()
	more := &pb.ScanResponse{MoreResultsInRegion: new(true), MoreResults: new(true)}
	if t.scans++; t.breathe > 0 && t.scans%t.breathe == 0 {
		more.HeartbeatMessage = new(true)
		return more
	}
	s := req.GetScan()
	most := int(s.GetMaxResultSize())
	if t.chunk > 0 {
		most = t.chunk
	}
	size := 0
	for _, row := range t.between(s, region) {
		if len(more.Results) == int(req.GetNumberOfRows()) {
			return more
		}
		r := t.read(row, s.GetColumn(), s.GetFilter())
		if len(r.Cell) == 0 {
			continue
		}
		if size >= most {
			return more
		}
		for i, c := range r.Cell {
			size += len(c.Row) + len(c.Qualifier) + len(c.Value) + 50
			if size >= most && i < len(r.Cell)-1 {
				r.Cell, r.Partial = r.Cell[:i+1], new(true)
				more.Results = append(more.Results, r)
				return more
			}
		}
		more.Results = append(more.Results, r)
	}
	more.MoreResultsInRegion = new(false)
	return more
}

// between lists the row keys of a scan, in its order.
func (t *fakeTable) between(s *pb.Scan, region hrpc.RegionInfo) []string {
	start, stop := string(s.GetStartRow()), string(s.GetStopRow())
	low, high := string(region.StartKey()), string(region.StopKey())
	if !s.GetReversed() {
		from := sort.SearchStrings(t.keys, max(start, low))
		to := len(t.keys)
		for _, end := range []string{stop, high} {
			if end != "" {
				to = min(to, sort.SearchStrings(t.keys, end))
			}
		}
		return t.keys[from:max(from, to)]
	}
	// From start, which is included, down to stop, which is not.
	from := sort.SearchStrings(t.keys, max(stop+"\x00", low))
	to := sort.SearchStrings(t.keys, start+"\x00")
	keys := slices.Clone(t.keys[from:max(from, to)])
	slices.Reverse(keys)
	return keys
}
