package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newConsole(t testing.TB, nodes ...string) *Console {
	t.Helper()
	c, err := New(Config{Nodes: func() []string { return nodes }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "http://localhost:8091/", http.NoBody)
	r.URL.Path = path // as it stands, without the cleaning of a URL
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return text
}

func TestFiles(t *testing.T) {
	c := newConsole(t)
	for path, want := range map[string]struct{ kind, part string }{
		"/console/":           {"text/html; charset=utf-8", "<!doctype html>"},
		"/console/index.html": {"text/html; charset=utf-8", "<!doctype html>"},
		"/console/style.css":  {"text/css; charset=utf-8", "prefers-color-scheme: dark"},
		"/console/app.js":     {"text/javascript; charset=utf-8", "import "},
		"/console/icon.svg":   {"image/svg+xml", "<svg"},
	} {
		res := ask(c, "GET", path)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != want.kind || res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
		text := body(t, res)
		if !strings.Contains(text, want.part) {
			t.Errorf("%s is %.80q", path, text)
		}
		head := ask(c, "HEAD", path)
		if head.StatusCode != 200 || head.ContentLength != int64(len(text)) || head.Header.Get("Content-Type") != want.kind {
			t.Errorf("HEAD %s: %d %v", path, head.StatusCode, head.Header)
		}
	}
}

// TestRevalidation: what has not changed is not sent again, what has is.
func TestRevalidation(t *testing.T) {
	c := newConsole(t)
	seen := make(map[string]string)
	for name := range c.files {
		if name == "" {
			continue // index.html under its other name
		}
		etag := ask(c, "GET", Path+name).Header.Get("Etag")
		if etag == "" || seen[etag] != "" {
			t.Errorf("%s has the tag %q, as %s", name, etag, seen[etag])
		}
		seen[etag] = name
		if res := ask(c, "GET", Path+name, "If-None-Match", etag); res.StatusCode != 304 || body(t, res) != "" || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
		if res := ask(c, "GET", Path+name, "If-None-Match", `"other"`); res.StatusCode != 200 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

func TestNothingElse(t *testing.T) {
	c := newConsole(t)
	for _, path := range []string{
		"/console/page", "/console/page/", "/console/page/app.js", "/console/.", "/console/..", "/console/./app.js", "/console/../app.js",
		"/console//", "/console//app.js", "/console/app.js/", "/console/index.htm", "/console/INDEX.HTML", "/console/console.go",
		"/console/app.js\x00", "/consoles/", "/", "", "/app.js", "console/", NodePath,
	} {
		res := ask(c, "GET", path)
		if text := body(t, res); res.StatusCode != 404 || strings.Contains(text, "<") {
			t.Errorf("%q: %d %.60q", path, res.StatusCode, text)
		}
	}
}

func TestRedirect(t *testing.T) {
	res := ask(newConsole(t), "GET", "/console")
	if res.StatusCode != 308 || res.Header.Get("Location") != "console/" {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestMethods(t *testing.T) {
	c := newConsole(t)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "X"} {
		for _, path := range []string{"/console/", "/console", "/console/app.js", "/console/nothing"} {
			res := ask(c, method, path)
			if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, res.StatusCode, res.Header.Get("Allow"))
			}
		}
	}
}

func TestUnknownType(t *testing.T) {
	c := newConsole(t)
	for _, name := range []string{"a.png", "README", "a.js.map", ".js.swp"} {
		if err := c.add(name, nil); err == nil || c.files[name].body != nil {
			t.Errorf("%s got the type %q", name, c.files[name].contentType)
		}
	}
}

// TestWithoutNodes: the zero Config is good for a page that talks to its own
// origin alone.
func TestWithoutNodes(t *testing.T) {
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if policy := ask(c, "GET", Path).Header.Get("Content-Security-Policy"); !strings.Contains(policy, "; connect-src 'self'; ") {
		t.Error(policy)
	}
}

// FuzzPath: whatever the path, only the files of the page come out.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/console/", "/console", "/console/app.js", "/console/../web/console.go", "/console/%2e%2e/", "", "\x00"} {
		f.Add(seed)
	}
	c := newConsole(f)
	f.Fuzz(func(t *testing.T, path string) {
		res := ask(c, "GET", path)
		name, below := strings.CutPrefix(path, Path)
		file, known := c.files[name]
		switch {
		case below && known:
			if text := body(t, res); res.StatusCode != 200 || text != string(file.body) {
				t.Errorf("%q: %d", path, res.StatusCode)
			}
		case path == "/console":
			if res.StatusCode != 308 {
				t.Errorf("%q: %d", path, res.StatusCode)
			}
		default:
			if res.StatusCode != 404 {
				t.Errorf("%q: %d", path, res.StatusCode)
			}
		}
	})
}
