package comet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gopush/comet/wire"
)

// The cases of RFC 6455: framing, control frames, reserved bits and opcodes, fragments,
// UTF-8, closing. Most run against an echo that is mounted on the very path of clients:
// the same upgrade, reader, queue and writer, and only the answer to a frame is another one.

const (
	opcodeContinuation = 0x0
	opcodeBinary       = 0x2
	rsv1, rsv2, rsv3   = 0x40, 0x20, 0x10
)

// sent is a client's frame: first is its first byte, and the payload is masked.
func sent(first byte, payload string) []byte {
	key := [4]byte{0x9a, 0x03, 0xff, 0x5c}
	b := append(header(first, len(payload), 0x80), key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// header is the first bytes of a frame, up to the length, in as few bytes as there can be.
func header(first byte, n int, mask byte) []byte {
	switch {
	case n < 126:
		return []byte{first, mask | byte(n)}
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, uint64(n))
	}
}

func text(s string) []byte     { return sent(finBit|opcodeText, s) }
func binaries(s string) []byte { return sent(finBit|opcodeBinary, s) }
func ping(s string) []byte     { return sent(finBit|opcodePing, s) }

// closing is a client's Close frame.
func closing(code int, reason string) []byte {
	return sent(finBit|opcodeClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// rfcCase is what a client sends, and which messages and control frames it gets back.
// With close 0 the connection is open after that.
type rfcCase struct {
	name  string
	send  [][]byte // frames
	want  [][]byte // frames of the server
	close int      // the code with which the server closes
}

// echoed is a case whose frames come back as messages, as they are here.
func echoed(name string, send [][]byte, want ...[]byte) rfcCase {
	return rfcCase{name: name, send: send, want: want}
}

// failing is a case that the server ends with code.
func failing(name string, code int, send ...[]byte) rfcCase {
	return rfcCase{name: name, send: send, close: code}
}

func framing() (all []rfcCase) {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 1000, wire.MaxClientFrame} {
		payload := strings.Repeat("*", n)
		all = append(all,
			echoed(fmt.Sprintf("text of %d bytes", n), [][]byte{text(payload)}, frame(opcodeText, []byte(payload))),
			echoed(fmt.Sprintf("binary of %d bytes", n), [][]byte{binaries(payload)}, frame(opcodeBinary, []byte(payload))))
	}
	return append(all,
		failing("one byte too many", 1009, text(strings.Repeat("*", wire.MaxClientFrame+1))),
		failing("too many in fragments", 1009,
			sent(opcodeText, strings.Repeat("*", wire.MaxClientFrame)), sent(finBit|opcodeContinuation, "*")),
		failing("a length of 1 GiB", 1009, header(finBit|opcodeBinary, 1<<30, 0x80), []byte("mask")),
		failing("a length with the highest bit", 1009, append([]byte{finBit | opcodeBinary, 0x80 | 127, 0xff}, make([]byte, 7)...), []byte("mask")),
		failing("no mask", 1002, append(header(finBit|opcodeText, 5, 0), "hello"...)),
	)
}

func controls() []rfcCase {
	long := strings.Repeat("p", 125)
	pongs := func(payloads ...string) (all [][]byte) {
		for _, p := range payloads {
			all = append(all, frame(opcodePong, []byte(p)))
		}
		return all
	}
	return []rfcCase{
		echoed("ping", [][]byte{ping("")}, pongs("")...),
		echoed("ping with bytes", [][]byte{ping("\x00\xff\xfe\xfd")}, pongs("\x00\xff\xfe\xfd")...),
		echoed("the longest ping", [][]byte{ping(long)}, pongs(long)...),
		failing("a ping that is too long", 1002, ping(long+"p")),
		failing("a ping in fragments", 1002, sent(opcodePing, "a")),
		echoed("a pong that nobody asked for", [][]byte{sent(finBit|opcodePong, "x"), ping("y")}, pongs("y")...),
		echoed("many pings", bytes.SplitAfter(bytes.Repeat(ping("n"), 10), ping("n"))[:10], pongs(strings.Split(strings.Repeat("n", 10), "")...)...),
	}
}

func reserved() (all []rfcCase) {
	for _, bit := range []byte{rsv1, rsv2, rsv3, rsv1 | rsv2 | rsv3} {
		for _, opcode := range []byte{opcodeText, opcodeBinary, opcodePing, opcodePong, opcodeClose} {
			all = append(all, failing(fmt.Sprintf("bits %#x of opcode %d", bit, opcode), 1002, sent(finBit|bit|opcode, "")))
		}
	}
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all = append(all,
			failing(fmt.Sprintf("opcode %d", opcode), 1002, sent(finBit|opcode, "")),
			failing(fmt.Sprintf("opcode %d with bytes", opcode), 1002, sent(finBit|opcode, "hello")))
		behind := failing(fmt.Sprintf("opcode %d behind a message", opcode), 1002, text("first"), sent(finBit|opcode, ""))
		behind.want = [][]byte{frame(opcodeText, []byte("first"))}
		all = append(all, behind)
	}
	return all
}

func fragments() []rfcCase {
	begin := func(s string) []byte { return sent(opcodeText, s) }
	more := func(s string) []byte { return sent(opcodeContinuation, s) }
	end := func(s string) []byte { return sent(finBit|opcodeContinuation, s) }
	out := func(s string) []byte { return frame(opcodeText, []byte(s)) }
	pong := frame(opcodePong, []byte("p"))
	many := [][]byte{begin("x")}
	for range 100 {
		many = append(many, more("x"))
	}
	return []rfcCase{
		echoed("two", [][]byte{begin("ab"), end("cd")}, out("abcd")),
		echoed("three, and binary", [][]byte{sent(opcodeBinary, "a"), more("b"), end("\xff")}, frame(opcodeBinary, []byte("ab\xff"))),
		echoed("all empty", [][]byte{begin(""), more(""), end("")}, out("")),
		echoed("one of them not empty", [][]byte{begin(""), more("x"), end("")}, out("x")),
		echoed("a hundred", append(many, end("x")), out(strings.Repeat("x", 102))),
		echoed("a ping between", [][]byte{begin("ab"), ping("p"), end("cd")}, pong, out("abcd")),
		echoed("pings between", [][]byte{begin("ab"), ping("p"), more("cd"), ping("p"), end("ef")}, pong, pong, out("abcdef")),
		echoed("two messages", [][]byte{begin("a"), end("b"), begin("c"), end("d")}, out("ab"), out("cd")),
		failing("an end without a beginning", 1002, end("x")),
		failing("a middle without a beginning", 1002, more("x")),
		failing("text in the middle", 1002, begin("a"), text("b")),
		failing("binary in the middle", 1002, begin("a"), binaries("b")),
		failing("another beginning in the middle", 1002, begin("a"), begin("b")),
		{"an end after the end", [][]byte{begin("a"), end("b"), end("c")}, [][]byte{out("ab")}, 1002},
		failing("a ping in fragments between", 1002, begin("a"), sent(opcodePing, "p")),
	}
}

func utf8Cases() (all []rfcCase) {
	for _, s := range []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0003fffe", "\U0010ffff",
	} {
		all = append(all, echoed(fmt.Sprintf("%+q", s), [][]byte{text(s)}, frame(opcodeText, []byte(s))))
		split := [][]byte{sent(opcodeText, "")} // each byte in its own fragment
		for i := range len(s) {
			split = append(split, sent(opcodeContinuation, s[i:i+1]))
		}
		all = append(all, echoed(fmt.Sprintf("%+q in bytes", s), append(split, sent(finBit|opcodeContinuation, "")), frame(opcodeText, []byte(s))))
	}
	for _, s := range []string{
		"\x80", "\xbf", "\x80\xbf\x80", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80",
		"\xe2\x82", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xfe\xfe\xff\xff",
		"κόσμε\xed\xa0\x80edited", "good \xf0\x9f\x98",
	} {
		all = append(all,
			failing(fmt.Sprintf("%+q", s), 1007, text(s)),
			failing(fmt.Sprintf("%+q in two", s), 1007, sent(opcodeText, s[:1]), sent(finBit|opcodeContinuation, s[1:])),
			echoed(fmt.Sprintf("%+q as binary", s), [][]byte{binaries(s)}, frame(opcodeBinary, []byte(s))))
	}
	return all
}

