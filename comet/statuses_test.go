package comet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/apitest"
)

const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// TestEveryDocumentedStatus provokes, over real connections, every status that
// docs/openapi.yaml has for the paths of a comet. Whatever is answered and is not in there
// fails as well.
func TestEveryDocumentedStatus(t *testing.T) {
	doc := apitest.Load(t)
	seen := apitest.NewCoverage(doc)
	for _, w := range []struct {
		name   string
		change func(*testing.T, *Node)
		asks   []string // method, target and headers
	}{
		{"a stream", nil, []string{
			"GET /sub?key=a&heartbeat=30|" + handshake, "GET /v2/stream?key=a|" + handshake, "GET /v2/events?key=a|", "GET /v2/events?key=a|Last-Event-ID: 0/0\r\n",
		}},
		{"no handshake", nil, []string{"GET /sub?key=a&heartbeat=30|", "GET /v2/stream?key=a|", "GET /v2/stream?key=a|" + strings.Replace(handshake, "13", "8", 1), "GET /v2/stream?key=a|Content-Length: 1\r\n" + handshake + "\r\nx"}},
		{"a bad request", nil, []string{
			"GET /v2/events|", "GET /v2/events?key=a&after=x|", "GET /v2/events?key=a&after=%|", "GET /v2/events?key=a&key=a|", "GET /v2/events?key=a|Last-Event-ID: x\r\n",
			"GET /sub|" + handshake, "GET /v2/stream|" + handshake, // told after the handshake
		}},
		{"a foreign origin", func(_ *testing.T, n *Node) {
			l := *n.limits.Load()
			l.Origins = []string{"https://app.example"}
			n.SetLimits(l)
		}, []string{
			"GET /sub?key=a&heartbeat=30|Origin: https://evil.example\r\n" + handshake, "GET /v2/stream?key=a|Origin: https://evil.example\r\n" + handshake,
			"GET /v2/events?key=a|Origin: https://evil.example\r\n",
		}},
		{"another node's key", func(t *testing.T, n *Node) { n.deps.Directory = newCluster(t, "another") }, []string{"GET /v2/events?key=a|", "GET /v2/stream?key=a|" + handshake}},
		{"tokens", func(_ *testing.T, n *Node) { n.deps.Tokens = someTokens() }, []string{
			"GET /v2/events?key=a|", "GET /v2/events?key=a|Authorization: Bearer expired\r\n", "GET /v2/events?key=a|Authorization: Bearer other\r\n",
			"GET /v2/events?key=a|Authorization: Bearer right\r\n",
		}},
		{"tokens that cannot be checked", func(_ *testing.T, n *Node) { k := someTokens(); k.away = true; n.deps.Tokens = k }, []string{"GET /v2/events?key=a|Authorization: Bearer right\r\n"}},
		{"memory is short", func(_ *testing.T, n *Node) { n.deps.Pressed = func() bool { return true } }, []string{
			"GET /sub?key=a&heartbeat=30|" + handshake, "GET /v2/stream?key=a|" + handshake, "GET /v2/events?key=a|", "GET /|", "POST /v2/events|", "GET /v2/x|",
		}},
		{"no operation", nil, otherAsks()},
	} {
		t.Run(w.name, func(t *testing.T) {
			n, _, _ := testNode(t, nil)
			if w.change != nil {
				w.change(t, n)
			}
			addr := openTCP(t, n)
			for _, ask := range w.asks {
				if err := seen.Note(request(t, addr, ask)); err != nil {
					t.Errorf("%q: %v", ask, err)
				}
			}
		})
	}
	if missing := seen.Missing("comet"); len(missing) > 0 {
		t.Errorf("documented, and never answered:\n%s", strings.Join(missing, "\n"))
	}
	for _, code := range doc.API.Components.Schemas["StreamProblem"].Value.Properties["code"].Value.Enum {
		if !seen.Codes()[fmt.Sprint(code)] {
			t.Errorf("no problem has had the code %s", code)
		}
	}
}

// otherAsks are of no operation.
func otherAsks() []string {
	var asks []string
	paths := []string{"/sub", "/v2/stream", "/v2/events"}
	for _, path := range append(slices.Clone(paths), "/", "/v2/", "/nothing", "/v2/nothing", "//sub", "//v2/events", "/v2/events/", "/x/../v2/events", "/v2/../sub") {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE", "get"} {
			if method != "GET" || !slices.Contains(paths, path) {
				asks = append(asks, method+" "+path+"?key=a|")
			}
		}
	}
	return asks
}

// openTCP serves n on loopback.
func openTCP(t *testing.T, n *Node) (addr string) {
	t.Helper()
	var l [2]net.Listener
	for i := range l {
		var err error
		if l[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.listen(ctx, Listeners{HTTP: l[0], TCP: l[1]}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l[0].Addr().String()
}

// request makes one on a connection of its own. Of a stream it reads the head.
func request(t *testing.T, addr, ask string) apitest.Answer {
	t.Helper()
	line, headers, _ := strings.Cut(ask, "|")
	method, target, _ := strings.Cut(line, " ")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, headers); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", ask, err)
	}
	path, _, _ := strings.Cut(target, "?")
	a := apitest.Answer{Listener: "comet", Method: method, EscapedPath: path, Status: res.StatusCode, Header: res.Header}
	if res.StatusCode >= 300 {
		if a.Body, err = io.ReadAll(res.Body); err != nil {
			t.Fatalf("%q: %v", ask, err)
		}
	}
	return a
}
