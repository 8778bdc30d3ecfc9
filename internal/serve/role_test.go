package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gopush/internal/config"
	"gopush/internal/coord/zk/zktest"
)

// clustered are settings for a cluster on a ZooKeeper.
func clustered(t *testing.T, server *zktest.Server) config.Serve {
	t.Helper()
	s := settings(t, filepath.Join(t.TempDir(), "data"))
	s.Coordination.Kind, s.Coordination.Servers = zookeeperKind, []string{server.Addr()}
	return s
}

// TestRoles: what a set of roles needs, and what it cannot be.
func TestRoles(t *testing.T) {
	local, cluster := config.Default(), config.Default()
	cluster.Coordination.Kind, cluster.Coordination.Servers = zookeeperKind, []string{"zk1:2181"}
	hbase, shared := cluster, cluster
	hbase.Store.Kind, hbase.Store.ZooKeeper = hbaseKind, []string{"zk1:2181"}
	shared.Web.AdminTokenFile = "token"
	for _, tt := range []struct {
		name     string
		cfg      Config
		wrong    string
		noFolder bool
	}{
		{name: "all, alone", cfg: Config{Settings: local}},
		{name: "one role alone", cfg: Config{Settings: local, Roles: Comet}, wrong: "set it to zookeeper"},
		{name: "no such role", cfg: Config{Settings: local, Roles: 8}, wrong: "unknown role"},
		{name: "several comets", cfg: Config{Settings: cluster, MoreComets: []config.Comet{local.Comet}}, wrong: "a process of its own"},
		{name: "all", cfg: Config{Settings: cluster}},
		{name: "comet", cfg: Config{Settings: cluster, Roles: Comet}, noFolder: true},
		{name: "message, embedded", cfg: Config{Settings: cluster, Roles: Message}},
		{name: "message, hbase", cfg: Config{Settings: hbase, Roles: Message}, noFolder: true},
		{name: "web, token of its own", cfg: Config{Settings: cluster, Roles: Web}},
		{name: "web, shared token", cfg: Config{Settings: shared, Roles: Web}, noFolder: true},
	} {
		err := tt.cfg.prepare(quiet)
		switch {
		case tt.wrong != "":
			if err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s: %v", tt.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.cfg.needsFolder() == tt.noFolder:
			t.Errorf("%s: a folder is needed: %v", tt.name, !tt.noFolder)
		}
	}
	if got := (Comet | Web).String(); got != "comet, web" {
		t.Error(got)
	}
}

// dialed notes whom a process opens connections to.
type dialed struct {
	mu    sync.Mutex
	addrs map[string]bool // guarded by mu
}

func (d *dialed) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	if d.addrs == nil {
		d.addrs = make(map[string]bool)
	}
	d.addrs[addr] = true
	d.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func (d *dialed) has(addr string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addrs[addr]
}

