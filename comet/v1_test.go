package comet

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/push"
)

// dial is a v1 TCP client over a pipe.
func dial(t *testing.T, n *Node) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	if !n.admit() {
		t.Fatal("the node takes no connection")
	}
	n.spawn(func() { n.serveTCP(near) })
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(time.Hour))
	return far
}

func resp(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func say(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(conn, s); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

func hearEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Fatalf("heard %q, %v; want the end", rest, err)
	}
}

func TestV1Replies(t *testing.T) {
	for _, c := range []struct {
		name, hello, reply string
		auth, elsewhere    bool
	}{
		{name: "subscribed", hello: resp("sub", "a", "30"), reply: "+h\r\n"},
		{name: "wrong command", hello: resp("SUB", "a", "30"), reply: "-p\r\n"},
		{name: "short heartbeat", hello: resp("sub", "a", "29"), reply: "-p\r\n"},
		{name: "malformed", hello: "GET / HTTP/1.1\r\n"},
		{name: "another node's key", hello: resp("sub", "a", "30"), reply: "-n\r\n", elsewhere: true},
		{name: "another key's token", hello: resp("sub", "b", "30", "right"), reply: "-c\r\n", auth: true},
		{name: "wrong token", hello: resp("sub", "a", "30", "guess"), reply: "-a\r\n", auth: true},
		{name: "no token", hello: resp("sub", "a", "30"), reply: "-a\r\n", auth: true},
		{name: "right token", hello: resp("sub", "a", "30", "right"), reply: "+h\r\n", auth: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, _ := testNode(t, nil)
			if c.auth {
				n.deps.Tokens = someTokens()
			}
			if c.elsewhere {
				n.deps.Directory = newCluster(t, "another")
			}
			conn := dial(t, n)
			go func() { _, _ = io.WriteString(conn, c.hello) }()
			hear(t, conn, c.reply)
			if c.reply != "+h\r\n" {
				hearEnd(t, conn)
			}
		})
	}
}

// An alternate, or a node whose lease is over, sends clients elsewhere.
func TestV1WithoutLease(t *testing.T) {
	n, _, cl := testNode(t, nil)
	cl.valid.Store(false)
	conn := dial(t, n)
	say(t, conn, resp("sub", "a", "30"))
	hear(t, conn, "-n\r\n")
	hearEnd(t, conn)
}

func TestV1HeartbeatAndMessages(t *testing.T) {
	n, _, _ := testNode(t, nil)
	conn := dial(t, n)
	say(t, conn, resp("sub", "a", "30", "", "1.0")+"h") // pipelined
	hear(t, conn, "+h\r\n+h\r\n")
	say(t, conn, "hh")
	hear(t, conn, "+h\r\n+h\r\n")
	id := mustPush(t, n, "a", `{ "test": 1 }`)
	json := fmt.Sprintf(`{"msg":{"test":1},"mid":%d,"gid":0}`, id)
	hear(t, conn, fmt.Sprintf("$%d\r\n%s\r\n", len(json), json))
	say(t, conn, "x")
	hearEnd(t, conn)
}

func TestV1Silence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := testNode(t, nil)
		begin := time.Now()
		hearEnd(t, dial(t, n))
		if took := time.Since(begin); took != 5*time.Second {
			t.Fatalf("no first bytes: closed after %s, want 5s", took)
		}
		conn := dial(t, n)
		say(t, conn, resp("sub", "a", "30"))
		hear(t, conn, "+h\r\n")
		begin = time.Now()
		hearEnd(t, conn)
		if took := time.Since(begin); took != 35*time.Second {
			t.Fatalf("no heartbeat: closed after %s, want heartbeat + 5s", took)
		}
	})
}

// upgraded opens a websocket by hand and returns what follows the 101.
func upgraded(t *testing.T, n *Node, path string) net.Conn {
	t.Helper()
	server := httptest.NewServer(n.mux())
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	say(t, conn, upgradeRequest(path))
	for {
		line := ""
		for !strings.HasSuffix(line, "\r\n") {
			var b [1]byte
			if _, err := io.ReadFull(conn, b[:]); err != nil {
				t.Fatal(err)
			}
			line += string(b[:])
		}
		if line == "\r\n" {
			break
		}
		if strings.HasPrefix(line, "HTTP/1.1") && !strings.Contains(line, "101") {
			t.Fatal(line)
		}
	}
	return conn
}

