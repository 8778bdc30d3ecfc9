package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var stored = answer{status: 201, body: `{"key":"k","id":"17953751000602032"}`}

func TestPush(t *testing.T) {
	tests := map[string]struct {
		args  string
		stdin string
		gives answer
		asks  asked
		want  outcome
	}{
		"plain": {
			`push k {"a":1}`, "", stored,
			asked{body: `{"key":"k","data":{"a":1}}`},
			outcome{exitOK, "stored 17953751000602032\n", ""},
		},
		"json": {
			`--json push k 1 --ttl 24h --idempotency-key o-1`, "", stored,
			asked{body: `{"key":"k","data":1,"ttl_s":86400}`, idempotency: "o-1"},
			outcome{exitOK, `{"key":"k","id":"17953751000602032","duplicate":false}` + "\n", ""},
		},
		"again": {
			`push k 1 --idempotency-key=o-1`, "",
			answer{status: 200, body: stored.body},
			asked{body: `{"key":"k","data":1}`, idempotency: "o-1"},
			outcome{exitOK, "already stored 17953751000602032\n", ""},
		},
		"again, json": {
			`push k 1 --json`, "",
			answer{status: 200, body: stored.body},
			asked{body: `{"key":"k","data":1}`},
			outcome{exitOK, `{"key":"k","id":"17953751000602032","duplicate":true}` + "\n", ""},
		},
		"transient": {
			`push k null --transient`, "", stored,
			asked{body: `{"key":"k","data":null,"transient":true}`},
			outcome{exitOK, "sent 17953751000602032\n", ""},
		},
		"standard input": {
			`push k -`, "{\"a\":\n [1]}\n", stored,
			asked{body: `{"key":"k","data":{"a":[1]}}`},
			outcome{exitOK, "stored 17953751000602032\n", ""},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := fake(t, tt.gives)
			gopush(t, tt.stdin, append(strings.Fields(tt.args), "--admin", a.url)...).check(t, tt.want)
			tt.asks.line, tt.asks.contentType = "POST /v2/messages", "application/json"
			a.check(t, tt.asks)
		})
	}
}

func TestPushBadInput(t *testing.T) {
	for stdin, want := range map[string]string{
		"":                                  "not JSON",
		"{} {}":                             "not JSON",
		"\"" + strings.Repeat("x", maxBody): "more than 1048576 bytes",
	} {
		if got := gopush(t, stdin, "push", "k", "-"); got.code != exitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%.10q: %d %s", stdin, got.code, got.err)
		}
	}
}

// TestToken: the file that is named wins, then the environment, then the data
// folder; without any the request goes out without a token.
func TestToken(t *testing.T) {
	a := fake(t, stored)
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	push := func(want string, args ...string) {
		t.Helper()
		if got := gopushHere(t.Context(), "", append([]string{"push", "k", "1"}, args...)...); got.code != exitOK {
			t.Errorf("%d %s", got.code, got.err)
		}
		if got := a.asked[len(a.asked)-1].auth; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	t.Setenv("GOPUSH_ADMIN", strings.TrimPrefix(a.url, "http://")) // without a scheme
	push("")
	write("gopush-data/admin.token", "of-the-folder\n")
	push("Bearer of-the-folder")
	write("other/admin.token", "of-another")
	push("Bearer of-another", "--data", "other")
	t.Setenv("GOPUSH_TOKEN", "of-the-environment")
	push("Bearer of-the-environment")
	write("t", " of-a-file \n")
	push("Bearer of-a-file", "--token-file", "t")
}

// TestRefusals: each code has its exit code, and a hint where there is one.
func TestRefusals(t *testing.T) {
	tests := []struct {
		gives answer
		code  int
		hint  string
	}{
		{refuses(400, "bad_request", "D.", false), exitRefused, ""},
		{refuses(401, "unauthenticated", "D.", false), exitRefused, "GOPUSH_TOKEN"},
		{refuses(403, "forbidden", "D.", false), exitRefused, "not for this"},
		{refuses(409, "conflict", "D.", false), exitRefused, "--idempotency-key"},
		{refuses(413, "too_large", "D.", false), exitRefused, "messages.max_bytes"},
		{refuses(429, "rate_limited", "D.", true), exitRetry, "again in 2 s"},
		{refuses(500, "internal", "D.", false), exitRefused, "request id R1"},
		{refuses(503, "busy", "D.", true), exitRetry, "again in 2 s"},
		{refuses(503, "no_node", "D.", true), exitRetry, "Nothing was done"},
		{refuses(503, "store_unavailable", "D.", true), exitRetry, "Nothing was done"},
		{refuses(503, "moving", "D.", true), exitRetry, "Nothing was done"},
		{refuses(504, "outcome_unknown", "D.", true), exitRetry, "same --idempotency-key"},
		{refuses(418, "of_the_future", "D.", false), exitRefused, ""},
	}
	for _, tt := range tests {
		a := fake(t, tt.gives)
		got := gopush(t, "", "push", "k", "1", "--admin", a.url)
		first, rest, _ := strings.Cut(got.err, "\n")
		if got.code != tt.code || got.out != "" || !strings.HasPrefix(first, "gopush: D. (") || !strings.Contains(rest, tt.hint) || (tt.hint == "" && rest != "") {
			t.Errorf("%s: %d %q", tt.gives.body, got.code, got.err)
		}
	}
}

func TestRefusalAsJSON(t *testing.T) {
	a := fake(t, refuses(503, "busy", "The queue is full.", true))
	gopush(t, "", "push", "k", "1", "--json", "--admin", a.url).check(t, outcome{
		exitRetry, "",
		`{"error":"The queue is full.","code":"busy","retryable":true,"exit":3,"hint":"Nothing was done; try again in 2 s.","request_id":"R1"}` + "\n",
	})
}

// TestStrangers: whatever answers instead of a gopush server is an error that
// says so, never a result.
func TestStrangers(t *testing.T) {
	for name, gives := range map[string]answer{
		"a page":          {404, map[string]string{"Content-Type": "text/html"}, "<html>"},
		"an empty page":   {502, nil, ""},
		"JSON of another": {400, map[string]string{"Content-Type": "application/json"}, `{"detail":"x"}`},
		"a broken one":    {400, map[string]string{"Content-Type": "application/problem+json"}, `{"detail":`},
		"not JSON":        {200, nil, "ok"},
		"a redirect":      {302, map[string]string{"Location": "/"}, ""},
		"too much":        {200, nil, strings.Repeat(" ", maxReply+1)},
	} {
		a := fake(t, gives)
		got := gopush(t, "", "push", "k", "1", "--admin", a.url)
		if got.code != exitFailure || got.out != "" || !strings.Contains(got.err, "is it a gopush server?") {
			t.Errorf("%s: %d %q %q", name, got.code, got.out, got.err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	a := fake(t, stored)
	url := a.url
	for name, args := range map[string][]string{
		"push":   {"push", "k", "1", "--admin"},
		"inbox":  {"inbox", "k", "--web"},
		"where":  {"where", "k", "--web"},
		"listen": {"listen", "k", "--web"},
	} {
		// Nothing listens on the port of a closed listener.
		got := gopush(t, "", append(args, closedPort(t))...)
		if got.code != exitRetry || !strings.Contains(got.err, "cannot be reached") || !strings.Contains(got.err, "gopush serve") {
			t.Errorf("%s: %d %q", name, got.code, got.err)
		}
	}
	if got := gopush(t, "", "push", "k", "1", "--timeout", "1ns", "--admin", url); got.code != exitRetry {
		t.Errorf("timeout: %d %q", got.code, got.err)
	}
}
