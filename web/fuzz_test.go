package web

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"gopush/internal/push"
)

// serve makes a request without a network.
func serve(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	r.URL, _ = url.ParseRequestURI(target)
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// FuzzPushBody: what is accepted agrees with encoding/json's view of the body,
// and keeps the data's bytes.
func FuzzPushBody(f *testing.F) {
	for _, seed := range []string{
		`{"key":"K","data":{"a":[1,2,{"b":"}"}]},"ttl_s":60}`, `{"key":"K","data":null,"transient":true}`, `{"data":"\"","key":"\u0041"}`,
		`{"key":"K","data":1,"expires_at":1795375099999,"idempotency_key":"a"}`, `{}`, `[]`, ` { } `, `{"":{}}`, `{"data":[[[[]]]],"key":""}`,
		`{"key":"a","key":"b","data":1}`, "{\"key\":\"\xff\",\"data\":1}", `{"key":"K","data":-0.5e+10,"ttl_s":4294967296}`, ``, `{"key":"K"`, `{"a\\":1,"data":2}`,
	} {
		f.Add([]byte(seed))
	}
	s := newServer(f, newCluster(f, "node1"), discard())
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := s.parsePush(body)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(body, &want)
		if err != nil {
			if k := classOf(push.KindOf(err)); k.status != 400 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if wantErr != nil || !utf8.Valid(body) {
			t.Fatalf("%q was accepted: %v", body, wantErr)
		}
		if !bytes.Equal(p.Body, want["data"]) {
			t.Fatalf("%q: data %q, want %q", body, p.Body, want["data"])
		}
		var key string
		if err := json.Unmarshal(want["key"], &key); err != nil || string(p.Key) != key {
			t.Fatalf("%q: key %q, want %q", body, p.Key, key)
		}
		if !p.Transient && p.ExpiresAt <= testNow.UnixMilli() {
			t.Fatalf("%q: expires at %d, which has passed", body, p.ExpiresAt)
		}
	})
}

// FuzzMembers against encoding/json.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"c":"]}"}],"d":{"e":{}}}`, `{"\u0061":true , "b" : null}`, `[1]`, `"x"`, `{"a":"\\\"","a":2}`, ` {"a":-1e5}`, `{"a":{}}x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !isJSON(body) {
			return
		}
		got := map[string]string{}
		for name, raw := range members(body) {
			got[string(name)] = string(raw)
		}
		var want map[string]json.RawMessage
		_ = json.Unmarshal(body, &want) // not an object: none
		if len(got) != len(want) {
			t.Fatalf("%q: %v, want %s", body, got, want)
		}
		for name, raw := range want {
			if got[name] != string(raw) {
				t.Fatalf("%q: member %q is %q, want %q", body, name, got[name], raw)
			}
		}
	})
}

// FuzzPublicQuery: any query gets a whole reply of its protocol.
func FuzzPublicQuery(f *testing.F) {
	for _, seed := range []string{
		"k=K&m=0", "k=K&p=1&cb=f", "key=K&mid=0&pmid=0&callback=a.b", "key=K&after=0&limit=10&public_after=16", "k=%ff&m=9223372036854775808",
		"key=a;b&x", "cb=</script>", "k=K&m=-1&cb=$", "key=%zz&after=%", "limit=99999999999999999999&key=K", "",
	} {
		f.Add(seed)
	}
	c := newCluster(f, "node1")
	c.put("K", `{"a":"<"}`, `2`)
	c.put(push.PublicKey, `3`)
	s := newServer(f, c, discard())
	jsonp := regexp.MustCompile(`^[A-Za-z_$][\w$.]{0,63}\((.*)\)$`)
	f.Fuzz(func(t *testing.T, query string) {
		for _, r := range s.publicRoutes() {
			u := &url.URL{Path: r.pattern, RawQuery: query}
			req := httptest.NewRequest("GET", "http://localhost/", nil)
			req.URL = u
			w := httptest.NewRecorder()
			s.Public().ServeHTTP(w, req)
			text := w.Body.Bytes()
			if w.Header().Get("Content-Type") == jsType {
				m := jsonp.FindSubmatch(text)
				if m == nil {
					t.Fatalf("%s?%s: %q", r.pattern, query, text)
				}
				text = m[1]
			}
			if !isJSON(text) || (w.Code >= 400) != (w.Header().Get("Content-Type") == "application/problem+json") || w.Code >= 500 {
				t.Fatalf("%s?%s: %d %q", r.pattern, query, w.Code, text)
			}
		}
	})
}

