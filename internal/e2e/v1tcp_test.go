package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/config"
)

// tcpCase is one line of the v1 TCP contract: what a client sends as its first
// bytes, and every byte it gets back until the connection is quiet or closed.
// {k} stands for a key of the case's own.
type tcpCase struct {
	quote, send, want string
	then              fate
}

// fate is what becomes of a connection.
type fate string

const (
	open   fate = "open"
	closed fate = "closed"
)

// silent is how the contract ends a connection without a word.
const silent = ""

var tcpCases = []tcpCase{
	{"`+h\\r\\n`: subscribed", V1Command("sub", "{k}", "30"), "+h\r\n", open},
	{"[token]", V1Command("sub", "{k}", "30", "anything"), "+h\r\n", open},
	{"[version]", V1Command("sub", "{k}", "30", "t", "1.0"), "+h\r\n", open},
	{"an empty token is `$0\\r\\n\\r\\n`", V1Command("sub", "{k}", "30", "", "1.0"), "+h\r\n", open},
	{"heartbeat seconds (>= 30)", V1Command("sub", "{k}", "30"), "+h\r\n", open},
	{"heartbeat <= 1 day", V1Command("sub", "{k}", "86400"), "+h\r\n", open},
	{"key <= 255 bytes", V1Command("sub", "{255}", "30"), "+h\r\n", open},
	{"lengths count bytes, not characters", V1Command("sub", "键-{k}", "30"), "+h\r\n", open},
	{"`+h\\r\\n`: the answer to each `h`", V1Command("sub", "{k}", "30") + "h", "+h\r\n+h\r\n", open},
	{"`hh` is two", V1Command("sub", "{k}", "30") + "hh", "+h\r\n+h\r\n+h\r\n", open},

	{"`-p\\r\\n`: command not `sub`", V1Command("pub", "{k}", "30"), "-p\r\n", closed},
	{"`sub` (case sensitive)", V1Command("SUB", "{k}", "30"), "-p\r\n", closed},
	{"fewer than 2 arguments after it: none", V1Command("sub"), "-p\r\n", closed},
	{"fewer than 2 arguments after it: one", V1Command("sub", "{k}"), "-p\r\n", closed},
	{"empty key", V1Command("sub", "", "30"), "-p\r\n", closed},
	{"heartbeat not an integer", V1Command("sub", "{k}", "abc"), "-p\r\n", closed},
	{"heartbeat not an integer: empty", V1Command("sub", "{k}", ""), "-p\r\n", closed},
	{"heartbeat not an integer: a fraction", V1Command("sub", "{k}", "30.5"), "-p\r\n", closed},
	{"heartbeat < 30", V1Command("sub", "{k}", "29"), "-p\r\n", closed},
	{"heartbeat < 30: negative", V1Command("sub", "{k}", "-60"), "-p\r\n", closed},
	{"heartbeat <= 1 day (above: `-p`)", V1Command("sub", "{k}", "86401"), "-p\r\n", closed},
	{"a huge heartbeat overflowed", V1Command("sub", "{k}", "9223372036854775807"), "-p\r\n", closed},
	{"a heartbeat that no int64 holds", V1Command("sub", "{k}", "99999999999999999999"), "-p\r\n", closed},
	{"key <= 255 bytes", V1Command("sub", "{256}", "30"), "-p\r\n", closed},
	{"a key with a control character", V1Command("sub", "a\x01b", "30"), "-p\r\n", closed},
	{"a key that is no UTF-8", V1Command("sub", "a\xffb", "30"), "-p\r\n", closed},
	{"a refused subscription with an h behind it keeps its answer", V1Command("sub", "{k}", "1") + "h", "-p\r\n", closed},

	{"malformed framing: 1 <= n", "*0\r\n", silent, closed},
	{"malformed framing: n <= 5", "*6\r\n", silent, closed},
	{"malformed framing: a negative count", "*-1\r\n", silent, closed},
	{"malformed framing: no count", "*\r\n", silent, closed},
	{"malformed framing: a count that overflows", "*99999999999999999999\r\n", silent, closed},
	{"CRLF mandatory: a bare LF", "*3\n$3\nsub\n$1\nk\n$2\n30\n", silent, closed},
	{"CRLF mandatory: after an argument", "*3\r\n$3\r\nsubxx", silent, closed},
	{"malformed framing: no $", "*3\r\nsub\r\n", silent, closed},
	{"malformed framing: a negative length", "*3\r\n$-1\r\n", silent, closed},
	{"malformed framing: a length that overflows", "*3\r\n$99999999999999999999\r\n", silent, closed},
	{"lengths bounded before allocation: 4 GiB", "*3\r\n$3\r\nsub\r\n$4294967295\r\n", silent, closed},
	{"lengths bounded before allocation: 1 MiB", "*3\r\n$3\r\nsub\r\n$1048576\r\n", silent, closed},
	{"line lengths bounded", "*3\r\n$" + strings.Repeat("0", 4000), silent, closed},
	{"another protocol: HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", silent, closed},
	{"another protocol: TLS", "\x16\x03\x01\x02\x00\x01\x00", silent, closed},
}

