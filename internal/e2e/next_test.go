package e2e

import "testing"

// nextEdits make a later version of the product, together with the files in testdata/next:
// one that has grown everywhere where it may. Each message between roles has a field more,
// there are another verb and another kind of event, envelopes have an extension and a flag,
// records in ZooKeeper have a field, and clients are sent a frame that they do not know.
var nextEdits = []edit{
	{"internal/rpc/comet_server.go", "pb.RegisterCometServer(s, c)", "s.RegisterService(withNext(pb.Comet_ServiceDesc), c)"},
	{"internal/rpc/message_server.go", "pb.RegisterMessageServer(s, m)", "s.RegisterService(withNext(pb.Message_ServiceDesc), m)"},
	{"internal/rpc/client.go", "\ta, err := call(ctx, grpc.Peer(&to))", "\taskNext(ctx, r, v)\n\ta, err := call(ctx, grpc.Peer(&to))"},
	{"message/envelope.go", "dst = append(dst, envelopeVersion, 0)", "dst = append(dst, envelopeVersion, nextFlags)"},
	{"message/envelope.go", "dst = append(dst, m.IdempotencyKey...)", "dst = append(append(dst, m.IdempotencyKey...), nextExtension()...)"},
	{"message/envelope.go", "return envelopeHead + len(m.IdempotencyKey) +", "return envelopeHead + len(m.IdempotencyKey) + len(nextExtension()) +"},
	{"message/envelope.go", "body, err = behindExtensions(", "meetEnvelope(b[1])\n\tbody, err = behindExtensions("},
	{"internal/coord/zk/record.go", "\t\tpanic(err)\n\t}\n\treturn b\n", "\t\tpanic(err)\n\t}\n\treturn withNext(b)\n"},
	{"internal/coord/zk/record.go", "\treturn json.Unmarshal(b, record)", "\tmeetRecord(b)\n\treturn json.Unmarshal(b, record)"},
	{"comet/v2.go", "first := []*event{{kind: evRaw, raw: textFrame(json)}}", "first := []*event{{kind: evRaw, raw: textFrame(json)}, nextEvent(s.form)}"},
}

// buildNext builds the later version.
func buildNext(t *testing.T) string {
	t.Helper()
	return variant{dir: "next", edits: nextEdits, packages: []string{"internal/rpc", "message", "comet", "internal/coord/zk"}}.build(t)
}
