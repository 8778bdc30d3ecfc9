package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/daemon"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// debug is a log of everything, in a format that operators may choose.
func debug(t *testing.T, format string) (*slog.Logger, *lines) {
	t.Helper()
	out := new(lines)
	log, _, err := daemon.NewLogger(daemon.LogConfig{Format: format, Level: "debug"}, out)
	if err != nil {
		t.Fatal(err)
	}
	return log, out
}

// request makes one that may well be refused, and returns the id that it was given.
func (c *cluster) request(method, url, body string, header ...string) (id string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close() // a stream would not end
	return resp.Header.Get("X-Request-Id")
}

// The id of a request is the caller's, if it is short and printable, comes back to it, and
// is in a log line of each role that its pushes go through.
//
// Broken once by not handing the ids to the message node.
func TestRequestIDFollowsThePush(t *testing.T) {
	log, out := debug(t, "text")
	c := startLogging(t, Config{Settings: settings(t, t.TempDir())}, log)
	admin, auth := "http://"+c.sys.Addrs().Admin, "Bearer "+c.sys.Token()
	send := func(path, body, id string) string {
		return c.request(http.MethodPost, admin+path, body, "Authorization", auth, "X-Request-Id", id, "Content-Type", "application/json")
	}
	long := strings.Repeat("x", 129)
	for _, bad := range []string{long, "two words", "caf\u00e9"} {
		if got := send("/v2/messages", `{"key":"k","data":1}`, bad); got == bad || got == "" {
			t.Errorf("the id %q was answered with %q", bad, got)
		}
	}
	ids := map[string]string{"single-7": `{"key":"k","data":1}`, "transient-8": `{"key":"k","data":1,"transient":true}`}
	for id, body := range ids {
		if got := send("/v2/messages", body, id); got != id {
			t.Errorf("the id %q was answered with %q", id, got)
		}
	}
	c.request(http.MethodPost, admin+"/v2/messages/batch", `{"key":"a","data":1}`+"\n"+`{"key":"a","data":2}`+"\n",
		"Authorization", auth, "X-Request-Id", "batch-9", "Content-Type", "application/x-ndjson")
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	for part, ids := range map[string][]string{
		"part=web":     {"single-7", "transient-8", "batch-9"},
		"part=comet":   {"single-7", "transient-8", "batch-9"},
		"part=message": {"single-7", "batch-9"},
	} {
		for _, id := range ids {
			if !hasLine(out.String(), part, "request_id="+id) {
				t.Errorf("no line of %s has the id %s", part, id)
			}
		}
	}
	if strings.Contains(out.String(), long) {
		t.Error("an id that is too long is in the log")
	}
}

func hasLine(text string, parts ...string) bool {
	for line := range strings.Lines(text) {
		found := true
		for _, p := range parts {
			found = found && strings.Contains(line, p)
		}
		if found {
			return true
		}
	}
	return false
}

// canary is part of all that may be in no log: tokens and passwords, and what is pushed
// to whom.
const canary = "k4n4rien"

// Nothing that is secret or somebody's own is ever logged, in any format, even where
// everything is: the admin token, tokens of clients and of those who have none, the
// password of ZooKeeper, keys, bodies and idempotency keys. The audit log alone says which
// key was deleted.
//
// Broken once by logging the key of an operation, and once by logging the query of a
// request.
func TestNoSecretIsLogged(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			log, out := debug(t, format)
			c := startLogging(t, Config{Settings: settings(t, t.TempDir())}, log)
			c.use("key-" + canary)
			c.misuse()
			farAway(t, log)
			secrets := append(guarded(t, log), canary, c.sys.Token())
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			for line := range strings.Lines(out.String()) {
				if hasLine(line, "admin action", "audit") {
					// Only there, and only as what was deleted or recalled.
					line = strings.NewReplacer("key=key-"+canary, "", `"key":"key-`+canary+`"`, "").Replace(line)
				}
				for _, secret := range secrets {
					if strings.Contains(line, secret) {
						t.Errorf("the log holds a secret: %s", line)
					}
				}
			}
			for _, must := range []string{"http request", "operation", "write", "term begun", "admin action", "admin access denied"} {
				if !strings.Contains(out.String(), must) {
					t.Errorf("not everything was logged: there is no %q", must)
				}
			}
		})
	}
}

