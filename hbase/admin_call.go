package hbase

import (
	"context"

	"github.com/tsuna/gohbase/hrpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// masterCall is any request to the master: gohbase has calls for a few only, and
// its CreateTable knows neither namespaces nor all attributes.
type masterCall struct {
	ctx      context.Context // of this one call, as hrpc.Call wants it
	name     string
	request  proto.Message
	response proto.Message // an empty one of the type
	result   chan hrpc.RPCResult
	region   hrpc.RegionInfo
}

func newMasterCall(ctx context.Context, name string, request, response proto.Message) *masterCall {
	return &masterCall{
		ctx: ctx, name: name, request: request, response: response,
		// With room for the result, so that an answer to nobody blocks no reader.
		result: make(chan hrpc.RPCResult, 1),
	}
}

var _ hrpc.Call = (*masterCall)(nil)

func (c *masterCall) Table() []byte                   { return nil }
func (c *masterCall) Key() []byte                     { return nil }
func (c *masterCall) Name() string                    { return c.name }
func (c *masterCall) Description() string             { return c.name }
func (c *masterCall) Context() context.Context        { return c.ctx }
func (c *masterCall) Region() hrpc.RegionInfo         { return c.region }
func (c *masterCall) SetRegion(r hrpc.RegionInfo)     { c.region = r }
func (c *masterCall) ToProto() proto.Message          { return c.request }
func (c *masterCall) NewResponse() proto.Message      { return c.response.ProtoReflect().New().Interface() }
func (c *masterCall) ResultChan() chan hrpc.RPCResult { return c.result }

// HBase has messages and fields that gohbase's descriptions, which are older, do
// not have. They are written and read as what the description does not know.

// unlisted is a message that consists of such fields alone.
func unlisted(fields []byte) proto.Message {
	m := new(emptypb.Empty)
	m.ProtoReflect().SetUnknown(fields)
	return m
}

// messageField is a field of number 1 that holds a message.
func messageField(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return bytesField(1, b), nil
}

// unlistedField looks one up; a number is returned as itself, bytes as they are.
func unlistedField(b []byte, number protowire.Number) (n uint64, value []byte, ok bool) {
	for len(b) > 0 {
		num, typ, head := protowire.ConsumeTag(b)
		if head < 0 {
			return 0, nil, false
		}
		size := protowire.ConsumeFieldValue(num, typ, b[head:])
		if size < 0 {
			return 0, nil, false
		}
		field := b[head : head+size]
		switch {
		case num == number && typ == protowire.VarintType:
			n, _ = protowire.ConsumeVarint(field)
			return n, nil, true
		case num == number && typ == protowire.BytesType:
			value, _ = protowire.ConsumeBytes(field)
			return 0, value, true
		}
		b = b[head+size:]
	}
	return 0, nil, false
}

// unlistedNumbers are those of a field that is repeated, packed or not.
func unlistedNumbers(b []byte, number protowire.Number) (all []uint64) {
	for len(b) > 0 {
		num, typ, head := protowire.ConsumeTag(b)
		if head < 0 {
			return all
		}
		size := protowire.ConsumeFieldValue(num, typ, b[head:])
		if size < 0 {
			return all
		}
		if num == number {
			field := b[head : head+size]
			if typ == protowire.BytesType {
				field, _ = protowire.ConsumeBytes(field)
			}
			for len(field) > 0 {
				n, used := protowire.ConsumeVarint(field)
				if used < 0 {
					return all
				}
				all, field = append(all, n), field[used:]
			}
		}
		b = b[head+size:]
	}
	return all
}

// procedureOf finds the number of the procedure that an answer promises. Where
// the description has no such field it is the first one that it does not know.
func procedureOf(response proto.Message) (uint64, bool) {
	if r, ok := response.(interface{ GetProcId() uint64 }); ok {
		return r.GetProcId(), r.GetProcId() > 0
	}
	n, _, ok := unlistedField(response.ProtoReflect().GetUnknown(), 1)
	return n, ok && n > 0
}
