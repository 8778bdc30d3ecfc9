package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
)

// closeCase is a client frame after ready, and what the server does: a close code,
// or an answer.
type closeCase struct {
	quote string
	send  []byte
	code  int
	want  string
}

var frameCases = []closeCase{
	{"`ping` (answered `pong`)", AppendFrame(nil, OpText, []byte(`{"type":"ping"}`)), 0, `{"type":"pong"}`},
	{"a well-formed client frame of unknown type is ignored", AppendFrame(nil, OpText, []byte(`{"type":"hello","x":[1]}`)), 0, ""},
	{"unknown fields are ignored", AppendFrame(nil, OpText, []byte(`{"type":"ping","at":1}`)), 0, `{"type":"pong"}`},
	{"no JSON is 4101", AppendFrame(nil, OpText, []byte(`ping`)), 4101, ""},
	{"no type is 4101", AppendFrame(nil, OpText, []byte(`{}`)), 4101, ""},
	{"no object is 4101", AppendFrame(nil, OpText, []byte(`["ping"]`)), 4101, ""},
	{"an empty frame is 4101", AppendFrame(nil, OpText, nil), 4101, ""},
	{"a v1 heartbeat is 4101", AppendFrame(nil, OpText, []byte(`h`)), 4101, ""},
	{"a binary frame closes 1003", AppendFrame(nil, OpBinary, []byte(`{"type":"ping"}`)), 1003, ""},
	{"invalid UTF-8: 1007", AppendFrame(nil, OpText, []byte("{\"type\":\"\xff\"}")), 1007, ""},
	{"a broken protocol frame 1002: no mask", AppendRawFrame(nil, 0x80|OpText, false, []byte(`{"type":"ping"}`)), 1002, ""},
	{"a broken protocol frame 1002: reserved bits", AppendRawFrame(nil, 0xC0|OpText, true, []byte(`{"type":"ping"}`)), 1002, ""},
	{"a broken protocol frame 1002: reserved opcode", AppendRawFrame(nil, 0x80|3, true, []byte("x")), 1002, ""},
	{"a broken protocol frame 1002: a fragmented ping", AppendRawFrame(nil, OpPing, true, nil), 1002, ""},
	{"a broken protocol frame 1002: a ping of 126 bytes", AppendRawFrame(nil, 0x80|OpPing, true, make([]byte, 126)), 1002, ""},
	{"a broken protocol frame 1002: a continuation of nothing", AppendRawFrame(nil, 0x80|OpContinuation, true, []byte("x")), 1002, ""},
	{"a frame over the limit: 1009", AppendFrame(nil, OpText, []byte(`{"type":"`+strings.Repeat("x", 20<<10)+`"}`)), 1009, ""},
}

