package rpc

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"gopush/internal/kept"
	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

var update = flag.Bool("update", false, "add what is sent now to the bytes that are kept")

// samples are messages of each kind that goes over the wire, with everything in them.
func samples() map[string]proto.Message {
	failed := &pb.Error{Kind: string(push.KindBusy), Detail: "full", RetryAfterNs: 1_000_000_000}
	msg := func(id int64) *pb.Msg {
		return &pb.Msg{
			Id: id, Prev: 16, ExpiresAt: 1767225600000, Body: []byte(`{"n":1}`), IdempotencyKey: []byte("retry-1"), Transient: true, Recalled: true,
		}
	}
	trace := []byte("trace-1")
	fence := &pb.Fence{Group: []byte("node1"), Epoch: 3}
	return map[string]proto.Message{
		"push-frame": &pb.PushFrame{Items: []*pb.PushItem{{
			Tag: 1, TimeoutMs: 5000, Key: []byte("phone-1"), Body: []byte(`{"n":1}`), ExpiresAt: 1767225600000, Transient: true,
			IdempotencyKey: []byte("retry-1"), RequestId: []byte("request-1"), Trace: trace,
		}}},
		"push-answers": &pb.PushAnswers{Items: []*pb.PushAnswer{{Tag: 1, Error: failed, Id: 32, Duplicate: true}}, Draining: true},
		"save-frame": &pb.SaveFrame{Items: []*pb.SaveItem{{
			Tag: 1, TimeoutMs: 2000, Key: []byte("phone-1"), Prev: 16, Messages: []*pb.Msg{msg(32), msg(48)},
			Group: []byte("node1"), Epoch: 3, RequestIds: [][]byte{[]byte("request-1"), []byte("request-2")}, Trace: trace,
		}}},
		"save-answers": &pb.SaveAnswers{Items: []*pb.SaveAnswer{{
			Tag: 1, Error: failed, Prev: 16, Status: []uint32{1, 2}, Ids: []int64{32, 16},
		}}, Draining: true},
		"read-frame": &pb.ReadFrame{Items: []*pb.ReadItem{{
			Tag: 1, TimeoutMs: 2000, Key: []byte("phone-1"), What: 1, After: 16, Until: 64, Limit: 100, Bytes: 1 << 20, Newest: 10, Trace: trace,
		}}},
		"read-answers": &pb.ReadAnswers{Items: []*pb.ReadAnswer{{
			Tag: 1, Error: failed, Next: 48, More: true, Gaps: []*pb.Gap{{After: 16, Until: 32, Reason: []byte("expired")}},
			Ids: []int64{48}, Prevs: []int64{32}, ExpiresAt: []int64{1767225600000}, Sizes: []uint32{7}, Bodies: []byte(`{"n":1}`),
			Flags: []uint32{2}, KeySizes: []uint32{7}, IdempotencyKeys: []byte("retry-1"),
		}}, Draining: true},
		"recall-request":   &pb.RecallRequest{Key: []byte("phone-1"), Id: 32, Fence: fence},
		"delete-request":   &pb.DeleteRequest{Key: []byte("phone-1"), UpTo: 32, Fence: fence},
		"describe-request": &pb.DescribeRequest{Key: []byte("phone-1"), About: 32},
		"describe-reply": &pb.DescribeReply{
			Group: []byte("node1"), Connections: 6, Newest: 32, Epoch: 3, Floor: 16, Behind: 1, Before: 1, At: 2, Past: 3, Cursors: []int64{16, 32},
		},
		"time-reply":  &pb.TimeReply{Id: 32},
		"event-frame": &pb.EventFrame{Events: []*pb.Event{{Kind: uint32(EventMessage), Message: msg(32), Id: 32, Trace: trace}}},
		"status-reply": &pb.StatusReply{Version: []byte("v1"), Connections: 2, InFlight: 3, Counts: &pb.Counts{
			Pushes: 1, Deliveries: 2, Behind: 3, Saves: 4, SavesNs: 5, Reads: 6, ReadsNs: 7,
		}},
		"top-request":   &pb.TopRequest{Limit: 20},
		"top-reply":     &pb.TopReply{Keys: []*pb.BusyKey{{Key: []byte("phone-1"), Least: 1.5, Most: 2.5, Connections: 4}}},
		"fence-request": &pb.FenceRequest{Fence: fence},
	}
}

// What has ever been sent is understood for ever: every field that was known is known, under its
// name and with its type. Each field has to be in a sample, so that a new one adds a file.
//
// Broken once by another value in a sample, by another byte in a file, and by a field that no
// sample has.
func TestKeptMessages(t *testing.T) {
	all := samples()
	for name, m := range all {
		kind := m.ProtoReflect().Type()
		t.Run(name, func(t *testing.T) {
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			means, err := meaning(m.ProtoReflect())
			if err != nil {
				t.Fatal(err)
			}
			today := kept.Sample{Bytes: kept.Lines(hex.EncodeToString(b)), Means: means}
			kept.Check(t, "testdata/kept", name, *update, today, func(bytes string) (string, error) {
				b, err := hex.DecodeString(strings.TrimSpace(bytes))
				if err != nil {
					return "", err
				}
				again := kind.New()
				if err := proto.Unmarshal(b, again.Interface()); err != nil {
					return "", err
				}
				return meaning(again)
			})
		})
	}
	for missing := range unset(all) {
		t.Errorf("no sample has %s: give it to one, so that its bytes are kept", missing)
	}
}

// meaning is a line for each field that is set, in the order of their names.
func meaning(m protoreflect.Message) (string, error) {
	var lines []string
	var errs []error
	var walk func(at string, m protoreflect.Message)
	walk = func(at string, m protoreflect.Message) {
		if n := len(m.GetUnknown()); n > 0 {
			errs = append(errs, fmt.Errorf("%s holds %d bytes of fields that are not known", at, n))
		}
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			name := at + string(f.Name())
			switch {
			case f.IsList() && f.Message() != nil:
				for i := range v.List().Len() {
					walk(fmt.Sprintf("%s %d ", name, i), v.List().Get(i).Message())
				}
			case f.IsList():
				for i := range v.List().Len() {
					lines = append(lines, fmt.Sprintf("%s %d = %s", name, i, text(v.List().Get(i))))
				}
			case f.Message() != nil:
				walk(name+" ", v.Message())
			default:
				lines = append(lines, fmt.Sprintf("%s = %s", name, text(v)))
			}
			return true
		})
	}
	walk("", m)
	slices.Sort(lines)
	return kept.Lines(lines...), errors.Join(errs...)
}

func text(v protoreflect.Value) string {
	if b, ok := v.Interface().([]byte); ok {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%v", v.Interface())
}

// unset are the fields of the contract that are in none of the messages.
func unset(all map[string]proto.Message) map[protoreflect.FullName]bool {
	missing := make(map[protoreflect.FullName]bool)
	for i := range pb.File_gopush_proto.Messages().Len() {
		fields := pb.File_gopush_proto.Messages().Get(i).Fields()
		for k := range fields.Len() {
			missing[fields.Get(k).FullName()] = true
		}
	}
	var walk func(m protoreflect.Message)
	walk = func(m protoreflect.Message) {
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			delete(missing, f.FullName())
			switch {
			case f.Message() == nil:
			case f.IsList():
				for i := range v.List().Len() {
					walk(v.List().Get(i).Message())
				}
			default:
				walk(v.Message())
			}
			return true
		})
	}
	for _, m := range all {
		walk(m.ProtoReflect())
	}
	return missing
}