// FuzzMany: the body of mprivate.
func FuzzMany(f *testing.F) {
	for _, seed := range []string{`{"m":"{\"test\":1}","k":"k1,k2"}`, `{"m":"1","k":",,a,a"}`, `{"k":"a"}`, `{"m":1,"k":[]}`, `{"m":"hello","k":"a\u0000b"}`, ``, `{"m":"\ud800","k":"é"}`} {
		f.Add([]byte(seed))
	}
	c := newCluster(f, "node1")
	s := newServer(f, c, discard())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := serve(s.Admin(), "POST", "/1/admin/push/mprivate?expire=0", string(body))
		if len(body) <= 64<<10 && (w.Code != 200 || !isJSON(w.Body.Bytes())) {
			t.Fatalf("%q: %d %q", body, w.Code, w.Body)
		}
		message, keys, no := parseMany(body)
		if (no == nil) != (message != "" && len(keys) > 0) {
			t.Fatalf("%q: %q %q %v", body, message, keys, no)
		}
		seen := map[string]bool{}
		for _, key := range keys {
			if key == "" || seen[key] || strings.Contains(key, ",") {
				t.Fatalf("%q: keys %q", body, keys)
			}
			seen[key] = true
		}
	})
}

// FuzzBatch: every line that is not empty gets one reply, whatever it holds, and
// how the bytes are cut into pieces does not matter.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		`{"key":"K","data":1}` + "\n" + `{"key":"K","data":2}`, "\n\n\n", "x\ny\n", "\xff\n\x00\r\n", `{"key":"K","data":1,"idempotency_key":"a"}` + "\n",
		strings.Repeat("a", 300) + "\n1\n", strings.Repeat("b", 1000), "",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	const limit = 256
	c := newCluster(f, "node1")
	s := newServer(f, c, slog.New(slog.DiscardHandler), func(cfg *Config) { cfg.Limits.MaxBody = limit })
	f.Fuzz(func(t *testing.T, body []byte, cut uint8) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v2/messages/batch", io.NopCloser(&pieces{body, int(cut)%17 + 1}))
		l := newLineReader(s, w, r)
		done := make(chan struct{})
		go func() { defer close(done); l.run() }()
		var got []line
		for n := range l.lines {
			got = append(got, n)
		}
		<-done
		want := 0
		for text := range bytes.Lines(body) {
			if len(text) > limit+2 {
				want++ // the error that ends the batch
				break
			}
			if len(bytes.TrimSpace(text)) > 0 {
				want++
			}
		}
		if len(got) != want {
			t.Fatalf("%q: %d lines, want %d", body, len(got), want)
		}
		for _, n := range got {
			if n.err == nil && (n.push.Key == "" || !isJSON(n.push.Body)) {
				t.Fatalf("%q: %+v", body, n.push)
			}
		}
	})
}

// pieces is a reader that gives n bytes at a time.
type pieces struct {
	left []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(p.n, len(p.left))])
	p.left = p.left[n:]
	return n, nil
}

// FuzzCallback against the expression of the contract.
func FuzzCallback(f *testing.F) {
	want := regexp.MustCompile(`^[A-Za-z_$][\w$.]{0,63}$`)
	for _, seed := range []string{"", "a", "1", "a.b", "$", "_x$.9", "a b", "a\n", "é", "[", "@", "`", "{", strings.Repeat("z", 64), strings.Repeat("z", 65)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if isCallback(name) != want.MatchString(name) {
			t.Errorf("%q: %v", name, isCallback(name))
		}
	})
}

// FuzzQuoted: what appendQuoted and appendAgain write reads back.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{"", "a", `"\`, "\x00\x1f\x7f", "中文<>&\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		var back string
		if err := json.Unmarshal(appendQuoted(nil, s), &back); err != nil || back != s {
			t.Errorf("%q: %q, %v", s, back, err)
		}
		inner := []byte(quote(s))
		if err := json.Unmarshal(appendAgain(nil, inner), &back); err != nil || back != string(inner) {
			t.Errorf("%q: %q, %v", inner, back, err)
		}
	})
}
