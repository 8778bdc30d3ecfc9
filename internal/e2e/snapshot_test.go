package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"gopush/hbase"
	"gopush/hbase/hbasetest"
	"gopush/internal/config"
	vocab "gopush/internal/push"
	"gopush/migrations"
)

// What docs/backup.md promises: a table that was lost is brought back from a snapshot that
// was taken while it served. Each key has the first so many of its acknowledged messages, as
// they were; ids go on above everything that was ever acknowledged; and clients that are
// ahead of what came back go on without an error.
//
// Broken once by a snapshot that leaves out what region servers have in memory alone; by
// cursors of streams that are lowered to the newest id of their key; and by a clock that was
// set back by an hour when coordination is lost, which the page forbids.
func TestSnapshot(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(map[bool]string{false: "coordination kept", true: "coordination lost"}[lost], func(t *testing.T) {
			s := newDisaster(t)
			s.before()
			s.take()
			s.after()
			s.strike(lost)
			s.restored()
			s.goesOn()
		})
	}
}

// disaster is a system whose table is lost and restored. It is used by one goroutine, but for
// the pushers.
type disaster struct {
	*Cluster
	t      *testing.T
	table  hbase.TableName
	backup *migrations.Backup
	admin  *hbase.Admin
	root   string // of the coordination

	name    string              // of the snapshot
	stop    context.CancelFunc  // of the pushers
	pushers sync.WaitGroup      // likewise
	stored  map[string][]string // texts of the fixed keys at the snapshot, by key
	lastID  string              // of the key "ahead", acknowledged after the snapshot
	expires time.Time           // of the message of the key "short"

	mu     sync.Mutex
	acked  map[string][]int64 // ids by key, in the order of acks; guarded by mu
	sure   map[string]int     // how many were acknowledged before the snapshot was asked for
	newest int64              // of all; guarded by mu
}

// loaded are the keys that are pushed to all the time, in two regions.
var loaded = []string{"a-1", "a-2", "a-3", "z-1", "z-2", "z-3"}

func newDisaster(t *testing.T) *disaster {
	t.Helper()
	zookeeper := hbasetest.Shared(t)
	table, err := hbase.ParseTableName(newTable(t, zookeeper, "m"))
	if err != nil {
		t.Fatal(err)
	}
	d := &disaster{
		t: t, table: table, root: "/" + hbasetest.UniqueName(t),
		acked: make(map[string][]int64), stored: make(map[string][]string),
	}
	if d.admin, err = hbase.NewAdmin(hbase.AdminConfig{ZooKeeper: []string{zookeeper}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.admin.Close)
	d.backup = migrations.NewBackup(d.admin, hbase.Target{ZooKeeper: []string{zookeeper}, Table: table}, nil)
	d.Cluster = Start(t, Options{Store: inHBase(zookeeper, table.String()), Settings: func(s *config.Serve) {
		s.Coordination.Kind, s.Coordination.Servers, s.Coordination.Root = "zookeeper", []string{zookeeper}, d.root
		s.Drain = 20 * time.Second // a connection that was made and not used yet counts as a request for 5 s
	}})
	return d
}

// push pushes, insists on an ack, and notes the id.
func (d *disaster) push(m Message) int64 {
	d.t.Helper()
	o := d.API.Push(d.t.Context(), m)
	if o.State != Acked {
		d.t.Fatalf("push of %s: %+v", m.JSON(), o)
	}
	d.note(m.Key, o.ID)
	return o.ID
}

func (d *disaster) note(key string, id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked[key] = append(d.acked[key], id)
	d.newest = max(d.newest, id)
}

// load pushes to a key until it is stopped, each message once.
func (d *disaster) load(ctx context.Context, key string) {
	for i := 0; ctx.Err() == nil; i++ {
		o := d.API.Push(context.WithoutCancel(ctx), Message{Key: key, Data: Text(strconv.Itoa(i))})
		if o.State != Acked {
			d.t.Errorf("push to %s: %+v", key, o)
			return
		}
		d.note(key, o.ID)
	}
}

// counts are how many messages each loaded key has.
func (d *disaster) counts() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := make(map[string]int)
	for _, key := range loaded {
		n[key] = len(d.acked[key])
	}
	return n
}

// more waits until each loaded key has so many more acks.
func (d *disaster) more(n int) {
	d.t.Helper()
	from := d.counts()
	Until(d.t, time.Minute, "more acks", func() (bool, string) {
		now := d.counts()
		for key, had := range from {
			if now[key] < had+n {
				return false, fmt.Sprintf("%s has %d and had %d", key, now[key], had)
			}
		}
		return true, ""
	})
}

