package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/serve"
)

// Topology says which processes a Fleet has.
type Topology struct {
	// Groups and Comets are the number of comet groups, node1, node2 and so on, and of
	// the nodes of each; 0: two.
	Groups, Comets int
	// Messages is the number of message nodes; 0: one, and three if they share a store.
	Messages int
	// Webs is the number of web nodes; 0: two.
	Webs int
	// Store changes the settings of the store; nil: as StoreEnv says.
	Store func(*config.Store)
	// Session is the session timeout with ZooKeeper; 0: the default.
	Session time.Duration
	// ZooKeepers is the number of ZooKeeper's servers; 0: one, more are an ensemble.
	ZooKeepers int
	// RemoveAfter is how long a group may be without nodes; 0: the default.
	RemoveAfter time.Duration
}

// Fleet is a cluster whose roles are processes of their own, which find each other
// through a ZooKeeper of the test's own. It ends with its test, which fails if a
// process did not end in order, raced or panicked.
type Fleet struct {
	// Cluster is what actors of scenarios know: its API goes to web nodes that run, one
	// after the other.
	*Cluster

	ZooKeepers []*zktest.Server
	ZooKeeper  *zktest.Server // the first of them

	topology Topology // immutable
	token    string   // immutable; the path of the admin token, which is ZooKeeper's password too

	mu     sync.Mutex
	parts  []*Part // guarded by mu
	turn   int     // guarded by mu; of the web nodes
	broken broken  // guarded by mu
}

// Part is one process of a fleet. It keeps its name and its data folder through its
// lives, but not its addresses.
type Part struct {
	Name  string      // immutable, such as node1-a
	Roles serve.Roles // immutable
	Group string      // immutable; of a comet

	Program Program // what runs; it may be changed while it does not

	fleet *Fleet

	mu    sync.Mutex
	proc  *child              // guarded by mu; nil while it does not run
	addrs Addrs               // guarded by mu; of the last start
	tune  func(*config.Serve) // guarded by mu; nil: nothing
}

// fleetToken opens the admin API of every web node.
const fleetToken = "a-token-for-every-web-node"

// fleetPush is how long a push may take. It is long: what happens to a fleet should cost
// pushers time and no errors, on a slow machine too.
const fleetPush = 25 * time.Second

// StartFleet starts everything at once, and waits until each process is ready and each
// group has a primary.
func StartFleet(tb testing.TB, topology Topology) *Fleet {
	tb.Helper()
	f := NewFleet(tb, topology)
	zktest.StartAll(f.ZooKeepers...)
	f.StartAll()
	f.Settle()
	return f
}

// NewFleet is a fleet of which nothing runs yet.
func NewFleet(tb testing.TB, topology Topology) *Fleet {
	tb.Helper()
	dir, err := os.MkdirTemp("", "gopush-fleet-") //nolint:usetesting // it is kept when the test fails
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{tb: tb, dir: dir, store: topology.Store}
	if c.store == nil {
		c.store = backend(tb)
	}
	f := &Fleet{Cluster: c, topology: topology, token: filepath.Join(dir, "token"), broken: newBroken()}
	f.ZooKeepers = zktest.NewEnsemble(tb, max(topology.ZooKeepers, 1))
	f.ZooKeeper = f.ZooKeepers[0]
	if err := os.WriteFile(f.token, []byte(fleetToken+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 30 * time.Second}
	c.API = &API{where: f.front, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		f.end()
	})
	f.plan()
	return f
}

// plan makes the parts.
func (f *Fleet) plan() {
	t := &f.topology
	var store config.Store
	f.store(&store)
	for count, usual := range map[*int]int{&t.Groups: 2, &t.Comets: 2, &t.Webs: 2} {
		if *count == 0 {
			*count = usual
		}
	}
	if t.Messages == 0 {
		t.Messages = 1
		if store.Kind == "hbase" {
			t.Messages = 3
		}
	}
	for i := range t.Messages {
		f.add(fmt.Sprintf("message%d", i+1), serve.Message, "")
	}
	for g := range t.Groups {
		f.AddGroup(fmt.Sprintf("node%d", g+1))
	}
	for i := range t.Webs {
		f.add(fmt.Sprintf("web%d", i+1), serve.Web, "")
	}
}

// AddGroup adds the comets of a group, without starting them.
func (f *Fleet) AddGroup(group string) []*Part {
	parts := make([]*Part, f.topology.Comets)
	for i := range parts {
		parts[i] = f.add(fmt.Sprintf("%s-%c", group, 'a'+i), serve.Comet, group)
	}
	return parts
}

