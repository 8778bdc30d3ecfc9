package comet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// tokens is a list of tokens that are worth something, and of those that are revoked.
type tokens struct {
	mu sync.Mutex
	// guarded by mu:
	grants  map[string]push.Grant
	away    bool // nobody knows what is revoked
	revoked map[string]bool
	changed chan struct{}
}

// someTokens are for the key a, if they are right.
func someTokens() *tokens {
	hour := time.Now().Add(time.Hour)
	return &tokens{
		changed: make(chan struct{}), revoked: map[string]bool{"r": true},
		grants: map[string]push.Grant{
			"right":   {Keys: []push.Key{"a"}, Public: true, Expires: hour, ID: "right"},
			"private": {Keys: []push.Key{"a"}, Expires: hour},
			"both":    {Keys: []push.Key{"b", "a"}, Public: true, Expires: hour},
			"other":   {Keys: []push.Key{"b"}, Public: true, Expires: hour},
			"expired": {Keys: []push.Key{"a"}, Public: true, Expires: time.Now().Add(-time.Hour)},
			"revoked": {Keys: []push.Key{"a"}, Public: true, Expires: hour, ID: "r"},
		},
	}
}

func (k *tokens) Verify(token string, now time.Time) (push.Grant, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	g, ok := k.grants[token]
	switch {
	case !ok:
		return g, push.E(push.KindUnauthenticated, "the token is not valid")
	case !now.Before(g.Expires):
		return g, push.E(push.KindTokenExpired, "the token has expired")
	case k.away:
		return g, push.E(push.KindStoreUnavailable, "try again")
	case k.revoked[g.ID]:
		return g, push.E(push.KindTokenRevoked, "the token was revoked")
	}
	return g, nil
}

func (k *tokens) Withdrawn(g *push.Grant) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.revoked[g.ID]
}

func (k *tokens) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

func (k *tokens) revoke(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked[id] = true
	close(k.changed)
	k.changed = make(chan struct{})
}

func withTokens(t *testing.T) (*Node, *tokens) {
	t.Helper()
	n, _, _ := testNode(t, nil)
	k := someTokens()
	n.deps.Tokens = k
	return n, k
}

