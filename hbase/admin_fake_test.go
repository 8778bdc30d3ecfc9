package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
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
	cells map[string][]version // by table and row; guarded by mu
	fails error                // what every call returns, if it is set; guarded by mu
	// lost makes a swap take effect and say that it did not, as one does that is
	// repeated because its answer got lost; guarded by mu.
	lost bool
}

type version struct {
	value   []byte
	put     time.Time
	expires time.Time // zero: never
}

func newFakeRows() *fakeRows { return &fakeRows{cells: make(map[string][]version)} }

// read is what HBase shows; f.mu is held.
func (f *fakeRows) read(table, row string) *version {
	all := f.cells[table+"\n"+row]
	for i := len(all) - 1; i >= 0; i-- {
		if v := all[i]; v.expires.IsZero() || time.Now().Before(v.expires) {
			return &all[i]
		}
	}
	return nil
}

// write adds a version; f.mu is held.
func (f *fakeRows) write(table, row string, value []byte, life time.Duration) {
	v := version{value: value, put: time.Now()}
	if life > 0 {
		v.expires = v.put.Add(life)
	}
	at := table + "\n" + row
	f.cells[at] = append(f.cells[at], v)
}

func (f *fakeRows) cell(_ context.Context, table, row, _, _ string) (*schemaCell, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.read(table, row)
	if f.fails != nil || v == nil {
		return nil, f.fails
	}
	return &schemaCell{v.value, v.put}, nil
}

func (f *fakeRows) put(_ context.Context, table, row string, value []byte, life time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails == nil {
		f.write(table, row, value, life)
	}
	return f.fails
}

func (f *fakeRows) swap(_ context.Context, table, row string, expected, value []byte, life time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return false, f.fails
	}
	if value == nil {
		return false, errors.New("HBase wants a value, if only an empty one")
	}
	var is []byte
	if now := f.read(table, row); now != nil {
		is = now.value
	}
	if !bytes.Equal(is, expected) {
		return false, nil
	}
	f.write(table, row, value, life)
	said := !f.lost
	f.lost = false
	return said, nil
}

func (f *fakeRows) scan(_ context.Context, table string, from, to []byte, _ map[string][]string, each func(*hrpc.Result) bool) error {
	f.mu.Lock()
	var found []string
	for at := range f.cells {
		name, row, _ := strings.Cut(at, "\n")
		if name == table && inRange(table, row, string(from), string(to)) {
			found = append(found, row)
		}
	}
	err := f.fails
	f.mu.Unlock()
	slices.Sort(found)
	for _, row := range found {
		if !each(&hrpc.Result{Cells: []*hrpc.Cell{{Row: []byte(row)}}}) {
			break
		}
	}
	return err
}

// inRange compares as HBase does: in meta, by the table before the rest.
func inRange(table, row, from, to string) bool {
	if table == "hbase:meta" {
		parts := func(s string) []string { return strings.SplitN(s, ",", 2) }
		return slices.Compare(parts(row), parts(from)) >= 0 && slices.Compare(parts(row), parts(to)) < 0
	}
	return row >= from && (to == "" || row < to)
}

// set is put, from outside.
func (f *fakeRows) set(table, row string, value []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write(table, row, value, 0)
}

func (f *fakeRows) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = err
}

// fakeLink is a connection to a master.
type fakeLink struct {
	addr   string
	dial   error
	answer func(call hrpc.Call) // puts the result, or does not

	mu     sync.Mutex
	closed bool
}

func (c *fakeLink) Dial(context.Context) error { return c.dial }
func (c *fakeLink) Addr() string               { return c.addr }
func (c *fakeLink) String() string             { return c.addr }
func (c *fakeLink) QueueRPC(call hrpc.Call)    { c.answer(call) }

func (c *fakeLink) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *fakeLink) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
