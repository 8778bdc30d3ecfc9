package rpc

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// over sends in through its bytes, as the wire does.
func over[M proto.Message](tb rapid.TB, in, out M) M {
	tb.Helper()
	b, err := proto.Marshal(in)
	if err != nil {
		tb.Fatalf("marshal: %v", err)
	}
	if err := proto.Unmarshal(b, out); err != nil {
		tb.Fatalf("unmarshal: %v", err)
	}
	return out
}

func same(tb rapid.TB, got, want any) {
	tb.Helper()
	if d := cmp.Diff(want, got); d != "" {
		tb.Fatalf("changed on the way (-sent +got):\n%s", d)
	}
}

// Texts are any bytes, as nothing in a frame may depend on valid UTF-8.
var (
	anyText = rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "text")) })
	// anyTrace is one that is carried, or none.
	anyTrace = rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{0, trace.CarriedSize}).Draw(t, "size")
		return string(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "trace"))
	})
	anyID   = rapid.Custom(func(t *rapid.T) push.ID { return push.ID(rapid.Int64().Draw(t, "id")) })
	anyBody = rapid.Custom(func(t *rapid.T) []byte {
		b := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "body")
		if len(b) == 0 {
			return nil // the wire cannot tell, and no one may
		}
		return b
	})
	anyKey = rapid.Custom(func(t *rapid.T) push.Key {
		switch rapid.IntRange(0, 9).Draw(t, "reserved") {
		case 0:
			return push.PublicKey
		case 1:
			return push.RevokedKey
		}
		return push.Key(rapid.StringMatching(`[a-zA-Z0-9äß€😀_ ]{1,60}`).Draw(t, "key"))
	})
	anyMessage = rapid.Custom(func(t *rapid.T) push.Message {
		return push.Message{
			ID: anyID.Draw(t, "id"), Prev: anyID.Draw(t, "prev"), ExpiresAt: rapid.Int64().Draw(t, "expires"),
			Body: anyBody.Draw(t, "body"), IdempotencyKey: anyText.Draw(t, "idempotency"),
			Transient: rapid.Bool().Draw(t, "transient"), Recalled: rapid.Bool().Draw(t, "recalled"),
		}
	})
)

func someOf[T any](t *rapid.T, g *rapid.Generator[T], least, most int, name string) []T {
	s := rapid.SliceOfN(g, least, most).Draw(t, name)
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestPushSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := push.Push{
			Key: anyKey.Draw(t, "key"), Body: anyBody.Draw(t, "body"), ExpiresAt: rapid.Int64().Draw(t, "expires"),
			Transient: rapid.Bool().Draw(t, "transient"), IdempotencyKey: anyText.Draw(t, "idempotency"),
			RequestID: anyText.Draw(t, "request"), Trace: anyTrace.Draw(t, "trace"),
		}
		item := pushToPB(&in)
		item.Tag, item.TimeoutMs = math.MaxUint64, math.MaxUint32
		got, err := pushFromPB(over(t, item, new(pb.PushItem)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, in)
		if size := proto.Size(&pb.PushFrame{Items: []*pb.PushItem{item}}); size > pushSize(&in) {
			t.Fatalf("takes %d bytes, counted as %d: frames could grow over the limit", size, pushSize(&in))
		}
	})
}

func TestWriteSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := push.Write{
			Key: anyKey.Draw(t, "key"), Prev: anyID.Draw(t, "prev"), Messages: someOf(t, anyMessage, 1, 5, "messages"),
			Group: anyText.Draw(t, "group"), Epoch: rapid.Int64().Draw(t, "epoch"), Requests: someOf(t, anyText, 0, 5, "requests"),
			Trace: anyTrace.Draw(t, "trace"),
		}
		item := writeToPB(&in)
		item.Tag, item.TimeoutMs = math.MaxUint64, math.MaxUint32
		got, err := writeFromPB(over(t, item, new(pb.SaveItem)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, in)
		if size := proto.Size(&pb.SaveFrame{Items: []*pb.SaveItem{item}}); size > writeSize(&in) {
			t.Fatalf("takes %d bytes, counted as %d: frames could grow over the limit", size, writeSize(&in))
		}
	})
}

// What cannot be a trace is none, and keeps nothing else from being read.
//
// Broken once by taking it as it comes.
func TestOddTraces(t *testing.T) {
	for _, odd := range []string{"x", strings.Repeat("x", trace.CarriedSize+1), strings.Repeat("x", 1<<20)} {
		p, err := pushFromPB(&pb.PushItem{Key: []byte("k"), Trace: []byte(odd)})
		w, err2 := writeFromPB(&pb.SaveItem{Key: []byte("k"), Messages: []*pb.Msg{{Id: 16}}, Trace: []byte(odd)})
		e, ok := eventFromPB(&pb.Event{Kind: uint32(EventMessage), Trace: []byte(odd)})
		if err != nil || err2 != nil || !ok || p.Trace != "" || w.Trace != "" || e.Trace != "" {
			t.Errorf("%d bytes were taken: %d, %d, %d; errors %v, %v", len(odd), len(p.Trace), len(w.Trace), len(e.Trace), err, err2)
		}
	}
}

