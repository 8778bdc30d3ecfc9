package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
