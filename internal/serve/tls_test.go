package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/comet/client"
	"gopush/internal/cert/certtest"
	"gopush/internal/config"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// identities are the certificates of the roles, of one authority.
type identities struct {
	ca                   *certtest.Authority
	comet, web, rpc, ops certtest.Files
}

// issue makes new ones, in the same files as before. That between the roles is for a name,
// as if they had addresses that change.
func (i *identities) issue(t *testing.T) {
	t.Helper()
	i.comet = i.ca.Issue(t, "comet", []string{"127.0.0.1"}, nil)
	i.web = i.ca.Issue(t, "web", []string{"127.0.0.1"}, nil)
	i.ops = i.ca.Issue(t, "ops", []string{"127.0.0.1"}, nil)
	i.rpc = i.ca.Issue(t, "rpc", []string{"role.gopush.test"}, nil)
}

// secured are settings with TLS wherever there can be some.
func secured(t *testing.T) (config.Serve, *identities) {
	t.Helper()
	i := &identities{ca: certtest.New(t)}
	i.issue(t)
	s := settings(t, t.TempDir())
	s.Comet.TLSCert, s.Comet.TLSKey, s.Comet.TLSTCP = i.comet.Cert, i.comet.Key, true
	s.Web.TLSCert, s.Web.TLSKey = i.web.Cert, i.web.Key
	s.OpsTLSCert, s.OpsTLSKey = i.ops.Cert, i.ops.Key
	s.RPC = config.RPC{TLSCert: i.rpc.Cert, TLSKey: i.rpc.Key, TLSCA: i.ca.File, TLSName: "role.gopush.test"}
	return s, i
}

// trust is a client of the system that knows the authority.
func (c *cluster) trust(i *identities) *tls.Config {
	cfg := &tls.Config{RootCAs: i.ca.Pool()}
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg}}
	return cfg
}

// websocket listens to all of a key with the Go client; what comes is sent to the channel.
func (c *cluster) websocket(key push.Key, trust *tls.Config) <-chan string {
	c.t.Helper()
	got, zero := make(chan string, 16), push.ID(0)
	stream, err := client.New(client.Config{
		NodeURL: c.public(), Key: key, After: &zero, TLS: trust,
		OnEvent: func(_ context.Context, ev client.Event) error {
			switch ev.Kind {
			case client.KindMessage:
				got <- string(ev.Data)
			case client.KindDisconnected:
				got <- "disconnected: " + ev.Err.Error()
			default:
			}
			return nil
		},
	}, client.Deps{Log: quiet})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			c.t.Errorf("the client of %s ended: %v", key, err)
		}
	})
	return got
}

// next waits for what a websocket client gets.
func next(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		return ""
	}
}

// v1 subscribes over TCP with TLS.
func (c *cluster) v1(key string, trust *tls.Config) *tls.Conn {
	c.t.Helper()
	conn, err := tls.Dial("tcp", c.sys.Addrs().Comets[0].TCP, trust)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, "*3\r\n$3\r\nsub\r\n$1\r\n"+key+"\r\n$2\r\n30\r\n"); err != nil {
		c.t.Fatal(err)
	}
	c.hears(conn, "+h")
	return conn
}

// hears reads until text has come.
func (c *cluster) hears(conn net.Conn, text string) {
	c.t.Helper()
	var got bytes.Buffer
	for !strings.Contains(got.String(), text) {
		if _, err := io.CopyN(&got, conn, 1); err != nil {
			c.t.Fatalf("heard %q, %v; want %q", &got, err, text)
		}
	}
}

// shown are the serial numbers that each listener shows to a new connection.
func (c *cluster) shown(trust, role *tls.Config) map[string]string {
	c.t.Helper()
	a, found := c.sys.Addrs(), make(map[string]string)
	for listener, addr := range map[string]string{
		"web.public": a.Public, "web.admin": a.Admin, "comet.http": a.Comets[0].HTTP, "comet.tcp": a.Comets[0].TCP,
		"comet.rpc": a.Comets[0].RPC, "message.rpc": a.Message, "ops": a.Ops,
	} {
		cfg := trust
		if strings.HasSuffix(listener, ".rpc") {
			cfg = role
		}
		conn, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			c.t.Fatalf("%s: %v", listener, err)
		}
		found[listener] = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		_ = conn.Close()
	}
	return found
}