func TestAnswersSurvive(t *testing.T) {
	outcome := rapid.Custom(func(t *rapid.T) push.Outcome {
		return push.Outcome{Status: push.Status(rapid.Byte().Draw(t, "status")), ID: anyID.Draw(t, "id")}
	})
	rapid.Check(t, func(t *rapid.T) {
		w := push.Written{Prev: anyID.Draw(t, "prev"), Outcomes: rapid.SliceOfN(outcome, 1, 5).Draw(t, "outcomes")}
		tag := rapid.Uint64().Draw(t, "tag")
		a := over(t, writtenToPB(tag, w, nil), new(pb.SaveAnswer))
		got, err := writtenFromPB(a, len(w.Outcomes))
		if err != nil || a.GetTag() != tag {
			t.Fatalf("tag %d, error %v", a.GetTag(), err)
		}
		same(t, got, w)

		r := push.Receipt{ID: anyID.Draw(t, "receipt"), Duplicate: rapid.Bool().Draw(t, "duplicate")}
		b := over(t, receiptToPB(tag, r, nil), new(pb.PushAnswer))
		receipt, err := receiptFromPB(b)
		if err != nil || b.GetTag() != tag {
			t.Fatalf("tag %d, error %v", b.GetTag(), err)
		}
		same(t, receipt, r)
	})
}