func TestV2ClientFrames(t *testing.T) {
	c := Start(t, Options{})
	for _, tc := range frameCases {
		t.Run(tc.quote, func(t *testing.T) {
			t.Parallel()
			s := listenV2(t, c, "websocket", "key="+url.QueryEscape(tc.quote)+"&public=0").(wsStream) //nolint:errcheck // it is one
			if _, err := ReadUntil(s, "live", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if err := s.SendRaw(tc.send); err != nil {
				t.Fatal(err)
			}
			if tc.code != 0 {
				wantsCode(t, s, tc.code)
				return
			}
			if tc.want != "" {
				next(t, s, tc.want)
			}
			// The connection goes on.
			if err := s.Send(OpText, `{"type":"ping"}`); err != nil {
				t.Fatal(err)
			}
			next(t, s, `{"type":"pong"}`)
		})
	}
}

// wantsCode reads to the close and compares its code. An error frame before a close
// of ours must say whether coming back makes sense.
func wantsCode(t *testing.T, s Stream, code int) {
	t.Helper()
	for {
		f, err := s.Next(10 * time.Second)
		if e, ok := errors.AsType[*CloseError](err); ok {
			if e.Code != code {
				t.Errorf("closed with %d %q, want %d", e.Code, e.Text, code)
			}
			return
		}
		if err != nil {
			t.Errorf("got %v, want a close with %d", err, code)
			return
		}
		if f.Type == "error" && f.Retryable != (code < 4100) {
			t.Errorf("before %d: %s", code, f.Raw)
		}
	}
}

// "A bad key or cursor is 4101 after the upgrade (SSE: 400), a key of another node
// 4001 (SSE: 421 wrong_node)".
func TestV2StreamRefuses(t *testing.T) {
	c := Start(t, Options{Comets: 2, Settings: func(s *config.Serve) { s.Comet.MaxPerKey = 1 }})
	for _, tc := range []struct {
		quote, query string
		code, status int
		problem      string
	}{
		{"no key", "", 4101, 400, "bad_key"},
		{"an empty key", "key=", 4101, 400, "bad_key"},
		{"a key over 255 bytes", "key=" + strings.Repeat("c", 256), 4101, 400, "bad_key"},
		{"a control character", "key=a%07", 4101, 400, "bad_key"},
		{"the public stream's own name", "key=%01public", 4101, 400, "bad_key"},
		{"not UTF-8", "key=%ff", 4101, 400, "bad_key"},
		{"a cursor that is no number", "key=c&after=x", 4101, 400, "bad_request"},
		{"a negative cursor", "key=c&after=-1", 4101, 400, "bad_request"},
		{"a cursor that overflows", "key=c&after=9223372036854775808", 4101, 400, "bad_request"},
		{"an empty cursor", "key=c&after=", 4101, 400, "bad_request"},
		{"a bad public cursor", "key=c&public_after=1e3", 4101, 400, "bad_request"},
		{"a key of another node", "key=a", 4001, 421, "wrong_node"},
	} {
		t.Run(tc.quote, func(t *testing.T) {
			wantsCode(t, listenV2(t, c, "websocket", tc.query), tc.code)
			_, err := transports["sse"](t.Context(), c, tc.query)
			if e, ok := errors.AsType[*StatusError](err); !ok || e.Status != tc.status || problemCode(e.Body) != tc.problem {
				t.Errorf("over SSE: %v; want %d %s", err, tc.status, tc.problem)
			}
		})
	}
	t.Run("4105 too many connections", func(t *testing.T) {
		first := listenV2(t, c, "websocket", "key=c")
		if _, err := ReadUntil(first, "live", 10*time.Second); err != nil {
			t.Fatal(err)
		}
		wantsCode(t, listenV2(t, c, "websocket", "key=c"), 4105)
	})
}

// "subprotocol `gopush.v2`"; "a second offered subprotocol `gopush.token.T` (never
// in the URL, never echoed)".
func TestV2Subprotocol(t *testing.T) {
	c := Start(t, Options{})
	for _, tc := range []struct{ offered, chosen string }{
		{"gopush.v2", "gopush.v2"},
		{"gopush.v2, gopush.token.secret", "gopush.v2"},
		{"gopush.token.secret, gopush.v2", "gopush.v2"},
	} {
		w, err := DialWebsocket(t.Context(), c.Addrs().HTTP, "/v2/stream?key=K", http.Header{"Sec-Websocket-Protocol": {tc.offered}})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if got := w.Response.Header.Get("Sec-Websocket-Protocol"); w.Response.StatusCode != 101 || got != tc.chosen {
			t.Errorf("offered %q: %s, chosen %q", tc.offered, w.Response.Status, got)
		}
		for name, values := range w.Response.Header {
			if strings.Contains(strings.Join(values, ","), "secret") {
				t.Errorf("the token is echoed in %s", name)
			}
		}
	}
}

// "The server sends a protocol ping each heartbeat_s; nothing heard for 2 x
// heartbeat_s is 4005". Who answers pings stays.
func TestV2Heartbeat(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.Heartbeat = time.Second }})
	dead := listenV2(t, c, "websocket", "key=dead").(wsStream) //nolint:errcheck // it is one
	lively := listenV2(t, c, "websocket", "key=lively")
	if f := mustNext(t, lively); f.HeartbeatS != 1 {
		t.Errorf("ready is %s", f.Raw)
	}
	_ = mustNext(t, lively)
	quiet := make(chan error, 1)
	go func() {
		_, err := lively.Next(5 * time.Second) // answers the pings
		quiet <- err
	}()
	began, pings := time.Now(), 0
	_ = dead.SetReadDeadline(began.Add(10 * time.Second))
	for {
		f, err := dead.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Opcode == OpPing {
			pings++
		}
		if f.Opcode == OpClose {
			if code, _ := f.CloseCode(); code != 4005 || pings == 0 || time.Since(began) < 1900*time.Millisecond {
				t.Errorf("%s after %s and %d pings; want 4005 after 2 s", f, time.Since(began), pings)
			}
			break
		}
	}
	if err := <-quiet; !Timeout(err) {
		t.Errorf("a client that answers pings gets %v", err)
	}
	// It goes on answering them, however long the push takes.
	heard := make(chan string, 1)
	go func() {
		f, err := lively.Next(fleetPatience)
		heard <- fmt.Sprint(f.Raw, " ", err)
	}()
	id := push(t, c, lasting("lively", `1`))
	if got, want := <-heard, messageJSON(id, "0", `1`)+" <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An orderly stop: "move: this node is leaving. A close follows", 4002; SSE gets the
// move and the end. The cursor holds on the next start.
func TestV2Drain(t *testing.T) {
	for name := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{})
			one := push(t, c, lasting("K", `1`))
			s := listenV2(t, c, name, "key=K&after=0&public=0")
			if _, err := ReadUntil(s, "live", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			c.Stop()
			if f := mustNext(t, s); f.Type != "move" || f.RetryAfterMS < 0 {
				t.Errorf("the last frame is %s", f.Raw)
			}
			if name == "websocket" {
				wantsCode(t, s, 4002)
			} else if _, err := s.Next(5 * time.Second); err == nil || Timeout(err) {
				t.Errorf("the stream does not end: %v", err)
			}
			c.Start()
			two := push(t, c, lasting("K", `2`))
			s = listenV2(t, c, name, Cursors{After: one, Public: "0"}.Query("K"))
			_ = mustNext(t, s)
			next(t, s, messageJSON(two, one, `2`))
		})
	}
}