// before is what the snapshot is to hold.
func (d *disaster) before() {
	d.t.Helper()
	ctx := d.t.Context()
	d.push(Message{Key: "kept", Data: Text("one"), Idempotency: "order-1"})
	recalled := d.push(Message{Key: "kept", Data: Text("recalled")})
	d.push(Message{Key: "kept", Data: Text("two")})
	d.push(Message{Key: "gone", Data: Text("deleted")})
	d.push(Message{Key: "later", Data: Text("deleted after the snapshot")})
	d.push(Message{Key: "ahead", Data: Text("first")})
	d.push(Message{Data: Text("to everybody")})
	for _, o := range []Outcome{d.API.Recall(ctx, "kept", recalled), d.API.DeleteKey(ctx, "gone")} {
		if o.State != Acked {
			d.t.Fatalf("%+v", o)
		}
	}
	d.stored = map[string][]string{
		"kept": {`"one"`, `"two"`}, "gone": nil, "later": {`"deleted after the snapshot"`}, "ahead": {`"first"`}, "new": nil,
	}
	load, stop := context.WithCancel(ctx)
	d.stop = stop
	d.t.Cleanup(func() {
		stop()
		d.pushers.Wait()
	})
	for _, key := range loaded {
		d.pushers.Go(func() { d.load(load, key) })
	}
	d.more(5)
	d.expires = time.Now().Add(3 * time.Second)
	d.push(Message{Key: "short", Data: Text("soon over"), ExpiresAt: d.expires.UnixMilli()})
}

// take takes the snapshot under load.
func (d *disaster) take() {
	d.t.Helper()
	d.sure = d.counts()
	name, err := d.backup.Take(d.t.Context(), "")
	if err != nil {
		d.t.Fatal(err)
	}
	d.name = name
	d.t.Cleanup(func() {
		if err := d.backup.Delete(context.WithoutCancel(d.t.Context()), name); err != nil {
			d.t.Error(err)
		}
	})
}

// after is what the snapshot does not hold.
func (d *disaster) after() {
	d.t.Helper()
	d.lastID = strconv.FormatInt(d.push(Message{Key: "ahead", Data: Text("lost")}), 10)
	d.push(Message{Key: "new", Data: Text("lost"), Idempotency: "order-2"})
	if o := d.API.DeleteKey(d.t.Context(), "later"); o.State != Acked {
		d.t.Fatalf("%+v", o)
	}
	d.more(5)
	d.stop()
	d.pushers.Wait()
}

// strike loses the table, and what coordination remembers if it is to; then it is restored.
func (d *disaster) strike(coordination bool) {
	d.t.Helper()
	ctx := d.t.Context()
	d.Stop()
	if err := d.admin.DisableTable(ctx, d.table, nil); err != nil {
		d.t.Fatal(err)
	}
	if err := d.admin.DeleteTable(ctx, d.table, nil); err != nil {
		d.t.Fatal(err)
	}
	if coordination {
		d.root += "_anew" // nothing is below it
	}
	before, err := d.backup.Restore(ctx, d.name, false)
	if err != nil || before != "" {
		d.t.Fatal(before, err)
	}
	d.Start()
}

// page is everything that a key has; its chain must be whole.
func (d *disaster) page(key string) (frames []StreamFrame) {
	d.t.Helper()
	p := Page{Next: "0", More: true}
	prev := "0"
	for p.More {
		var err error
		if p, err = d.API.Messages(d.t.Context(), key, p.Next, "", 0); err != nil {
			d.t.Fatal(err)
		}
		if p.Gap != nil {
			d.t.Errorf("%s has a gap: %s", key, p.Gap.Raw)
		}
		for _, m := range p.Messages {
			if slices.Contains(loaded, key) && m.Prev != prev {
				d.t.Errorf("%s: %s comes after %s, and says %s", key, m.ID, prev, m.Prev)
			}
			prev = m.ID
		}
		frames = append(frames, p.Messages...)
	}
	return frames
}