// TestEverythingOverTLS: a push goes through all roles and comes out by every protocol, all
// of it over TLS. Then all certificates are exchanged: streams that stand go on, and every
// listener shows its new certificate to who connects from then on.
//
// Broken once by not putting TLS on the TCP listener, once by telling clients ws, and once by
// leaving the RPC certificate out of the reload.
func TestEverythingOverTLS(t *testing.T) {
	s, ids := secured(t)
	c := start(t, Config{Settings: s})
	trust := c.trust(ids)
	role := func() *tls.Config { return c.sys.certs.rpc.Client("role.gopush.test") }
	before := c.shown(trust, role())

	ws, sse, tcp := c.websocket("k", trust), c.listen("k"), c.v1("k", trust)
	delivered := func(data string) {
		t.Helper()
		id := c.push("k", data)
		if got := next(t, ws); got != data {
			t.Errorf("wss: %s, want %s", got, data)
		}
		if got, ok := sse.next("message"); !ok || !strings.Contains(got, data) {
			t.Errorf("https: %q, want %s", got, data)
		}
		c.hears(tcp, data)
		if all := c.inbox("k"); len(all) == 0 || all[len(all)-1].ID != id {
			t.Errorf("fetched: %+v, want %s at the end", all, id)
		}
	}
	delivered(`4711`)

	ids.issue(t)
	if !c.sys.Reload(unchanged(s)) {
		t.Fatal("not reloaded")
	}
	delivered(`4712`)
	after := c.shown(trust, role())
	for listener, number := range before {
		if after[listener] == number {
			t.Errorf("%s shows the certificate from before", listener)
		}
	}
	again := c.websocket("k", trust)
	for _, want := range []string{`4711`, `4712`} {
		if got := next(t, again); got != want {
			t.Errorf("a new client hears %s, want %s", got, want)
		}
	}
	for _, addr := range []string{c.sys.Addrs().Public, c.sys.Addrs().Comets[0].HTTP, c.sys.Addrs().Ops} {
		resp, err := http.Get("http://" + addr + "/v2/time")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP at %s: %s", addr, resp.Status)
		}
	}
}

// unchanged settings are read again for what is in the files that they name.
func unchanged(s config.Serve) func() (config.Serve, error) {
	return func() (config.Serve, error) { return s, nil }
}