func TestV1TCP(t *testing.T) {
	c := Start(t, Options{})
	for i, tc := range tcpCases {
		t.Run(tc.quote, func(t *testing.T) {
			t.Parallel()
			expectBytes(t, c.Addrs().TCP, fill(tc.send, i), tc.want, tc.then)
		})
	}
}

// afterCases are what a subscribed client may say, and what it gets for it.
var afterCases = []tcpCase{
	{"heartbeat: the single byte `h`", "h", "+h\r\n", open},
	{"`hh` is two", "hh", "+h\r\n+h\r\n", open},
	{"any other byte closes", "x", silent, closed},
	{"any other byte closes: H", "H", silent, closed},
	{"no CRLF", "\r\n", silent, closed},
	{"a second subscription is other bytes", V1Subscribe("after"), silent, closed},
}

func TestV1TCPAfterSubscribing(t *testing.T) {
	c := Start(t, Options{})
	for _, tc := range afterCases {
		t.Run(tc.quote, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", c.Addrs().TCP)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			hello := make([]byte, 4)
			if err := writeAll(conn, V1Subscribe("after")); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := readFull(conn, hello); err != nil || string(hello) != "+h\r\n" {
				t.Fatalf("got %q, %v", hello, err)
			}
			converse(t, conn, tc.send, tc.want, tc.then)
		})
	}
}

// fill puts keys into a case. A length in front of a placeholder is corrected.
func fill(send string, i int) string {
	for mark, key := range map[string]string{
		"{k}": fmt.Sprintf("case-%d", i), "{255}": strings.Repeat("k", 255), "{256}": strings.Repeat("k", 256),
	} {
		at := strings.Index(send, mark)
		if at < 0 {
			continue
		}
		from := strings.LastIndex(send[:at], "$")
		lengthEnd := from + strings.Index(send[from:], "\r\n")
		end := at + len(mark)
		arg := send[lengthEnd+2:at] + key
		return send[:from] + fmt.Sprintf("$%d\r\n%s", len(arg), arg) + fill(send[end:], i)
	}
	return send
}

// expectBytes sends, and takes exactly want and then the fate of the connection:
// an open one still answers a heartbeat.
func expectBytes(t *testing.T, addr, send, want string, then fate) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	converse(t, conn, send, want, then)
}

func converse(t *testing.T, conn net.Conn, send, want string, then fate) {
	t.Helper()
	if err := writeAll(conn, send); err != nil {
		t.Fatal(err)
	}
	if then == open {
		want += "+h\r\n"
		if err := writeAll(conn, "h"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := readFull(conn, got); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q and an open connection", got[:n], err, want)
		}
		return
	}
	got, _, err := ReadAll(conn, 4*time.Second)
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q and then the end", got, err, want)
	}
}

func readFull(conn net.Conn, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		k, err := conn.Read(b[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// "Client, once, first bytes, within 5 s of accept (else silent close)", and not
// much earlier: a slow network is no fault.
func TestV1TCPFirstPacketTimeout(t *testing.T) {
	c := Start(t, Options{})
	for name, first := range map[string]string{"silence": "", "half a packet": "*3\r\n$3\r\nsu"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", c.Addrs().TCP)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			if err := writeAll(conn, first); err != nil {
				t.Fatal(err)
			}
			got, _, err := ReadAll(conn, 15*time.Second)
			if took := time.Since(began); err != nil || len(got) > 0 || took < 4500*time.Millisecond || took > 9*time.Second {
				t.Errorf("got %q, %v after %s; want a silent close after 5 s", got, err, took)
			}
		})
	}
}