func TestReadSurvives(t *testing.T) {
	gap := rapid.Custom(func(t *rapid.T) push.Gap {
		return push.Gap{After: anyID.Draw(t, "after"), Until: anyID.Draw(t, "until"), Reason: push.GapReason(anyText.Draw(t, "reason"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey.Draw(t, "key")
		in := push.Span{
			After: anyID.Draw(t, "after"), Until: anyID.Draw(t, "until"), Limit: int(rapid.Int32().Draw(t, "limit")),
			Bytes: rapid.Int().Draw(t, "bytes"), Newest: int(rapid.Int32().Draw(t, "newest")),
		}
		item := over(t, spanToPB(key, in), new(pb.ReadItem))
		if k, err := keyFromPB(item.GetKey()); err != nil || k != key {
			t.Fatalf("key %q, error %v", k, err)
		}
		same(t, spanFromPB(item), in)

		page := push.Page{
			Messages: someOf(t, anyMessage, 0, 5, "messages"), Gaps: someOf(t, gap, 0, 5, "gaps"),
			Next: anyID.Draw(t, "next"), More: rapid.Bool().Draw(t, "more"),
		}
		answer := pageToPB(&page)
		answer.Tag = math.MaxUint64
		got, err := pageFromPB(over(t, answer, new(pb.ReadAnswer)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, page)
		if size := proto.Size(&pb.ReadAnswers{Items: []*pb.ReadAnswer{answer}}); size > answerSize(answer) {
			t.Fatalf("takes %d bytes, counted as %d: frames could grow over the limit", size, answerSize(answer))
		}
	})
}

func TestSmallOnesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fence := Fence{Group: anyText.Draw(t, "group"), Epoch: rapid.Int64().Draw(t, "epoch")}
		same(t, fenceFromPB(over(t, fenceToPB(fence), new(pb.Fence))), fence)

		number := func(name string) int { return rapid.Int().Draw(t, name) }
		info := push.KeyInfo{
			Group: anyText.Draw(t, "owner"), Connections: number("connections"), Newest: anyID.Draw(t, "newest"),
			Epoch: rapid.Int64().Draw(t, "its epoch"), Floor: anyID.Draw(t, "floor"), Behind: number("behind"),
			Standing: push.Standing{Before: number("before"), At: number("at"), Past: number("past")},
			Cursors:  someOf(t, anyID, 0, 5, "cursors"),
		}
		same(t, infoFromPB(over(t, infoToPB(info), new(pb.DescribeReply))), info)

		event := Event{Kind: EventKind(rapid.Byte().Draw(t, "kind")), ID: anyID.Draw(t, "id")}
		if event.Kind == EventMessage {
			event.Message = anyMessage.Draw(t, "message")
		}
		got, ok := eventFromPB(over(t, eventToPB(&event), new(pb.Event)))
		if !ok {
			t.Fatal("dropped")
		}
		same(t, got, event)
	})
}

func TestBadItemsAreRefused(t *testing.T) {
	long := []byte(strings.Repeat("k", push.MaxKeyBytes+1))
	for _, key := range [][]byte{nil, long, []byte("a\x00b"), []byte("\xff"), []byte("\x01publi")} {
		_, err := pushFromPB(&pb.PushItem{Key: key})
		wantKind(t, err, push.KindBadKey)
		_, err = writeFromPB(&pb.SaveItem{Key: key, Messages: make([]*pb.Msg, 1)})
		wantKind(t, err, push.KindBadKey)
		_, err = keyFromPB(key)
		wantKind(t, err, push.KindBadKey)
	}
	for _, n := range []int{0, push.MaxBurstMessages + 1} {
		_, err := writeFromPB(&pb.SaveItem{Key: []byte("k"), Messages: make([]*pb.Msg, n)})
		wantKind(t, err, push.KindBadRequest)
	}
}

func TestAnAnswerThatDoesNotFitIsNoAck(t *testing.T) {
	for _, a := range []*pb.SaveAnswer{
		{},
		{Status: []uint32{1}},
		{Ids: []int64{1}},
		{Status: []uint32{1, 1}, Ids: []int64{1, 2}},
	} {
		_, err := writtenFromPB(a, 1)
		wantKind(t, err, push.KindOutcomeUnknown)
	}
}

func TestNewerPeersAreTolerated(t *testing.T) {
	later := protowire.AppendTag(nil, 999, protowire.BytesType)
	later = protowire.AppendString(later, "what a later version says")
	b, err := proto.Marshal(&pb.SaveAnswer{Tag: 5, Status: []uint32{70_000}, Ids: []int64{16}})
	if err != nil {
		t.Fatal(err)
	}
	var a pb.SaveAnswer
	if err := proto.Unmarshal(append(b, later...), &a); err != nil {
		t.Fatalf("unknown field: %v", err)
	}
	w, err := writtenFromPB(&a, 1)
	if err != nil || w.Outcomes[0].ID != 16 {
		t.Fatalf("got %v, error %v", w, err)
	}
	switch w.Outcomes[0].Status {
	case push.Stored, push.Duplicate, push.Conflict:
		t.Fatalf("an unknown fate became the known one %d", w.Outcomes[0].Status)
	}
	if _, ok := eventFromPB(&pb.Event{Kind: 256 + uint32(EventMessage)}); ok {
		t.Fatal("an unknown event became a known one")
	}
}

func TestPagesAreBounded(t *testing.T) {
	for _, s := range []push.Span{{Limit: math.MaxInt}, {Limit: 10, Bytes: -1}, {Limit: 10, Bytes: 1 << 40}} {
		if got := fitted(s); got.Limit > maxPageMessages || got.Bytes < 1 || got.Bytes > maxPageBytes {
			t.Errorf("fitted(%+v) = %+v", s, got)
		}
	}
	small := push.Span{After: 1, Until: 9, Limit: 3, Bytes: 100, Newest: 2}
	if got := fitted(small); got != small {
		t.Errorf("fitted(%+v) = %+v", small, got)
	}
}

// FuzzFromPeer gives the converters what a broken peer might send.
func FuzzFromPeer(f *testing.F) {
	w := write("key", 16)
	save, _ := proto.Marshal(&pb.SaveFrame{Items: []*pb.SaveItem{writeToPB(&w)}})
	answer, _ := proto.Marshal(&pb.SaveAnswers{Items: []*pb.SaveAnswer{writtenToPB(1, stored(&w), nil)}, Draining: true})
	failed, _ := proto.Marshal(&pb.PushAnswers{Items: []*pb.PushAnswer{receiptToPB(1, push.Receipt{}, push.E(push.KindBusy, "full"))}})
	page, _ := proto.Marshal(&pb.ReadAnswers{Items: []*pb.ReadAnswer{pageToPB(&push.Page{
		Messages: []push.Message{{ID: 16, Body: []byte("12"), IdempotencyKey: "again"}, {ID: 32, Recalled: true}},
		Gaps:     []push.Gap{{Until: 8, Reason: push.GapLimit}},
	})}})
	for _, seed := range [][]byte{nil, save, answer, failed, page, {0x0a, 0x02, 0x0a, 0x00}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var pushes pb.PushFrame
		if proto.Unmarshal(b, &pushes) == nil {
			for _, item := range pushes.GetItems() {
				if p, err := pushFromPB(item); err == nil && p.Key == "" {
					t.Fatal("a push without a key")
				}
			}
		}
		var saves pb.SaveFrame
		if proto.Unmarshal(b, &saves) == nil {
			for _, item := range saves.GetItems() {
				if w, err := writeFromPB(item); err == nil && (w.Key == "" || len(w.Messages) == 0) {
					t.Fatalf("an empty write %v", w)
				}
			}
		}
		var answers pb.SaveAnswers
		if proto.Unmarshal(b, &answers) == nil {
			for _, a := range answers.GetItems() {
				if w, err := writtenFromPB(a, 1); err == nil && len(w.Outcomes) != 1 {
					t.Fatalf("an ack of nothing: %v", w)
				}
			}
		}
		var pages pb.ReadAnswers
		if proto.Unmarshal(b, &pages) == nil {
			for _, a := range pages.GetItems() {
				if p, err := pageFromPB(a); err == nil && len(p.Messages) != len(a.GetIds()) {
					t.Fatal("messages were lost")
				}
			}
		}
	})
}
