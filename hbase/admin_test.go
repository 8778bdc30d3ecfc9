package hbase

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"gopush/internal/push"
)

func TestAdminConfig(t *testing.T) {
	cfg := AdminConfig{ZooKeeper: []string{"a:1"}}
	if err := cfg.validate(); err != nil || cfg.Root != "/hbase" || cfg.RequestTimeout == 0 {
		t.Errorf("%v %+v", err, cfg)
	}
	for _, bad := range []AdminConfig{{}, {ZooKeeper: []string{"a:1"}, RequestTimeout: -1}} {
		if _, err := NewAdmin(bad); err == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestException(t *testing.T) {
	err := remote(java("org.apache.hadoop.hbase.TableExistsException", "ns:t"))
	e, ok := errors.AsType[*JavaError](err)
	if !ok || e.Class != classTableExists || e.Error() != "TableExistsException: ns:t" {
		t.Errorf("%#v", err)
	}
	plain := errors.New("x")
	if remote(plain) != plain {
		t.Error("another error was changed")
	}
	if got := exception("a.B", "").Error(); got != "B" {
		t.Error(got)
	}
}

// TestUnlisted: what the descriptions do not know is written and found.
func TestUnlisted(t *testing.T) {
	b := slices.Concat(numberField(2, 7), bytesField(1, []byte("one")), numberField(3, 1), numberField(3, 300), bytesField(3, []byte{5, 6}))
	if n, _, ok := unlistedField(b, 2); !ok || n != 7 {
		t.Error(n, ok)
	}
	if _, v, ok := unlistedField(b, 1); !ok || string(v) != "one" {
		t.Error(v, ok)
	}
	if _, _, ok := unlistedField(b, 4); ok {
		t.Error("found what is not there")
	}
	if diff := cmp.Diff([]uint64{1, 300, 5, 6}, unlistedNumbers(b, 3)); diff != "" {
		t.Error(diff)
	}
	if id, ok := procedureOf(procedureAnswer(12)); !ok || id != 12 {
		t.Error(id, ok)
	}
	if id, ok := procedureOf(&pb.CreateTableResponse{ProcId: proto.Uint64(13)}); !ok || id != 13 {
		t.Error(id, ok)
	}
	if _, ok := procedureOf(&pb.ModifyTableResponse{}); ok {
		t.Error("a procedure out of nothing")
	}
}

// FuzzUnlisted: bytes of a master that speaks something else are no panic.
func FuzzUnlisted(f *testing.F) {
	f.Add(numberField(1, 1), int32(1))
	f.Add(bytesField(1, numberField(2, 3)), int32(1))
	f.Add([]byte{0x0a, 0xff}, int32(1))
	f.Fuzz(func(t *testing.T, b []byte, number int32) {
		n, v, ok := unlistedField(b, protowire.Number(max(1, number)))
		if !ok && (n != 0 || v != nil) {
			t.Errorf("nothing found, and yet %d %q", n, v)
		}
		unlistedNumbers(b, protowire.Number(max(1, number)))
		stateOf(b)
	})
}

func TestTableName(t *testing.T) {
	for in, want := range map[string]TableName{
		"gopush:messages": {"gopush", "messages"}, "messages": {"default", "messages"}, "default:x": {"default", "x"}, "a_1:b.c-d": {"a_1", "b.c-d"},
	} {
		got, err := ParseTableName(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	if s := (TableName{"default", "x"}).String(); s != "x" {
		t.Error(s)
	}
	for _, bad := range []string{"", ":", "a:", ":b", "a:b:c", "a-b:c", ".a", "-a", "a b", "ü", "hbase:meta", "a\x00"} {
		if _, err := ParseTableName(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

var messages = TableName{"gopush", "messages"}

func TestDescriptor(t *testing.T) {
	d := NewDescriptor(messages)
	d.SetFamilyAttribute("m", "VERSIONS", "3")
	d.SetFamilyAttribute("m", "VERSIONS", "1")
	SetMark(d, Mark{2, 1})
	copied := d.Clone()
	copied.RemoveAttribute("gopush.schema")
	copied.SetFamilyAttribute("n", "TTL", "1")
	if m, err := MarkOf(d); err != nil || m != (Mark{2, 1}) || d.Table() != messages {
		t.Error(m, err, d.Table())
	}
	if _, err := MarkOf(copied); err == nil {
		t.Error("half a mark passes")
	}
	if diff := cmp.Diff(map[string]map[string]string{"m": {"VERSIONS": "1"}}, d.Families()); diff != "" {
		t.Error(diff)
	}
	if m, err := MarkOf(NewDescriptor(messages)); err != nil || m.Version != 0 || d.FamilyAttribute("x", "y") != "" {
		t.Error(m, err)
	}
}

// TestTableRequests: what exists, is missing or is disabled already is no error.
func TestTableRequests(t *testing.T) {
	m := &fakeMaster{}
	a := fakeAdmin(m, nil, nil)
	ctx := t.Context()
	m.on("CreateTable", always(nil, java(classTableExists, "x")))
	if exists, err := a.CreateTable(ctx, NewDescriptor(messages), nil, nil); !exists || err != nil {
		t.Error(exists, err)
	}
	m.on("CreateNamespace", always(nil, java(classNamespaceExists, "x")))
	m.on("DisableTable", always(nil, java(classTableNotEnabled, "x")))
	m.on("DeleteTable", always(nil, java(classTableNotFound, "x")))
	m.on("DeleteNamespace", always(nil, java(classNamespaceNotFound, "x")))
	if err := errors.Join(a.CreateNamespace(ctx, "n", nil), a.DisableTable(ctx, messages, nil), a.DeleteTable(ctx, messages, nil)); err != nil {
		t.Error(err)
	}
	if kept, err := a.DeleteNamespace(ctx, "n", nil); kept || err != nil {
		t.Error(kept, err)
	}
	m.on("DeleteNamespace", always(nil, java(classConstraint, "not empty")))
	if kept, err := a.DeleteNamespace(ctx, "n", nil); !kept || err != nil {
		t.Error(kept, err)
	}
	m.on("GetNamespaceDescriptor", always(nil, java(classNamespaceNotFound, "n")))
	if is, _, err := a.Namespace(ctx, "n"); is || err != nil {
		t.Error(is, err)
	}
	m.on("GetTableState", always(nil, java(classTableNotFound, "x")))
	if s, err := a.State(ctx, messages); s != TableMissing || err != nil {
		t.Error(s, err)
	}
	m.on("GetTableState", always(unlisted(bytesField(1, numberField(1, 3))), nil))
	if s, err := a.State(ctx, messages); s != TableEnabling || err != nil {
		t.Error(s, err)
	}
	m.on("EnableTable", always(nil, java("x.AccessDeniedException", "no")))
	if err := a.EnableTable(ctx, messages, nil); err == nil || err.Error() != "hbase: EnableTable: AccessDeniedException: no" {
		t.Error(err)
	}
}

// result answers questions for a procedure, each as often as it is given.
func result(states ...*pb.GetProcedureResultResponse) func(proto.Message) (proto.Message, error) {
	return func(proto.Message) (proto.Message, error) {
		r := states[0]
		if len(states) > 1 {
			states = states[1:]
		}
		return r, nil
	}
}

var (
	running  = &pb.GetProcedureResultResponse{State: pb.GetProcedureResultResponse_RUNNING.Enum()}
	finished = &pb.GetProcedureResultResponse{State: pb.GetProcedureResultResponse_FINISHED.Enum()}
)

// TestProcedures: a change is over when its procedure is, with its error; with
// the time over, it is unfinished.
func TestProcedures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMaster{}
		a := fakeAdmin(m, nil, nil)
		m.on("ModifyTable", always(procedureAnswer(7), nil))
		m.on("getProcedureResult", result(running, running, running, finished))
		ticks := 0
		if err := a.ModifyTable(t.Context(), NewDescriptor(messages), func(time.Duration) { ticks++ }); err != nil || ticks != 3 {
			t.Error(err, ticks)
		}
		failed := &pb.GetProcedureResultResponse{State: pb.GetProcedureResultResponse_FINISHED.Enum(), Exception: &pb.ForeignExceptionMessage{
			GenericException: &pb.GenericExceptionMessage{ClassName: new("a.B"), Message: new("no")},
		}}
		m.on("getProcedureResult", result(running, failed))
		if err := a.ModifyTable(t.Context(), NewDescriptor(messages), nil); err == nil || err.Error() != "hbase: ModifyTable: B: no" {
			t.Error(err)
		}
		m.on("getProcedureResult", result(running))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := a.ModifyTable(ctx, NewDescriptor(messages), nil)
		if id, ok := procedureIn(err); !ok || id != 7 || !push.Is(err, push.KindOutcomeUnknown) {
			t.Error(err)
		}
	})
}

func TestCluster(t *testing.T) {
	m := &fakeMaster{}
	name := func(port uint32) *pb.ServerName {
		return &pb.ServerName{HostName: new("h"), Port: new(port)}
	}
	region := func(name string) *pb.RegionLoad {
		return &pb.RegionLoad{RegionSpecifier: &pb.RegionSpecifier{Type: pb.RegionSpecifier_REGION_NAME.Enum(), Value: []byte(name)}}
	}
	m.on("GetClusterStatus", always(&pb.GetClusterStatusResponse{ClusterStatus: &pb.ClusterStatus{
		HbaseVersion: &pb.HBaseVersionFileContent{Version: new("2.6.4")}, Master: name(1), BackupMasters: []*pb.ServerName{name(2)},
		DeadServers: []*pb.ServerName{name(3)},
		LiveServers: []*pb.LiveServerInfo{{Server: name(4), ServerLoad: &pb.ServerLoad{
			InfoServerPort: proto.Uint32(0xffffffff), ReportEndTime: proto.Uint64(1000), RegionLoads: []*pb.RegionLoad{region("hbase:meta,,1"), region("a:b,x,2")},
		}}, {Server: name(5), ServerLoad: &pb.ServerLoad{InfoServerPort: proto.Uint32(16030)}}},
	}}, nil))
	got, err := fakeAdmin(m, nil, nil).Cluster(t.Context())
	want := Cluster{
		Version: "2.6.4", Master: Server{Host: "h", Port: 1}, Backups: 1, Dead: 1, Live: []Server{
			{Host: "h", Port: 4, Reported: time.UnixMilli(1000), Regions: map[string]int{"hbase:meta": 1, "a:b": 1}},
			{Host: "h", Port: 5, InfoPort: 16030, Regions: map[string]int{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// clusterOf is a master with n region servers and no table.
func clusterOf(n int) *fakeMaster {
	m := &fakeMaster{}
	status := &pb.ClusterStatus{}
	for range n {
		status.LiveServers = append(status.LiveServers, &pb.LiveServerInfo{Server: &pb.ServerName{HostName: new("h")}, ServerLoad: &pb.ServerLoad{}})
	}
	m.on("GetClusterStatus", always(&pb.GetClusterStatusResponse{ClusterStatus: status}, nil))
	m.on("GetTableState", always(nil, java(classTableNotFound, "x")))
	return m
}

// TestProofRefused: the master says no, and nothing was created, so nothing is
// removed.
func TestProofRefused(t *testing.T) {
	m := clusterOf(2)
	m.on("CreateTable", always(nil, java("org.apache.hadoop.hbase.DoNotRetryIOException", "no zstd. Set hbase.table.sanity.checks to false at conf or table descriptor if you want to bypass sanity checks")))
	_, err := fakeAdmin(m, nil, newFakeRows()).ProveCompression(t.Context(), "ZSTD", time.Second, nil)
	if !push.Is(err, push.KindConflict) || !strings.HasSuffix(err.Error(), "no zstd.") {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"GetClusterStatus", "CreateTable"}, m.asked); diff != "" {
		t.Error(diff)
	}
	m = clusterOf(0)
	if _, err := fakeAdmin(m, nil, nil).ProveCompression(t.Context(), "GZ", time.Second, nil); !push.Is(err, push.KindStoreUnavailable) {
		t.Error(err)
	}
}

// TestProofStuck: region servers cannot open the table. The dead procedure is
// ended, and the table made openable, before it is dropped.
func TestProofStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, r := clusterOf(2), &fakeMaster{}, newFakeRows()
		var name string
		m.on("CreateTable", func(p proto.Message) (proto.Message, error) {
			if c, ok := p.(*pb.CreateTableRequest); ok {
				name = string(c.GetTableSchema().GetTableName().GetQualifier())
			}
			r.set("hbase:meta", name+",,1.a.", nil)
			r.set("hbase:meta", name+",\x80,1.b.", nil)
			return &pb.CreateTableResponse{ProcId: proto.Uint64(7)}, nil
		})
		// The creation hangs, and so does one of the openings after it.
		m.on("getProcedureResult", func(p proto.Message) (proto.Message, error) {
			if r, ok := p.(*pb.GetProcedureResultRequest); ok && (r.GetProcId() == 7 || r.GetProcId() == 10) {
				return running, nil
			}
			return finished, nil
		})
		m.on("GetTableState", always(unlisted(bytesField(1, numberField(1, 3))), nil))
		compression := ""
		m.on("ModifyTable", func(p proto.Message) (proto.Message, error) {
			if r, ok := p.(*pb.ModifyTableRequest); ok {
				compression = (&Descriptor{r.GetTableSchema()}).FamilyAttribute("m", "COMPRESSION")
			}
			return procedureAnswer(8), nil
		})
		m.on("DisableTable", always(nil, nil))
		m.on("DeleteTable", always(nil, nil))
		h.on("BypassProcedure", always(nil, nil))
		h.on("SetTableStateInMeta", always(nil, nil))
		h.on("Assigns", always(unlisted(slices.Concat(numberField(1, 9), numberField(1, 10))), nil))
		var opened, closed []byte
		h.on("SetRegionStateInMeta", func(p proto.Message) (proto.Message, error) {
			opened = p.ProtoReflect().GetUnknown()
			return nil, nil
		})
		h.on("Unassigns", func(p proto.Message) (proto.Message, error) {
			closed = p.ProtoReflect().GetUnknown()
			return unlisted(numberField(1, 11)), nil
		})
		start := time.Now()
		_, err := fakeAdmin(m, h, r).ProveCompression(t.Context(), "ZSTD", 20*time.Second, nil)
		if !push.Is(err, push.KindConflict) || !strings.Contains(err.Error(), "within 20s not every region server") || strings.Contains(err.Error(), "left over") {
			t.Error(err)
		}
		if took := time.Since(start); took > 40*time.Second || compression != "NONE" {
			t.Error(took, compression)
		}
		if diff := cmp.Diff([]string{
			"BypassProcedure", "SetTableStateInMeta", "SetTableStateInMeta", "Assigns", "BypassProcedure", "SetRegionStateInMeta", "Unassigns",
		}, h.asked); diff != "" {
			t.Error(diff)
		}
		stuck := []byte(name + ",\x80,1.b.")
		if !bytes.Contains(opened, stuck) || !bytes.Contains(closed, stuck) || bytes.Contains(closed, []byte(",,1.a.")) {
			t.Errorf("counts as open: %q; closed: %q", opened, closed)
		}
		if n := len(m.asked); m.asked[n-1] != "DeleteTable" || m.asked[n-2] != "DisableTable" {
			t.Error(m.asked)
		}
		// If even that fails, the person is told what is left.
		h.on("BypassProcedure", always(nil, java("x.UnknownProtocolException", "no HbckService")))
		if _, err := fakeAdmin(m, h, newFakeRows()).ProveCompression(t.Context(), "ZSTD", time.Second, nil); err == nil || !strings.Contains(err.Error(), "is left over") {
			t.Error(err)
		}
	})
}

// TestStaleProbes: only old ones go; a young one may be in use.
func TestStaleProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := clusterOf(1)
		table := func(name string) *pb.TableName {
			return &pb.TableName{Namespace: []byte("default"), Qualifier: []byte(name)}
		}
		m.on("ListTableNamesByNamespace", always(&pb.ListTableNamesByNamespaceResponse{TableName: []*pb.TableName{
			table("gopush-probe-946684800-old"), table("gopush-probe-946690000-new"), table("gopush-probe-x"), table("mine"),
		}}, nil))
		m.on("GetTableState", always(unlisted(bytesField(1, nil)), nil))
		var gone []string
		m.on("DisableTable", always(nil, nil))
		m.on("DeleteTable", func(p proto.Message) (proto.Message, error) {
			if r, ok := p.(*pb.DeleteTableRequest); ok {
				gone = append(gone, string(r.GetTableName().GetQualifier()))
			}
			return nil, nil
		})
		// A bubble begins on 2000-01-01, which is 946684800.
		<-time.After(30 * time.Minute)
		n, err := fakeAdmin(m, nil, nil).DropStaleProbes(t.Context())
		if err != nil || n != 1 || len(gone) != 1 || gone[0] != "gopush-probe-946684800-old" {
			t.Error(n, err, gone)
		}
	})
}

func TestEvenSplits(t *testing.T) {
	if diff := cmp.Diff([][]byte{{64}, {128}, {192}}, evenSplits(4)); diff != "" || evenSplits(1) != nil || len(evenSplits(1000)) != 255 {
		t.Error(diff, evenSplits(1), len(evenSplits(1000)))
	}
}
