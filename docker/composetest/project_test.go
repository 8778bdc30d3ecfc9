package composetest

import (
	"strings"
	"testing"
)

// TestComposeCommand: the newer one if there is one, or what the environment says. With the
// order changed it fails.
func TestComposeCommand(t *testing.T) {
	t.Setenv("COMPOSE", "")
	fakeDocker(t, `test "$1" = compose`+"\n")
	if got, err := composeCommand(t.Context()); err != nil || strings.Join(got, " ") != "docker compose" {
		t.Errorf("with the plugin: %v, %v", got, err)
	}
	t.Setenv("COMPOSE", "podman compose")
	if got, err := composeCommand(t.Context()); err != nil || strings.Join(got, " ") != "podman compose" {
		t.Errorf("as chosen: %v, %v", got, err)
	}
	t.Setenv("COMPOSE", "")
	t.Setenv("PATH", t.TempDir())
	if got, err := composeCommand(t.Context()); err == nil {
		t.Errorf("with none: %v", got)
	}
}

// TestFreePorts: each name has a port, and no two have the same.
// With each listener closed before the next one is opened, they could.
func TestFreePorts(t *testing.T) {
	ports, err := freePorts(portNames)
	if err != nil || len(ports) != len(portNames) {
		t.Fatalf("%v, %v", ports, err)
	}
	seen := make(map[string]string)
	for name, port := range ports {
		if other, twice := seen[port]; twice || port == "0" {
			t.Errorf("%s and %s have the port %s", name, other, port)
		}
		seen[port] = name
	}
}

// TestAddrs: requests go to both web nodes in turn. With one of them alone it fails.
func TestAddrs(t *testing.T) {
	p := project{token: "t", ports: map[string]string{
		"WEB1_PUBLIC_PORT": "1", "WEB1_ADMIN_PORT": "2", "WEB2_PUBLIC_PORT": "3", "WEB2_ADMIN_PORT": "4",
	}}
	a, b := p.addrs(), p.addrs()
	got := []string{a.Public + " " + a.Admin, b.Public + " " + b.Admin}
	if a.Token != "t" || strings.Join(got, ", ") != "127.0.0.1:3 127.0.0.1:4, 127.0.0.1:1 127.0.0.1:2" {
		t.Errorf("%v, token %q", got, a.Token)
	}
}

// TestRun: Docker Compose gets the ports, and a failure shows what it said last. Without the
// ports in its environment it fails.
func TestRun(t *testing.T) {
	p := project{compose: []string{"sh", "-c", `echo "$WEB1_PUBLIC_PORT $0"; test "$0" != fail || { echo broken >&2; exit 1; }`}, ports: map[string]string{"WEB1_PUBLIC_PORT": "4711"}}
	if out, err := p.run(t.Context(), commandTimeout, "up"); err != nil || out != "4711 up\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := p.run(t.Context(), commandTimeout, "fail"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a failure: %v", err)
	}
}
