package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gopush/internal/cert/certtest"
)

// TestHealthOfAServer asks a real one. With the answer left out it fails.
func TestHealthOfAServer(t *testing.T) {
	_, b := serving(t)
	t.Setenv("GOPUSH_OPS", b.Addresses.Ops)
	gopushHere(t.Context(), "", "health").check(t, outcome{exitOK, "alive\n", ""})
	gopushHere(t.Context(), "", "health", "--ready").check(t, outcome{exitOK, "ready\n", ""})
	gopushHere(t.Context(), "", "health", "--json").check(t, outcome{exitOK, `{"alive":true}` + "\n", ""})
	gopushHere(t.Context(), "", "health", "--ready", "--json").check(t, outcome{exitOK, `{"alive":true,"ready":true}` + "\n", ""})
}

// TestHealthOverTLS: the health check of an image, which knows nothing of certificates, works for
// a process that wants TLS on its ops listener, whatever its certificate is for. What is asked on
// another machine is judged by its certificate.
//
// Broken once by not asking again over TLS, and once by trusting every machine.
func TestHealthOverTLS(t *testing.T) {
	ca := certtest.New(t)
	files := ca.Issue(t, "ops", []string{"node1.example"}, nil)
	_, b := serving(t, "--set", "ops_tls_cert="+files.Cert, "--set", "ops_tls_key="+files.Key)
	_, port, err := net.SplitHostPort(b.Addresses.Ops)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{b.Addresses.Ops, "http://" + b.Addresses.Ops, "https://" + b.Addresses.Ops, "localhost:" + port, "0.0.0.0:" + port, ":" + port} {
		if got := gopushHere(t.Context(), "", "health", "--ready", "--ops", at); got.code != exitOK || got.out != "ready\n" {
			t.Errorf("%s: %+v", at, got)
		}
	}
	if text := b.text(); !strings.Contains(text, "https://"+b.Addresses.Ops) {
		t.Errorf("the start says %s", text)
	}
	for at, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "http://localhost:1": true, "0.0.0.0:1": true,
		"10.0.0.1:1": false, "https://node1.example:1": false, "[2001:db8::1]:1": false, "": false,
	} {
		if c := (healthCmd{Ops: at}); c.here() != want {
			t.Errorf("%q is this machine: %v", at, !want)
		}
	}
	c := healthCmd{Ops: "https://" + b.Addresses.Ops, caFlag: caFlag{CA: ca.File}}
	trust, err := c.trust()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.get(t.Context(), trust, c.Ops, "/healthz"); err == nil || !strings.Contains(err.Error(), "certificate for 127.0.0.1") {
		t.Errorf("a certificate for another name: %v", err)
	}
	trust.ServerName = "node1.example"
	if status, _, err := c.get(t.Context(), trust, c.Ops, "/healthz"); status != http.StatusOK || err != nil {
		t.Errorf("%d, %v", status, err)
	}
}

// TestHealthSaysWhy: what is wrong is an exit code for Docker and a sentence for people. With
// /healthz in place of /readyz it fails.
func TestHealthSaysWhy(t *testing.T) {
	unready := http.NewServeMux()
	unready.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	unready.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"ready":false,"reasons":[{"part":"store","reason":"no table"},{"part":"comet","reason":"no session"}]}`))
	})
	for _, tt := range []struct {
		name    string
		handler http.Handler // nil: nobody listens
		args    string
		code    int
		says    string
	}{
		{"alive", unready, "health", exitOK, ""},
		{"not ready", unready, "health --ready", exitFailure, "not ready: store: no table; comet: no session"},
		{"something else", http.NotFoundHandler(), "health --ready", exitFailure, "404"},
		{"nobody", nil, "health", exitRetry, "cannot be reached"},
		{"no address", unready, "health --ops http://x/y", exitUsage, "not the URL"},
	} {
		at := "127.0.0.1:1"
		if tt.handler != nil {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			at = server.Listener.Addr().String()
		}
		t.Setenv("GOPUSH_OPS", at)
		if got := gopush(t, "", strings.Fields(tt.args)...); got.code != tt.code || !strings.Contains(got.err, tt.says) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
