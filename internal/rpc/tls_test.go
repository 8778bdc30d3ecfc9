package rpc

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/cert"
	"gopush/internal/cert/certtest"
	"gopush/internal/push"
)

// identity is what a role of ca shows, and looks at others by.
func identity(t *testing.T, ca *certtest.Authority, name string) (*cert.Source, certtest.Files) {
	t.Helper()
	files := ca.Issue(t, name, []string{"127.0.0.1", "comet"}, nil)
	s, err := cert.Open(cert.Config{Listener: "rpc", Files: cert.Files{Cert: files.Cert, Key: files.Key, CA: ca.File}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, files
}

// secured is a comet that shows a certificate and wants one. log is what it logs.
func secured(t *testing.T, s *cert.Source) (addr string, log *lockedBuffer) {
	t.Helper()
	log = new(lockedBuffer)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	server := NewServer(ServerConfig{TLS: s.Peers()}, logger)
	RegisterComet(server, &fakeComet{}, Handlers{Log: logger})
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Stop()
		wg.Wait()
	})
	return l.Addr().String(), log
}

// TestTLS: a push gets through between two roles of one authority. Whoever has no
// certificate, one of another authority, or speaks plain text is told that the node cannot
// be reached and nothing has happened, which is tried again; the log of the end that refuses
// says why. (The other end may hear of it, or see its connection broken first.)
//
// Broken once by not asking clients for certificates, and once by not noting whom a node
// refuses.
func TestTLS(t *testing.T) {
	ca, others := certtest.New(t), certtest.New(t)
	mine, _ := identity(t, ca, "node")
	theirs, _ := identity(t, others, "stranger")
	named := func() *tls.Config { return mine.Client("comet") }
	nameless := func() *tls.Config {
		c := mine.Client("")
		c.Certificates = nil
		return c
	}
	blind := func() *tls.Config {
		c := theirs.Client("")
		c.RootCAs = ca.Pool()
		return c
	}
	for name, tt := range map[string]struct {
		client       func() *tls.Config
		here, remote string // what the caller is told, and what the node logs
	}{
		"by address":            {client: func() *tls.Config { return mine.Client("") }},
		"by name":               {client: named},
		"of another name":       {func() *tls.Config { return mine.Client("elsewhere") }, "not elsewhere", "bad certificate"},
		"without a certificate": {nameless, "cannot be reached", "didn't provide a certificate"},
		"of another authority":  {blind, "cannot be reached", "unknown authority"},
		"who trusts others":     {func() *tls.Config { return theirs.Client("") }, "unknown authority", "bad certificate"},
		"plain":                 {nil, "cannot be reached", "does not look like a TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, remote := secured(t, mine)
			c := cometPool(t, CometPoolConfig{Client: ClientConfig{TLS: tt.client}}).At(addr)
			_, err := pushNow(t.Context(), t, c, push.Push{Key: "user"})
			if tt.here == "" && tt.remote == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantKind(t, err, push.KindNoNode)
			if err == nil || !strings.Contains(err.Error(), tt.here) {
				t.Errorf("the caller is told %v, want %q", err, tt.here)
			}
			// The node may hear of it after the client.
			for end := time.Now().Add(patience); remote.count(tt.remote) == 0; {
				if time.Now().After(end) {
					t.Fatalf("the node has not logged %q: %s", tt.remote, &remote.b)
				}
				<-time.After(time.Millisecond)
			}
			if remote.count("level=WARN") == 0 || remote.count("needs a certificate of the authority") == 0 {
				t.Errorf("the node's log does not say what to do: %s", &remote.b)
			}
		})
	}
}

// TestCertificatesChangeWhileConnected: calls go on over a connection that stands. The next
// one, both ends show their new certificates, of a new authority even.
//
// Broken once by asking for the settings of a client only when it is made.
func TestCertificatesChangeWhileConnected(t *testing.T) {
	ca, next := certtest.New(t), certtest.New(t)
	server, serverFiles := identity(t, ca, "server")
	client, clientFiles := identity(t, ca, "client")
	n := startNode(t, &fakeComet{}, ServerConfig{TLS: server.Peers()}, "127.0.0.1:0")
	c := cometPool(t, CometPoolConfig{Client: ClientConfig{TLS: func() *tls.Config { return client.Client("") }}}).At(n.addr)
	if _, err := pushNow(t.Context(), t, c, push.Push{Key: "user"}); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[certtest.Files]certtest.Files{
		next.Issue(t, "new server", []string{"127.0.0.1"}, nil): serverFiles,
		next.Issue(t, "new client", []string{"127.0.0.1"}, nil): clientFiles,
		{Cert: next.File}: {Cert: ca.File},
	} {
		from.Replace(t, to)
	}
	for _, s := range []*cert.Source{server, client} {
		p, changed, err := s.Read()
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		s.Use(p)
	}
	if _, err := pushNow(t.Context(), t, c, push.Push{Key: "user"}); err != nil {
		t.Errorf("over the connection that stood: %v", err)
	}
	n.cut()
	for end := time.Now().Add(patience); ; {
		_, err := pushNow(t.Context(), t, c, push.Push{Key: "user"})
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("over a new connection: %v", err)
		}
	}
}
