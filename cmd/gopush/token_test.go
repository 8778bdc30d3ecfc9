package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/comet/client"
	"gopush/internal/push"
)

// A key is made, a token is minted with it, and verified; with the public half alone it is
// verified and not minted.
//
// Broken once by minting for public messages in spite of the flag.
func TestTokenOnThisMachine(t *testing.T) {
	for _, alg := range []string{"HS256", "EdDSA"} {
		made := gopush(t, "", "--json", "token", "keygen", "k1", "--alg", alg)
		var lines struct{ Sign, Check string }
		if err := json.Unmarshal([]byte(made.out), &lines); err != nil || made.code != exitOK {
			t.Fatalf("%+v, %v", made, err)
		}
		dir := t.TempDir()
		sign, check := filepath.Join(dir, "sign"), filepath.Join(dir, "check")
		for path, text := range map[string]string{sign: lines.Sign, check: lines.Check} {
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		minted := gopush(t, "", "token", "mint", "a", "b", "--keys-file", sign, "--ttl", "1m", "--no-public", "--id", "t-1")
		if minted.code != exitOK || strings.Count(minted.out, ".") != 2 || strings.Count(minted.out, "\n") != 1 {
			t.Fatalf("%+v", minted)
		}
		text := strings.TrimSpace(minted.out)
		got := gopush(t, "", "--json", "token", "verify", text, "--keys-file", check)
		var v verdict
		if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != exitOK || !v.Valid || v.Public || v.ID != "t-1" || v.KID != "k1" || len(v.Keys) != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		if got := gopush(t, "", "token", "verify", text+"x", "--keys-file", check); got.code != exitRefused || !strings.HasPrefix(got.err, "gopush: the token") || strings.Contains(got.err, text) {
			t.Errorf("%+v", got)
		}
		if got := gopush(t, "", "--json", "token", "verify", "x.y.z", "--keys-file", check); got.code != exitRefused || !strings.Contains(got.out, `"valid":false,"code":"unauthenticated","problem":"the token is no`) {
			t.Errorf("%+v", got)
		}
		if got := gopush(t, "", "token", "mint", "a", "--keys-file", check); (got.code == exitUsage) != (alg == "EdDSA") {
			t.Errorf("%s: minted with what only checks: %+v", alg, got)
		}
	}
	for args, want := range map[string]string{
		"token keygen k --alg RS256":              "alg",
		"token mint a --keys-file /nowhere":       "the file of keys",
		"token mint a --ttl 1ms":                  "--ttl",
		"token verify x --keys-file /nowhere":     "the file of keys",
		"token keygen " + strings.Repeat("k", 65): "key id",
	} {
		if got := gopush(t, "", strings.Fields(args)...); got.code != exitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// The tools that act as a device show the token of the environment.
//
// Broken once by leaving it out of inbox.
func TestClientTokenOfTheEnvironment(t *testing.T) {
	t.Setenv("GOPUSH_CLIENT_TOKEN", "a.b.c")
	var shown string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"messages":[],"next":"0","more":false}`))
	}))
	defer s.Close()
	if got := gopush(t, "", "inbox", "k", "--web", s.URL); got.code != exitOK || shown != "Bearer a.b.c" {
		t.Errorf("%+v, shown %q", got, shown)
	}
	cfg, err := (&listenCmd{Key: "k", publicFlags: publicFlags{Web: s.URL}}).config()
	if err != nil || cfg.Token != "a.b.c" {
		t.Errorf("listen shows %q, %v", cfg.Token, err)
	}
}

// Without a file the server signs.
//
// Broken once by leaving the life out.
func TestTokenOfTheServer(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		_, _ = body.WriteString(r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " ")
		b := make([]byte, 512)
		n, _ := r.Body.Read(b)
		asked = body.String() + string(b[:n])
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"token":"a.b.c","id":"i","keys":["k"],"public":true,"expires_at":1}`))
	}))
	defer s.Close()
	t.Setenv("GOPUSH_TOKEN", "admins-own")
	got := gopush(t, "", "token", "mint", "k", "--ttl", "2h", "--admin", s.URL)
	if want := `POST /v2/tokens Bearer admins-own {"id":"","key":["k"],"public":true,"ttl_s":7200}`; got.code != exitOK || got.out != "a.b.c\n" || asked != want {
		t.Errorf("%+v; the server was asked %s", got, asked)
	}
}