func closings() (all []rfcCase) {
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999} {
		all = append(all, failing(fmt.Sprintf("code %d comes back", code), code, closing(code, "")))
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, failing(fmt.Sprintf("code %d is none", code), 1002, closing(code, "")))
	}
	return append(all,
		failing("no code", 1000, sent(finBit|opcodeClose, "")),
		failing("half a code", 1002, sent(finBit|opcodeClose, "\x03")),
		failing("no code, and what looks like half of one behind it", 1000, sent(finBit|opcodeClose, ""), []byte("*****\x88\x81")),
		failing("a reason", 1000, closing(1000, "bye, κόσμε")),
		failing("the longest reason", 1000, closing(1000, strings.Repeat("*", 123))),
		failing("a reason that is too long", 1002, closing(1000, strings.Repeat("*", 124))),
		failing("a reason that is not UTF-8", 1002, closing(1000, "\xce\xba\xed\xa0\x80")),
		failing("a close in fragments", 1002, sent(opcodeClose, "\x03\xe8")),
		failing("in the middle of a message", 1001, sent(opcodeText, "a"), closing(1001, "")),
		failing("what comes behind it is not heard", 1000, closing(1000, ""), text("x"), ping("y")),
		rfcCase{
			"half a code behind frames of every length",
			[][]byte{
				sent(opcodeBinary, ""), sent(opcodeContinuation, strings.Repeat("*", 125)), ping("\x88\x80"), sent(opcodeContinuation, strings.Repeat("\x88", 126)),
				sent(finBit|opcodeContinuation, strings.Repeat("*", 300)), append(append([]byte{finBit | opcodeBinary, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2}, "mask"...), "\xe5\xe1"...),
				sent(finBit|opcodeClose, "\x03"),
			},
			[][]byte{
				frame(opcodePong, []byte("\x88\x80")), frame(opcodeBinary, []byte(strings.Repeat("*", 125)+strings.Repeat("\x88", 126)+strings.Repeat("*", 300))),
				frame(opcodeBinary, []byte("\x88\x80")),
			},
			1002,
		},
		rfcCase{"behind a message", [][]byte{text("a"), closing(1000, "")}, [][]byte{frame(opcodeText, []byte("a"))}, 1000},
	)
}

