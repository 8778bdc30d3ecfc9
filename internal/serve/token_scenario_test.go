package serve

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
)

// hs256 signs a token by hand, so that it can be wrong in any way.
func hs256(header, claims string, secret []byte) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

var tokenSecret = []byte("0123456789abcdef0123456789abcdef")

// keyLine is a line of a file of keys.
func keyLine(id string, secret []byte) string {
	return id + " HS256 " + base64.RawURLEncoding.EncodeToString(secret) + "\n"
}

// greeted connects and says hello.
func (c *cluster) greeted(addr, hello string) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, hello); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// heard is what comes until it holds one of the words, or the end.
func heard(conn net.Conn, until ...string) string {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		for _, word := range until {
			if bytes.Contains(all, []byte(word)) {
				return string(all)
			}
		}
		if err != nil {
			return string(all)
		}
	}
}

// exchange says hello and gives what is heard then.
func (c *cluster) exchange(addr, hello string, until ...string) string {
	c.t.Helper()
	conn := c.greeted(addr, hello)
	defer conn.Close()
	return heard(conn, until...)
}

// answers are what a token gets for a key on each way in.
type answers struct {
	tcp, v1  string // of protocol v1, over TCP and websocket
	code     int    // of the close of a v2 websocket; 0: it stays open
	sse, web int    // statuses
	ret      int    // of protocol v1 over HTTP
}

// ends are the reasons of close frames, behind the code.
var ends = []string{"token missing or invalid", "token expired", "key not allowed"}

// present shows a token on every way in.
func (c *cluster) present(key, token string) answers {
	c.t.Helper()
	node := c.sys.Addrs().Comets[0]
	q := url.QueryEscape(key)
	upgrade := func(path, more string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + more + "\r\n"
	}
	// The message may still be on its way to whoever listens, right behind the answer.
	tcp := c.exchange(node.TCP, fmt.Sprintf("*4\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$2\r\n60\r\n$%d\r\n%s\r\n", len(key), key, len(token), token), "\r\n")
	a := answers{tcp: strings.SplitAfter(tcp, "\r\n")[0]}
	_, frames, _ := strings.Cut(c.exchange(node.HTTP, upgrade("/sub?heartbeat=60&key="+q+"&token="+token, ""), "+h\r\n", "\x88"), "\r\n\r\n")
	if len(frames) >= 6 {
		a.v1 = frames[2:6]
	}
	said := c.exchange(node.HTTP, upgrade("/v2/stream?key="+q, "Sec-WebSocket-Protocol: gopush.v2, gopush.token."+token+"\r\n"), append([]string{`"type":"ready"`}, ends...)...)
	if strings.Contains(said, token) && token != "" {
		c.t.Error("a token is echoed")
	}
	for _, end := range ends {
		if i := strings.LastIndex(said, end); i > 2 {
			a.code = int(said[i-2])<<8 | int(said[i-1])
		}
	}
	head := c.exchange(node.HTTP, "GET /v2/events?key="+q+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+token+"\r\n\r\n", "\r\n\r\n")
	_, _ = fmt.Sscanf(head, "HTTP/1.1 %d", &a.sse)
	a.web, _ = c.readAs("/v2/messages?key="+q, token)
	_, body := c.readAs("/1/msg/get?m=0&k="+q+"&t="+token, "")
	_, _ = fmt.Sscanf(body[strings.LastIndex(body, `"ret":`):], `"ret":%d`, &a.ret)
	return a
}