// restored looks at what came back.
func (d *disaster) restored() {
	d.t.Helper()
	for key, want := range d.stored {
		var got []string
		for _, m := range d.page(key) {
			if m.Type == "message" || m.Type == "" {
				got = append(got, string(m.Data))
			}
		}
		if !slices.Equal(got, want) {
			d.t.Errorf("%s has %v, want %v", key, got, want)
		}
	}
	for _, key := range loaded {
		got := d.page(key)
		acked := d.acked[key]
		if len(got) < d.sure[key] || len(got) > len(acked) {
			d.t.Errorf("%s has %d messages; %d were acknowledged before the snapshot, %d in all", key, len(got), d.sure[key], len(acked))
			continue
		}
		for i, m := range got {
			if m.ID != strconv.FormatInt(acked[i], 10) || string(m.Data) != strconv.Quote(strconv.Itoa(i)) {
				d.t.Errorf("%s: message %d is %s %s rather than %d", key, i, m.ID, m.Data, acked[i])
			}
		}
	}
	p, err := d.API.Messages(d.t.Context(), "kept", "0", "0", 0)
	if err != nil || p.Public == nil || len(p.Public.Messages) != 1 {
		d.t.Errorf("the public stream: %+v, %v", p.Public, err)
	}
	Until(d.t, time.Minute, "the end of a message", func() (bool, string) {
		return time.Now().After(d.expires), "not yet there"
	})
	if m := d.page("short"); len(m) != 0 {
		d.t.Errorf("a message came back that has expired: %+v", m)
	}
}

// goesOn pushes to a system that has lost what it had acknowledged, and listens with cursors
// from before.
func (d *disaster) goesOn() {
	d.t.Helper()
	ctx := d.t.Context()
	ahead := d.listen("ahead", d.lastID)
	msgs, _, err := d.API.V1Fetch(ctx, "ahead", parseID(d.t, d.lastID), -1)
	if err != nil || len(msgs) != 0 {
		d.t.Errorf("a v1 client that is ahead fetches %+v, %v", msgs, err)
	}
	was := d.newest
	first := parseID(d.t, d.page("ahead")[0].ID)
	for _, key := range append([]string{"kept", "new", "gone", "ahead"}, loaded...) {
		if id := d.push(Message{Key: key, Data: Text("anew")}); id <= was {
			d.t.Errorf("%s is given the id %d; %d was acknowledged before", key, id, was)
		}
	}
	// The chain goes on from what came back; the cursor lies above that, so nothing is missing.
	f, err := ahead.Next(time.Minute)
	if err != nil || f.Type != "message" || string(f.Data) != `"anew"` || f.Prev != strconv.FormatInt(first, 10) {
		d.t.Errorf("the stream goes on with %s, %v", f.Raw, err)
	}
	msgs, _, err = d.API.V1Fetch(ctx, "ahead", parseID(d.t, d.lastID), -1)
	if err != nil || len(msgs) != 1 || strconv.FormatInt(msgs[0].Mid, 10) != f.ID {
		d.t.Errorf("a v1 client that was ahead fetches %+v, %v", msgs, err)
	}
	p, err := d.API.Messages(ctx, "ahead", d.lastID, "", 0)
	if err != nil || len(p.Messages) != 1 || p.Gap != nil {
		d.t.Errorf("a page above a cursor that is ahead: %+v, %v", p, err)
	}
	// Claims are as old as the snapshot, too.
	o := d.API.Push(ctx, Message{Key: "kept", Data: Text("one"), Idempotency: "order-1"})
	if o.State != Acked || !o.Repeat || o.ID != d.acked["kept"][0] {
		d.t.Errorf("a push that the snapshot holds is repeated: %+v", o)
	}
	o = d.API.Push(ctx, Message{Key: "new", Data: Text("lost"), Idempotency: "order-2"})
	if o.State != Acked || o.Repeat || o.ID <= was {
		d.t.Errorf("a push that was lost is repeated: %+v", o)
	}
}

// listen is a stream that begins with the cursor, and has nothing to read. It is asked for
// until the comet serves.
func (d *disaster) listen(key, after string) (s Stream) {
	d.t.Helper()
	var ready StreamFrame
	Until(d.t, time.Minute, "a comet that serves", func() (bool, string) {
		s = listenV2(d.t, d.Cluster, "websocket", Cursors{After: after}.Query(key))
		var err error
		if ready, err = s.Next(time.Minute); err != nil {
			d.t.Fatal(err)
		}
		return ready.Code != string(vocab.KindWrongNode), ready.Raw
	})
	live, err := s.Next(time.Minute)
	if err != nil || ready.Type != "ready" || ready.Cursor != after || !ready.Resumed || live.Type != "live" {
		d.t.Fatalf("a stream whose cursor is ahead begins with %s, %s, %v", ready.Raw, live.Raw, err)
	}
	return s
}

func parseID(t *testing.T, s string) int64 {
	t.Helper()
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
