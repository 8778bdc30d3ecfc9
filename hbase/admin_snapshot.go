package hbase

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tsuna/gohbase/pb"

	"gopush/internal/push"
)

// Snapshot is a table as it was at one time. HBase keeps it, whatever becomes of
// the table, until it is deleted.
type Snapshot struct {
	Name  string
	Table TableName
	// Taken is when the master began with it, by its clock.
	Taken time.Time
}

// CheckSnapshotName reports whether HBase takes the name.
func CheckSnapshotName(name string) error {
	if name == "" || strings.ContainsAny(name[:1], "-.") ||
		strings.ContainsFunc(name, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("_-.", r) }) {
		return fmt.Errorf("%q is not the name of a snapshot: it must be of the letters a-z and A-Z, digits, '_', '-' and '.', and begin with neither '-' nor '.'", name)
	}
	return nil
}

// Snapshots lists those of all tables, the oldest first.
func (a *Admin) Snapshots(ctx context.Context) ([]Snapshot, error) {
	msg, err := a.ask(ctx, "GetCompletedSnapshots", &pb.GetCompletedSnapshotsRequest{}, &pb.GetCompletedSnapshotsResponse{})
	if err != nil {
		return nil, err
	}
	var all []Snapshot
	if r, ok := msg.(*pb.GetCompletedSnapshotsResponse); ok {
		for _, s := range r.GetSnapshots() {
			all = append(all, Snapshot{s.GetName(), parsedTable(s.GetTable()), time.UnixMilli(s.GetCreationTime())})
		}
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return cmp.Or(a.Taken.Compare(b.Taken), cmp.Compare(a.Name, b.Name)) })
	return all, nil
}

// parsedTable splits a name that HBase has written.
func parsedTable(s string) TableName {
	if namespace, name, ok := strings.Cut(s, ":"); ok {
		return TableName{namespace, name}
	}
	return TableName{defaultNamespace, s}
}

// TakeSnapshot keeps a table, enabled or disabled, as it is now: everything that
// was acknowledged before the call is in it. It goes on serving meanwhile. A
// snapshot of the name is a KindConflict.
func (a *Admin) TakeSnapshot(ctx context.Context, name string, table TableName, tick Tick) error {
	s := describe(name, table)
	msg, err := a.ask(ctx, "Snapshot", &pb.SnapshotRequest{Snapshot: s}, &pb.SnapshotResponse{})
	if refused(err, classSnapshotExists) {
		return push.E(push.KindConflict, "HBase has a snapshot %s already", name)
	}
	if err != nil {
		return err
	}
	// A master that takes snapshots as procedures gives a number; gohbase does
	// not know the field. Others are asked for the snapshot.
	if id, _, ok := unlistedField(msg.ProtoReflect().GetUnknown(), 2); ok && id > 0 {
		return a.wait(ctx, tick, "Snapshot", id)
	}
	return poll(ctx, tick, "Snapshot", 0, func() (bool, error) { return a.taken(ctx, s) })
}

// taken asks once whether the master is done with a snapshot.
func (a *Admin) taken(ctx context.Context, s *pb.SnapshotDescription) (bool, error) {
	msg, err := a.ask(ctx, "IsSnapshotDone", &pb.IsSnapshotDoneRequest{Snapshot: s}, &pb.IsSnapshotDoneResponse{})
	if err != nil {
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // poll says it better
		}
		return false, err
	}
	r, ok := msg.(*pb.IsSnapshotDoneResponse)
	return ok && r.GetDone(), nil
}

// RestoreSnapshot makes the table what the snapshot says: one that is not there
// is made, in a namespace that must be; what is in another, which must be
// disabled, is replaced, and it stays disabled.
func (a *Admin) RestoreSnapshot(ctx context.Context, name string, table TableName, tick Tick) error {
	return a.do(ctx, tick, "RestoreSnapshot",
		&pb.RestoreSnapshotRequest{Snapshot: describe(name, table)}, &pb.RestoreSnapshotResponse{})
}

// DeleteSnapshot is content with one that does not exist.
func (a *Admin) DeleteSnapshot(ctx context.Context, s Snapshot) error {
	_, err := a.ask(ctx, "DeleteSnapshot",
		&pb.DeleteSnapshotRequest{Snapshot: describe(s.Name, s.Table)}, &pb.DeleteSnapshotResponse{})
	if refused(err, classSnapshotNotFound) {
		return nil
	}
	return err
}

func describe(name string, table TableName) *pb.SnapshotDescription {
	return &pb.SnapshotDescription{Name: &name, Table: new(table.String()), Type: pb.SnapshotDescription_FLUSH.Enum()}
}