// readAs asks the public API.
func (c *cluster) readAs(path, token string) (status int, body string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+c.sys.Addrs().Public+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// withKeys starts a system that requires tokens.
func withKeys(t *testing.T, text string, tune ...func(*config.Serve)) *cluster {
	t.Helper()
	s := settings(t, t.TempDir())
	for _, change := range tune {
		change(&s)
	}
	s.Tokens.Required, s.Tokens.KeysFile = true, filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(s.Tokens.KeysFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, Config{Settings: s})
}

// One token gets the same on every way in, in the words of each.
//
// Broken once by requiring none over protocol v1's HTTP, and once by not requiring them in
// the comet.
func TestTokensOnEveryWayIn(t *testing.T) {
	c := withKeys(t, keyLine("s", tokenSecret))
	c.push("k", `"secret"`)
	at := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	const header = `{"alg":"HS256","kid":"s"}`
	good := `{"key":["k","schlüssel-中文"],"exp":` + at(time.Hour) + `}`
	sign := func(claims string) string { return hs256(header, claims, tokenSecret) }
	open := answers{tcp: "+h\r\n", v1: "+h\r\n", sse: 200, web: 200}
	invalid := answers{tcp: "-a\r\n", v1: "-a\r\n", code: 4102, sse: 401, web: 401, ret: 65534}
	expired, foreign, huge := invalid, invalid, invalid
	expired.code = 4103
	foreign.tcp, foreign.v1, foreign.code, foreign.sse, foreign.web = "-c\r\n", "-c\r\n", 4104, 403, 403
	// Protocol v1 bounds the parameter, and over TCP says nothing to what is no framing of its.
	huge.tcp, huge.v1 = "", "-p\r\n"
	for _, tt := range []struct {
		name, key, token string
		want             answers
	}{
		{"good", "k", sign(good), open},
		{"good for a key in Unicode", "schlüssel-中文", sign(good), open},
		{"none", "k", "", invalid},
		{"nonsense", "k", "x.y.z", invalid},
		{"alg none", "k", strings.TrimRight(hs256(`{"alg":"none","kid":"s"}`, good, nil), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), invalid},
		{"alg of no key", "k", hs256(`{"alg":"EdDSA","kid":"s"}`, good, tokenSecret), invalid},
		{"no kid", "k", hs256(`{"alg":"HS256"}`, good, tokenSecret), invalid},
		{"kid of a file", "k", hs256(`{"alg":"HS256","kid":"/dev/null"}`, good, nil), invalid},
		{"another secret", "k", hs256(header, good, []byte("x")), invalid},
		{"no exp", "k", sign(`{"key":"k"}`), invalid},
		{"not yet valid", "k", sign(`{"key":"k","exp":` + at(time.Hour) + `,"nbf":` + at(time.Minute) + `}`), invalid},
		{"expired", "k", sign(`{"key":"k","exp":` + at(-time.Minute) + `}`), expired},
		{"another key", "k", sign(`{"key":"K","exp":` + at(time.Hour) + `}`), foreign},
		{"a key that has nothing", "unknown", sign(good), foreign},
		{"huge", "k", sign(`{"key":"k","exp":` + at(time.Hour) + `,"x":"` + strings.Repeat("x", 4096) + `"}`), huge},
	} {
		if got := c.present(tt.key, tt.token); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	// Where a key lives is no secret: the ring tells anybody.
	if status, _ := c.readAs("/v2/node?key=k", ""); status != 200 {
		t.Errorf("the node: %d", status)
	}
	private := sign(`{"key":"k","public":false,"exp":` + at(time.Hour) + `}`)
	if status, body := c.readAs("/v2/messages?key=k&public_after=0", private); status != 403 || !strings.Contains(body, "not for public messages") {
		t.Errorf("public messages: %d %s", status, body)
	}
	if status, body := c.readAs("/v2/messages?key=k", private); status != 200 || !strings.Contains(body, "secret") {
		t.Errorf("its own messages: %d %s", status, body)
	}
	if status, body := c.readAs("/v2/messages?key=k", sign(`{"key":"k","exp":`+at(-time.Minute)+`}`)); status != 401 || !strings.Contains(body, `"code":"unauthenticated"`) || !strings.Contains(body, "has expired") {
		t.Errorf("expired: %d %s", status, body)
	}
}

// Tokens are minted over the admin API, with what was asked for, and work.
//
// Broken once by minting for public messages always.
func TestMintOverTheAPI(t *testing.T) {
	c := withKeys(t, keyLine("s", tokenSecret))
	admin := "http://" + c.sys.Addrs().Admin + "/v2/tokens"
	var made struct {
		Token, ID string
		Keys      []string
		Public    bool
		ExpiresAt int64 `json:"expires_at"`
	}
	c.call(http.MethodPost, admin, `{"key":"k","ttl_s":60,"public":false,"id":"t-1"}`, &made)
	left := time.Until(time.UnixMilli(made.ExpiresAt))
	if made.ID != "t-1" || len(made.Keys) != 1 || made.Keys[0] != "k" || made.Public || left > time.Minute || left < 30*time.Second {
		t.Errorf("%+v", made)
	}
	if status, _ := c.readAs("/v2/messages?key=k", made.Token); status != 200 {
		t.Errorf("the token reads: %d", status)
	}
	if status, _ := c.readAs("/v2/messages?key=k&public_after=0", made.Token); status != 403 {
		t.Errorf("the token reads public messages: %d", status)
	}
	c.call(http.MethodPost, admin, `{"key":["a","b"]}`, &made)
	if status, _ := c.readAs("/v2/messages?key=b&public_after=0", made.Token); status != 200 || len(made.ID) < 20 {
		t.Errorf("the token of two keys: %d, %+v", status, made)
	}
}

// What the console asks for opens the streams of its phone, also where tokens are short.
//
// Broken once by giving an hour whatever is allowed, and once by not telling the page.
func TestPhoneOfTheConsole(t *testing.T) {
	c := withKeys(t, keyLine("s", tokenSecret), func(s *config.Serve) { s.Tokens.MaxLife = 10 * time.Minute })
	var node struct {
		WS     string
		Needed bool `json:"token_needed"`
	}
	c.call(http.MethodGet, c.admin()+"/console/node?key=..", "", &node)
	if !node.Needed || node.WS == "" {
		t.Errorf("the page is told %+v", node)
	}
	var made struct {
		Token     string
		ExpiresAt int64 `json:"expires_at"`
	}
	c.call(http.MethodPost, c.admin()+"/v2/tokens", `{"key":".."}`, &made)
	if left := time.Until(time.UnixMilli(made.ExpiresAt)); left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("the token has %s", left)
	}
	if got, want := c.present("..", made.Token), (answers{tcp: "+h\r\n", v1: "+h\r\n", sse: 200, web: 200}); got != want {
		t.Errorf("with the token: %+v, want %+v", got, want)
	}
	var info struct{ Key, Node string }
	c.call(http.MethodGet, c.admin()+"/console/key?key=..", "", &info)
	if info.Key != ".." || info.Node == "" {
		t.Errorf("the key: %+v", info)
	}
}

// New keys are taken over at a reload: tokens of the new one are valid, those of one that is
// gone are not, and their connections end. A broken file changes nothing.
//
// Broken once by reading the file at the start alone.
func TestKeysReload(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keyLine("s", tokenSecret))
	text := "tokens: {required: true, keys_file: " + keys + "}"
	r := startReloaded(t, text, nil)
	next := []byte("fedcba9876543210fedcba9876543210")
	claims := fmt.Sprintf(`{"key":"k","exp":%d}`, time.Now().Add(time.Hour).Unix())
	old, young := hs256(`{"alg":"HS256","kid":"s"}`, claims, tokenSecret), hs256(`{"alg":"HS256","kid":"t"}`, claims, next)
	want := func(token string, status int) {
		t.Helper()
		if got, _ := r.readAs("/v2/messages?key=k", token); got != status {
			t.Errorf("the token %.30s gets %d, want %d", token, got, status)
		}
	}
	want(old, 200)
	want(young, 401)
	write("s HS256 short\n")
	if r.sys.Reload(r.read) {
		t.Error("a broken file is taken")
	}
	write(keyLine("t", next) + keyLine("s", tokenSecret))
	if line := r.reload(t, text); !strings.Contains(line, `changed="the token keys"`) {
		t.Error(line)
	}
	want(old, 200)
	want(young, 200)
	stream := r.greeted(r.sys.Addrs().Comets[0].HTTP, "GET /v2/events?key=k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+old+"\r\n\r\n")
	if got := heard(stream, `"type":"live"`); !strings.Contains(got, `"type":"live"`) {
		t.Fatalf("the stream says %s", got)
	}
	write(keyLine("t", next))
	r.reload(t, text)
	want(old, 401)
	want(young, 200)
	if got := heard(stream); !strings.Contains(got, "token_revoked") {
		t.Errorf("the stream of the old key ends with %s", got)
	}
}
