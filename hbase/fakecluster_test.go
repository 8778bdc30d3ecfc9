package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"github.com/tsuna/gohbase/zk"
	"google.golang.org/protobuf/proto"
)

// fakeCluster is a ZooKeeper, region servers and the regions of one table.
type fakeCluster struct {
	*fakeTable
	namespace, name string

	mu      sync.Mutex
	regions []*fakeRegion          // guarded by mu; by start key
	meta    string                 // guarded by mu: the address of hbase:meta's server
	servers map[string]*fakeServer // guarded by mu
	nextID  uint64                 // guarded by mu
	away    chan struct{}          // guarded by mu; ZooKeeper is away until it is closed
	// before may fail or do something before a call is carried out. Guarded by mu.
	before func(addr string, call hrpc.Call) error
	// after may lose an answer: the call was carried out. Guarded by mu.
	after func(addr string, call hrpc.Call) error
	asked int // guarded by mu: questions to ZooKeeper
}

type fakeRegion struct {
	id          uint64
	start, stop []byte
	server      string
}

type fakeServer struct {
	hung    bool // it takes calls, and answers none
	refuses bool // it takes no connections
	conns   map[*fakeConn]bool
	calls   int
}

// newFakeCluster has two servers and a table of one region.
func newFakeCluster(now func() time.Time) *fakeCluster {
	return &fakeCluster{
		fakeTable: newFakeTable(now), namespace: "gopush", name: "messages", meta: "rs1:1", nextID: 2,
		regions: []*fakeRegion{{id: 1, server: "rs2:1"}},
		servers: map[string]*fakeServer{"rs1:1": {conns: map[*fakeConn]bool{}}, "rs2:1": {conns: map[*fakeConn]bool{}}},
	}
}

// LocateResource is ZooKeeper's.
func (c *fakeCluster) LocateResource(name zk.ResourceName) (string, error) {
	c.mu.Lock()
	c.asked++
	away := c.away
	c.mu.Unlock()
	if away != nil {
		<-away
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name != "/hbase/meta-region-server" {
		return "", fmt.Errorf("no node %s", name)
	}
	return c.meta, nil
}

func (c *fakeCluster) dial(addr string) hrpc.RegionClient {
	return &fakeConn{cluster: c, addr: addr, closed: make(chan struct{})}
}

// fakeConn is a connection to a region server.
type fakeConn struct {
	cluster *fakeCluster
	addr    string
	once    sync.Once
	closed  chan struct{}

	mu     sync.Mutex
	unsent []hrpc.Call // guarded by mu; what a hung server has taken
}

var errRefused = errors.New("connection refused")

func (f *fakeConn) Dial(context.Context) error {
	f.cluster.mu.Lock()
	defer f.cluster.mu.Unlock()
	s := f.cluster.servers[f.addr]
	if s == nil || s.refuses {
		return errRefused
	}
	s.conns[f] = true
	return nil
}

func (f *fakeConn) Close() {
	f.once.Do(func() {
		close(f.closed)
		f.cluster.mu.Lock()
		if s := f.cluster.servers[f.addr]; s != nil {
			delete(s.conns, f)
		}
		f.cluster.mu.Unlock()
		f.mu.Lock()
		unsent := f.unsent
		f.unsent = nil
		f.mu.Unlock()
		for _, call := range unsent {
			call.ResultChan() <- hrpc.RPCResult{Error: region.ErrClientClosed}
		}
	})
}

func (f *fakeConn) Addr() string   { return f.addr }
func (f *fakeConn) String() string { return f.addr }

func (f *fakeConn) QueueRPC(call hrpc.Call) {
	select {
	case <-f.closed:
		call.ResultChan() <- hrpc.RPCResult{Error: region.ErrClientClosed}
		return
	default:
	}
	if f.cluster.hangs(f.addr) {
		f.mu.Lock()
		f.unsent = append(f.unsent, call)
		f.mu.Unlock()
		return
	}
	msg, err := f.cluster.carryOut(f.addr, call)
	call.ResultChan() <- hrpc.RPCResult{Msg: msg, Error: err}
}

func (c *fakeCluster) hangs(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[addr].hung
}

// carryOut does what a region server does with a call.
func (c *fakeCluster) carryOut(addr string, call hrpc.Call) (proto.Message, error) {
	c.mu.Lock()
	c.servers[addr].calls++
	before, after := c.before, c.after
	c.mu.Unlock()
	if before != nil {
		if err := before(addr, call); err != nil {
			return nil, err
		}
	}
	msg, err := c.answer(addr, call)
	if after != nil && err == nil {
		err = after(addr, call)
	}
	return msg, err
}

func (c *fakeCluster) answer(addr string, call hrpc.Call) (proto.Message, error) {
	if string(call.Table()) == "hbase:meta" {
		return c.answerMeta(addr, call)
	}
	if !c.serves(addr, call) {
		return nil, region.NotServingRegionError{}
	}
	switch m := call.ToProto().(type) {
	case *pb.GetRequest:
		return &pb.GetResponse{Result: c.get(m.GetGet())}, nil
	case *pb.MutateRequest:
		return &pb.MutateResponse{}, c.put(m.GetMutation())
	case *pb.ScanRequest:
		return c.scan(m, call.Region()), nil
	default:
		return nil, fmt.Errorf("the fake knows no %T", m)
	}
}

// serves reports whether the region is as the call takes it to be.
func (c *fakeCluster) serves(addr string, call hrpc.Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.regions, func(r *fakeRegion) bool {
		return r.server == addr && string(c.regionName(r)) == string(call.Region().Name())
	})
}

