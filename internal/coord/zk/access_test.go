package zk

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord/zk/zktest"
)

// raw is a connection as anybody could make it.
func raw(t *testing.T, server *zktest.Server) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{server.Addr()}, 5*time.Second, zk.WithLogger(libraryLog{slog.New(slog.DiscardHandler)}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

// wipe deletes everything from path on.
func wipe(t *testing.T, server *zktest.Server, path string) {
	t.Helper()
	conn := raw(t, server)
	var remove func(path string)
	remove = func(path string) {
		children, _, err := conn.Children(path)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			t.Fatal(err)
		}
		for _, c := range children {
			remove(path + "/" + c)
		}
		switch err := conn.Delete(path, -1); {
		case errors.Is(err, zk.ErrNotEmpty): // somebody was faster
			remove(path)
		case err != nil && !errors.Is(err, zk.ErrNoNode):
			t.Fatal(err)
		}
	}
	remove(path)
}

// TestDigest: with a user and password, nobody else reads or changes anything.
func TestDigest(t *testing.T) {
	server := zktest.Start(t)
	cfg := testConfig(server)
	cfg.User, cfg.Password = "gopush", "secret"
	a := open(t, cfg)
	term := serve(t, a, node("node1", "a"))
	conn := raw(t, server)
	for _, path := range []string{a.paths.ring(), a.paths.term("node1"), a.paths.ceiling("node1"), string(a.paths)} {
		if _, _, err := conn.Get(path); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("%s can be read by anybody: %v", path, err)
		}
		if _, err := conn.Set(path, nil, -1); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("%s can be written by anybody: %v", path, err)
		}
	}
	if _, err := conn.Create(a.paths.comet("ghost"), nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("anybody may join: %v", err)
	}

	wrong := cfg
	wrong.Password = "guess"
	b := open(t, wrong)
	won := campaign(t, b, node("node2", "b"))
	becomes(t, "a complaint", func() bool {
		err := b.Health()
		return err != nil && strings.Contains(err.Error(), "not authenticated")
	})
	select {
	case <-won:
		t.Error("it serves without the password")
	default:
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := term.Raise(bounded(t), term.Ceiling()+1); err != nil {
		t.Error(err)
	}
}

// TestNotZooKeeper: a server that speaks something else, or nothing at all, is
// no reason to panic or to give up.
func TestNotZooKeeper(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	server := zktest.New(t)
	wire := &cable{}
	cfg := testConfig(server)
	cfg.Session, cfg.Dial = time.Second, wire.dial
	cfg.Servers = []string{web.Listener.Addr().String(), mute.Addr().String(), server.Addr()}
	a := open(t, cfg)
	won := campaign(t, a, node("node1", "a"))
	becomes(t, "tries at all of them", func() bool { return wire.connections() >= 4 })
	if err := a.Health(); err == nil {
		t.Error("it claims to be well")
	}
	server.Start()
	await(t, "the term", won)
}