// masked is a client's frame.
func masked(opcode byte, payload string) string {
	return string([]byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

func TestWebsocketEndings(t *testing.T) {
	text := func(s string) string { return string(frame(opcodeText, []byte(s))) }
	ending := func(code int, reason string) string { return string(closeFrame(code, reason)) }
	for _, c := range []struct{ name, path, say, want string }{
		{"v1 bad parameter", "/sub?key=a&heartbeat=1", "", text("-p\r\n") + ending(1008, "refused")},
		{"v1 heartbeat", "/sub?key=a&heartbeat=30", masked(opcodeText, "h"), text("+h\r\n") + text("+h\r\n")},
		{"v1 binary heartbeat", "/sub?key=a&heartbeat=30", masked(2, "h"), text("+h\r\n") + text("+h\r\n")},
		{"v1 anything else", "/sub?key=a&heartbeat=30", masked(opcodeText, "hh"), text("+h\r\n") + ending(1003, "bad frame")},
		{"v1 ping", "/sub?key=a&heartbeat=30", masked(opcodePing, "x"), text("+h\r\n") + string(frame(opcodePong, []byte("x")))},
		{"v1 close", "/sub?key=a&heartbeat=30", masked(opcodeClose, "\x03\xe8"), text("+h\r\n") + ending(1000, "closed by the client")},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, _ := testNode(t, nil)
			conn := upgraded(t, n, c.path)
			say(t, conn, c.say)
			hear(t, conn, c.want)
		})
	}
}

func TestV2ClientFrames(t *testing.T) {
	for _, c := range []struct {
		name, say string
		code      int // 0: stays open
	}{
		{"ping", masked(opcodeText, `{"type":"ping"}`), 0},
		{"a later version's frame", masked(opcodeText, `{"type":"future","x":[1]}`), 0},
		{"no type", masked(opcodeText, `{}`), 4101},
		{"no JSON", masked(opcodeText, `hello`), 4101},
		{"binary", masked(2, `{"type":"ping"}`), 1003},
		{"invalid UTF-8", masked(opcodeText, "\xff"), 1007},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, _ := testNode(t, nil)
			conn := upgraded(t, n, "/v2/stream?key=a")
			say(t, conn, c.say)
			if c.code == 0 {
				say(t, conn, masked(opcodeText, `{"type":"ping"}`))
				waitFor(t, conn, string(pongFrame))
				return
			}
			waitFor(t, conn, string([]byte{byte(c.code >> 8), byte(c.code)}))
		})
	}
}

// waitFor reads until what was read contains want.
func waitFor(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	var got []byte
	buf := make([]byte, 512)
	for !strings.Contains(string(got), want) {
		k, err := conn.Read(buf)
		got = append(got, buf[:k]...)
		if err != nil {
			t.Fatalf("heard %q, %v; want %q", got, err, want)
		}
	}
}

// TestOrigins: browsers may come from the origins of the list, byte for byte; from any without one,
// and with "*" in it. Who sends none is no browser.
//
// Broken once by taking "*" for an origin, and once by comparing the beginning alone.
func TestOrigins(t *testing.T) {
	const good, evil = "https://good.example", "https://evil.example"
	for _, tt := range []struct {
		list    []string
		allowed map[string]bool
	}{
		{nil, map[string]bool{"": true, good: true, evil: true, "null": true}},
		{[]string{good}, map[string]bool{
			"": true, good: true, evil: false, "null": false, "http://good.example": false, good + ".evil.example": false, good + ":8443": false, "https://GOOD.example": false,
		}},
		{[]string{good, "*"}, map[string]bool{"": true, good: true, evil: true, "null": true}},
	} {
		n, _, _ := testNode(t, func(c *Config) { c.Limits.Origins = tt.list })
		for origin, want := range tt.allowed {
			r := httptest.NewRequest(http.MethodGet, "/v2/events?key=a&after=x", nil)
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			w := httptest.NewRecorder()
			n.mux().ServeHTTP(w, r)
			if got := n.originAllowed(r); got != want || (w.Code == http.StatusForbidden) == want {
				t.Errorf("origin %q of %q: %v, SSE %d", origin, tt.list, got, w.Code)
			}
			if readable := w.Header().Get("Access-Control-Allow-Origin"); origin != "" && (readable == "*" || readable == origin) != want {
				t.Errorf("origin %q of %q may read: %q", origin, tt.list, readable)
			}
		}
	}
}

