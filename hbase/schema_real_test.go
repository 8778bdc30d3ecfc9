package hbase

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/hbase/hbasetest"
	"gopush/internal/push"
)

// realTarget is a table in a namespace of the test's own, which does not exist
// yet, on a real HBase. What the test leaves there is removed.
func realTarget(t *testing.T) (*Admin, Target) {
	t.Helper()
	target := Target{
		ZooKeeper: strings.Split(hbasetest.Shared(t), ","),
		Table:     TableName{fmt.Sprintf("gopush_schema_test_%08x", rand.Uint32()), "messages"},
	}
	a, err := NewAdmin(AdminConfig{ZooKeeper: target.ZooKeeper, RequestTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		err := a.dropTable(ctx, target.Table)
		_, dropped := a.DeleteNamespace(ctx, target.Table.Namespace, nil)
		if err := errors.Join(err, dropped); err != nil {
			t.Error(err)
		}
		a.Close()
	})
	return a, target
}

// within bounds a test on HBase, which goes on with what it has begun for as long
// as it takes.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// realMessages makes the table, with the version of the schema.
func realMessages(t *testing.T, a *Admin, table TableName, splits ...string) {
	t.Helper()
	d := NewDescriptor(table)
	d.SetFamilyAttribute(SchemaFamily, "VERSIONS", "1")
	SetMark(d, Mark{SchemaVersion, 1})
	var keys [][]byte
	for _, s := range splits {
		keys = append(keys, []byte(s))
	}
	if err := a.CreateNamespace(within(t), table.Namespace, nil); err != nil {
		t.Fatal(err)
	}
	if exists, err := a.CreateTable(within(t), d, keys, nil); exists || err != nil {
		t.Fatal(exists, err)
	}
}

// TestRealTable goes through the life of a table.
func TestRealTable(t *testing.T) {
	a, target := realTarget(t)
	ctx, table := within(t), target.Table
	if d, err := a.Describe(ctx, table); d != nil || err != nil {
		t.Error("described what is not there:", d, err)
	}
	if is, ours, err := a.Namespace(ctx, table.Namespace); is || ours || err != nil {
		t.Error(is, err)
	}
	if is, ours, err := a.Namespace(ctx, "default"); !is || ours || err != nil {
		t.Error(is, ours, err)
	}
	realMessages(t, a, table, "g", "p")
	if is, ours, err := a.Namespace(ctx, table.Namespace); !is || !ours || err != nil {
		t.Error(is, ours, err)
	}
	d, err := a.Describe(ctx, table)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := MarkOf(d); err != nil || m != (Mark{SchemaVersion, 1}) || d.FamilyAttribute(SchemaFamily, "VERSIONS") != "1" {
		t.Error(m, err, d.Families())
	}
	if exists, err := a.CreateTable(ctx, d, nil, nil); !exists || err != nil {
		t.Error("created twice:", exists, err)
	}
	if err := a.CreateNamespace(ctx, table.Namespace, nil); err != nil {
		t.Error(err)
	}
	at, err := a.Regions(ctx, table)
	total := 0
	for addr, n := range at {
		total += n
		if addr == "" {
			t.Error("a region has no server")
		}
	}
	if err != nil || total != 3 {
		t.Error(at, err)
	}
	changed := d.Clone()
	changed.SetFamilyAttribute(SchemaFamily, "BLOCKSIZE", "16384")
	changed.SetAttribute("gopush.test", "kept")
	if err := a.ModifyTable(ctx, changed, nil); err != nil {
		t.Error(err)
	}
	got, err := a.Describe(ctx, table)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(changed.Families(), got.Families()); diff != "" || got.Attribute("gopush.test") != "kept" {
		t.Error(diff, got.Attributes())
	}
	if empty, err := a.Empty(ctx, table); !empty || err != nil {
		t.Error(empty, err)
	}
	p, err := a.ProbeWrite(ctx, table)
	if err != nil || p.Skew().Abs() > time.Second {
		t.Errorf("%+v %v", p, err)
	}
	if empty, err := a.Empty(ctx, table); !empty || err != nil {
		t.Error("a probe counts as a message:", empty, err)
	}
	// The last of three regions is looked at, too.
	if err := a.rows.put(ctx, table.String(), "z\x00row", []byte("x"), 0); err != nil {
		t.Error(err)
	}
	if empty, err := a.Empty(ctx, table); empty || err != nil {
		t.Error("a message is overlooked:", empty, err)
	}
	if kept, err := a.DeleteNamespace(ctx, table.Namespace, nil); !kept || err != nil {
		t.Error("the namespace is gone, with a table in it:", kept, err)
	}
	realStates(t, a, table)
}

