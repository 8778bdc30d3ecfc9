package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"gopush/internal/bench"
	"gopush/internal/cert/certtest"
)

// TestToolsOverTLS uses every tool against a server with certificates of an authority that
// only the flag, or its variable, makes known.
//
// Broken once by not handing the authority to listen.
func TestToolsOverTLS(t *testing.T) {
	ca := certtest.New(t)
	files := ca.Issue(t, "all", []string{"127.0.0.1"}, nil)
	server, b := serving(t, "--set", "web.tls_cert="+files.Cert, "--set", "web.tls_key="+files.Key,
		"--set", "comet.tls_cert="+files.Cert, "--set", "comet.tls_key="+files.Key)
	t.Setenv("GOPUSH_TOKEN", b.Token)
	tool := func(args ...string) outcome { return gopushHere(t.Context(), "", args...) }
	if got := tool("inbox", "k"); got.code != exitFailure || !strings.Contains(got.err, "speaks TLS; write its URL with https://") {
		t.Errorf("http: %+v", got)
	}
	t.Setenv("GOPUSH_WEB", "https://"+b.Addresses.Public)
	t.Setenv("GOPUSH_ADMIN", "https://"+b.Addresses.Admin)
	for _, args := range [][]string{{"push", "k", "1"}, {"inbox", "k"}, {"where", "k"}, {"nodes"}, {"listen", "k", "--after", "0"}} {
		if got := tool(args...); got.code != exitRetry || !strings.Contains(got.err, "unknown authority") {
			t.Errorf("%s without the authority: %+v", args[0], got)
		}
		if got := tool(append(args, "--ca", filepath.Join(t.TempDir(), "missing"))...); got.code != exitUsage || !strings.Contains(got.err, "the authority: ") {
			t.Errorf("%s, no such file: %+v", args[0], got)
		}
		if got := tool(append(args, "--ca", files.Key)...); got.code != exitUsage || !strings.Contains(got.err, "holds no certificate") {
			t.Errorf("%s, a key: %+v", args[0], got)
		}
	}
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"stored", []string{"push", "k", "4711"}},
		{"4711", []string{"inbox", "k"}},
		{"wss://127.0.0.1:", []string{"where", "k"}},
		{"https://127.0.0.1:", []string{"where", "k"}},
		{"serving", []string{"nodes"}},
		{"4711", []string{"listen", "k", "--after", "0", "--count", "1"}},
	} {
		if got := tool(append(tt.args, "--ca", ca.File)...); got.code != exitOK || !strings.Contains(got.out, tt.want) {
			t.Errorf("%s: %+v, want %s", tt.args[0], got, tt.want)
		}
	}
	for _, how := range []string{"--idempotency", "--batch"} {
		got := tool("--json", "bench", how, "--rate", "20", "--duration", "1s", "--warmup", "0s", "--keys", "2", "--fetch", "1", "--quiet", "--ca", ca.File)
		var r bench.Result
		// A slow machine may not reach the rate; what it does send gets through.
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || r.Verdict == bench.Broken || r.Pushes.Acknowledged == 0 || r.Deliveries.Received == 0 {
			t.Errorf("bench %s: %+v, %v", how, got, err)
		}
	}
	t.Setenv("GOPUSH_CA", ca.File)
	if got := tool("drain", "node1"); got.code != exitRefused || !strings.Contains(got.err, "conflict") {
		t.Errorf("drain, with the variable: %+v", got)
	}
	server.stop()
	text := b.text()
	for _, want := range []string{"  https://" + b.Addresses.Admin + "/console/", "curl -sSN 'https://" + b.Addresses.Comets[0].HTTP + "/v2/events", b.Addresses.Comets[0].HTTP + " (TLS)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in what is printed: %s", want, text)
		}
	}
}