// "No byte for heartbeat + 5 s closes"; a connection that sends its heartbeats
// stays.
func TestV1SilenceCloses(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	quiet, err := DialTCP(t.Context(), c.Addrs().TCP, V1Command("sub", "quiet", "30"))
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	lively, err := DialTCP(t.Context(), c.Addrs().TCP, V1Command("sub", "lively", "30"))
	if err != nil {
		t.Fatal(err)
	}
	defer lively.Close()
	quietWS := sub(t, c, V1Query("quiet", "").Encode(), nil)
	_ = quietWS.SetReadDeadline(time.Now().Add(45 * time.Second))
	began := time.Now()
	var beating sync.WaitGroup
	beating.Go(func() {
		for range 5 {
			Pause(t.Context(), 8*time.Second)
			if lively.Heartbeat() != nil {
				return
			}
		}
	})
	got, _, err := ReadAll(quiet.NetConn(), 45*time.Second)
	if took := time.Since(began); err != nil || string(got) != "+h\r\n" || took < 34*time.Second || took > 42*time.Second {
		t.Errorf("got %q, %v after %s; want a close after 35 s", got, err, took)
	}
	if got, err := quietWS.ReadText(); err != nil || string(got) != "+h\r\n" {
		t.Errorf("over websocket: %q, %v", got, err)
	}
	wantsClose(t, quietWS)
	beating.Wait()
	for i := range 6 {
		if got, err := lively.Next(5 * time.Second); err != nil || got != "+h" {
			t.Errorf("answer %d is %q, %v", i, got, err)
		}
	}
}

