package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gopush/internal/coord"
	"gopush/web/console"
)

// askConsole asks past the check against openapi.yaml, where the page is not.
func askConsole(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8091"+path, http.NoBody)
	r.RemoteAddr = "127.0.0.1:5000"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestConsoleNeedsNoToken: the page comes to whoever opens the link; nothing
// beside it does.
func TestConsoleNeedsNoToken(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard())
	for path, want := range map[string]int{
		"/console/": 200, "/console/app.js": 200, "/console": 308, "/console/nothing": 404, "/console/node/": 404,
		console.NodePath: 401, console.NodePath + "?key=K": 401, console.KeyPath + "?key=K": 401, "/console/key/": 404, "/": 401, "/consoles": 401, "/Console/": 401, "//console/": 401,
		"/v2/keys/K": 401, "/v2/../console/": 401, "/./console/": 401,
	} {
		if w := askConsole(s.Admin(), "GET", path); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// Nothing leads from the page's path to the API behind the token.
	for _, path := range []string{"/console/../v2/nodes", "/console/..%2fv2/nodes", "/console//v2/nodes", "/console/v2/nodes"} {
		if w := askConsole(s.Admin(), "GET", path); w.Code != 404 || strings.Contains(w.Body.String(), "node1") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := askConsole(s.Admin(), "POST", "/console/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := askConsole(s.Public(), "GET", "/console/"); w.Code != 404 {
		t.Errorf("on the public listener: %d", w.Code)
	}
	for _, path := range []string{console.NodePath, console.KeyPath} {
		if w := askConsole(s.Public(), "GET", path+"?key=K"); w.Code != 404 {
			t.Errorf("%s on the public listener: %d", path, w.Code)
		}
	}
}

// TestConsoleNode: the page's own way to the node of a key is that of /v2/node.
func TestConsoleNode(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	admin := h.server.Admin()
	token := []string{"Authorization", "Bearer " + testToken}
	w := askConsole(admin, "GET", console.NodePath+"?key=K", token...)
	if public := h.get(t, "/v2/node?key=K"); w.Code != 200 || w.Body.String() != public.body || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s, publicly %s", w.Code, w.Body, public.body)
	}
	for _, tt := range []struct {
		method, query string
		header        []string
		status        int
		code          string
	}{
		{"GET", "?key=K", nil, 401, "unauthenticated"},
		{"GET", "?key=K", []string{"Authorization", "Bearer wrong"}, 401, "unauthenticated"},
		{"GET", "?key=", token, 400, "bad_key"},
		{"GET", "?key=a&key=b", token, 400, "bad_request"},
		{"POST", "?key=K", token, 405, "method_not_allowed"},
	} {
		w := askConsole(admin, tt.method, console.NodePath+tt.query, tt.header...)
		if w.Code != tt.status || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"code":"`+tt.code+`"`) {
			t.Errorf("%s %s: %d %s", tt.method, tt.query, w.Code, w.Body)
		}
	}
}

// TestConsoleKey: what is known of a key is what /v2/keys/K says, also for keys that no browser
// can ask that for. A viewer sees it, too.
//
// Broken once by leaving the path to the page, which comes without a token.
func TestConsoleKey(t *testing.T) {
	h, _ := audited(t, "node1")
	admin := h.server.Admin()
	for key, escaped := range map[string]string{"K": "K", ".": "%2E", "..": "%2E%2E", "a/b": "a%2Fb", "/": "%2F"} {
		w := askConsole(admin, "GET", console.KeyPath+"?key="+url.QueryEscape(key), "Authorization", "Bearer "+viewerToken)
		if public := h.call(t, "GET", "/v2/keys/"+escaped, ""); w.Code != 200 || w.Body.String() != public.body || !strings.Contains(public.body, fmt.Sprintf(`"key":%q`, key)) {
			t.Errorf("%s: %d %s, over the API %s", key, w.Code, w.Body, public.body)
		}
	}
	for query, code := range map[string]string{"": "bad_key", "?key=": "bad_key", "?key=a&key=b": "bad_request", "?key=%00": "bad_key"} {
		w := askConsole(admin, "GET", console.KeyPath+query, "Authorization", "Bearer "+testToken)
		if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// TestConsoleSaysThatTokensAreNeeded: the phone knows before it connects; devices are told
// nothing new.
//
// Broken once by always saying so.
func TestConsoleSaysThatTokensAreNeeded(t *testing.T) {
	h, _, _ := withAuthority(t)
	token := []string{"Authorization", "Bearer " + testToken}
	w := askConsole(h.server.Admin(), "GET", console.NodePath+"?key=K", token...)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"key":"K",`) || !strings.Contains(w.Body.String(), `"token_needed":true}`) {
		t.Errorf("needed: %d %s", w.Code, w.Body)
	}
	if public := h.get(t, "/v2/node?key=K"); strings.Contains(public.body, "token") {
		t.Errorf("devices are told %s", public.body)
	}
	h.server.cfg.TokensRequired = false
	if w := askConsole(h.server.Admin(), "GET", console.NodePath+"?key=K", token...); strings.Contains(w.Body.String(), "token") {
		t.Errorf("not needed: %s", w.Body)
	}
}

// TestConsolePolicy: the page may connect to the nodes that the directory knows.
func TestConsolePolicy(t *testing.T) {
	c := newCluster(t, "node1", "node2")
	c.edit("node2", func(g *coord.Group) { g.Public.TLS = true })
	s := newServer(t, c, discard())
	policy := askConsole(s.Admin(), "GET", "/console/").Header().Get("Content-Security-Policy")
	for name, g := range c.View().Groups {
		origin := map[string]string{"node1": " ws://node1:6968", "node2": " wss://node2:6968"}[name]
		if !strings.Contains(policy, origin) {
			t.Errorf("%s at %q is not in %s", name, g.Public.WS, policy)
		}
	}
	if got := askConsole(s.Admin(), "GET", "/console/").Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
}

// TestConsoleInDevelopment: without a token the page and what it asks for still
// go to pages of its own origin alone.
func TestConsoleInDevelopment(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.Admins, c.DevLoopback = nil, true })
	same := []string{"Origin", "http://127.0.0.1:8091", "Sec-Fetch-Site", "same-origin"}
	if w := askConsole(s.Admin(), "GET", "/console/", same...); w.Code != 200 {
		t.Errorf("page: %d", w.Code)
	}
	if w := askConsole(s.Admin(), "GET", console.NodePath+"?key=K", same...); w.Code != 200 {
		t.Errorf("node: %d %s", w.Code, w.Body)
	}
	if w := askConsole(s.Admin(), "DELETE", "/v2/messages?key=K", "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("a foreign page: %d", w.Code)
	}
}

// TestConsoleIsLogged: by its path alone, and as one route whatever was asked.
func TestConsoleIsLogged(t *testing.T) {
	var log lockedBuffer
	s := newServer(t, newCluster(t, "node1"), slog.New(slog.NewTextHandler(&log, nil)))
	askConsole(s.Admin(), "GET", "/console/app.js?secret=1")
	askConsole(s.Admin(), "GET", "/console/unknown-path")
	text := log.String()
	if strings.Count(text, "/console/") != 2 || strings.Contains(text, "secret") || strings.Contains(text, "unknown-path") {
		t.Errorf("%s", text)
	}
}
