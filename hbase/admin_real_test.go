package hbase

import (
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	a := realAdmin(t)
	ctx := t.Context()
	c, err := a.Cluster(ctx)
	t.Logf("%+v %v", c, err)
	tab := TableName{"schema_smoke", "t"}
	t.Log(a.NamespaceExists(ctx, tab.Namespace))
	t.Log(a.State(ctx, tab))
	t.Log(a.Describe(ctx, tab))
	t.Log(a.CreateNamespace(ctx, tab.Namespace, nil))
	t.Log(a.CreateNamespace(ctx, tab.Namespace, nil))
	d := NewDescriptor(tab)
	d.SetFamilyAttribute("m", "VERSIONS", "1")
	d.SetFamilyAttribute("m", "TTL", "2147483647")
	SetMark(d, Mark{1, 1})
	t.Log(a.CreateTable(ctx, d, [][]byte{{0x40}}, func(d time.Duration) { t.Log(d) }))
	t.Log(a.CreateTable(ctx, d, [][]byte{{0x40}}, nil))
	d, err = a.Describe(ctx, tab)
	t.Log(err, d.Attributes(), d.Families())
	t.Log(a.State(ctx, tab))
	t.Log(a.Regions(ctx, tab))
	t.Log(a.ReadMark(ctx, tab))
	t.Log(a.WriteMark(ctx, tab, Mark{1, 1}))
	t.Log(a.ReadMark(ctx, tab))
	t.Log(a.Empty(ctx, tab))
	t.Log(a.ProbeWrite(ctx, tab))
	target := Target{Table: tab, ZooKeeper: []string{"z"}}
	t.Log(CheckSchema(ctx, a.rows, target))
	d.SetAttribute("READONLY", "true")
	t.Log(a.ModifyTable(ctx, d, func(d time.Duration) { t.Log(d) }))
	t.Log(a.WriteMark(ctx, tab, Mark{1, 1}))
	t.Log(a.DeleteNamespace(ctx, tab.Namespace, nil))
	t.Log(a.dropTable(ctx, tab))
	t.Log(CheckSchema(ctx, a.rows, target))
	t.Log(a.State(ctx, tab))
	t.Log(a.DeleteNamespace(ctx, tab.Namespace, nil))
	t.Log(a.DeleteNamespace(ctx, tab.Namespace, nil))
	for _, c := range []string{"NONE", "GZ", "SNAPPY", "ZSTD", "LZ4", "LZO", "BOGUS"} {
		p, err := a.ProveCompression(ctx, c, 20*time.Second, nil)
		t.Log(c, p, err)
	}
	t.Log(a.Tables(ctx, "default"))
}