// misuse sends secrets where they do not belong, and what is refused.
func (c *cluster) misuse() {
	c.t.Helper()
	addrs := c.sys.Addrs()
	admin, public, comet := "http://"+addrs.Admin, "http://"+addrs.Public, "http://"+addrs.Comets[0].HTTP
	auth := "Bearer " + c.sys.Token()
	c.request(http.MethodPost, admin+"/v2/messages", `{"key":"a","data":1}`, "Authorization", "Bearer "+canary)
	c.request(http.MethodPost, admin+"/v2/messages", `{"key":"a `+canary+`","data":`, "Authorization", auth, "Content-Type", "application/json")
	c.request(http.MethodPost, admin+"/v2/messages", `{"key":"`+canary+`\u0001","data":"`+canary+`"}`, "Authorization", auth, "Content-Type", "application/json")
	c.request(http.MethodPost, admin+"/v2/messages", `{"key":"a","data":"`+canary+`","idempotency_key":"`+canary+`"}`, "Authorization", auth, "Content-Type", "application/json")
	c.request(http.MethodPost, admin+"/v2/messages", `{"key":"a","data":"other","idempotency_key":"`+canary+`"}`, "Authorization", auth, "Content-Type", "application/json")
	c.request(http.MethodPost, admin+"/1/admin/push/private?key="+canary+"&expire=x", canary, "Authorization", auth)
	c.request(http.MethodGet, admin+"/"+canary+"?token="+c.sys.Token(), "")
	c.request(http.MethodGet, public+"/v2/messages?key="+canary+"&after=x&token="+canary, "")
	c.request(http.MethodGet, public+"/1/msg/get?k="+canary+"&m=x&t="+canary, "")
	c.request(http.MethodGet, comet+"/v2/events?key="+canary+"&after=0", "", "Authorization", "Bearer "+canary)
	c.request(http.MethodGet, comet+"/v2/events?key="+canary+"&after="+canary, "", "Authorization", "Bearer "+canary)
	for proto, value := range map[string]string{"/v2/stream": "gopush.v2, token." + canary, "/sub": ""} {
		c.request(http.MethodGet, comet+proto+"?key="+canary+"&token="+canary+"&heartbeat=30", "", "Connection", "Upgrade", "Upgrade", "websocket",
			"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol", value)
	}
	conn, err := net.Dial("tcp", addrs.Comets[0].TCP)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("*3\r\n$3\r\nsub\r\n$8\r\n" + canary + "\r\n$8\r\n" + canary + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 16)); err != nil {
		c.t.Errorf("v1 over TCP is not answered: %v", err)
	}
}

// guarded is a process that requires tokens: what it mints, and what does not do, is in no
// log and no metric, whichever way it comes. The tokens are given back.
func guarded(t *testing.T, log *slog.Logger) (secrets []string) {
	t.Helper()
	s := settings(t, t.TempDir())
	s.Tokens.Required, s.Tokens.KeysFile = true, filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(s.Tokens.KeysFile, []byte(keyLine(canary, []byte(canary+canary+canary+canary))), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startLogging(t, Config{Settings: s}, log)
	exp := time.Now().Add(time.Hour).Unix()
	for _, token := range []string{
		canary, strings.Repeat(canary, 600),
		hs256(`{"alg":"HS256","kid":"`+canary+`"}`, fmt.Sprintf(`{"key":"%s","exp":%d}`, canary, exp), []byte(canary+canary+canary+canary)),
		hs256(`{"alg":"HS256","kid":"`+canary+`"}`, fmt.Sprintf(`{"key":"%s","exp":1}`, canary), []byte(canary+canary+canary+canary)),
		hs256(`{"alg":"`+canary+`","kid":"`+canary+`"}`, `{"`+canary+`":1}`, []byte(canary)),
	} {
		c.present("key-"+canary, token)
		for name := range series(families(t, c.sys)) {
			if strings.Contains(name, canary) || strings.Contains(name, token) {
				t.Errorf("a metric holds a token: %s", name)
			}
		}
		secrets = append(secrets, token)
	}
	var made struct{ Token string }
	c.call(http.MethodPost, "http://"+c.sys.Addrs().Admin+"/v2/tokens", `{"key":"k"}`, &made)
	c.present("k", made.Token)
	secrets = append(secrets, made.Token, c.sys.Token())
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	return secrets
}

// farAway runs a process that logs in to a ZooKeeper that is not there.
func farAway(t *testing.T, log *slog.Logger) {
	t.Helper()
	s := settings(t, filepath.Join(t.TempDir(), "data"))
	s.Coordination.Kind, s.Coordination.Servers, s.Coordination.User = zookeeperKind, []string{"127.0.0.1:1"}, "gopush"
	sys, err := New(Config{Settings: s, Roles: Comet, ZooKeeperPassword: canary}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := errors.Join(sys.Run(ctx), sys.Close()); err != nil {
		t.Errorf("the process without ZooKeeper: %v", err)
	}
}