// A token is revoked by its name; the token itself does not leave the machine.
//
// Broken once by leaving the end out, and once by a name of dots that was a step of the path.
func TestTokenRevoke(t *testing.T) {
	asked := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"id":"a/b","expires_at":1798675200000}`))
	}))
	defer s.Close()
	t.Setenv("GOPUSH_TOKEN", "admins-own")
	got := gopush(t, "", "token", "revoke", "a/b", "--until", "2026-12-31T00:00:00Z", "--admin", s.URL)
	if want := "DELETE /v2/tokens/a%2Fb?expires_at=1798675200000 Bearer admins-own"; got.code != exitOK || asked != want || !strings.HasPrefix(got.out, "revoked a/b; refused until 2026-12-3") {
		t.Errorf("%+v; the server was asked %s", got, asked)
	}
	if got := gopush(t, "", "--json", "token", "revoke", "x", "--admin", s.URL); got.code != exitOK || got.out != `{"id":"a/b","expires_at":1798675200000}`+"\n" || strings.Contains(asked, "expires_at") {
		t.Errorf("%+v; the server was asked %s", got, asked)
	}
	if gopush(t, "", "token", "revoke", "..", "--admin", s.URL); !strings.HasPrefix(asked, "DELETE /v2/tokens/%2E%2E ") {
		t.Errorf("the server was asked %s", asked)
	}
	asked = ""
	if got := gopush(t, "", "token", "revoke", strings.Repeat("x", 65), "--admin", s.URL); got.code != exitUsage || asked != "" || !strings.Contains(got.err, "not the token") {
		t.Errorf("%+v; the server was asked %s", got, asked)
	}
}

// A stream that was ended for good is not to be tried again: the hint says what to change.
//
// Broken once by the hints of HTTP: nothing was done, try again.
func TestHintOfAClose(t *testing.T) {
	for code, want := range map[push.Kind]string{
		push.KindRateLimited: "comet.max_per_key", push.KindTokenRevoked: "GOPUSH_CLIENT_TOKEN", push.KindUnauthenticated: "GOPUSH_CLIENT_TOKEN",
	} {
		p := &problem{Code: code, closed: true}
		if got := hint(p); !strings.Contains(got, want) || exitCode(p) != exitRefused {
			t.Errorf("%s: %q, exit %d", code, got, exitCode(p))
		}
	}
	if got := hint(&problem{Code: push.KindConflict, path: "/v2/tokens/x"}); got != "" {
		t.Errorf("too many revocations: %q", got)
	}
}

// A listener has the server make its tokens, as long as the server allows, and comes to an end
// when it may not.
//
// Broken once by asking for a life of nothing, once by taking a refusal for an outage, and once
// by showing the token of the environment as well.
func TestListenMints(t *testing.T) {
	t.Setenv("GOPUSH_CLIENT_TOKEN", "a.b.c")
	t.Setenv("GOPUSH_TOKEN", "admins-own")
	made := fake(t, answer{http.StatusCreated, nil, `{"token":"x.y.z","id":"i","keys":["k"],"public":false,"expires_at":1}`})
	cmd := &listenCmd{
		Key: "k", NoPublic: true, Mint: true, adminAccess: adminAccess{Admin: made.url},
		publicFlags: publicFlags{Web: made.url, Timeout: time.Minute},
	}
	cfg, err := cmd.config()
	if err != nil || cfg.Token != "" {
		t.Fatalf("%q, %v", cfg.Token, err)
	}
	if got, err := cfg.TokenSource(t.Context()); got != "x.y.z" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	made.check(t, asked{"POST /v2/tokens", "Bearer admins-own", "", "application/json", `{"id":"","key":["k"],"public":false}`})

	node := fake(t, answer{http.StatusOK, nil, `{"ws":"ws://127.0.0.1:1/v2/stream"}`})
	for name, tt := range map[string]struct {
		gives answer
		code  int
		says  string
	}{
		"a viewer": {refuses(403, "forbidden", "D.", false), exitRefused, "gopush: D. (forbidden, HTTP 403)\n"},
		"no keys":  {refuses(409, "conflict", "D.", false), exitRefused, "gopush: D. (conflict, HTTP 409)\n"},
		"busy":     {refuses(503, "busy", "D.", true), exitRetry, "gopush: D. (busy, HTTP 503)\n"},
	} {
		got := gopush(t, "", "listen", "k", "--mint", "--web", node.url, "--admin", fake(t, tt.gives).url)
		if got.code != tt.code || !strings.HasPrefix(got.err, tt.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// Once it listens an outage is waited for, a refusal is not.
	for want, gives := range map[bool]answer{true: refuses(403, "forbidden", "D.", false), false: refuses(503, "busy", "D.", true)} {
		cmd.Admin = fake(t, gives).url
		if _, err := cmd.mint(t.Context()); errors.Is(err, client.ErrDenied) != want {
			t.Errorf("%d: %v", gives.status, err)
		}
	}
	if got := gopush(t, "", "listen", "k", "--mint", "--web", node.url, "--admin", "http://127.0.0.1:1"); got.code != exitRetry || strings.Contains(got.err, node.url) || !strings.Contains(got.err, "http://127.0.0.1:1") {
		t.Errorf("without an admin API: %+v", got)
	}
	if got := gopush(t, "", "listen", "k", "--mint", "--web", node.url, "--token-file", "/nowhere"); got.code != exitUsage || !strings.Contains(got.err, "the token file") {
		t.Errorf("without a file: %+v", got)
	}
}

// The same against a server that requires tokens, and takes none that lives for an hour.
//
// Broken once by leaving the flag alone.
func TestListenMintsFromAServer(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	line := gopush(t, "", "token", "keygen", "k1")
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	for path, text := range map[string]string{keys: line.out, settings: "tokens: {required: true, max_life: 5m, keys_file: " + keys + "}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, b := serving(t, "--config", settings)
	for _, data := range []string{"1", "2"} {
		if got := gopushHere(t.Context(), "", "push", "k", data); got.code != exitOK {
			t.Fatalf("%+v", got)
		}
	}
	if got := gopushHere(t.Context(), "", "listen", "k", "--after", "0", "--count", "2"); got.code != exitRefused || !strings.Contains(got.err, "listen --mint") {
		t.Errorf("without a token: %+v", got)
	}
	t.Setenv("GOPUSH_TOKEN", b.Token)
	got := gopushHere(t.Context(), "", "listen", "k", "--after", "0", "--count", "2", "--mint")
	if got.code != exitOK || strings.Count(got.out, "\n") != 2 || !strings.HasSuffix(got.out, " 2\n") {
		t.Errorf("%+v", got)
	}
}