// TestBadCertificates: nothing starts with one, and the error names the file. A reload with
// one keeps all that there were, and says so; the next one takes them all.
//
// Broken once by not using what was read.
func TestBadCertificates(t *testing.T) {
	s, ids := secured(t)
	bad := s
	bad.Web.TLSKey = ids.rpc.Key
	if _, err := New(Config{Settings: bad}, quiet); err == nil || !strings.Contains(err.Error(), "the certificate of web") || !strings.Contains(err.Error(), ids.rpc.Key) {
		t.Errorf("another's key: %v", err)
	}
	log := new(lines)
	c := startLogging(t, Config{Settings: s}, slog.New(slog.NewTextHandler(log, nil)))
	trust := c.trust(ids)
	shown := func() map[string]string { return c.shown(trust, c.sys.certs.rpc.Client("role.gopush.test")) }
	before := shown()
	ids.issue(t)
	good, err := os.ReadFile(ids.web.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ids.web.Cert, good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if c.sys.Reload(unchanged(s)) || !strings.Contains(log.String(), "the certificate of web is still the one from before") {
		t.Errorf("half a certificate is taken, or nothing is said: %s", log)
	}
	if after := shown(); !maps.Equal(before, after) {
		t.Errorf("some have changed: %v, %v", before, after)
	}
	if got := families(t, c.sys)["gopush_certificate_reload_failures_total"].GetMetric(); len(got) != 4 || got[3].GetCounter().GetValue() != 1 {
		t.Errorf("failures: %v", got)
	}
	if err := os.WriteFile(ids.web.Cert, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.sys.Reload(unchanged(s)) || !strings.Contains(log.String(), `changed="the certificate of comet, the certificate of web, the certificate of rpc, the certificate of ops"`) {
		t.Errorf("not reloaded: %s", log)
	}
	for listener, number := range shown() {
		if before[listener] == number {
			t.Errorf("%s has kept its certificate", listener)
		}
	}
	if c.push("k", `1`) == "" {
		t.Error("no push gets through")
	}
	if n := strings.Count(log.String(), "certificate in use"); n != 8 {
		t.Errorf("%d certificates are said to be in use, want 4 twice: %s", n, log)
	}
}

// TestOpenWarning: one line names what others reach without TLS; what is on loopback or has a
// certificate is not in it. Another names what they read messages from without a token.
//
// Broken once by not looking at web.public, and once by not asking whether tokens are required.
func TestOpenWarning(t *testing.T) {
	s, _ := secured(t)
	s.Comet.TLSTCP = false
	s.Comet.HTTP, s.Comet.TCP, s.Web.Public = "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0:0"
	s.InsecurePublic = true
	s.Comet.AdvertiseHTTP, s.Comet.AdvertiseTCP = "comet.example:1", "comet.example:2"
	log := func(s config.Serve) string {
		t.Helper()
		text := new(lines)
		sys, err := New(Config{Settings: s}, slog.New(slog.NewTextHandler(text, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := sys.Close(); err != nil {
			t.Error(err)
		}
		return text.String()
	}
	all := regexp.MustCompile(`(have no TLS|want no token): .*listeners="(.*)"\n`)
	ports := regexp.MustCompile(` \[::\]:[0-9]+`)
	without := s
	without.Web.TLSCert, without.Web.TLSKey = "", ""
	without.Ops, without.OpsTLSCert, without.OpsTLSKey, without.InsecureOps = "0.0.0.0:0", "", "", true
	required := s
	required.InsecurePublic = false
	required.Tokens.Required, required.Tokens.KeysFile = true, filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(required.Tokens.KeysFile, []byte(keyLine("s", tokenSecret)), 0o600); err != nil {
		t.Fatal(err)
	}
	const tokens = "want no token: web.public, comet.http, comet.tcp"
	for _, tt := range []struct {
		name string
		s    config.Serve
		want []string
	}{
		{"with certificates", s, []string{"have no TLS: comet.tcp", tokens}},
		{"without one of web", without, []string{"have no TLS: ops, web.public, comet.tcp", tokens}},
		{"with tokens", required, []string{"have no TLS: comet.tcp"}},
		{"on loopback", settings(t, t.TempDir()), nil},
	} {
		text := log(tt.s)
		var got []string
		for _, m := range all.FindAllStringSubmatch(text, -1) {
			got = append(got, m[1]+": "+ports.ReplaceAllString(m[2], ""))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q; the log: %s", tt.name, got, tt.want, text)
		}
	}
}

// TestApartOverTLS: roles that are processes of their own find each other through ZooKeeper
// and talk over TLS; web tells what the comet's record there says.
//
// Broken once by leaving TLS out of the record.
func TestApartOverTLS(t *testing.T) {
	server := zktest.Start(t)
	s, ids := secured(t)
	s.Coordination.Kind, s.Coordination.Servers = zookeeperKind, []string{server.Addr()}
	s.Web.AdminTokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(s.Web.AdminTokenFile, []byte("a-token-for-every-web-node\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	systems := make(map[Roles]*System)
	for _, roles := range []Roles{Message, Comet, Web} {
		systems[roles], _ = run(t, Config{Settings: s, Roles: roles})
	}
	for _, sys := range systems {
		<-sys.Ready()
	}
	c := &cluster{t: t, sys: systems[Web]}
	trust := c.trust(ids)
	until(t, c.sys, "ready", func(status int, _ map[string]string) bool { return status == http.StatusOK })
	id := c.push("k", `4711`) // it waits until web has seen the comet
	if got := next(t, c.websocket("k", trust)); got != `4711` {
		t.Errorf("wss: %s", got)
	}
	if all := c.inbox("k"); len(all) != 1 || all[0].ID != id {
		t.Errorf("fetched: %+v, want %s", all, id)
	}
	if _, sse := c.node("k"); sse != "https://"+systems[Comet].Addrs().Comets[0].HTTP+"/v2/events" {
		t.Errorf("told %s", sse)
	}
	// The ends that called each other had to show certificates: without one there is no way in.
	conn, err := tls.Dial("tcp", systems[Message].Addrs().Message, &tls.Config{RootCAs: ids.ca.Pool(), ServerName: "role.gopush.test"})
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
}
