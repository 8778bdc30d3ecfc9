package hbase

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"

	"gopush/internal/push"
)

// cell is one cell of a key's rows.
type cell struct {
	row   push.ID // the id in its row key
	id    push.ID // the message it is, or is about; of a watermark, the watermark
	kind  byte    // cellMessage, cellDeleted, or a marker's kind
	value []byte  // of a message
}

// Kinds of cells besides the markers'.
const (
	cellMessage = 0
	cellDeleted = 'd'
)

// walk goes over the rows of one key, a chunk at a time: down from the newest
// row, or up from a cursor.
type walk struct {
	*Store
	op  string
	key push.Key
	up  bool

	rows     int // of a chunk, at most
	bytes    int // of a chunk, about
	keysOnly bool

	from, to []byte // what is left; nothing is when done is set
	done     bool
	cut      bool // the last chunk ended because it was full
}

// walkDown goes over the rows with an id above after, the head row first.
func (s *Store) walkDown(op string, key push.Key, after push.ID) *walk {
	return &walk{Store: s, op: op, key: key, from: headRow(key), to: messageRow(key, max(after, 0)), bytes: maxChunk}
}

// walkUp goes over the same rows the other way, without the head row.
func (s *Store) walkUp(op string, key push.Key, after push.ID) *walk {
	w := &walk{Store: s, op: op, key: key, up: true, to: headRow(key), bytes: maxChunk}
	w.begin(max(after, 0))
	return w
}

// maxChunk is the size of a chunk, if nothing says less. It holds the largest
// row.
const maxChunk = 2 << 20

// begin sets a walk up right above an id.
func (w *walk) begin(after push.ID) {
	if after >= push.MaxID-1 {
		w.done = true
		return
	}
	w.from = messageRow(w.key, after+1)
}

// next reads a chunk of whole rows, which may have none although the walk is not
// done. Whatever happens to a region meanwhile, the next chunk begins behind
// the last row of this one.
func (w *walk) next(ctx context.Context) ([]cell, error) {
	resp, region, err := w.scan(ctx, w.op, w.from, w.to, w.options()...)
	if err != nil {
		return nil, err
	}
	results := resp.GetResults()
	torn := len(results) > 0 && results[len(results)-1].GetPartial()
	if torn && len(results) == 1 {
		return w.tornRow(ctx, results[0])
	}
	if torn {
		results = results[:len(results)-1]
	}
	chunk, err := w.parse(results)
	if err != nil {
		return nil, err
	}
	more := resp.GetMoreResultsInRegion() && (resp.MoreResults == nil || resp.GetMoreResults())
	switch {
	case !torn && !more:
		w.cut = false
		w.leaveRegion(region)
	default:
		w.cut = true
		w.behind(results)
	}
	return chunk, nil
}

func (w *walk) options() []func(hrpc.Call) error {
	options := query{keysOnly: w.keysOnly}.options()
	options = append(options, hrpc.NumberOfRows(uint32(max(w.rows, 1))), hrpc.MaxResultSize(uint64(w.bytes)))
	if w.up {
		options = append(options, hrpc.Reversed())
	}
	return options
}

// tornRow reads a row of which a scan returned a part alone.
func (w *walk) tornRow(ctx context.Context, part *pb.Result) ([]cell, error) {
	if len(part.GetCell()) == 0 {
		return nil, nil
	}
	row := part.GetCell()[0].GetRow()
	all, err := w.get(ctx, w.op, row, query{keysOnly: w.keysOnly})
	if err != nil {
		return nil, err
	}
	whole := []*pb.Result{{Cell: all}}
	w.cut = true
	w.behind([]*pb.Result{part})
	return w.parse(whole)
}

// behind makes the rest begin behind the last of these rows.
func (w *walk) behind(results []*pb.Result) {
	if len(results) == 0 || len(results[len(results)-1].GetCell()) == 0 {
		return // a sign of life without a row
	}
	row := results[len(results)-1].GetCell()[0].GetRow()
	if !w.up {
		w.from = append(append(make([]byte, 0, len(row)+1), row...), 0)
		return
	}
	if id, err := rowID(row, len(w.key)+1); err == nil { // it was parsed before
		w.begin(id)
	}
}

// leaveRegion goes on in the next region, if the walk reaches into it.
func (w *walk) leaveRegion(region hrpc.RegionInfo) {
	if w.up {
		edge := region.StartKey()
		if len(edge) == 0 || bytes.Compare(edge, w.to) <= 0 {
			w.done = true
			return
		}
		w.from = below(edge, len(w.key)+1)
		w.done = bytes.Compare(w.from, w.to) <= 0
		return
	}
	edge := region.StopKey()
	if len(edge) == 0 || bytes.Compare(edge, w.to) >= 0 {
		w.done = true
		return
	}
	w.from = edge
}

// below is the last row key of a message that sorts before edge. The first head
// bytes of edge are the key and its zero byte, as it lies between two rows.
func below(edge []byte, head int) []byte {
	tail := edge[head:]
	row := append(make([]byte, 0, head+idBytes), edge[:head]...)
	if len(tail) > idBytes {
		return append(row, tail[:idBytes]...)
	}
	var reversed [idBytes]byte
	copy(reversed[:], tail)
	return binary.BigEndian.AppendUint64(row, binary.BigEndian.Uint64(reversed[:])-1)
}

// parse makes one list of the cells of all rows.
func (w *walk) parse(results []*pb.Result) ([]cell, error) {
	n := 0
	for _, r := range results {
		n += len(r.GetCell())
	}
	chunk := make([]cell, 0, n)
	for _, r := range results {
		for _, c := range r.GetCell() {
			parsed, err := parseCell(c, len(w.key)+1)
			if err != nil {
				return nil, corrupt(fmt.Errorf("row %x: %w", c.GetRow(), err))
			}
			if parsed.id != 0 {
				chunk = append(chunk, parsed)
			}
		}
	}
	return chunk, nil
}

// parseCell tells what a cell is by its qualifier. What a later version may have
// put beside is not this one's business: its id is 0.
func parseCell(c *pb.Cell, head int) (cell, error) {
	row, err := rowID(c.GetRow(), head)
	if err != nil {
		return cell{}, err
	}
	out := cell{row: row, value: c.GetValue()}
	q := c.GetQualifier()
	switch {
	case string(q) == qualifierDeleted:
		out.kind, out.id = cellDeleted, push.ID(min(c.GetTimestamp(), uint64(push.MaxID)))
		return out, nil
	case len(q) == idBytes:
	case len(q) == idBytes+1 && (q[idBytes] == markRecalled || q[idBytes] == markDiscarded):
		out.kind = q[idBytes]
	default:
		return cell{}, nil
	}
	id := binary.BigEndian.Uint64(q)
	if id == 0 || id > uint64(row) {
		return cell{}, fmt.Errorf("%w: a message of id %d in row %d", errCell, id, row)
	}
	out.id = push.ID(id)
	return out, nil
}
