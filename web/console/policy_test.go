package console

import (
	"fmt"
	"strings"
	"testing"
)

// directives splits a policy as a browser does.
func directives(policy string) map[string]string {
	all := make(map[string]string)
	for d := range strings.SplitSeq(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		all[name] = value
	}
	return all
}

// TestProtection: every reply carries the policy, refusals included.
func TestProtection(t *testing.T) {
	c := newConsole(t, "ws://127.0.0.1:6968", "wss://comet.example:443")
	for _, path := range []string{"/console/", "/console", "/console/app.js", "/console/nothing"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			h := ask(c, method, path).Header
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if h.Get(name) != want {
					t.Errorf("%s %s: %s is %q", method, path, name, h.Get(name))
				}
			}
			if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
				t.Errorf("%s %s: %v", method, path, h)
			}
			got := directives(h.Get("Content-Security-Policy"))
			for name, want := range map[string]string{
				"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
				"connect-src": "'self' ws://127.0.0.1:6968 wss://comet.example:443",
				"base-uri":    "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
				"require-trusted-types-for": "'script'", "trusted-types": "'none'",
			} {
				if got[name] != want {
					t.Errorf("%s %s: %s is %q, not %q", method, path, name, got[name], want)
				}
				delete(got, name)
			}
			if len(got) > 0 {
				t.Errorf("%s %s: more than expected: %v", method, path, got)
			}
		}
	}
}

func prefixed(addrs ...string) []string {
	var all []string
	for _, a := range addrs {
		all = append(all, "ws://"+a)
	}
	return all
}

func TestSources(t *testing.T) {
	for name, tt := range map[string]struct {
		origins []string
		want    string
	}{
		"none":     {nil, ""},
		"sorted":   {[]string{"wss://b:2", "ws://a:1"}, " ws://a:1 wss://b:2"},
		"once":     {[]string{"ws://a:1", "ws://b:2", "ws://a:1"}, " ws://a:1 ws://b:2"},
		"ipv6":     {[]string{"ws://[::1]:6968"}, " ws://[::1]:6968"},
		"no addr":  {prefixed("", "a b:1", "a:1/path", "a:1;script-src *", "a:1,b:2", "user@a:1", "*", "'self'", "a:1?x", "a:1#x", "a:x", "ä:1"), ""},
		"no ws":    {[]string{"", "a:1", "http://a:1", "https://a:1", "WS://a:1", "ws:a:1", "ws:/a:1", "*", "javascript://a:1"}, ""},
		"mixed in": {prefixed("a:1; script-src *", "b:2"), " ws://b:2"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sources(tt.origins); got != tt.want {
				t.Errorf("%q, not %q", got, tt.want)
			}
		})
	}
}

// TestManySources: a large cluster does not make a header that nobody takes.
func TestManySources(t *testing.T) {
	var addrs []string
	for i := range maxSources {
		addrs = append(addrs, fmt.Sprintf("ws://comet-%d.example:6968", i))
	}
	if got := sources(addrs); strings.Count(got, "ws://") != maxSources || len(got) > 4096 {
		t.Errorf("%d bytes", len(got))
	}
	if got := sources(append(addrs, "ws://one.more:1")); got != " ws: wss:" {
		t.Errorf("%.80q", got)
	}
	if got := sources(append(addrs, addrs...)); strings.Count(got, "ws://") != maxSources {
		t.Errorf("repeated: %.80q", got)
	}
}

// FuzzSources: no origin can add a directive or loosen one.
func FuzzSources(f *testing.F) {
	for _, seed := range []string{"ws://127.0.0.1:6968", "wss://a:443", "ws://a;script-src *", "a\nb", "*", "'unsafe-inline'", "[::1]:1", "a:1 https:", "%3b:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		got := sources([]string{origin})
		if got != "" && got != " "+origin {
			t.Errorf("%q became %q", origin, got)
		}
		if strings.ContainsAny(strings.TrimPrefix(got, " "), " ;,'*\"\t\r\n") {
			t.Errorf("%q went through as %q", origin, got)
		}
	})
}