// TestRFC6455 sends each case in one write, frame by frame, and byte by byte.
//
// Without the check of UTF-8 144 of them fail.
func TestRFC6455(t *testing.T) {
	n, _, _ := testNode(t, nil)
	addr := echoServer(t, n)
	for group, cases := range map[string][]rfcCase{
		"framing": framing(), "control": controls(), "reserved": reserved(), "fragments": fragments(), "UTF-8": utf8Cases(), "closing": closings(),
	} {
		for _, c := range cases {
			for way, writes := range map[string][][]byte{
				"at once": {bytes.Join(c.send, nil)}, "by frames": c.send, "by bytes": bytes.Split(bytes.Join(c.send, nil), nil),
			} {
				if len(writes) > 2000 {
					continue
				}
				t.Run(group+"/"+c.name+"/"+way, func(t *testing.T) { c.play(t, addr, writes) })
			}
		}
	}
}

// play sends the case and proves the answer, to the end of the connection.
func (c rfcCase) play(t *testing.T, addr net.Addr, writes [][]byte) {
	conn := openRaw(t, addr, upgradeRequest("/echo"))
	for _, b := range writes {
		// A server that has had enough may be gone before the rest.
		if _, err := conn.Write(b); err != nil && c.close == 0 {
			t.Fatal(err)
		}
	}
	end := c.close
	if end == 0 { // open: so a close comes back
		say(t, conn, string(closing(1000, "")))
		end = 1000
	}
	want := bytes.Join(c.want, nil)
	got := make([]byte, len(want)+2)
	if k, err := io.ReadFull(conn, got); err != nil || !bytes.HasPrefix(got, want) {
		t.Fatalf("heard %.200q, %v, want %.200q and a Close frame", got[:k], err, want)
	}
	last := got[len(want):]
	body := make([]byte, last[1])
	if _, err := io.ReadFull(conn, body); err != nil || last[0] != finBit|opcodeClose || len(body) < 2 || int(binary.BigEndian.Uint16(body)) != end {
		t.Fatalf("the end is %q %q, %v, want a Close frame with %d", last, body, err, end)
	}
	// The server is gone, or waits for the answer to its Close frame.
	if _, err := conn.Write(closing(end, "")); err != nil {
		return
	}
	if rest, _ := io.ReadAll(conn); len(rest) > 0 {
		t.Fatalf("behind its Close frame it says %q", rest)
	}
}