// TestApart: each role says why it is not ready while ZooKeeper is away, goes on when it
// comes, leaves no data folder where it needs none, and opens every connection through
// the dialer that it was given. Broken once by not handing the dialer to the client of
// message nodes.
func TestApart(t *testing.T) {
	server := zktest.New(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-for-every-web-node\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	systems, dials := make(map[Roles]*System), make(map[Roles]*dialed)
	var stops []func()
	for _, roles := range []Roles{Message, Comet, Web} {
		s := clustered(t, server)
		s.Web.AdminTokenFile = token
		dials[roles] = new(dialed)
		sys, stop := run(t, Config{Settings: s, Roles: roles, Dial: dials[roles].dial})
		systems[roles] = sys
		stops = append(stops, stop)
		if _, err := os.Stat(s.Data); roles != Message && !os.IsNotExist(err) {
			t.Errorf("%s: there is a data folder, %v", roles, err)
		}
	}
	for roles, part := range map[Roles]string{Comet: "comet node1", Web: "web"} {
		until(t, systems[roles], "not ready because of ZooKeeper", func(status int, parts map[string]string) bool {
			return status == http.StatusServiceUnavailable && strings.Contains(parts[part], "ZooKeeper")
		})
	}
	server.Start()
	for _, sys := range systems {
		until(t, sys, "ready", func(status int, _ map[string]string) bool { return status == http.StatusOK })
		<-sys.Ready()
	}
	c := &cluster{t: t, sys: systems[Web], http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	id := c.push("k", `"x"`)
	if got := c.inbox("k"); len(got) != 1 || got[0].ID != id {
		t.Errorf("stored: %+v", got)
	}
	stores, serves := systems[Message].Addrs().Message, systems[Comet].Addrs().Comets[0].RPC
	for roles, whom := range map[Roles][]string{
		Message: {server.Addr()}, Comet: {server.Addr(), stores, serves}, Web: {server.Addr(), stores, serves},
	} {
		for _, addr := range whom {
			if !dials[roles].has(addr) {
				t.Errorf("%s has opened no connection to %s through its dialer", roles, addr)
			}
		}
	}
	if info, err := os.Stat(token); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("the shared token file was changed: %v, %v", info, err)
	}
	// An alternate is ready too; it holds nobody up.
	alternate, stop := run(t, Config{Settings: clustered(t, server), Roles: Comet})
	<-alternate.Ready()
	until(t, alternate, "ready", func(status int, _ map[string]string) bool { return status == http.StatusOK })
	stop()
	for _, stop := range stops {
		stop()
	}
}

// run runs a system until stop is called.
func run(t *testing.T, cfg Config) (sys *System, stop func()) {
	t.Helper()
	sys, err := New(cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, sys.Close()); err != nil {
			t.Errorf("%s: %v", cfg.Roles, err)
		}
	})
	t.Cleanup(stop)
	return sys, stop
}

// TestTogetherOnZooKeeper: all roles in one process, as gopush serve runs them, with
// coordination through ZooKeeper; and two stores of one cluster are complained about.
func TestTogetherOnZooKeeper(t *testing.T) {
	server := zktest.Start(t)
	c := start(t, Config{Settings: clustered(t, server)})
	id := c.push("k", `"x"`)
	if got := c.inbox("k"); len(got) != 1 || got[0].ID != id {
		t.Errorf("stored: %+v", got)
	}
	if _, err := os.Stat(c.sys.cfg.path(coordFolder)); !os.IsNotExist(err) {
		t.Errorf("ids are in the data folder too: %v", err)
	}
	other, stop := run(t, Config{Settings: clustered(t, server), Roles: Message})
	until(t, other, "not ready beside another embedded store", func(_ int, parts map[string]string) bool {
		return strings.Contains(parts["message"], "of one alone")
	})
	stop()
}

// TestZooKeeperPassword comes from the environment or a file, and is in no error.
func TestZooKeeperPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Settings: config.Default()}
	if p, err := cfg.zooKeeperPassword(); p != "" || err != nil {
		t.Errorf("without a user: %q, %v", p, err)
	}
	cfg.Settings.Coordination.User = "gopush"
	if _, err := cfg.zooKeeperPassword(); err == nil || !strings.Contains(err.Error(), "GOPUSH_ZOOKEEPER_PASSWORD") {
		t.Errorf("without a password: %v", err)
	}
	cfg.Settings.Coordination.PasswordFile = path
	if _, err := cfg.zooKeeperPassword(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
	for text, want := range map[string]string{"secret": "secret", "a b\r\n": "a b", "": "", "secret\nsecret\n": "", strings.Repeat("secret", 100): ""} {
		write(text)
		p, err := cfg.zooKeeperPassword()
		if p != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v", text, p, err)
		}
	}
	cfg.ZooKeeperPassword = "given"
	if p, err := cfg.zooKeeperPassword(); p != "given" || err != nil {
		t.Errorf("given: %q, %v", p, err)
	}
}
