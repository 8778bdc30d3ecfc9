package hbase

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tsuna/gohbase"

	"gopush/internal/push"
)

var ours = Target{ZooKeeper: []string{"zk1:2181", "zk2:2181"}, Table: messages}

func TestCommand(t *testing.T) {
	if got := ours.Command("migrate up"); got != "gopush migrate up --zookeeper zk1:2181,zk2:2181" {
		t.Error(got)
	}
	other := Target{ZooKeeper: []string{"z:1"}, Root: "/hb", Table: TableName{"default", "m"}}
	if got := other.Command("doctor"); got != "gopush doctor --zookeeper z:1 --znode-parent /hb --table m" {
		t.Error(got)
	}
}

func TestMarkCell(t *testing.T) {
	for _, m := range []Mark{{1, 1}, {12, 3}} {
		got, err := decodeMark(m.encode())
		if err != nil || got != m {
			t.Errorf("%+v: %+v, %v", m, got, err)
		}
	}
	if m, err := decodeMark(nil); err != nil || m.Version != 0 || m.String() != "none" {
		t.Error(m, err)
	}
	for _, bad := range []string{"1", "{}", `{"version":0,"oldest":1}`, `{"version":1}`, "\xff"} {
		if _, err := decodeMark([]byte(bad)); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func FuzzMarkCell(f *testing.F) {
	f.Add([]byte(`{"version":1,"oldest":1}`))
	f.Add([]byte(`{"version":1,"oldest":1,"more":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMark(b)
		if err == nil && len(b) > 0 && (m.Version < 1 || m.Oldest < 1) {
			t.Errorf("%q: %+v", b, m)
		}
	})
}

// tableIn is a table in a state, with the cell that tells its version.
func tableIn(state TableState, cell string) *fakeRows {
	f := newFakeRows()
	if state != TableMissing {
		f.set("hbase:meta", messages.String(), numberField(1, uint64(state-TableEnabled)))
	}
	if cell != "" {
		f.set(messages.String(), rowSchema, []byte(cell))
	}
	return f
}

// TestCheckSchema: whatever is wrong is told with the very command to run.
func TestCheckSchema(t *testing.T) {
	const run = " Run: gopush migrate up --zookeeper zk1:2181,zk2:2181"
	for name, tt := range map[string]struct {
		f    *fakeRows
		want string
	}{
		"fine":      {tableIn(TableEnabled, `{"version":1,"oldest":1}`), ""},
		"newer":     {tableIn(TableEnabled, `{"version":7,"oldest":1}`), ""},
		"missing":   {tableIn(TableMissing, ""), "HBase has no table gopush:messages." + run},
		"unmarked":  {tableIn(TableEnabled, ""), "the table gopush:messages does not say which schema it has: a migration was interrupted, or something else made it." + run},
		"disabled":  {tableIn(TableDisabled, `{"version":1,"oldest":1}`), "the table gopush:messages is disabled in HBase. If nobody disabled it on purpose, run: gopush migrate up --enable --zookeeper zk1:2181,zk2:2181"},
		"enabling":  {tableIn(TableEnabling, ""), "the table gopush:messages does not serve: HBase is enabling it. Wait until that has ended; it is tried again by itself."},
		"too new":   {tableIn(TableEnabled, `{"version":7,"oldest":6}`), "the table gopush:messages has schema 7, which programs older than schema 6 cannot use; this one knows 1. Install a newer gopush here, or, with the newer one, run: gopush migrate down --to 1 --zookeeper zk1:2181,zk2:2181"},
		"is a mess": {tableIn(TableEnabled, "x"), "the cell"},
	} {
		err := checkSchema(t.Context(), tt.f, ours)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !push.Is(err, push.KindStoreUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ours.Fits(Mark{Version: SchemaVersion, Oldest: SchemaVersion}); err != nil {
		t.Error(err)
	}
}

// failing is a table whose cells cannot be read.
type failing struct {
	*fakeRows
	err error
}

func (f *failing) cell(ctx context.Context, table, row, family, qualifier string) (*schemaCell, error) {
	if table == "hbase:meta" {
		return f.fakeRows.cell(ctx, table, row, family, qualifier)
	}
	return nil, f.err
}

func TestCheckSchemaErrors(t *testing.T) {
	for want, err := range map[string]error{
		"HBase has no table gopush:messages": gohbase.TableNotFound,
		"was not made by gopush":             java(classNoSuchFamily, "m"),
		"HBase does not answer":              context.DeadlineExceeded,
	} {
		got := checkSchema(t.Context(), &failing{tableIn(TableEnabled, ""), err}, ours)
		_, schema := errors.AsType[*SchemaError](got)
		if got == nil || !strings.Contains(got.Error(), want) || schema == errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", err, got)
		}
	}
	f := newFakeRows()
	f.fail(errors.New("no route"))
	if err := checkSchema(t.Context(), f, ours); !push.Is(err, push.KindStoreUnavailable) {
		t.Error(err)
	}
}

// TestReservedRows: marks, probes and locks are no messages.
func TestReservedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRows()
		a := fakeAdmin(nil, nil, f)
		ctx := t.Context()
		if err := a.WriteMark(ctx, messages, Mark{1, 1}); err != nil {
			t.Fatal(err)
		}
		if m, err := a.ReadMark(ctx, messages); err != nil || m != (Mark{1, 1}) {
			t.Error(m, err)
		}
		p, err := a.ProbeWrite(ctx, messages)
		if err != nil || p.Skew() != 0 {
			t.Error(p, err)
		}
		if empty, err := a.Empty(ctx, messages); err != nil || !empty {
			t.Error(empty, err)
		}
		for _, row := range []string{"\x01public\x00", "a\x00"} {
			f := newFakeRows()
			f.set(messages.String(), row, nil)
			if empty, err := fakeAdmin(nil, nil, f).Empty(ctx, messages); err != nil || empty {
				t.Errorf("%q: %v %v", row, empty, err)
			}
		}
		f.fail(context.DeadlineExceeded)
		if _, err := a.Empty(ctx, messages); !push.Is(err, push.KindStoreUnavailable) {
			t.Error(err)
		}
	})
}

func TestSkew(t *testing.T) {
	at := time.Unix(1000, 500_000)
	for _, tt := range []struct {
		server time.Time
		want   time.Duration
	}{
		{time.UnixMilli(1_000_000), 0}, // the same millisecond
		{time.UnixMilli(1_000_005), 0},
		{time.UnixMilli(1_000_020), 20*time.Millisecond - 10*time.Millisecond - 500*time.Microsecond},
		{time.UnixMilli(999_000), -time.Second - 500*time.Microsecond},
	} {
		p := Probe{Sent: at, Back: at.Add(10 * time.Millisecond), Server: tt.server}
		if got := p.Skew(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.server, got, tt.want)
		}
	}
}