// echoServer is the node with an echo beside its own paths.
func echoServer(t *testing.T, n *Node) net.Addr {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", n.mux())
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		n.upgrade(w, r, nil, func(c *socket) {
			s := newSubscriber(n, c.NetConn(), formV2, "v2")
			leave, refused := n.join(s, "echo", false)
			if refused != "" {
				t.Error("too many at once")
			}
			s.begin()
			s.readFrames(c, 20*time.Second, leave, func(kind int, data []byte) { s.reply(frame(byte(kind), data)) })
		})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr()
}

// openRaw sends a request and reads the 101.
func openRaw(t *testing.T, addr net.Addr, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	say(t, conn, request)
	head := ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		var b [1]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			t.Fatalf("%q, %v", head, err)
		}
		head += string(b[:])
	}
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatal(head)
	}
	return conn
}

// TestBrokenFrames: what breaks the protocol ends a client's connection with the same codes,
// whatever else it would be told, and behind what is queued for it.
//
// With the library left to write by itself, its Close frame comes before the answer to the
// ping.
func TestBrokenFrames(t *testing.T) {
	n, _, _ := testNode(t, nil)
	server := httptest.NewServer(n.mux())
	t.Cleanup(server.Close)
	for path, hello := range map[string]string{"/sub?key=a&heartbeat=30": "h", "/v2/stream?key=b": `{"type":"ping"}`} {
		for _, cases := range [][]rfcCase{reserved(), framing(), controls(), fragments()} {
			for _, c := range cases {
				if c.close != 1002 && c.close != 1009 || len(c.want) > 0 {
					continue
				}
				t.Run(path+"/"+c.name, func(t *testing.T) {
					conn := openRaw(t, server.Listener.Addr(), upgradeRequest(path))
					say(t, conn, string(text(hello))+string(ping("before"))+string(bytes.Join(c.send, nil)))
					heard, code := untilClose(t, conn)
					if code != c.close || !bytes.Contains(heard, frame(opcodePong, []byte("before"))) {
						t.Errorf("it ends with %d, want %d, behind %q", code, c.close, heard)
					}
				})
			}
		}
	}
}

// untilClose reads the server's frames: those before its Close frame, and the code of that.
func untilClose(t *testing.T, conn net.Conn) (before []byte, code int) {
	t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			t.Fatalf("behind %q: %v", before, err)
		}
		n := int(head[1])
		before = append(before, head[:]...)
		if n == 126 {
			var long [2]byte
			if _, err := io.ReadFull(conn, long[:]); err != nil {
				t.Fatal(err)
			}
			n = int(binary.BigEndian.Uint16(long[:]))
			before = append(before, long[:]...)
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Fatal(err)
		}
		if head[0] == finBit|opcodeClose {
			return before[:len(before)-2], int(binary.BigEndian.Uint16(body))
		}
		before = append(before, body...)
	}
}

// TestHandshake: what is a websocket handshake, and the answer to what is none.
//
// With another version accepted, or without the key in the answer, it fails.
func TestHandshake(t *testing.T) {
	n, _, _ := testNode(t, nil)
	server := httptest.NewServer(n.mux())
	t.Cleanup(server.Close)
	good := map[string]string{
		"Host": "h", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, c := range []struct {
		name, header, value string
		status              int
	}{
		{"as it should be", "", "", 101},
		{"in capitals", "Upgrade", "WebSocket", 101},
		{"among others", "Connection", "keep-alive, Upgrade", 101},
		{"no Upgrade", "Upgrade", "", 400},
		{"no Connection", "Connection", "keep-alive", 400},
		{"version 8", "Sec-WebSocket-Version", "8", 400},
		{"no version", "Sec-WebSocket-Version", "", 400},
		{"no key", "Sec-WebSocket-Key", "", 400},
		{"half a key", "Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==", 400},
		{"a subprotocol of somebody else", "Sec-WebSocket-Protocol", "chat", 101},
		{"an extension, which is not taken", "Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits", 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/stream?key=a", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range good {
				req.Header.Set(name, value)
			}
			req.Header.Set(c.header, c.value)
			if c.value == "" {
				req.Header.Del(c.header)
			}
			resp, err := server.Client().Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Fatalf("the status is %d, want %d", resp.StatusCode, c.status)
			}
			// The accept value for that key is the RFC's own example.
			if got := resp.Header.Get("Sec-WebSocket-Accept"); c.status == 101 && got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Errorf("the key is answered with %q", got)
			}
			if got := resp.Header.Get("Sec-WebSocket-Extensions") + resp.Header.Get("Sec-WebSocket-Protocol"); got != "" {
				t.Errorf("it agrees to %q", got)
			}
		})
	}
}
