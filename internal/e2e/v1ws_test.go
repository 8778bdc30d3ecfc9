package e2e

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
)

// subCase is one line of the v1 websocket contract: a query of GET /sub, the
// frames that a client sends after the upgrade, and the text frames it gets.
type subCase struct {
	quote, query string
	send         []byte
	want         []string
	then         fate
}

var subCases = []subCase{
	{"the first frame after 101 is `+h\\r\\n`", "key=w1&heartbeat=30", nil, []string{"+h\r\n"}, open},
	{"[&token=]", "key=w2&heartbeat=30&token=t", nil, []string{"+h\r\n"}, open},
	{"[&ver=]", "key=w3&heartbeat=30&ver=1.0", nil, []string{"+h\r\n"}, open},
	{"parameters in any order, unknown ones ignored", "x=1&ver=1.0&heartbeat=60&key=w4", nil, []string{"+h\r\n"}, open},
	{"a frame whose whole payload is `h` gets `+h\\r\\n`: text", "key=w5&heartbeat=30", AppendFrame(nil, OpText, []byte("h")), []string{"+h\r\n", "+h\r\n"}, open},
	{"a frame whose whole payload is `h` gets `+h\\r\\n`: binary", "key=w6&heartbeat=30", AppendFrame(nil, OpBinary, []byte("h")), []string{"+h\r\n", "+h\r\n"}, open},
	{
		"an h in two fragments is one message", "key=w7&heartbeat=30",
		AppendRawFrame(AppendRawFrame(nil, OpText, true, nil), 0x80|OpContinuation, true, []byte("h")),
		[]string{"+h\r\n", "+h\r\n"},
		open,
	},

	{"parameter errors come after the 101: no key", "heartbeat=30", nil, []string{"-p\r\n"}, closed},
	{"empty key", "key=&heartbeat=30", nil, []string{"-p\r\n"}, closed},
	{"no heartbeat", "key=w8", nil, []string{"-p\r\n"}, closed},
	{"heartbeat not an integer", "key=w9&heartbeat=x", nil, []string{"-p\r\n"}, closed},
	{"heartbeat < 30", "key=w10&heartbeat=29", nil, []string{"-p\r\n"}, closed},
	{"heartbeat <= 1 day", "key=w11&heartbeat=86401", nil, []string{"-p\r\n"}, closed},
	{"a huge heartbeat", "key=w12&heartbeat=9223372036854775807", nil, []string{"-p\r\n"}, closed},
	{"key <= 255 bytes", "heartbeat=30&key=" + strings.Repeat("k", 256), nil, []string{"-p\r\n"}, closed},
	{"a key with a control character", "heartbeat=30&key=a%00b", nil, []string{"-p\r\n"}, closed},

	{"anything else closes: hh", "key=w13&heartbeat=30", AppendFrame(nil, OpText, []byte("hh")), []string{"+h\r\n"}, closed},
	{"anything else closes: empty", "key=w14&heartbeat=30", AppendFrame(nil, OpText, nil), []string{"+h\r\n"}, closed},
	{"anything else closes: JSON", "key=w15&heartbeat=30", AppendFrame(nil, OpText, []byte(`{"type":"ping"}`)), []string{"+h\r\n"}, closed},
	{"anything else closes: a frame without a mask", "key=w16&heartbeat=30", AppendRawFrame(nil, 0x80|OpText, false, []byte("h")), []string{"+h\r\n"}, closed},
}

