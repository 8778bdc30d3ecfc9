package composetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gopush/internal/e2e"
)

// portNames are the variables of compose.yaml that name its ports on this machine.
var portNames = []string{
	"WEB1_PUBLIC_PORT", "WEB1_ADMIN_PORT", "WEB2_PUBLIC_PORT", "WEB2_ADMIN_PORT",
	"NODE1A_HTTP_PORT", "NODE1A_TCP_PORT", "NODE1B_HTTP_PORT", "NODE1B_TCP_PORT", "NODE2A_HTTP_PORT", "NODE2A_TCP_PORT",
	"PROMETHEUS_PORT",
}

// project is one cluster in containers, apart from any other of the same machine.
type project struct {
	name    string            // immutable; no other project has it
	root    string            // immutable; of the tree, absolute
	compose []string          // immutable; the command, with what it is always given
	ports   map[string]string // immutable; by the names above
	token   string            // of the admin API; set by up
	turn    atomic.Uint32     // of the web nodes
}

// newProject chooses a name and ports that are free. root is the root of the tree.
func newProject(ctx context.Context, root string) (*project, error) {
	program, err := composeCommand(ctx)
	if err != nil {
		return nil, err
	}
	// The path goes on to mean the same when the working directory is replaced.
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	ports, err := freePorts(portNames)
	if err != nil {
		return nil, err
	}
	name := "gopush-test-" + strconv.Itoa(os.Getpid())
	return &project{
		name: name, root: root, ports: ports,
		compose: append(program, "-p", name, "-f", filepath.Join(root, "docker", "compose.yaml")),
	}, nil
}

// composeCommand is docker compose, or the older docker-compose.
func composeCommand(ctx context.Context) ([]string, error) {
	if chosen := strings.Fields(os.Getenv("COMPOSE")); len(chosen) > 0 {
		return chosen, nil
	}
	if _, err := docker(ctx, "compose", "version"); err == nil {
		return []string{"docker", "compose"}, nil
	}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		return nil, fmt.Errorf("neither docker compose nor docker-compose is there, or Docker does not run: %w", err)
	}
	return []string{"docker-compose"}, nil
}

// freePorts finds a port of 127.0.0.1 for each name. They are held all at once, so that
// they differ, and let go for Docker to take.
func freePorts(names []string) (ports map[string]string, err error) {
	ports = make(map[string]string, len(names))
	for _, name := range names {
		l, failed := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local, and at once
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		_, ports[name], err = net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// run gives a command to Docker Compose.
func (p *project) run(ctx context.Context, most time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	env := os.Environ()
	for name, port := range p.ports {
		env = append(env, name+"="+port)
	}
	all := slices.Concat(p.compose[1:], args)
	return command(ctx, p.root, env, p.compose[0], all...)
}

// The longest that building all images, starting everything, and removing it may take.
const (
	buildPatience = 30 * time.Minute
	startPatience = 15 * time.Minute
	downPatience  = 5 * time.Minute
)

// up builds and starts everything. When it returns, all has been started in order, which
// for whatever others depend on means that it was healthy.
func (p *project) up(ctx context.Context) error {
	if _, err := p.run(ctx, buildPatience, monitoring("build")...); err != nil {
		return err
	}
	if _, err := p.run(ctx, startPatience, "up", "-d"); err != nil {
		return err
	}
	// Of the monitoring, what can be built here: Grafana comes from a registry.
	if _, err := p.run(ctx, startPatience, monitoring("up", "-d", "prometheus")...); err != nil {
		return err
	}
	id, err := p.one(ctx, "web1")
	if err != nil {
		return err
	}
	token, err := docker(ctx, "exec", id, "cat", "/var/lib/gopush/admin.token")
	p.token = strings.TrimSpace(token)
	return err
}

// monitoring has a command see the services of that profile as well.
func monitoring(args ...string) []string { return append([]string{"--profile", "monitoring"}, args...) }

// down removes everything, and reports what is still there.
func (p *project) down(ctx context.Context) error {
	_, err := p.run(ctx, downPatience, monitoring("down", "-v", "--remove-orphans", "-t", "30")...)
	left, also := leftovers(ctx, p.name)
	if len(left) > 0 {
		also = errors.Join(also, fmt.Errorf("left behind: %s", strings.Join(left, ", ")))
	}
	return errors.Join(err, also)
}

// one is the id of the container of a service.
func (p *project) one(ctx context.Context, service string) (string, error) {
	all, err := containers(ctx, p.name, service)
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", fmt.Errorf("the service %s has %d containers", service, len(all))
	}
	return all[0].ID, nil
}

// network is the id of the one network.
func (p *project) network(ctx context.Context) (string, error) {
	out, err := docker(ctx, "network", "ls", "-q", "--no-trunc", "--filter", "label="+projectLabel+"="+p.name)
	ids := strings.Fields(out)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("%s has %d networks", p.name, len(ids))
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// sick says which services are not as they should be, by checks that began after since.
func (p *project) sick(ctx context.Context, since time.Time) (string, error) {
	all, err := containers(ctx, p.name, "")
	if err != nil {
		return "", err
	}
	var found []string
	for _, c := range all {
		if t := c.trouble(since); t != "" {
			found = append(found, c.service()+" is "+t)
		}
	}
	slices.Sort(found)
	if len(all) < len(services) {
		found = append(found, fmt.Sprintf("only %d containers are there", len(all)))
	}
	return strings.Join(found, "; "), nil
}

// addrs are those of the web nodes, each in turn: what a pusher with a list of them does.
func (p *project) addrs() e2e.Addrs {
	web := "WEB" + strconv.Itoa(int(p.turn.Add(1)%2)+1)
	return e2e.Addrs{
		Public: net.JoinHostPort("127.0.0.1", p.ports[web+"_PUBLIC_PORT"]),
		Admin:  net.JoinHostPort("127.0.0.1", p.ports[web+"_ADMIN_PORT"]),
		Token:  p.token,
	}
}
