package hbase

import (
	"context"
	"fmt"
	"time"

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
	return a.forceAssign(ctx, d.Table(), opening)
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
	request, err := messageField(table.pb())
	if err != nil {
		return err
	}
	request = append(request, bytesField(2, numberField(1, uint64(state-TableEnabled)))...)
	_, err = a.askOf(ctx, a.hbck, "SetTableStateInMeta", unlisted(request), unlisted(nil))
	return err
}

// opening is what a server gets for opening a probe's regions before it is taken
// to have them open already.
const opening = 15 * time.Second

// forceAssign has all regions of a table opened, whatever was tried before, and
// waits for that.
//
// An attempt that bypass ended may have reached a server, which opens the region
// once its description allows it. The master takes no notice of that, and the
// server none of being told to open what it has open: whoever waits for the
// second attempt waits for ever. Such a region is closed instead, which is just
// as good for a table that will be dropped.
func (a *Admin) forceAssign(ctx context.Context, table TableName, patience time.Duration) error {
	var regions [][]byte
	if err := a.eachRegion(ctx, table, func(name []byte, _ string) { regions = append(regions, name) }); err != nil {
		return err
	}
	ids, err := a.transit(ctx, "Assigns", regions)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, id := range ids {
		err := a.wait(limit, nil, "Assigns", id)
		if _, late := procedureIn(err); late && ctx.Err() == nil {
			err = a.forceClose(ctx, regions[i], id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forceClose ends a region's procedure, and has the region closed where it was
// last sent to. A server that is merely slow does no harm: it closes what it
// still opens when it has opened it.
func (a *Admin) forceClose(ctx context.Context, region []byte, id uint64) error {
	if err := a.bypass(ctx, id); err != nil {
		return err
	}
	if err := a.forceOpen(ctx, region); err != nil {
		return err
	}
	ids, err := a.transit(ctx, "Unassigns", [][]byte{region})
	if err != nil {
		return err
	}
	return a.wait(ctx, nil, "Unassigns", ids[0])
}

// transit begins to have regions opened (Assigns) or closed (Unassigns), in the
// place of the procedures that they had. The answer is in the order of the regions.
func (a *Admin) transit(ctx context.Context, name string, regions [][]byte) ([]uint64, error) {
	var request []byte
	for _, r := range regions {
		region, err := messageField(regionSpecifier(r))
		if err != nil {
			return nil, err
		}
		request = append(request, region...)
	}
	request = append(request, numberField(2, 1)...) // override
	msg, err := a.askOf(ctx, a.hbck, name, unlisted(request), unlisted(nil))
	if err != nil {
		return nil, err
	}
	ids := unlistedNumbers(msg.ProtoReflect().GetUnknown(), 1)
	if len(ids) != len(regions) {
		return nil, fmt.Errorf("hbase: %s: the master answers with %d procedures for %d regions", name, len(ids), len(regions))
	}
	return ids, nil
}

// forceOpen says in meta, and to the master, that a region is open on the server
// that it was sent to. Only what counts as open is closed by its server.
func (a *Admin) forceOpen(ctx context.Context, region []byte) error {
	state, err := messageField(regionSpecifier(region))
	if err != nil {
		return err
	}
	state = append(state, numberField(2, uint64(pb.RegionState_OPEN))...)
	_, err = a.askOf(ctx, a.hbck, "SetRegionStateInMeta", unlisted(bytesField(1, state)), unlisted(nil))
	return err
}

func regionSpecifier(name []byte) *pb.RegionSpecifier {
	return &pb.RegionSpecifier{Type: pb.RegionSpecifier_REGION_NAME.Enum(), Value: name}
}

func numberField(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

func bytesField(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}
