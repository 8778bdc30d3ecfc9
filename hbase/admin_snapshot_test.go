package hbase

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/proto"

	"gopush/internal/push"
)

// TestTakeSnapshot: a master that takes snapshots as procedures is asked for the
// procedure, any other for the snapshot.
//
// Broken once by reading the procedure's number where other answers have it.
func TestTakeSnapshot(t *testing.T) {
	for name, asked := range map[string][]string{
		"procedure": {"Snapshot", "getProcedureResult"},
		"polled":    {"Snapshot", "IsSnapshotDone", "IsSnapshotDone", "IsSnapshotDone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &fakeMaster{}
				m.on("Snapshot", func(request proto.Message) (proto.Message, error) {
					asked, _ := request.(*pb.SnapshotRequest)
					s := asked.GetSnapshot()
					if s.GetName() != "s" || s.GetTable() != "gopush:messages" || s.GetType() != pb.SnapshotDescription_FLUSH {
						t.Error(s)
					}
					answer := &pb.SnapshotResponse{ExpectedTimeout: proto.Int64(1)}
					if name == "procedure" {
						answer.ProtoReflect().SetUnknown(numberField(2, 7))
					}
					return answer, nil
				})
				polls := 0
				m.on("IsSnapshotDone", func(proto.Message) (proto.Message, error) {
					polls++
					return &pb.IsSnapshotDoneResponse{Done: new(polls == 3)}, nil
				})
				m.on("getProcedureResult", always(&pb.GetProcedureResultResponse{State: pb.GetProcedureResultResponse_FINISHED.Enum()}, nil))
				if err := fakeAdmin(m, nil, nil).TakeSnapshot(t.Context(), "s", messages, nil); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(asked, m.asked); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestTakeSnapshotEnds: a name that is taken is told apart, and so is a master
// that does not come to an end.
func TestTakeSnapshotEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMaster{}
		a := fakeAdmin(m, nil, nil)
		m.on("Snapshot", always(nil, java(classSnapshotExists, "s")))
		if err := a.TakeSnapshot(t.Context(), "s", messages, nil); !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "a snapshot s already") {
			t.Error(err)
		}
		m.on("Snapshot", always(nil, nil))
		m.on("IsSnapshotDone", always(nil, java("a.Failed", "no server")))
		if e, ok := errors.AsType[*JavaError](a.TakeSnapshot(t.Context(), "s", messages, nil)); !ok || e.Message != "no server" {
			t.Error(e)
		}
		m.on("IsSnapshotDone", always(nil, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.TakeSnapshot(ctx, "s", messages, nil); !push.Is(err, push.KindOutcomeUnknown) || strings.Contains(err.Error(), "procedure") {
			t.Error(err)
		}
	})
}

func TestSnapshotName(t *testing.T) {
	for _, good := range []string{"a", "gopush.messages-20261127T120000.000Z", "_", "9"} {
		if err := CheckSnapshotName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-a", ".a", "a b", "a:b", "a/b", "ü"} {
		if CheckSnapshotName(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

// TestRealSnapshotLife: in a table that comes from a snapshot every cell ends when it would
// have ended, and what was hidden by a later cell stays so.
//
// Broken once by giving cells no end.
func TestRealSnapshotLife(t *testing.T) {
	a, target := realTarget(t)
	ctx := within(t)
	realMessages(t, a, target.Table)
	cfg := Config{ZooKeeper: strings.Join(target.ZooKeeper, ","), Table: target.Table.String(), Keep: 8 * time.Second, IdempotencyLife: time.Second}
	store, err := Open(cfg, quiet, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now()
	id := push.IDAt(now)
	write := func(key push.Key, life time.Duration) push.Write {
		return push.Write{Key: key, Messages: []push.Message{{ID: id, Body: []byte("1"), ExpiresAt: now.Add(life).UnixMilli()}}}
	}
	if err := errors.Join(store.Save(ctx, []push.Write{write("short", time.Second), write("long", time.Hour), write("gone", time.Hour)})...); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "gone", id); err != nil {
		t.Fatal(err)
	}
	name := target.Table.Namespace
	if err := a.TakeSnapshot(ctx, name, target.Table, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.dropTable(ctx, target.Table); err != nil {
		t.Fatal(err)
	}
	if err := a.RestoreSnapshot(ctx, name, target.Table, nil); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[push.Key]int{"short": 0, "long": 1, "gone": 0} {
		page, err := store.Read(ctx, key, push.Span{Until: id, Limit: 10})
		if err != nil || len(page.Messages) != want && (key != "short" || time.Since(now) > time.Second) {
			t.Errorf("%s: %+v, %v", key, page, err)
		}
	}
	// HBase itself drops the cell a quarter of Keep after Keep.
	for ctx.Err() == nil {
		var rows []string
		err := a.rows.scan(ctx, target.Table.String(), []byte("a"), nil, map[string][]string{SchemaFamily: nil}, func(r *hrpc.Result) bool {
			key, _, _ := strings.Cut(string(r.Cells[0].Row), "\x00")
			rows = append(rows, key)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(rows, []string{"gone", "gone", "long"}) {
			break
		}
		_ = pause(ctx, 100*time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("the cell of a message that is over does not end")
	}
	if err := a.DeleteSnapshot(ctx, Snapshot{Name: name, Table: target.Table}); err != nil {
		t.Error(err)
	}
	if err := a.DeleteSnapshot(ctx, Snapshot{Name: name, Table: target.Table}); err != nil {
		t.Error("once more:", err)
	}
}