// realStates disables the table and enables it again.
func realStates(t *testing.T, a *Admin, table TableName) {
	t.Helper()
	ctx := within(t)
	if err := errors.Join(a.DisableTable(ctx, table, nil), a.DisableTable(ctx, table, nil)); err != nil {
		t.Error(err)
	}
	if s, err := a.State(ctx, table); s != TableDisabled || err != nil {
		t.Error(s, err)
	}
	if err := a.EnableTable(ctx, table, nil); err != nil {
		t.Error(err)
	}
	if s, err := a.State(ctx, table); s != TableEnabled || err != nil {
		t.Error(s, err)
	}
}

// TestRealCheck: a store's own check tells each state of a table apart.
func TestRealCheck(t *testing.T) {
	a, target := realTarget(t)
	ctx, table := within(t), target.Table
	store := openReal(t, table.String(), time.Now)
	check := func(want string) {
		t.Helper()
		for _, err := range []error{store.CheckSchema(ctx, target), a.CheckSchema(ctx, target)} {
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	check("HBase has no table " + table.String() + ". Run: gopush migrate up --zookeeper " + hbasetest.Shared(t))
	realMessages(t, a, table)
	check("does not say which schema it has")
	for _, m := range []struct {
		mark Mark
		want string
	}{{Mark{SchemaVersion, 1}, ""}, {Mark{SchemaVersion + 2, SchemaVersion + 1}, "Install a newer gopush"}, {Mark{SchemaVersion + 1, 1}, ""}} {
		if err := a.WriteMark(ctx, table, m.mark); err != nil {
			t.Fatal(err)
		}
		check(m.want)
	}
	if err := a.DisableTable(ctx, table, nil); err != nil {
		t.Fatal(err)
	}
	check("is disabled in HBase")
}

// TestRealLock: HBase itself decides who has the lock, and ends that of a
// process that was killed.
func TestRealLock(t *testing.T) {
	a, target := realTarget(t)
	ctx, table := within(t), target.Table
	realMessages(t, a, table)
	other, err := NewAdmin(a.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lease := leaseOf{life: 5 * time.Second, renew: time.Second, lost: 4 * time.Second, poll: 50 * time.Millisecond}
	held, first, err := a.lockSchema(ctx, table, lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	taken := make(chan *schemaLock, 1)
	go func() {
		_, l, err := other.lockSchema(ctx, table, lease, func(holder string) {
			select {
			case told <- holder:
			default:
			}
		})
		if err != nil {
			t.Error(err)
		}
		taken <- l
	}()
	if holder := <-told; holder != holderName() {
		t.Errorf("it waits for %q", holder)
	}
	select {
	case <-taken:
		t.Error("two have the lock")
	case <-time.After(lease.life + lease.renew): // it was renewed
	}
	if held.Err() != nil {
		t.Error(context.Cause(held))
	}
	if err := first.release(ctx); err != nil {
		t.Error(err)
	}
	second := <-taken
	second.cancel(nil) // killed: nobody renews it, nobody gives it back
	second.keeper.Wait()
	_, third, err := a.lockSchema(ctx, table, lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.release(ctx); err != nil {
		t.Error(err)
	}
	if holder, err := a.LockHolder(ctx, table); holder != "" || err != nil {
		t.Error(holder, err)
	}
}

// TestRealAssigned: a region that its server has open cannot be opened again:
// the server ignores it, and the master waits for ever. It is closed instead, and
// the table can be dropped. An attempt that was ended when it had reached the
// server leaves a region like that.
func TestRealAssigned(t *testing.T) {
	a, target := realTarget(t)
	ctx := within(t)
	realMessages(t, a, target.Table, "m")
	if err := a.forceAssign(ctx, target.Table, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := a.dropTable(ctx, target.Table); err != nil {
		t.Error(err)
	}
}

// TestRealProof: a compression that works is proven on every server, and one
// that only region servers cannot use leaves nothing behind. A table that asks
// the master not to try it out itself stands for a cluster whose servers differ.
func TestRealProof(t *testing.T) {
	a, _ := realTarget(t)
	ctx := within(t)
	if p, err := a.ProveCompression(ctx, "GZ", time.Minute, nil); err != nil || p.Servers == 0 || p.Servers != p.Live {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := a.ProveCompression(ctx, "LZO", time.Minute, nil); !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "HBase's master cannot use the compression LZO") {
		t.Error(err)
	}
	var table TableName
	_, err := a.proveCompression(ctx, "LZO", 5*time.Second, nil, func(d *Descriptor) {
		table = d.Table()
		d.SetAttribute("hbase.master.check.compression", "false")
	})
	if !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "not every region server") || strings.Contains(err.Error(), "left over") {
		t.Error(err)
	}
	if s, err := a.State(ctx, table); s != TableMissing || err != nil {
		t.Errorf("the probe table is %s, %v", s, err)
	}
	if at, err := a.Regions(ctx, table); len(at) != 0 || err != nil {
		t.Errorf("regions are left: %v, %v", at, err)
	}
}
