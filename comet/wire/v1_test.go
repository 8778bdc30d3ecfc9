package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"gopush/internal/push"
)

func TestV1Transcript(t *testing.T) {
	var tr transcript
	tr.title("replies")
	for _, r := range []string{ReplyHeartbeat, ReplyParam, ReplyNode, ReplyChannel, ReplyAuth} {
		tr.line("%q", r)
	}
	for _, body := range bodies {
		tr.title("body %q", body)
		m := &push.Message{ID: 17953751000602032, Prev: 17953751000602016, ExpiresAt: 1, Body: []byte(body)}
		tr.line("version    %q", AppendV1(nil, m, false, true))
		tr.line("no version %q", AppendV1(nil, m, true, false))
		tr.line("bulk       %q", AppendBulk(nil, AppendV1(nil, m, false, true)))
	}
	tr.compare(t, "v1_messages.txt")
}

// bodies are JSON values as they may be pushed, and two that may not.
var bodies = []string{
	`{"test":1}`,
	" {\n\t\"a\" : [ 1 , 2.50 , -1e9 ] ,\r\n \"b c\" : { } } \n",
	`"text with \"quotes\", \\ and a \u0000 escape"`,
	`"a b  c"`,
	`{"html":"<b>&amp;</b>"}`,
	`"中文 😀 é"`,
	"\"line\u2028and paragraph\u2029\"",
	`17953751000602032`,
	`true`,
	`null`,
	`[]`,
	`"\\"`,
	`["\\" , " "]`,
	`["\\\"",  "\\ \" "]`,
	"\"invalid \xff UTF-8 \xe4\xb8\"",
	"\"\x7f\"",
	"\"a raw\nnewline\"",
	``,
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	m := &push.Message{ID: 16, Body: []byte("1")}
	if got, want := string(AppendV1([]byte("x"), m, false, true)), `x{"msg":1,"mid":16,"gid":0}`; got != want {
		t.Errorf("AppendV1 = %s, want %s", got, want)
	}
	if got, want := string(AppendBulk([]byte("x"), nil)), "x$0\r\n\r\n"; got != want {
		t.Errorf("AppendBulk = %q, want %q", got, want)
	}
}

func TestAppendV1DoesNotAllocate(t *testing.T) {
	m := &push.Message{ID: 17953751000602032, Body: []byte(strings.Join(bodies[:9], ","))}
	noAllocs(t, "versioned", func(dst []byte) { AppendV1(dst, m, true, true) })
	noAllocs(t, "unversioned", func(dst []byte) { AppendV1(dst, m, false, false) })
	noAllocs(t, "bulk", func(dst []byte) { AppendBulk(dst, m.Body) })
}

// What v1 clients see is what Go's own encoder makes of these structs.
func FuzzAppendV1(f *testing.F) {
	for i, body := range bodies {
		f.Add([]byte(body), int64(i)<<40, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, body []byte, id int64, public bool) {
		m, gid := &push.Message{ID: push.ID(id), Body: body}, 0
		if public {
			gid = 1
		}
		want, err := json.Marshal(struct {
			Msg string `json:"msg"`
			Mid int64  `json:"mid"`
			GID int    `json:"gid"`
		}{string(body), id, gid})
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendV1(nil, m, public, false); string(got) != string(want) {
			t.Fatalf("without a version:\n got %q\nwant %q", got, want)
		}
		got := AppendV1(nil, m, public, true)
		oneLine(t, got)
		if !json.Valid(body) || !utf8.Valid(body) {
			return
		}
		want, err = json.Marshal(struct {
			Msg json.RawMessage `json:"msg"`
			Mid int64           `json:"mid"`
			GID int             `json:"gid"`
		}{body, id, gid})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("with a version:\n got %q\nwant %q", got, want)
		}
	})
}

// oneLine holds for every frame, whatever bytes were pushed: it is valid UTF-8
// without control characters, so neither a websocket text frame nor a line of
// an event stream can break.
func oneLine(t *testing.T, frame []byte) {
	t.Helper()
	if !utf8.Valid(frame) {
		t.Fatalf("invalid UTF-8: %q", frame)
	}
	for i, c := range frame {
		if c < ' ' {
			t.Fatalf("control character at byte %d: %q", i, frame)
		}
	}
}
