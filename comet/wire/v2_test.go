package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
)

const (
	id1 push.ID = 17953751000602016
	id2 push.ID = 17953751000602032
)

var ready = Ready{Key: "user:1", Node: "node1", Cursor: id1, PublicCursor: 0, Resumed: true, HeartbeatS: 30}

func TestV2Transcript(t *testing.T) {
	var tr transcript
	frame := func(f []byte) { tr.line("%s", f) }
	tr.title("ready")
	frame(AppendReady(nil, ready))
	frame(AppendReady(nil, Ready{Key: `"<中文>\`, Node: "n", HeartbeatS: 1}))
	tr.title("messages")
	for _, body := range bodies {
		frame(AppendMessage(nil, &push.Message{ID: id2, Prev: id1, ExpiresAt: 1795375100060, Body: []byte(body)}, false))
	}
	tr.title("public, transient, both; the first of its key; one whose predecessor nobody knows")
	m := push.Message{ID: id2, Prev: id1, ExpiresAt: 1795375100060, Body: []byte("1")}
	frame(AppendMessage(nil, &m, true))
	frame(AppendMessage(nil, &push.Message{ID: id2, Prev: id1, Body: []byte("1"), Transient: true}, false))
	frame(AppendMessage(nil, &push.Message{ID: id2, Body: []byte("1"), Transient: true}, true))
	m.Prev = 0
	frame(AppendMessage(nil, &m, false))
	m.Prev = push.PrevUnknown
	frame(AppendMessage(nil, &m, false))
	tr.title("gaps")
	for _, reason := range []push.GapReason{push.GapExpired, push.GapDeleted, push.GapLimit} {
		frame(AppendGap(nil, push.Gap{After: id1, Until: id2, Reason: reason}, reason == push.GapDeleted))
	}
	tr.title("others of the server")
	frame(AppendLive(nil))
	frame(AppendRecall(nil, id1, false))
	frame(AppendRecall(nil, id1, true))
	for _, d := range []time.Duration{-1, 0, 1, time.Millisecond, 1500 * time.Microsecond, time.Hour} {
		frame(AppendMove(nil, d))
	}
	frame(AppendError(nil, "bad_key", "the key \"a\nb\" is <wrong>", false))
	frame(AppendError(nil, "busy", "", true))
	frame(AppendPong(nil))
	tr.title("of the client")
	frame(AppendPing(nil))
	frame(AppendToken(nil, `a"b`))
	tr.compare(t, "v2_frames.txt")
}

func TestV2DoesNotAllocate(t *testing.T) {
	m := &push.Message{ID: id2, Prev: id1, ExpiresAt: 1, Body: []byte(strings.Join(bodies[:9], ","))}
	for name, f := range map[string]func(dst []byte){
		"ready":   func(dst []byte) { AppendReady(dst, ready) },
		"message": func(dst []byte) { AppendMessage(dst, m, true) },
		"gap":     func(dst []byte) { AppendGap(dst, push.Gap{After: id1, Until: id2, Reason: push.GapLimit}, true) },
		"recall":  func(dst []byte) { AppendRecall(dst, id1, true) },
		"live":    func(dst []byte) { AppendLive(dst) },
		"move":    func(dst []byte) { AppendMove(dst, time.Second) },
		"error":   func(dst []byte) { AppendError(dst, "busy", "come back\nlater", true) },
		"pong":    func(dst []byte) { AppendPong(dst) },
		"token":   func(dst []byte) { AppendToken(dst, "中文\xff") },
		"event":   func(dst []byte) { AppendEvent(dst, "message", id1, id2, true, m.Body) },
	} {
		noAllocs(t, name, f)
	}
}

func TestServerFramesRoundTrip(t *testing.T) {
	gap := push.Gap{After: id1, Until: id2, Reason: push.GapExpired}
	for _, c := range []struct {
		raw  []byte
		want ServerFrame
	}{
		{AppendReady(nil, ready), ServerFrame{Type: TypeReady, Ready: ready}},
		{
			AppendMessage(nil, &push.Message{ID: id2, Prev: id1, ExpiresAt: 5, Body: []byte(" [ 1 ] ")}, true),
			ServerFrame{Type: TypeMessage, ID: id2, Prev: id1, ExpiresAt: 5, Data: json.RawMessage("[1]"), Public: true},
		},
		{
			AppendMessage(nil, &push.Message{ID: id2, Transient: true, Body: []byte("null")}, false),
			ServerFrame{Type: TypeMessage, ID: id2, Data: json.RawMessage("null"), Transient: true},
		},
		{AppendGap(nil, gap, true), ServerFrame{Type: TypeGap, Gap: gap, Public: true}},
		{AppendRecall(nil, id1, true), ServerFrame{Type: TypeRecall, ID: id1, Public: true}},
		{AppendLive(nil), ServerFrame{Type: TypeLive}},
		{AppendPong(nil), ServerFrame{Type: TypePong}},
		{AppendMove(nil, time.Minute), ServerFrame{Type: TypeMove, RetryAfter: time.Minute}},
		{AppendError(nil, "busy", "later\n", true), ServerFrame{Type: TypeError, Code: "busy", Text: "later\n", Retryable: true}},
		{[]byte(`{"type":"later","more":[1,{}]}`), ServerFrame{Type: "later"}},
		{[]byte(`{"id":7,"code":{},"type":"later","key":5,"data":{},"cursor":null}`), ServerFrame{Type: "later"}},
		{[]byte(`{"type":"live","id":7}`), ServerFrame{Type: TypeLive}},
		{[]byte(` {"x":1,"type":"live"} `), ServerFrame{Type: TypeLive}},
	} {
		got, err := ParseServerFrame(c.raw)
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.raw, diff)
		}
	}
}

var badServerFrames = []string{
	``, `null`, `[]`, `{}`, `"live"`, `{"type":null}`, `{"type":1}`, `{"type":""}`, `{"type":"live"}{}`,
	`{"type":"ready","key":"k","cursor":"1","heartbeat_s":30}`,
	`{"type":"ready","key":"k","public_cursor":"1","heartbeat_s":30}`,
	`{"type":"ready","key":"k","cursor":"1","public_cursor":"1"}`,
	`{"type":"ready","key":"k","cursor":"1","public_cursor":"1","heartbeat_s":86401}`,
	`{"type":"message","id":"1","prev":"0"}`,
	`{"type":"message","id":"1","data":1}`,
	`{"type":"message","prev":"1","data":1}`,
	`{"type":"message","id":1,"prev":"0","data":1}`,
	`{"type":"message","id":"-1","prev":"0","data":1}`,
	`{"type":"message","id":"9223372036854775808","prev":"0","data":1}`,
	`{"type":"gap","after":"2","until":"1","reason":"expired"}`,
	`{"type":"gap","after":"2"}`,
	`{"type":"gap","until":"2"}`,
	`{"type":"recall"}`,
	`{"type":"recall","id":""}`,
	`{"type":"move","retry_after_ms":-1}`,
	`{"type":"move","retry_after_ms":86400001}`,
	`{"type":"move","retry_after_ms":1e3}`,
	`{"type":"error","code":5}`,
	`{"id":{},"key":5}`,
}

func TestParseServerFrameRefuses(t *testing.T) {
	for _, raw := range badServerFrames {
		if got, err := ParseServerFrame([]byte(raw)); err == nil || !cmp.Equal(got, ServerFrame{}) {
			t.Errorf("%s gave %+v, %v", raw, got, err)
		}
	}
}

// Whatever is pushed comes out as one line, and as the same JSON value.
func FuzzMessageRoundTrip(f *testing.F) {
	for i, body := range bodies {
		f.Add([]byte(body), int64(i)*16, int64(i-1)*16, int64(i), i%2 == 0, i%3 == 0)
	}
	f.Add([]byte("1"), int64(math.MaxInt64), int64(-1), int64(math.MinInt64), true, true)
	f.Fuzz(func(t *testing.T, body []byte, id, prev, expires int64, public, transient bool) {
		m := &push.Message{ID: push.ID(id), Prev: push.ID(prev), ExpiresAt: expires, Body: body, Transient: transient}
		raw := AppendMessage(nil, m, public)
		oneLine(t, raw)
		if !json.Valid(body) || id < 0 {
			return
		}
		if transient {
			expires = 0
		}
		got, err := ParseServerFrame(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		want := ServerFrame{
			Type: TypeMessage, ID: m.ID, Prev: max(m.Prev, 0), ExpiresAt: expires,
			Public: public, Transient: transient, Data: got.Data,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(body) && compact.String() != string(got.Data) {
			t.Fatalf("data is %q, want %q", got.Data, compact.String())
		}
	})
}

func FuzzParseServerFrame(f *testing.F) {
	for _, raw := range badServerFrames {
		f.Add([]byte(raw))
	}
	f.Add(AppendReady(nil, ready))
	f.Add(AppendGap(nil, push.Gap{After: id1, Until: id2, Reason: push.GapLimit}, true))
	f.Add(AppendMove(nil, time.Second))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseServerFrame(raw)
		if err != nil {
			return
		}
		if got.Type == "" || got.ID < 0 || got.Prev < 0 || got.Gap.After > got.Gap.Until || got.RetryAfter < 0 {
			t.Fatalf("%q gave %+v", raw, got)
		}
	})
}

func BenchmarkAppendMessage(b *testing.B) {
	for name, body := range map[string]string{
		"ascii":   `{"title":"hello","text":"` + strings.Repeat("lorem ipsum ", 80) + `"}`,
		"chinese": `{"title":"hello","text":"` + strings.Repeat("消息推送", 80) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			m := &push.Message{ID: id2, Prev: id1, ExpiresAt: 1795375100060, Body: []byte(body)}
			dst := make([]byte, 0, 4096)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				AppendMessage(dst, m, false)
			}
		})
	}
}
