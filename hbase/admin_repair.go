package hbase

import (
	"context"

	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/encoding/protowire"
)

// The master's service for repairs, which HBCK2 uses, is what can end a
// procedure that HBase would go on with for ever. Here it is used on probe
// tables alone.

// unstick makes a table serve whose creation hangs because no server can open
// its regions; after that it can be dropped like any other. The dead procedure
// must go first. The description can be changed only while the table counts as
// disabled, and regions are assigned only while it counts as enabled.
func (a *Admin) unstick(ctx context.Context, d *Descriptor, id uint64) error {
	if err := a.bypass(ctx, id); err != nil {
		return err
	}
	if err := a.forceState(ctx, d.Table(), TableDisabled); err != nil {
		return err
	}
	plain := d.Clone()
	plain.SetFamilyAttribute(SchemaFamily, "COMPRESSION", "NONE")
	if err := a.ModifyTable(ctx, plain, nil); err != nil {
		return err
	}
	if err := a.forceState(ctx, d.Table(), TableEnabled); err != nil {
		return err
	}
	return a.forceAssign(ctx, d.Table())
}

// bypass ends a procedure and those that it waits for, wherever they are.
func (a *Admin) bypass(ctx context.Context, id uint64) error {
	const milliseconds = 1000 // to wait for its lock
	b := numberField(1, id)
	b = append(b, numberField(2, milliseconds)...)
	b = append(b, numberField(3, 1)...) // even if it runs
	b = append(b, numberField(4, 1)...) // its children, too
	_, err := a.askOf(ctx, a.hbck, "BypassProcedure", unlisted(b), unlisted(nil))
	return err
}

// forceState says in meta which state a table has.
func (a *Admin) forceState(ctx context.Context, table TableName, state TableState) error {
	request, err := messageField(1, table.pb())
	if err != nil {
		return err
	}
	request = append(request, bytesField(2, numberField(1, uint64(state-TableEnabled)))...)
	_, err = a.askOf(ctx, a.hbck, "SetTableStateInMeta", unlisted(request), unlisted(nil))
	return err
}

// forceAssign has all regions of a table opened, whatever was tried before, and
// waits for that.
func (a *Admin) forceAssign(ctx context.Context, table TableName) error {
	var request []byte
	err := a.eachRegion(ctx, table, func(name []byte, _ string) {
		region, err := messageField(1, &pb.RegionSpecifier{Type: pb.RegionSpecifier_REGION_NAME.Enum(), Value: name})
		if err == nil { // a message of plain fields can be written
			request = append(request, region...)
		}
	})
	if err != nil {
		return err
	}
	request = append(request, numberField(2, 1)...) // override
	msg, err := a.askOf(ctx, a.hbck, "Assigns", unlisted(request), unlisted(nil))
	if err != nil {
		return err
	}
	for _, id := range unlistedNumbers(msg.ProtoReflect().GetUnknown(), 1) {
		if err := a.wait(ctx, nil, "Assigns", id); err != nil {
			return err
		}
	}
	return nil
}

func numberField(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

func bytesField(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}