// bearing opens an SSE stream of the key a with a token.
func bearing(t *testing.T, n *Node, token string) *client {
	t.Helper()
	req := wire.Stream{Key: "a", Public: true}
	grant, err := n.checkStream(req, nil, token)
	if err != nil || !n.admit() {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	n.spawn(func() { n.runSSE(near, "", req, grant) })
	t.Cleanup(func() { _ = far.Close() })
	c := &client{conn: far, r: bufio.NewReader(far)}
	if f := c.next(t); f.Type != "ready" {
		t.Fatalf("the first frame is %+v", f)
	}
	return c
}

// What a token comes to on each protocol: the same for all of them, in their own terms.
//
// Broken once by forgetting expired tokens in the close codes, once by taking any key, and
// once by looking at the token of the URL on v2.
func TestTokensAtConnect(t *testing.T) {
	for _, c := range []struct {
		token string
		away  bool
		v1    string
		code  int // of v2; 0: it stays open
		sse   int
	}{
		{token: "right", v1: "+h\r\n", sse: 200},
		{token: "both", v1: "+h\r\n", sse: 200},
		{token: "", v1: "-a\r\n", code: 4102, sse: 401},
		{token: "guess", v1: "-a\r\n", code: 4102, sse: 401},
		{token: "expired", v1: "-a\r\n", code: 4103, sse: 401},
		{token: "other", v1: "-c\r\n", code: 4104, sse: 403},
		{token: "revoked", v1: "-a\r\n", code: 4106, sse: 401},
		{token: "right", away: true, v1: "-n\r\n", code: 4003, sse: 503},
	} {
		t.Run(fmt.Sprint(c.token, c.away), func(t *testing.T) {
			n, k := withTokens(t)
			k.away = c.away
			conn := dial(t, n)
			go func() { _, _ = conn.Write([]byte(resp("sub", "a", "30", c.token, "1"))) }()
			hear(t, conn, c.v1)

			conn = upgraded(t, n, "/sub?key=a&heartbeat=30&token="+c.token)
			hear(t, conn, string(frame(opcodeText, []byte(c.v1))))

			for _, header := range []string{"Authorization: Bearer " + c.token, "Sec-WebSocket-Protocol: gopush.v2, gopush.token." + c.token} {
				conn = upgraded(t, n, "/v2/stream?key=a&token=right HTTP/1.1\r\n"+header+"\r\nX:")
				want := string([]byte{byte(c.code >> 8), byte(c.code)})
				if c.code == 0 {
					want = `"type":"ready"`
				}
				waitFor(t, conn, want)
			}

			if c.sse == 200 {
				bearing(t, n, c.token)
				return
			}
			r := httptest.NewRequest(http.MethodGet, "/v2/events?key=a&token=right", nil)
			r.Header.Set("Authorization", "Bearer "+c.token)
			w := httptest.NewRecorder()
			n.mux().ServeHTTP(w, r)
			if w.Code != c.sse || w.Header().Get("Content-Type") != "application/problem+json" || (w.Header().Get("WWW-Authenticate") != "") != (c.sse == 401) {
				t.Errorf("SSE: %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// end reads what is left of a connection, without a deadline, and says after how long it
// ended.
func end(conn net.Conn, r io.Reader) <-chan string {
	began, ended := time.Now(), make(chan string, 1)
	_ = conn.SetDeadline(time.Time{})
	go func() {
		rest, _ := io.ReadAll(r)
		ended <- fmt.Sprint(time.Since(began), " ", string(rest))
	}()
	return ended
}

// A connection ends when its token does, to the second, unless a new one came meanwhile.
//
// Broken once by not starting the timer, and once by not taking the new token.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, k := withTokens(t)
		k.grants["longer"] = push.Grant{Keys: []push.Key{"a"}, Public: true, Expires: time.Now().Add(3 * time.Hour)}
		conn := dial(t, n)
		say(t, conn, resp("sub", "a", "86400", "right", "1"))
		hear(t, conn, "+h\r\n")
		v1 := end(conn, conn)
		stream := bearing(t, n, "right")
		sse := end(stream.conn, stream.r)
		if got := <-v1; got != "1h0m0s " {
			t.Errorf("v1 ends with %s", got)
		}
		got := <-sse
		for _, want := range []string{"1h0m0s ", "event: error", `"code":"token_expired"`, `"retryable":false`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %s", want, got)
			}
		}

		synctest.Wait() // the first two have left
		k.grants["right"] = push.Grant{Keys: []push.Key{"a"}, Public: true, Expires: time.Now().Add(time.Hour)}
		stream = bearing(t, n, "right")
		sse = end(stream.conn, stream.r)
		n.table.subscribers()[0].renew("longer")
		if got := <-sse; !strings.HasPrefix(got, "2h0m0s ") {
			t.Errorf("renewed, SSE ends with %s", got)
		}
	})
}

// Websockets end with the code of what happened to their token, and the node counts it.
//
// Broken once by ending v1 with another close code.
func TestTokenEndsWebsocket(t *testing.T) {
	for _, path := range []string{"/v2/stream?key=a", "/sub?key=a&heartbeat=30&token=right"} {
		n, _ := withTokens(t)
		var ahead atomic.Int64
		n.deps.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		conn := upgraded(t, n, path+" HTTP/1.1\r\nAuthorization: Bearer right\r\nX:")
		open, want := "+h", closeFrame(1008, "token expired")
		if strings.HasPrefix(path, "/v2/") {
			open, want = `"type":"live"`, closeFrame(4103, "token expired")
		}
		waitFor(t, conn, open)
		ahead.Store(int64(2 * time.Hour))
		n.table.subscribers()[0].expire()
		waitFor(t, conn, string(want))
	}
}

// A token frame renews, or ends the connection with what is wrong with its token.
//
// Broken once by taking a token that is not for public messages.
func TestTokenFrames(t *testing.T) {
	for token, code := range map[string]int{
		"right": 0, "both": 0, "guess": 4102, "expired": 4103, "other": 4104, "private": 4104, "revoked": 4106,
	} {
		n, _ := withTokens(t)
		conn := upgraded(t, n, "/v2/stream?key=a HTTP/1.1\r\nAuthorization: Bearer right\r\nX:")
		say(t, conn, masked(opcodeText, `{"type":"token","token":"`+token+`"}`))
		if code == 0 {
			say(t, conn, masked(opcodeText, `{"type":"ping"}`))
			waitFor(t, conn, string(pongFrame))
			continue
		}
		waitFor(t, conn, string([]byte{byte(code >> 8), byte(code)}))
	}
}

// Revoking a token ends the connections that came with it, and no other.
//
// Broken once by ending nobody, and once by ending all.
func TestTokenRevoked(t *testing.T) {
	n, k := withTokens(t)
	ctx, cancel := context.WithCancel(t.Context())
	var follower sync.WaitGroup
	follower.Go(func() { n.followTokens(ctx) })
	defer follower.Wait()
	defer cancel()
	conn := dial(t, n)
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	say(t, conn, resp("sub", "a", "30", "right", "1"))
	hear(t, conn, "+h\r\n")
	stays, goes := bearing(t, n, "both"), bearing(t, n, "right")
	ws := upgraded(t, n, "/v2/stream?key=a HTTP/1.1\r\nAuthorization: Bearer right\r\nX:")
	waitFor(t, ws, `"type":"live"`)
	k.revoke("right")
	hearEnd(t, conn)
	if rest := goes.rest(t); !strings.Contains(rest, `"code":"token_revoked"`) {
		t.Errorf("SSE ends with %s", rest)
	}
	waitFor(t, ws, string([]byte{4106 >> 8, 4106 & 0xff}))
	mustPush(t, n, "a", `"still here"`)
	stays.want(t, `"still here"`)
}

// A token that is not for public messages gets none, on any protocol.
//
// Broken once by asking the client alone.
func TestTokenWithoutPublic(t *testing.T) {
	n, _ := withTokens(t)
	conn := dial(t, n)
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	say(t, conn, resp("sub", "a", "30", "private", "1"))
	hear(t, conn, "+h\r\n")
	stream := bearing(t, n, "private")
	n.publish(n.public, &event{kind: evMessage, public: true, msg: push.Message{ID: 16, Body: []byte(`"to all"`), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}})
	id := mustPush(t, n, "a", `1`)
	json := fmt.Sprintf(`{"msg":1,"mid":%d,"gid":0}`, id)
	hear(t, conn, fmt.Sprintf("$%d\r\n%s\r\n", len(json), json))
	stream.want(t, `1`)
}

// Whoever has no token for a key learns nothing of it: the answer is the same for a key with
// messages, one that is connected and one that nobody has heard of, and nothing is read.
//
// Broken once by looking for the newest id first.
func TestForbiddenKeysLookAlike(t *testing.T) {
	n, _ := withTokens(t)
	store, ok := n.deps.Messages.(*memory)
	if !ok {
		t.Fatalf("messages are in %T", n.deps.Messages)
	}
	mustPush(t, n, "stored", `1`)
	answers := make(map[string]bool)
	bearing(t, n, "right")
	before := store.count(func(m *memory) int { return m.reads })
	for _, key := range []push.Key{"stored", "unknown", "a"} {
		for _, token := range []string{"other", ""} {
			r := httptest.NewRequest(http.MethodGet, "/v2/events?after=0&key="+string(key), nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			n.mux().ServeHTTP(w, r)
			answers[token+w.Body.String()] = true
		}
	}
	if reads := store.count(func(m *memory) int { return m.reads }); len(answers) != 2 || reads != before {
		t.Errorf("%d reads, answers: %v", reads-before, answers)
	}
}

// A page of an allowed origin is told that it may show a token; any other is told nothing.
//
// Broken once by telling every origin, and once by leaving Authorization out.
func TestPreflight(t *testing.T) {
	const app = "https://app.example"
	for _, tt := range []struct {
		origins      []string
		origin, want string
	}{
		{nil, app, "*"},
		{[]string{app}, app, app},
		{[]string{app}, "https://evil.example", ""},
		{[]string{app}, "null", ""},
		{[]string{app}, "", ""},
	} {
		n, _ := withTokens(t)
		l := *n.limits.Load()
		l.Origins = tt.origins
		n.SetLimits(l)
		r := httptest.NewRequest(http.MethodOptions, "/v2/events?key=a", nil)
		r.Header.Set("Origin", tt.origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		w := httptest.NewRecorder()
		n.mux().ServeHTTP(w, r)
		h := w.Header()
		if got := h.Get("Access-Control-Allow-Origin"); w.Code != http.StatusNoContent || got != tt.want || h.Get("Vary") != "Origin" {
			t.Errorf("%q with %v: %d %v", tt.origin, tt.origins, w.Code, h)
		}
		for name, want := range map[string]string{"Access-Control-Allow-Headers": "Authorization, Last-Event-ID", "Access-Control-Allow-Methods": "GET"} {
			if tt.want == "" {
				want = ""
			}
			if got := h.Get(name); got != want {
				t.Errorf("%q with %v: %s is %q", tt.origin, tt.origins, name, got)
			}
		}
	}
}
