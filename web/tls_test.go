package web

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gopush/internal/cert"
	"gopush/internal/cert/certtest"
)

// TestHandshakesAreCounted: clients that stall in the TLS handshake, go away in it, speak
// something else, or offer nothing that is acceptable are let go and counted, by listener; one
// that completes it is not.
//
// Broken once by counting every connection that ends, and once by counting for the other listener.
func TestHandshakesAreCounted(t *testing.T) {
	ca := certtest.New(t)
	files := ca.Issue(t, "web", []string{"127.0.0.1"}, nil)
	source, err := cert.Open(cert.Config{Listener: "web", Files: cert.Files{Cert: files.Cert, Key: files.Key}}, discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) { c.ReadHeaderTimeout = 2 * time.Second })
	public, admin := loopback(t), loopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, tls.NewListener(public, source.Server("http/1.1")), tls.NewListener(admin, source.Server("http/1.1")))
	}()
	trust := &tls.Config{RootCAs: ca.Pool()}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	resp, err := client.Get("https://" + public.Addr().String() + "/v2/node?key=K")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	r := &running{}
	for _, text := range []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		_, _ = io.ReadAll(r.dial(t, public.Addr().String(), text)) // ends, or is reset
	}
	if conn, err := tls.Dial("tcp", public.Addr().String(), &tls.Config{RootCAs: ca.Pool(), MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
		_ = conn.Close()
	}
	gone, err := net.Dial("tcp", admin.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	counted := func(listener string) float64 {
		return testutil.ToFloat64(s.metrics.refusals.WithLabelValues(listener, tlsHandshake))
	}
	waitFor(t, func() bool { return counted("public") >= 4 && counted("admin") >= 1 })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if counted("public") != 4 || counted("admin") != 1 {
		t.Errorf("counted: %v and %v, want 4 and 1", counted("public"), counted("admin"))
	}
	if got := testutil.ToFloat64(s.metrics.refusals.WithLabelValues("public", noRequest)); got != 0 {
		t.Errorf("%v of them are counted once more", got)
	}
}
