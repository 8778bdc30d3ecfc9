package hbase

import (
	"testing"
	"time"
)

func TestDbgFix(t *testing.T) {
	a := realAdmin(t)
	ctx := t.Context()
	all, _ := a.Tables(ctx, "default")
	for _, tab := range all {
		d, err := a.Describe(ctx, tab)
		t.Log(tab, d, err)
		t.Log(a.State(ctx, tab))
		plain := d.Clone()
		plain.SetFamilyAttribute(SchemaFamily, "COMPRESSION", "NONE")
		t.Log(a.ModifyTable(ctx, plain, nil))
		t.Log(a.forceState(ctx, tab, TableEnabled))
		t.Log(a.forceAssign(ctx, tab))
		t.Log(a.dropTable(ctx, tab))
	}
}

func TestDbgStuck(t *testing.T) {
	a := realAdmin(t)
	ctx := t.Context()
	p, err := a.proveCompression(ctx, "ZSTD", 10*time.Second, nil, func(d *Descriptor) { d.SetAttribute("hbase.master.check.compression", "false") })
	t.Log(p, err)
	t.Log(a.Tables(ctx, "default"))
	t.Log(a.Cluster(ctx))
}
