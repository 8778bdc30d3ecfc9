package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
)

// metaTable says where the regions of all others are. It has one region, and
// ZooKeeper says where that is.
var metaTable = []byte("hbase:meta")

// metaPlace remembers where hbase:meta is.
type metaPlace struct {
	region hrpc.RegionInfo // immutable

	mu     sync.Mutex
	place  *location     // guarded by mu; nil: not known
	asking *keeperAnswer // guarded by mu; nil: nobody asks ZooKeeper
}

// keeperAnswer is an answer of ZooKeeper that is waited for.
type keeperAnswer struct {
	done chan struct{} // closed once addr and err are set
	addr string
	err  error
}

func newMetaPlace() *metaPlace {
	return &metaPlace{region: region.NewInfo(0, []byte("hbase"), []byte("meta"), []byte("hbase:meta,,1"), nil, nil)}
}

// forget drops what is believed, if that is addr.
func (m *metaPlace) forget(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.place != nil && m.place.addr == addr {
		m.place = nil
	}
}

func (m *metaPlace) at(addr string) *location {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.place == nil || m.place.addr != addr {
		return nil
	}
	return m.place
}

// find asks ZooKeeper if need be. While ZooKeeper is away its library waits
// without an end; so one look-up waits for all, and their callers leave it
// behind when their time is over.
func (m *metaPlace) find(ctx context.Context, ask func() (string, error)) (*location, error) {
	m.mu.Lock()
	if m.place != nil {
		defer m.mu.Unlock()
		return m.place, nil
	}
	a := m.asking
	if a == nil {
		a = &keeperAnswer{done: make(chan struct{})}
		m.asking = a
		go m.ask(a, ask) // nobody can end it; see above
	}
	m.mu.Unlock()
	select {
	case <-a.done:
		if a.err != nil {
			return nil, fmt.Errorf("ZooKeeper does not say where hbase:meta is: %w", a.err)
		}
		return &location{region: m.region, addr: a.addr}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ZooKeeper does not answer: %w", ctx.Err())
	}
}

func (m *metaPlace) ask(a *keeperAnswer, ask func() (string, error)) {
	a.addr, a.err = ask()
	m.mu.Lock()
	m.asking = nil
	if a.err == nil {
		m.place = &location{region: m.region, addr: a.addr}
	}
	m.mu.Unlock()
	close(a.done)
}

// locate finds the region of a row and its server.
func (r *router) locate(ctx context.Context, table, row []byte) (*location, error) {
	if bytes.Equal(table, metaTable) {
		return r.locateMeta(ctx)
	}
	if at := r.tables.find(row); at != nil {
		return at, nil
	}
	select {
	case r.looks <- struct{}{}:
		defer func() { <-r.looks }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if at := r.tables.find(row); at != nil {
		return at, nil // somebody else has asked meanwhile
	}
	return r.lookUp(ctx, table, row)
}

func (r *router) locateMeta(ctx context.Context) (*location, error) {
	return r.meta.find(ctx, func() (string, error) { return ask(r.keeper, r.cfg.Root) })
}

// lookUp asks hbase:meta once; the caller tries again.
func (r *router) lookUp(ctx context.Context, table, row []byte) (*location, error) {
	at, err := r.locateMeta(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.connect(ctx, at.addr)
	if err != nil {
		return nil, fmt.Errorf("hbase:meta: %w", err)
	}
	scan, err := metaScan(ctx, table, row)
	if err != nil {
		return nil, err
	}
	scan.SetRegion(at.region)
	msg, err := s.send(ctx, scan, r.now)
	if err != nil {
		r.broke(s, at, err)
		return nil, fmt.Errorf("hbase:meta at %s: %w", at.addr, err)
	}
	found, err := metaAnswer(msg, table, row)
	if err != nil {
		return nil, err
	}
	r.tables.put(found)
	return found, nil
}

// metaScan asks for the last region of the table that begins at or before row.
func metaScan(ctx context.Context, table, row []byte) (*hrpc.Scan, error) {
	key := append(append(append(append(make([]byte, 0, len(table)+len(row)+3), table...), ','), row...), ',')
	key = append(key, ':') // sorts behind all digits, with which the age of a region begins
	return hrpc.NewScanRange(ctx, metaTable, key, table,
		hrpc.Families(map[string][]string{"info": nil}), hrpc.Reversed(), hrpc.CloseScanner(), hrpc.NumberOfRows(1))
}

var errMeta = errors.New("hbase:meta is being changed")

func metaAnswer(msg any, table, row []byte) (*location, error) {
	resp, ok := msg.(*pb.ScanResponse)
	if !ok {
		return nil, fmt.Errorf("hbase:meta answered a %T", msg)
	}
	if len(resp.GetResults()) == 0 {
		if resp.GetMoreResultsInRegion() {
			return nil, errMeta // a sign of life, not an answer
		}
		return nil, gohbase.TableNotFound
	}
	info, addr, err := region.ParseRegionInfo(hrpc.ToLocalResult(resp.GetResults()[0]))
	if err != nil {
		return nil, err
	}
	found := &location{region: info, addr: addr}
	if !bytes.Equal(tableOf(info), table) || !found.holds(row) {
		return nil, errMeta // a region splits, or two are merged
	}
	return found, nil
}

// tableOf is a region's table, as calls name it.
func tableOf(info hrpc.RegionInfo) []byte {
	if len(info.Namespace()) == 0 {
		return info.Table()
	}
	return bytes.Join([][]byte{info.Namespace(), info.Table()}, []byte{':'})
}
