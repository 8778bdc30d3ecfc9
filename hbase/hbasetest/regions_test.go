package hbasetest

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/proto"
)

// encoded is a message as HBase keeps it in ZooKeeper.
func encoded(t *testing.T, msg proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	const writer = "master:16000"
	data := binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(writer)))
	return append(append(data, writer+magic...), body...)
}

func serverName(host string, port uint32, code uint64) *pb.ServerName {
	return &pb.ServerName{HostName: &host, Port: &port, StartCode: &code}
}

func TestUnwrap(t *testing.T) {
	data := encoded(t, &pb.Master{Master: serverName("h", 7, 9)})
	var got pb.Master
	if err := unwrap(data, &got); err != nil {
		t.Fatal(err)
	}
	if s := serverOf(got.GetMaster()); s != (Server{"h:7", 9}) {
		t.Errorf("the master is %s", s)
	}
	for n := range len(data) - 1 {
		if n == len("\xff....master:16000"+magic) {
			continue // an empty message: what it lacks is not for this to judge
		}
		if err := unwrap(data[:n], new(pb.MetaRegionServer)); err == nil {
			t.Errorf("the first %d bytes of %q count as a message", n, data)
		}
	}
	long := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff}, data...)
	if err := unwrap(long, &got); err == nil {
		t.Error("a header that is longer than everything counts")
	}
}

func cell(qualifier string, value []byte) *pb.Cell {
	return &pb.Cell{Qualifier: []byte(qualifier), Value: value}
}

// regionInfo is the description of a region in hbase:meta.
func regionInfo(t *testing.T, namespace, table string, split bool) []byte {
	t.Helper()
	body, err := proto.Marshal(&pb.RegionInfo{
		RegionId:  new(uint64),
		TableName: &pb.TableName{Namespace: []byte(namespace), Qualifier: []byte(table)},
		StartKey:  []byte("b"), EndKey: []byte("d"), Split: &split,
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(magic), body...)
}

func TestParseRegion(t *testing.T) {
	where := []*pb.Cell{
		cell("server", []byte("h:7")), cell("serverstartcode", binary.BigEndian.AppendUint64(nil, 9)), cell("state", []byte("OPEN")),
	}
	want := Region{Table: "t", Start: []byte("b"), End: []byte("d"), State: "OPEN", Server: Server{"h:7", 9}}
	for name, table := range map[string]string{"default": "t", "ns": "ns:t"} {
		want.Table = table
		got, err := parseRegion(append(where, cell("regioninfo", regionInfo(t, name, "t", false))))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("namespace %s (-want +got):\n%s", name, diff)
		}
	}
	for name, cells := range map[string][]*pb.Cell{"split": {cell("regioninfo", regionInfo(t, "default", "t", true))}, "of no region": where} {
		if got, err := parseRegion(cells); got != nil || err != nil {
			t.Errorf("a row that is %s: %+v (%v)", name, got, err)
		}
	}
	for _, bad := range []string{"", "PBU", magic + "\xff\xff"} {
		if _, err := parseRegion([]*pb.Cell{cell("regioninfo", []byte(bad))}); err == nil {
			t.Errorf("%q counts as a description", bad)
		}
	}
}

func TestFind(t *testing.T) {
	list := []Region{
		{Table: "other", State: "other"},
		{Table: "t", End: []byte("b"), State: "first"},
		{Table: "t", Start: []byte("b"), End: []byte("d"), State: "second"},
		{Table: "t", Start: []byte("d"), State: "third"},
	}
	for row, want := range map[string]string{"": "first", "a": "first", "b": "second", "czz": "second", "d": "third", "\xff": "third"} {
		if r, err := find(list, "t", []byte(row)); err != nil || r.State != want {
			t.Errorf("row %q is in %+v (%v), want the %s", row, r, err, want)
		}
	}
	if _, err := find(list[:3], "t", []byte("d")); err == nil || !strings.Contains(err.Error(), `"d"`) {
		t.Errorf("a row in no region: %v", err)
	}
}

func TestAllOpen(t *testing.T) {
	here, gone := Server{"h:7", 9}, Server{"h:7", 8}
	for want, r := range map[string]Region{
		"":                {Table: "t", State: "OPEN", Server: here},
		"OPEN on h:7":     {Table: "t", State: "OPEN", Server: gone},
		"OPENING on h:7":  {Table: "t", State: "OPENING", Server: here},
		"region of other": {Table: "other", Server: here},
	} {
		err := allOpen([]Region{{Table: "t", State: "OPEN", Server: here}, r}, []Server{here})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if err := allOpen([]Region{{Table: "t", State: "CLOSED", Server: gone}}, []Server{here}); err != nil {
		t.Errorf("a disabled table: %v", err)
	}
}