func (f *Fleet) add(name string, roles serve.Roles, group string) *Part {
	p := &Part{Name: name, Roles: roles, Group: group, fleet: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts = append(f.parts, p)
	return p
}

// Parts are those with a role; of one group, if it is named.
func (f *Fleet) Parts(role serve.Roles, group string) []*Part {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*Part
	for _, p := range f.parts {
		if p.Roles.Has(role) && (group == "" || p.Group == group) {
			found = append(found, p)
		}
	}
	return found
}

// StartAll starts every part that does not run, all at once.
func (f *Fleet) StartAll() {
	f.tb.Helper()
	var wg sync.WaitGroup
	for _, p := range f.Parts(0, "") {
		if p.Running() {
			continue
		}
		wg.Go(func() {
			if err := p.Start(); err != nil {
				f.tb.Errorf("start %s: %v", p.Name, err)
			}
		})
	}
	wg.Wait()
	if f.tb.Failed() {
		f.tb.FailNow()
	}
}

// fleetPatience bounds every wait for a fleet; it is long, as machines may be slow.
const fleetPatience = 2 * time.Minute

// Settle waits until every process that runs is ready and every web node knows a primary
// of each group.
func (f *Fleet) Settle() {
	f.tb.Helper()
	for _, p := range f.Parts(0, "") {
		if p.Running() {
			p.AwaitReady()
		}
	}
	for _, w := range f.Parts(serve.Web, "") {
		if !w.Running() {
			continue
		}
		api := w.API()
		Until(f.tb, fleetPatience, w.Name+" to know a primary of each group", func() (bool, string) {
			nodes, err := api.Nodes(f.tb.Context())
			if err != nil {
				return false, err.Error()
			}
			serving := make(map[string]bool)
			for _, n := range nodes {
				if n.Role == "comet" && n.State == "serving" {
					serving[n.Group] = true
				}
			}
			return len(serving) >= f.topology.Groups, fmt.Sprintf("%+v", nodes)
		})
	}
}

// front is a web node that runs, each in turn.
func (f *Fleet) front() Addrs {
	var running []*Part
	for _, w := range f.Parts(serve.Web, "") {
		if w.Running() {
			running = append(running, w)
		}
	}
	if len(running) == 0 {
		return Addrs{Public: "127.0.0.1:1", Admin: "127.0.0.1:1"} // nobody listens there
	}
	f.mu.Lock()
	f.turn++
	at := f.turn
	f.mu.Unlock()
	return running[at%len(running)].Addrs()
}

// Primary is the part that serves a group, as the cluster sees it, and its epoch.
func (f *Fleet) Primary(group string) (*Part, int64) {
	f.tb.Helper()
	var found *Part
	var epoch int64
	Until(f.tb, fleetPatience, "a primary of "+group, func() (bool, string) {
		nodes, err := f.API.Nodes(f.tb.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, n := range nodes {
			for _, p := range f.Parts(serve.Comet, group) {
				if n.Group == group && n.State == "serving" && p.Running() && p.Addrs().Comets[0].RPC == n.Address {
					found, epoch = p, n.Epoch
				}
			}
		}
		return found != nil, fmt.Sprintf("%+v", nodes)
	})
	return found, epoch
}

// end stops what runs, web first, and looks at the logs.
func (f *Fleet) end() {
	parts := f.Parts(0, "")
	for _, p := range slices.Backward(parts) {
		if p.Running() {
			p.Stop()
		}
	}
	for _, p := range parts {
		if found := badLines(p.log()); len(found) > 0 {
			f.tb.Errorf("the log of %s holds:\n%s", p.Name, strings.Join(found, "\n"))
		}
	}
	if f.tb.Failed() {
		f.tb.Logf("data and logs are kept in %s", f.dir)
		return
	}
	if err := os.RemoveAll(f.dir); err != nil {
		f.tb.Errorf("remove the fleet's folder: %v", err)
	}
}

func (p *Part) log() string { return filepath.Join(p.fleet.dir, p.Name+".log") }

// settings are those of a first start, with coordination through ZooKeeper.
func (p *Part) settings() (config.Serve, error) {
	s := config.Default()
	s.Data = filepath.Join(p.fleet.dir, p.Name)
	if err := s.PortsFrom(0); err != nil {
		return s, err
	}
	p.fleet.store(&s.Store)
	s.Coordination.Kind, s.Coordination.Servers = "zookeeper", p.fleet.zooKeeperAddrs()
	s.Coordination.User, s.Coordination.PasswordFile = "gopush", p.fleet.token
	if p.fleet.topology.Session != 0 {
		s.Coordination.Session = p.fleet.topology.Session
	}
	s.Web.AdminTokenFile = p.fleet.token
	s.Web.PushTimeout = fleetPush
	if p.fleet.topology.RemoveAfter != 0 {
		s.Coordination.RemoveAfter = p.fleet.topology.RemoveAfter
	}
	if p.Roles.Has(serve.Web) {
		// Of that, half is for requests in progress. A push may wait for a node that hangs for as
		// long as faults last.
		s.Drain = 20 * time.Second
	}
	if p.Group != "" {
		s.Comet.Group = p.Group
		s.Comet.Weight = cmp.Or(p.fleet.weight(p.Group), s.Comet.Weight)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tune != nil {
		p.tune(&s)
	}
	return s, nil
}

// Tune changes the settings that its next starts have.
func (p *Part) Tune(change func(*config.Serve)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tune = change
}

// Start starts the process and returns when it listens.
func (p *Part) Start() error {
	settings, err := p.settings()
	if err != nil {
		return err
	}
	proc, addrs, err := spawn(p.log(), childConfig{Settings: settings, Roles: p.Roles, Hardship: p.fleet.hardship(p), Program: p.Program})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.proc, p.addrs = proc, addrs
	p.mu.Unlock()
	// Cuts follow it to its new addresses before anybody can know those.
	for _, peer := range p.fleet.cutFrom(p) {
		peer.bear()
	}
	return p.order(bearing(p))
}

// Restart starts it again after it has ended, and waits until it is ready.
func (p *Part) Restart() {
	p.fleet.tb.Helper()
	if err := p.Start(); err != nil {
		p.fleet.tb.Fatalf("start %s: %v", p.Name, err)
	}
	p.AwaitReady()
}

// Running reports whether it was started and neither stopped nor killed since.
func (p *Part) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc != nil
}

// Addrs are those of the last start.
func (p *Part) Addrs() Addrs {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addrs
}

// API talks to this process alone.
func (p *Part) API() *API { return &API{where: p.Addrs, client: p.fleet.API.client} }

// AwaitReady waits until the process says that it is ready.
func (p *Part) AwaitReady() {
	p.fleet.tb.Helper()
	Until(p.fleet.tb, fleetPatience, p.Name+" to be ready", func() (bool, string) {
		ctx, cancel := context.WithTimeout(p.fleet.tb.Context(), 10*time.Second)
		defer cancel()
		res, err := p.API().Ops(ctx, "/readyz")
		if err != nil {
			return false, err.Error()
		}
		return res.Status == http.StatusOK, res.Body
	})
}

// take hands the process to who ends it.
func (p *Part) take() *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	proc := p.proc
	p.proc = nil
	return proc
}

// Stop ends it in order.
func (p *Part) Stop() {
	if err := p.take().stop(); err != nil {
		p.fleet.tb.Errorf("stop %s: %v", p.Name, err)
	}
}

// Kill ends it with SIGKILL.
func (p *Part) Kill() {
	if err := p.take().kill(); err != nil {
		p.fleet.tb.Errorf("kill %s: %v", p.Name, err)
	}
}

// Freeze stops it in its tracks, and returns when it stands still. Thaw lets it go on.
func (p *Part) Freeze() {
	p.signal(syscall.SIGSTOP)
	Until(p.fleet.tb, fleetPatience, p.Name+" to stand still", func() (bool, string) {
		return p.still()
	})
}

// still reports whether all threads of the process are stopped.
func (p *Part) still() (bool, string) {
	p.mu.Lock()
	proc := p.proc
	p.mu.Unlock()
	return proc.still()
}

// Thaw ends a Freeze, and returns when what the process has to bear since then is in force.
func (p *Part) Thaw() {
	p.signal(syscall.SIGCONT)
	p.bear()
}

func (p *Part) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errors.New("it does not run")
	if p.proc != nil {
		err = p.proc.cmd.Process.Signal(sig)
	}
	if err != nil {
		p.fleet.tb.Errorf("%s to %s: %v", sig, p.Name, err)
	}
}

// Forget takes the parts of a group, which do not run, out of the fleet.
func (f *Fleet) Forget(group string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts = slices.DeleteFunc(f.parts, func(p *Part) bool { return p.Group == group })
}

// Within has failures be those of a part of the test, until the function that it returns
// is called.
func (f *Fleet) Within(tb testing.TB) func() {
	whole := f.tb
	f.tb = tb
	return func() { f.tb = whole }
}

// Keys are some of a scenario's own, in all groups.
func (f *Fleet) Keys(scenario string) []string {
	owned := make(map[string]int)
	var keys []string
	for i := 0; len(keys) < 6; i++ {
		key := fmt.Sprintf("%s-%d", scenario, i)
		if group := f.Owner(key); owned[group] < 6/f.topology.Groups {
			owned[group]++
			keys = append(keys, key)
		}
	}
	return keys
}

// Owner looks up which group a key belongs to, as soon as a node serves it.
func (f *Fleet) Owner(key string) (group string) {
	f.tb.Helper()
	Until(f.tb, fleetPatience, "a node for "+key, func() (bool, string) {
		node, err := f.API.Node(f.tb.Context(), key)
		if err != nil {
			return false, err.Error()
		}
		group = node.Node
		return true, ""
	})
	return group
}
