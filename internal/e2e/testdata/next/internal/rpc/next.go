package rpc

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"gopush/internal/rpc/pb"
)

// A later version of the contract: each message has a field more, there are a verb and a
// kind of event more, and what peers are met is written to standard error, each once.

var met sync.Map // texts

func meet(format string, args ...any) {
	text := fmt.Sprintf("next: "+format+"\n", args...)
	if _, known := met.LoadOrStore(text, true); !known {
		_, _ = os.Stderr.WriteString(text)
	}
}

// The additional field, which no message of the contract has.
const nextField = 999

var nextBytes = protowire.AppendString(protowire.AppendTag(nil, nextField, protowire.BytesType), "of the next version")

// nextCodec is what all clients and servers of the process encode with.
type nextCodec struct{ encoding.CodecV2 }

func init() { encoding.RegisterCodecV2(nextCodec{encoding.GetCodecV2("proto")}) }

func (c nextCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	m = proto.Clone(m)
	if frame, ok := m.(*pb.EventFrame); ok {
		frame.Events = slices.Insert(frame.Events, 0, &pb.Event{Kind: 99, Id: 1})
	}
	extend(m.ProtoReflect())
	return c.CodecV2.Marshal(m)
}

// extend gives m and everything in it the additional field.
func extend(m protoreflect.Message) {
	m.SetUnknown(append(m.GetUnknown(), nextBytes...))
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				extend(v.List().Get(i).Message())
			}
		default:
			extend(v.Message())
		}
		return true
	})
}

func (c nextCodec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	if m, ok := v.(proto.Message); ok && err == nil {
		meet("received %s, %s", m.ProtoReflect().Descriptor().Name(), origin(len(m.ProtoReflect().GetUnknown()) > 0))
	}
	return err
}

func origin(next bool) string {
	if next {
		return "new"
	}
	return "old"
}

// withNext is a service with the additional verb.
func withNext(desc grpc.ServiceDesc) *grpc.ServiceDesc {
	desc.Methods = append(slices.Clone(desc.Methods), grpc.MethodDesc{
		MethodName: "Next",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			return &pb.StatusReply{}, decode(&pb.StatusRequest{})
		},
	})
	return &desc
}

// askNext makes the additional call. Peers that do not know it are asked as ever.
func askNext(ctx context.Context, r *remote, v verb) {
	service := pb.Comet_ServiceDesc.ServiceName
	if v.peer == messageRead.peer {
		service = pb.Message_ServiceDesc.ServiceName
	}
	err := r.conn.Invoke(ctx, "/"+service+"/Next", &pb.StatusRequest{}, &pb.StatusReply{})
	if err == nil || status.Code(err) == codes.Unimplemented {
		meet("asked %s for the new verb, %s", v.peer, origin(err == nil))
	}
}
