package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gopush/internal/push"
)

// TestAdminToken: 401 without the token, for each protocol in its own terms.
func TestAdminToken(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + testToken + "x", "Basic " + testToken, testToken, "Bearer  " + testToken} {
		header := map[string]string{"Authorization": value}
		v2 := h.do(t, "POST", h.admin+"/v2/messages", `{"key":"K","data":1}`, header)
		if v2.status != 401 || v2.code(t) != "unauthenticated" || !strings.HasPrefix(v2.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: %d %s", value, v2.status, v2.body)
		}
		v1 := h.do(t, "POST", h.admin+"/1/admin/push/private?key=K&expire=60", "1", header)
		if v1.status != 401 || !strings.HasPrefix(v1.body, `{"msg":"`) || !strings.HasSuffix(v1.body, `","ret":65535}`) || v1.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %s", value, v1.status, v1.body)
		}
		// What exists does not show.
		if a := h.do(t, "GET", h.admin+"/v2/nothing", "", header); a.status != 401 {
			t.Errorf("%q: unknown path %d", value, a.status)
		}
	}
	if n := len(h.streams); n != 0 {
		t.Errorf("%d streams were touched", n)
	}
	if a := h.do(t, "GET", h.admin+"/v2/nodes", "", map[string]string{"Authorization": "bearer " + testToken}); a.status != 200 {
		t.Errorf("the scheme's case does not matter: %d", a.status)
	}
	if strings.Contains(h.log.String(), testToken) || strings.Contains(h.log.String(), "wrong") {
		t.Error("a token is in the log")
	}
}

// TestDevLoopback: without a token, this host only.
func TestDevLoopback(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.Admins, c.DevLoopback = nil, true })
	tests := []struct {
		name, remote, host string
		header             map[string]string
		status             int
	}{
		{"loopback", "127.0.0.1:5", "localhost:8091", nil, 201},
		{"loopback, IPv6", "[::1]:5", "[::1]:8091", nil, 201},
		{"loopback, mapped", "[::ffff:127.0.0.1]:5", "127.0.0.1:8091", nil, 201},
		{"another host", "10.0.0.1:5", "localhost:8091", nil, 401},
		{"no address", "@", "localhost:8091", nil, 401},
		{"DNS rebinding", "127.0.0.1:5", "evil.example:8091", nil, 403},
		{"through a proxy", "127.0.0.1:5", "localhost", map[string]string{"X-Forwarded-For": "10.0.0.1"}, 403},
		{"a foreign page", "127.0.0.1:5", "localhost:8091", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a foreign origin", "127.0.0.1:5", "localhost:8091", map[string]string{"Origin": "https://evil.example"}, 403},
		{"its own page", "127.0.0.1:5", "localhost:8091", map[string]string{"Origin": "http://localhost:8091"}, 201},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("POST", "/v2/messages", strings.NewReader(`{"key":"K","data":1}`))
		r.RemoteAddr, r.Host = tt.remote, tt.host
		for name, value := range tt.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.Admin().ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
}

// TestCORS: a list, for the public v2 API alone.
func TestCORS(t *testing.T) {
	const app = "https://app.example"
	tests := []struct {
		list           []string
		origin, target string
		want           string
	}{
		{nil, app, "/v2/time", ""},
		{[]string{app}, app, "/v2/time", app},
		{[]string{app}, "https://evil.example", "/v2/time", ""},
		{[]string{app}, "https://app.example.evil", "/v2/time", ""},
		{[]string{app}, "null", "/v2/time", ""},
		{[]string{app}, "", "/v2/time", ""},
		{[]string{"*"}, "https://any.example", "/v2/time", "https://any.example"},
		{[]string{"*"}, "https://any.example", "/1/time/get", ""},
	}
	for _, tt := range tests {
		h := newHarness(t, newCluster(t, "node1"), func(c *Config) { c.Limits.CORSOrigins = tt.list })
		for _, method := range []string{"GET", "OPTIONS"} {
			a := h.do(t, method, h.public+tt.target, "", map[string]string{"Origin": tt.origin, "Access-Control-Request-Method": "GET"})
			if got := a.header.Get("Access-Control-Allow-Origin"); got != tt.want {
				t.Errorf("%s %s from %q with %v: %q, want %q", method, tt.target, tt.origin, tt.list, got, tt.want)
			}
			if tt.want != "" && a.header.Get("Vary") != "Origin" {
				t.Errorf("Vary is %q", a.header.Get("Vary"))
			}
			if got := a.header.Get("Access-Control-Allow-Methods"); (got != "") != (tt.want != "" && method == "OPTIONS") {
				t.Errorf("%s: Allow-Methods %q", method, got)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		}
		if a := h.call(t, "OPTIONS", "/v2/messages", "", "Origin", app); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("the admin API answers a foreign page")
		}
	}
}

// TestLogLine: one per request, with the pattern of the path and no key, token
// or body.
func TestLogLine(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c)
	h.call(t, "GET", "/v2/keys/very-private-key", "", "X-Request-Id", "req-7")
	h.get(t, "/v2/messages?key=very-private-key&after=%zz")
	h.get(t, "/1/msg/get?k=very-private-key&m=0")
	h.post(t, "/v2/messages", `{"key":"very-private-key","data":"very-private-body"}`)
	h.get(t, "/very-private-path")
	c.readErr = func(int) error { return push.Wrap(push.KindStoreUnavailable, errBroken, "the store is away") }
	h.get(t, "/v2/messages?key=very-private-key")
	waitFor(t, func() bool { return strings.Count(h.log.String(), "\n") >= 6 })
	log := h.log.String()
	if n := strings.Count(log, "\n"); n != 6 || strings.Contains(log, "very-private") || strings.Contains(log, testToken) {
		t.Errorf("%d lines:\n%s", n, log)
	}
	for _, want := range []string{
		`level=INFO msg="http request" listener=admin method=GET route=/v2/keys/{key} status=200 duration=`, "request_id=req-7 bytes=71\n",
		"listener=public method=GET route=/v2/messages status=400", "code=bad_request\n", "route=/1/msg/get status=200", "route=/v2/messages status=201",
		"route=none status=404", "level=WARN", `status=503`, `code=store_unavailable error="store_unavailable: the store is away: broken"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}

// TestRequestID is taken if it is short and printable, else made; and it is in
// every reply and in the problem.
func TestRequestID(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for given, kept := range map[string]bool{"": false, "abc-1": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "é": false} {
		a := h.do(t, "GET", h.public+"/v2/node", "", map[string]string{"X-Request-Id": given})
		got := a.header.Get("X-Request-Id")
		if (got == given) != kept || got == "" || !strings.Contains(a.body, `"request_id":"`+got+`"`) {
			t.Errorf("given %q: %q, %s", given, got, a.body)
		}
	}
	if a := h.get(t, "/1/time/get"); a.header.Get("X-Request-Id") == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.header)
	}
}

// TestNoNameOfTheServer: replies do not say what serves them.
func TestNoNameOfTheServer(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	if a := h.get(t, "/v2/time"); a.header.Get("Server") != "" {
		t.Errorf("%v", a.header)
	}
	if a := h.do(t, http.MethodTrace, h.public+"/v2/time", "", nil); a.status != 405 {
		t.Errorf("TRACE: %d", a.status)
	}
}