func TestV1Websocket(t *testing.T) {
	c := Start(t, Options{})
	for _, tc := range subCases {
		t.Run(tc.quote, func(t *testing.T) {
			t.Parallel()
			w := sub(t, c, tc.query, nil)
			if got, err := w.ReadText(); err != nil || string(got) != tc.want[0] {
				t.Fatalf("the first frame is %q, %v; want %q", got, err, tc.want[0])
			}
			if err := w.SendRaw(tc.send); err != nil {
				t.Fatal(err)
			}
			rest := tc.want[1:]
			if tc.then == open {
				rest = append(slices.Clip(rest), "+h\r\n")
				if err := w.Send(OpText, "h"); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range rest {
				if got, err := w.ReadText(); err != nil || string(got) != want {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
			}
			if tc.then == closed {
				wantsClose(t, w)
			}
		})
	}
}

// sub upgrades at /sub; the frames have ten seconds from here.
func sub(t *testing.T, c *Cluster, query string, header http.Header) *Websocket {
	t.Helper()
	w, err := DialWebsocket(t.Context(), c.Addrs().HTTP, "/sub?"+query, header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if w.Response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered with %s", w.Response.Status)
	}
	if err := w.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return w
}

// wantsClose: "every close sends a Close frame with a code that says why".
func wantsClose(t *testing.T, w *Websocket) {
	t.Helper()
	_, err := w.ReadText()
	e, ok := errors.AsType[*CloseError](err)
	if !ok || e.Code < 1001 || e.Code == 1005 || e.Code == 1006 || e.Text == "" {
		t.Errorf("the end is %v; want a close frame with a code and a reason", err)
	}
}

// "A protocol ping gets a pong", with its payload; and it keeps the connection.
func TestV1WebsocketPing(t *testing.T) {
	c := Start(t, Options{})
	w := sub(t, c, "key=ping&heartbeat=30", nil)
	if got, err := w.ReadText(); err != nil || string(got) != "+h\r\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, payload := range []string{"", "abc", strings.Repeat("x", 125)} {
		if err := w.Send(OpPing, payload); err != nil {
			t.Fatal(err)
		}
		if f, err := w.ReadFrame(); err != nil || f.Opcode != OpPong || string(f.Payload) != payload {
			t.Errorf("a ping of %d bytes is answered with %s, %v", len(payload), f, err)
		}
	}
}

// A client's close is answered with its own code.
func TestV1WebsocketCloseIsAnswered(t *testing.T) {
	c := Start(t, Options{})
	w := sub(t, c, "key=bye&heartbeat=30", nil)
	if got, err := w.ReadText(); err != nil || string(got) != "+h\r\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := w.Send(OpClose, "\x03\xe8bye"); err != nil {
		t.Fatal(err)
	}
	if f, err := w.ReadFrame(); err != nil || f.String() == "" || f.Opcode != OpClose {
		t.Fatalf("the answer is %s, %v", f, err)
	} else if code, _ := f.CloseCode(); code != 1000 {
		t.Errorf("the answer is %s, want 1000", f)
	}
	if _, reset, err := ReadAll(w.Conn, 5*time.Second); err != nil || reset {
		t.Errorf("the connection does not end cleanly: %v, reset %v", err, reset)
	}
}

// "a request without Origin is accepted; an Origin is checked against the allowed
// list (default: any)".
func TestV1WebsocketOrigin(t *testing.T) {
	restricted := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.Origins = []string{"https://app.example"} }})
	anybody := Start(t, Options{})
	for _, tc := range []struct {
		quote  string
		c      *Cluster
		origin string
		status int
	}{
		{"default: any", anybody, "https://evil.example", 101},
		{"no Origin, default", anybody, "", 101},
		{"no Origin, with a list", restricted, "", 101},
		{"on the list", restricted, "https://app.example", 101},
		{"not on the list", restricted, "https://evil.example", 403},
		{"another scheme", restricted, "http://app.example", 403},
		{"null", restricted, "null", 403},
	} {
		t.Run(tc.quote, func(t *testing.T) {
			header := http.Header{}
			if tc.origin != "" {
				header.Set("Origin", tc.origin)
			}
			w, err := DialWebsocket(t.Context(), tc.c.Addrs().HTTP, "/sub?key=o&heartbeat=30", header)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if w.Response.StatusCode != tc.status {
				t.Errorf("status %d, want %d", w.Response.StatusCode, tc.status)
			}
		})
	}
}

// The limit of connections of one key, over websocket: a close with a code.
func TestV1WebsocketSubscriberLimit(t *testing.T) {
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.MaxPerKey = 1 }})
	first := sub(t, c, "key=one&heartbeat=30", nil)
	if got, err := first.ReadText(); err != nil || string(got) != "+h\r\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	wantsClose(t, sub(t, c, "key=one&heartbeat=30", nil))
	// A place becomes free when its holder goes.
	_ = first.Close()
	Until(t, 5*time.Second, "a free place", func() (bool, string) {
		w := sub(t, c, url.Values{"key": {"one"}, "heartbeat": {"30"}}.Encode(), nil)
		got, err := w.ReadText()
		return err == nil && string(got) == "+h\r\n", "still taken"
	})
}

// A plain request, and a version that RFC 6455 does not know, are refused with a
// status; nothing hangs.
func TestV1WebsocketNoUpgrade(t *testing.T) {
	c := Start(t, Options{})
	res, err := call(t.Context(), c.API.client, "GET", "http://"+c.Addrs().HTTP+"/sub?key=a&heartbeat=30", "")
	if err != nil || res.Status < 400 || res.Status > 499 {
		t.Errorf("a plain request: %s, %v", res, err)
	}
	w, err := DialWebsocket(t.Context(), c.Addrs().HTTP, "/sub?key=a&heartbeat=30", http.Header{"Sec-Websocket-Version": {"8"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if w.Response.StatusCode < 400 || w.Response.StatusCode > 499 {
		t.Errorf("version 8: %s", w.Response.Status)
	}
}
