package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"google.golang.org/protobuf/proto"
)

// fakeMaster answers requests by their name, and keeps what it was asked.
type fakeMaster struct {
	mu     sync.Mutex
	asked  []string                                              // guarded by mu
	answer map[string]func(proto.Message) (proto.Message, error) // by the name of the request
}

func (m *fakeMaster) SendRPC(call hrpc.Call) (proto.Message, error) {
	m.mu.Lock()
	m.asked = append(m.asked, call.Name())
	m.mu.Unlock()
	answer := m.answer[call.Name()]
	if answer == nil {
		return nil, fmt.Errorf("unexpected %s", call.Name())
	}
	msg, err := answer(call.ToProto())
	if err == nil && msg == nil {
		msg = call.NewResponse()
	}
	return msg, err
}

// on sets the answer to a request.
func (m *fakeMaster) on(name string, answer func(proto.Message) (proto.Message, error)) {
	if m.answer == nil {
		m.answer = make(map[string]func(proto.Message) (proto.Message, error))
	}
	m.answer[name] = answer
}

func always(msg proto.Message, err error) func(proto.Message) (proto.Message, error) {
	return func(proto.Message) (proto.Message, error) { return msg, err }
}

// java is an exception as gohbase hands it over.
func java(class, text string) error {
	return fmt.Errorf("HBase Java exception %s:\n%s: %s\n\tat a.b.C(C.java:1)\n", class, class, text)
}

// procedureAnswer is an answer that gohbase's description has no field for.
func procedureAnswer(id uint64) proto.Message {
	m := &pb.ModifyTableResponse{}
	m.ProtoReflect().SetUnknown(numberField(1, id))
	return m
}

// fakeAdmin is an Admin over fakes.
func fakeAdmin(m, h *fakeMaster, r rows) *Admin {
	return &Admin{cfg: AdminConfig{RequestTimeout: 10 * time.Second}, master: m, hbck: h, rows: r, close: func() {}}
}

// fakeRows is a table as HBase keeps one in memory: each put is another version,
// and when the newest has ended, the one before it is seen again.
type fakeRows struct {
	mu    sync.Mutex
	cells map[string][]version // by table, row and qualifier; guarded by mu
	fails error                // what every call returns, if it is set; guarded by mu
	// lost makes a CheckAndPut take effect and say that it did not, as the client
	// does when it repeats one whose answer got lost; guarded by mu.
	lost bool
}

type version struct {
	value   []byte
	put     time.Time
	expires time.Time // zero: never
}

func newFakeRows() *fakeRows { return &fakeRows{cells: make(map[string][]version)} }

func (f *fakeRows) at(table, row, qualifier string) string {
	return table + "\n" + row + "\n" + qualifier
}

// read is what HBase shows; f.mu is held.
func (f *fakeRows) read(at string) *version {
	all := f.cells[at]
	for i := len(all) - 1; i >= 0; i-- {
		if v := all[i]; v.expires.IsZero() || time.Now().Before(v.expires) {
			return &all[i]
		}
	}
	return nil
}

func (f *fakeRows) Get(g *hrpc.Get) (*hrpc.Result, error) {
	g.SetRegion(region.NewInfo(0, nil, nil, nil, nil, nil))
	request, ok := g.ToProto().(*pb.GetRequest)
	if !ok {
		return nil, errors.New("not a get")
	}
	column := request.GetGet().GetColumn()[0]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return nil, f.fails
	}
	v := f.read(f.at(string(g.Table()), string(g.Key()), string(column.GetQualifier()[0])))
	if v == nil {
		return &hrpc.Result{}, nil
	}
	stamp := uint64(v.put.UnixMilli())
	return &hrpc.Result{Cells: []*hrpc.Cell{{Row: g.Key(), Value: v.value, Timestamp: &stamp}}}, nil
}

// parsePut takes the only cell out of a put.
func (f *fakeRows) parsePut(p *hrpc.Mutate) (at string, v version) {
	p.SetRegion(region.NewInfo(0, nil, nil, nil, nil, nil))
	request, _ := p.ToProto().(*pb.MutateRequest)
	column := request.GetMutation().GetColumnValue()[0].GetQualifierValue()[0]
	v = version{value: column.GetValue(), put: time.Now()}
	for _, a := range request.GetMutation().GetAttribute() {
		if a.GetName() == "_ttl" {
			var ms uint64
			for _, b := range a.GetValue() {
				ms = ms<<8 | uint64(b)
			}
			v.expires = v.put.Add(time.Duration(ms) * time.Millisecond)
		}
	}
	return f.at(string(p.Table()), string(p.Key()), string(column.GetQualifier())), v
}

func (f *fakeRows) Put(p *hrpc.Mutate) (*hrpc.Result, error) {
	at, v := f.parsePut(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails == nil {
		f.cells[at] = append(f.cells[at], v)
	}
	return &hrpc.Result{}, f.fails
}

func (f *fakeRows) CheckAndPut(p *hrpc.Mutate, _, _ string, expected []byte) (bool, error) {
	at, v := f.parsePut(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return false, f.fails
	}
	var is []byte
	if now := f.read(at); now != nil {
		is = now.value
	}
	if !bytes.Equal(is, expected) { // none and empty are the same
		return false, nil
	}
	f.cells[at] = append(f.cells[at], v)
	said := !f.lost
	f.lost = false
	return said, nil
}

func (f *fakeRows) Scan(s *hrpc.Scan) hrpc.Scanner {
	f.mu.Lock()
	defer f.mu.Unlock()
	scanner := &fakeScanner{}
	for at := range f.cells {
		parts := strings.Split(at, "\n")
		row := parts[1]
		inside := row >= string(s.StartRow()) && (len(s.StopRow()) == 0 || row < string(s.StopRow()))
		if parts[0] == string(s.Table()) && inside {
			scanner.rows = append(scanner.rows, &hrpc.Result{Cells: []*hrpc.Cell{{Row: []byte(row)}}})
		}
	}
	return scanner
}

func (f *fakeRows) set(table, row, qualifier string, value []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.at(table, row, qualifier)
	f.cells[at] = append(f.cells[at], version{value: value, put: time.Now()})
}

func (f *fakeRows) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = err
}

type fakeScanner struct{ rows []*hrpc.Result }

func (s *fakeScanner) Next() (*hrpc.Result, error) {
	if len(s.rows) == 0 {
		return nil, io.EOF
	}
	row := s.rows[0]
	s.rows = s.rows[1:]
	return row, nil
}

func (*fakeScanner) Close() error { return nil }

// fakeConn is a connection to a master.
type fakeConn struct {
	addr   string
	dial   error
	answer func(call hrpc.Call) // puts the result, or does not

	mu     sync.Mutex
	closed bool
}

func (c *fakeConn) Dial(context.Context) error { return c.dial }
func (c *fakeConn) Addr() string               { return c.addr }
func (c *fakeConn) String() string             { return c.addr }
func (c *fakeConn) QueueRPC(call hrpc.Call)    { c.answer(call) }

func (c *fakeConn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *fakeConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