// "subscriber limit of the key reached (64 by default)": a silent close, for that
// key alone.
func TestV1TCPSubscriberLimit(t *testing.T) {
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.MaxPerKey = 3 }})
	for range 3 {
		conn, err := DialTCP(t.Context(), c.Addrs().TCP, V1Subscribe("full"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got, err := conn.Next(5 * time.Second); err != nil || got != "+h" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	expectBytes(t, c.Addrs().TCP, V1Subscribe("full"), silent, closed)
	expectBytes(t, c.Addrs().TCP, V1Subscribe("other"), "+h\r\n", open)
}

// "`-n\r\n`: the key does not belong to this comet node".
func TestV1WrongNode(t *testing.T) {
	c := Start(t, Options{Comets: 2})
	// Vectors of the ring: with two nodes, c lives on node1 and a on node2.
	for _, tc := range []struct {
		key   string
		node  int
		wants string
		then  fate
	}{{"c", 0, "+h\r\n", open}, {"c", 1, "-n\r\n", closed}, {"a", 0, "-n\r\n", closed}, {"a", 1, "+h\r\n", open}} {
		expectBytes(t, c.Addrs().Comets[tc.node].TCP, V1Command("sub", tc.key, "30"), tc.wants, tc.then)
	}
	addr, err := c.API.V1Server(t.Context(), "a", 2)
	if err != nil || addr != c.Addrs().Comets[1].TCP {
		t.Errorf("server/get of a names %q, %v; want node2 at %s", addr, err, c.Addrs().Comets[1].TCP)
	}
}

// messageForms are one pushed body in each form that a v1 client may get it in.
var messageForms = []struct{ quote, body, versioned, plain string }{
	{"the JSON value, compacted", `{"test" :  1}`, `{"test":1}`, `"{\"test\" :  1}"`},
	{"whitespace kept", "[1,\n\t2]", `[1,2]`, `"[1,\n\t2]"`},
	{"`<>&` as `\\u00XX`", `"<b>&"`, `"\u003cb\u003e\u0026"`, `"\"\u003cb\u003e\u0026\""`},
	{"any JSON value: null", `null`, `null`, `"null"`},
	{"any JSON value: a number, as it was written", `1.50e3`, `1.50e3`, `"1.50e3"`},
	{"any JSON value: a string with quotes", `"a\"b\\c"`, `"a\"b\\c"`, `"\"a\\\"b\\\\c\""`},
	{"text beyond ASCII", `"中文 é"`, `"中文 é"`, `"\"中文 é\""`},
	{"no object is too empty", `{}`, `{}`, `"{}"`},
}

// "Message: `$<bytelen>\r\n<json>\r\n`, json fields in the order msg, mid, gid", in
// both forms, live, over TCP and websocket; gid 1 for a public one.
func TestV1Messages(t *testing.T) {
	c := Start(t, Options{})
	at := c.Addrs()
	key := "forms"
	versioned, plain := subscribeAll(t, at, key, true), subscribeAll(t, at, key, false)
	for _, tc := range messageForms {
		t.Run(tc.quote, func(t *testing.T) {
			for gid, target := range map[int]string{0: "/1/admin/push/private?expire=600&key=" + key, 1: "/1/admin/push/public?expire=600"} {
				res, err := c.API.Admin(t.Context(), "POST", target, tc.body)
				if err != nil || res.Body != `{"ret":0}` {
					t.Fatalf("push: %s, %v", res, err)
				}
				id := res.Header.Get("Gopush-Message-Id")
				expectMessage(t, versioned, fmt.Sprintf(`{"msg":%s,"mid":%s,"gid":%d}`, tc.versioned, id, gid))
				expectMessage(t, plain, fmt.Sprintf(`{"msg":%s,"mid":%s,"gid":%d}`, tc.plain, id, gid))
			}
		})
	}
}

// subscribeAll opens a connection of each transport and waits for its +h.
func subscribeAll(t *testing.T, at Addrs, key string, version bool) []V1Conn {
	t.Helper()
	first, query := V1Command("sub", key, "30"), V1Query(key, "")
	if version {
		first, query = V1Subscribe(key), V1Query(key, "1.0")
	}
	tcp, err := DialTCP(t.Context(), at.TCP, first)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := DialSub(t.Context(), at.HTTP, query, nil)
	if err != nil {
		t.Fatal(err)
	}
	conns := []V1Conn{tcp, ws}
	for _, conn := range conns {
		t.Cleanup(func() { _ = conn.Close() })
		if got, err := conn.Next(5 * time.Second); err != nil || got != "+h" {
			t.Fatalf("the first reply is %q, %v", got, err)
		}
	}
	return conns
}

func expectMessage(t *testing.T, conns []V1Conn, want string) {
	t.Helper()
	for i, conn := range conns {
		if got, err := conn.Next(10 * time.Second); err != nil || got != want {
			t.Errorf("connection %d: got %s, %v\nwant %s", i, got, err, want)
		}
	}
}

// "expire=0: online only, never stored": who is connected gets it, nobody fetches it,
// and what is stored goes on behind it.
func TestV1OnlineOnly(t *testing.T) {
	c := Start(t, Options{})
	conns := subscribeAll(t, c.Addrs(), "now", true)
	first := v1Push(t, c, "/1/admin/push/private?key=now&expire=0", `"passing"`)
	expectMessage(t, conns, fmt.Sprintf(`{"msg":"passing","mid":%s,"gid":0}`, first))
	all := v1Push(t, c, "/1/admin/push/public?expire=0", `"to all"`)
	expectMessage(t, conns, fmt.Sprintf(`{"msg":"to all","mid":%s,"gid":1}`, all))
	kept := v1Push(t, c, "/1/admin/push/private?key=now&expire=60", `"kept"`)
	expectMessage(t, conns, fmt.Sprintf(`{"msg":"kept","mid":%s,"gid":0}`, kept))
	private, public, err := c.API.V1Fetch(t.Context(), "now", 0, 0)
	if err != nil || len(private) != 1 || fmt.Sprint(private[0].Mid) != kept || len(public) != 0 {
		t.Errorf("fetched %v and %v, %v; want the kept one alone", private, public, err)
	}
}

// A message is whole bytes on a TCP connection: the length counts the JSON alone.
func TestV1TCPMessageBytes(t *testing.T) {
	c := Start(t, Options{})
	conn, err := net.Dial("tcp", c.Addrs().TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := writeAll(conn, V1Subscribe("bytes")); err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, 4)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := readFull(conn, hello); err != nil || string(hello) != "+h\r\n" {
		t.Fatalf("got %q, %v", hello, err)
	}
	res, err := c.API.Admin(t.Context(), "POST", "/admin/push?expire=60&key=bytes", `{"é":1}`)
	if err != nil || res.Body != `{"ret":0}` {
		t.Fatalf("push: %s, %v", res, err)
	}
	json := fmt.Sprintf(`{"msg":{"é":1},"mid":%s,"gid":0}`, res.Header.Get("Gopush-Message-Id"))
	want := fmt.Sprintf("$%d\r\n%s\r\n", len(json), json)
	got := make([]byte, len(want))
	if _, err := readFull(conn, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}