func TestSSERefusals(t *testing.T) {
	for _, c := range []struct {
		name, path string
		status     int
		elsewhere  bool
	}{
		{"no key", "/v2/events", 400, false},
		{"bad cursor", "/v2/events?key=a&after=-1", 400, false},
		{"cursor above every id", "/v2/events?key=a&after=9223372036854775807", 400, false},
		{"another node's key", "/v2/events?key=a", 421, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, _ := testNode(t, nil)
			if c.elsewhere {
				n.deps.Directory = newCluster(t, "another")
			}
			w := httptest.NewRecorder()
			n.mux().ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
			if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		})
	}
}

// A node that does not know yet where the public stream stands must not take a
// client in "from now on" and then let it miss what was acknowledged meanwhile.
func TestV1BeforeThePublicStreamIsKnown(t *testing.T) {
	n, _, _ := testNode(t, nil)
	n.public.forget()
	conn := dial(t, n)
	say(t, conn, resp("sub", "a", "30", "", "1"))
	hear(t, conn, "+h\r\n")
	id := mustPush(t, n, push.PublicKey, `1`) // acknowledged before the follower is there
	go n.followPublic(n.life)
	json := fmt.Sprintf(`{"msg":1,"mid":%d,"gid":1}`, id)
	hear(t, conn, fmt.Sprintf("$%d\r\n%s\r\n", len(json), json))
}

// TestV1HearsWhatLandsLate: a message that became readable after a client had subscribed, and
// so perhaps after it had fetched, reaches it before those behind it. Its write had been given
// up, and nobody published it. Without the private cursor in joinV1 it is never heard.
func TestV1HearsWhatLandsLate(t *testing.T) {
	n, m, c := testNode(t, nil)
	conn := dial(t, n)
	say(t, conn, resp("sub", "a", "30", "", "1.0"))
	hear(t, conn, "+h\r\n")
	late := push.Message{ID: push.ID(c.floor.Load()) - 16, Body: []byte(`1`), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	m.store(push.Write{Key: "a", Prev: push.PrevUnknown, Messages: []push.Message{late}})
	id := mustPush(t, n, "a", `2`)
	for i, want := range []push.ID{late.ID, id} {
		json := fmt.Sprintf(`{"msg":%d,"mid":%d,"gid":0}`, i+1, want)
		hear(t, conn, fmt.Sprintf("$%d\r\n%s\r\n", len(json), json))
	}
}

// TestARepeatedPushIsHeard: a message whose push was given up, and whose write landed, reaches
// a client that is connected when its retry is acknowledged, and not only with the next one.
//
// Broken once by telling nobody: it was never heard.
func TestARepeatedPushIsHeard(t *testing.T) {
	n, m, c := testNode(t, nil)
	conn := dial(t, n)
	say(t, conn, resp("sub", "a", "30", "", "1.0"))
	hear(t, conn, "+h\r\n")
	late := push.Message{ID: push.ID(c.floor.Load()) - 16, Body: []byte(`1`), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	m.store(push.Write{Key: "a", Prev: push.PrevUnknown, Messages: []push.Message{late}})
	m.onSave = func(push.Write) (bool, error) { return false, nil }
	m.onAnswer = func(w *push.Written) {
		w.Outcomes = []push.Outcome{{Status: push.Duplicate, ID: late.ID}}
	}
	if id := mustPush(t, n, "a", `1`); id != late.ID {
		t.Errorf("acknowledged as %d, want %d", id, late.ID)
	}
	json := fmt.Sprintf(`{"msg":1,"mid":%d,"gid":0}`, late.ID)
	hear(t, conn, fmt.Sprintf("$%d\r\n%s\r\n", len(json), json))
}
