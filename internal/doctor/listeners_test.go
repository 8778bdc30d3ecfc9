package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// taking listens at an address of this machine until the test ends, and takes whatever comes.
func taking(t *testing.T, addr string) (port string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestListeners: what a listener is bound to, and where it really answers. Addresses of the
// loopback network stand for those that others know the machine by.
//
// Broken once by going by the settings alone, and once by not telling addresses of the
// internet from others.
func TestListeners(t *testing.T) {
	port := taking(t, "127.0.0.2:0")
	own := func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil }
	none := func() ([]netip.Addr, error) { return nil, nil }
	one := func(addr string) []Listener { return []Listener{{Setting: "ops", Addr: addr, Gives: "metrics"}} }
	// 127.0.0.2 is neither private nor of a link, so it counts as of the internet.
	finds(t, openListeners(t.Context(), one("0.0.0.0:"+port), own), "ops", Wrong, "127.0.0.2:"+port+", which is an address of the internet")
	finds(t, openListeners(t.Context(), one("127.0.0.1:"+port), own), "ops", Wrong, "answers at 127.0.0.2:"+port)
	finds(t, openListeners(t.Context(), one("0.0.0.0:"+port), none), "ops", Note, "not this machine alone; whoever gets there gets metrics")
	finds(t, openListeners(t.Context(), one("localhost:"+port), none), "ops", OK, "do not reach")
	finds(t, openListeners(t.Context(), one("[::1]:"+port), none), "ops", OK, "do not reach")
	finds(t, openListeners(t.Context(), one("10.1.2.3:0"), own), "ops", OK, "any that is free")
	broken := func() ([]netip.Addr, error) { return nil, errors.New("no rights") }
	finds(t, openListeners(t.Context(), one("127.0.0.1:"+port), broken), "addresses", Unknown, "no rights")
}

// TestOwnListeners connects to this machine by each of its real addresses, if it has any.
//
// Broken once by leaving out that an address is private.
func TestOwnListeners(t *testing.T) {
	own, err := ownAddresses()
	if err != nil {
		t.Fatal(err)
	}
	port := taking(t, ":0")
	admin := []Listener{{Setting: "web.admin", Addr: "127.0.0.1:" + port, Gives: "all"}}
	for _, a := range own {
		verdict := Wrong
		if a.IsPrivate() {
			verdict = Note
		}
		found := openListeners(t.Context(), admin, func() ([]netip.Addr, error) { return []netip.Addr{a}, nil })
		finds(t, found, "web.admin", verdict, net.JoinHostPort(a.String(), port))
		if a.IsLoopback() {
			t.Errorf("%s is nobody else's way to this machine", a)
		}
	}
	if len(own) == 0 {
		finds(t, openListeners(t.Context(), admin, ownAddresses), "web.admin", OK, "do not reach")
	}
}

// TestFilesInUse asks a process that serves how many files it has open.
//
// Broken once by taking the limit for what is open.
func TestFilesInUse(t *testing.T) {
	text := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) }))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	for _, tt := range []struct {
		open    int
		verdict Verdict
	}{{100, OK}, {800, Note}, {950, Wrong}} {
		text = fmt.Sprintf("# HELP process_max_fds x\nprocess_max_fds 1000\nprocess_open_fds %d\n", tt.open)
		finds(t, usedFiles(t.Context(), addr, false), "files in use", tt.verdict, fmt.Sprintf("%d of 1000", tt.open))
	}
	secure := httptest.NewTLSServer(s.Config.Handler)
	defer secure.Close()
	finds(t, usedFiles(t.Context(), strings.TrimPrefix(secure.URL, "https://"), true), "files in use", Wrong, "950 of 1000")
	text = "other 1\n"
	finds(t, usedFiles(t.Context(), strings.Replace(addr, "127.0.0.1", "0.0.0.0", 1), false), "files in use", Unknown, "does not tell")
	finds(t, usedFiles(t.Context(), "127.0.0.1:1", false), "files in use", OK, "no process serves")
	if found := usedFiles(context.Background(), "127.0.0.1:0", false); found != nil {
		t.Errorf("of no port: %+v", found)
	}
}