func (c *fakeCluster) regionName(r *fakeRegion) []byte {
	return fmt.Appendf(nil, "%s:%s,%s,%d.", c.namespace, c.name, r.start, r.id)
}

// answerMeta answers the question for one region.
func (c *fakeCluster) answerMeta(addr string, call hrpc.Call) (proto.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta != addr {
		return nil, region.NotServingRegionError{}
	}
	resp := &pb.ScanResponse{MoreResultsInRegion: new(false)}
	if _, ok := call.ToProto().(*pb.ScanRequest); !ok {
		return &pb.GetResponse{}, nil // the watchdog's probe
	}
	row, ok := bytes.CutPrefix(call.Key(), fmt.Appendf(nil, "%s:%s,", c.namespace, c.name))
	if !ok {
		return resp, nil
	}
	row = bytes.TrimSuffix(row, []byte(",:"))
	r := c.regionOf(row)
	info, err := proto.Marshal(&pb.RegionInfo{
		RegionId: &r.id, StartKey: r.start, EndKey: r.stop,
		TableName: &pb.TableName{Namespace: []byte(c.namespace), Qualifier: []byte(c.name)},
	})
	if err != nil {
		return nil, err
	}
	cell := func(q string, value []byte) *pb.Cell {
		return &pb.Cell{Row: c.regionName(r), Family: []byte("info"), Qualifier: []byte(q), Value: value, Timestamp: new(uint64(1))}
	}
	resp.Results = []*pb.Result{{Cell: []*pb.Cell{cell("regioninfo", append([]byte("PBUF"), info...)), cell("server", []byte(r.server))}}}
	return resp, nil
}

// regionOf is called under mu.
func (c *fakeCluster) regionOf(row []byte) *fakeRegion {
	for _, r := range slices.Backward(c.regions) {
		if bytes.Compare(r.start, row) <= 0 {
			return r
		}
	}
	return c.regions[0]
}

// split divides the region of row there.
func (c *fakeCluster) split(row []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.regionOf(row)
	if bytes.Equal(r.start, row) || len(row) == 0 {
		return
	}
	i := slices.Index(c.regions, r)
	c.regions = slices.Replace(c.regions, i, i+1,
		&fakeRegion{id: c.nextID, start: r.start, stop: row, server: r.server},
		&fakeRegion{id: c.nextID + 1, start: row, stop: r.stop, server: r.server})
	c.nextID += 2
}

// merge joins the region of row with the next one.
func (c *fakeCluster) merge(row []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.regions, c.regionOf(row))
	if i+1 == len(c.regions) {
		return
	}
	a, b := c.regions[i], c.regions[i+1]
	c.regions = slices.Replace(c.regions, i, i+2, &fakeRegion{id: c.nextID, start: a.start, stop: b.stop, server: a.server})
	c.nextID++
}

// move makes another server serve the region of row.
func (c *fakeCluster) move(row []byte, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regionOf(row).server = to
}

// kill ends a server: what it serves goes to another one.
func (c *fakeCluster) kill(addr, heir string) {
	c.mu.Lock()
	s := c.servers[addr]
	s.refuses = true
	var conns []*fakeConn
	for f := range s.conns {
		conns = append(conns, f)
	}
	for _, r := range c.regions {
		if r.server == addr {
			r.server = heir
		}
	}
	if c.meta == addr {
		c.meta = heir
	}
	c.mu.Unlock()
	for _, f := range conns {
		f.Close()
	}
}

func (c *fakeCluster) set(f func(*fakeCluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// stir changes something about the regions of the table, at random.
func (c *fakeCluster) stir() {
	c.fakeTable.mu.Lock()
	row := []byte("m")
	if n := len(c.keys); n > 0 {
		row = []byte(c.keys[rand.N(n)])
		// HBase splits where a block ends, which need not be a whole row key.
		row = row[:1+rand.N(len(row))]
	}
	c.fakeTable.mu.Unlock()
	switch rand.N(4) {
	case 0, 1:
		c.split(row)
	case 2:
		c.move(row, []string{"rs1:1", "rs2:1"}[rand.N(2)])
	default:
		c.merge(row)
	}
}

// openFake opens a store on a fake cluster.
func openFake(t testing.TB, c *fakeCluster, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{ZooKeeper: "zk:1"}
	if change != nil {
		change(&cfg)
	}
	s, err := open(cfg, c.dial, c, quiet, c.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
