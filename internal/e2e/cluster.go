package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/serve"
	"gopush/message"
)

// Options say what a Cluster runs on. The zero value is one comet over the
// embedded store in this process, with the settings of a first start.
type Options struct {
	// Child runs the cluster in a process of its own, which can be killed.
	Child bool
	// Settings changes the settings before the start; nil: nothing.
	Settings func(*config.Serve)
	// Comets is the number of comet groups, node1, node2 and so on; 0: one.
	Comets int
	// MemTableBytes is the size of the embedded store's buffers; only with Child.
	// 0: its default.
	MemTableBytes uint64
	// Program is what runs; only with Child.
	Program Program
	// Gate can hold messages back on their way into the embedded store; only with
	// Child. Empty: none.
	Gate Gate
	// Store changes the settings of the store; nil: as StoreEnv says.
	Store func(*config.Store)
	// Begin starts it by other means; nil: as Child says.
	Begin func(*Cluster) (process, Addrs, error)
	// Roots are the authorities of its certificates; nil: it has none.
	Roots *x509.CertPool
	// OpenStore opens another store than the embedded one; only without Child.
	OpenStore func(dir string) (message.Store, error)
}

// Addrs are where a cluster listens, host:port each, and its admin token. They
// are new after each start.
type Addrs struct {
	Public, Admin, Ops string
	HTTP, TCP          string // of the first comet
	Message            string // RPC of a message node
	Comets             []serve.CometAddrs
	Token              string
	TLS                bool // Public and Admin have certificates
}

// Cluster is a running system as a test object. It ends with its test, which
// fails if the system did not end in order, raced or panicked.
type Cluster struct {
	// API is how tests talk to it; it follows the addresses through restarts.
	API *API

	tb   testing.TB // immutable
	opts Options    // immutable
	dir  string     // immutable; logs and the data folder

	store func(*config.Store) // immutable; the settings of the store
	skew  atomic.Int64

	mu    sync.Mutex
	addrs Addrs   // guarded by mu; of the last start
	proc  process // guarded by mu; nil while nothing runs
}

// process is one life of a cluster.
type process interface {
	// stop ends it in order and waits; the error says what was not in order.
	stop() error
	// kill ends it as SIGKILL does, and waits until it is gone.
	kill() error
	// id is the operating system's, or this process's own.
	pid() int
}

// Start runs a cluster and waits until it serves.
func Start(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	dir, err := os.MkdirTemp("", "gopush-e2e-") //nolint:usetesting // it is kept when the test fails
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{tb: tb, opts: opts, dir: dir, store: func(*config.Store) {}}
	switch {
	case opts.Store != nil:
		c.store = opts.Store
	case opts.OpenStore == nil:
		c.store = backend(tb)
	}
	// A pusher of a test may well wait for an answer for as long as a push may take.
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 30 * time.Second}
	if opts.Roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: opts.Roots}
	}
	c.API = &API{where: c.Addrs, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		c.end()
	})
	c.Start()
	return c
}

// Addrs are those of the last start.
func (c *Cluster) Addrs() Addrs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addrs
}

// Dir is where the cluster's data folder (data) and logs are. It is kept when
// the test fails.
func (c *Cluster) Dir() string { return c.dir }

// Pid is the process that serves.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proc.pid()
}

// Step moves the cluster's clock by d, forwards or back. In a child process it
// takes effect with the next start.
func (c *Cluster) Step(d time.Duration) { c.skew.Add(int64(d)) }

// Now is the time by the cluster's clock.
func (c *Cluster) Now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

// Start starts a cluster that was stopped or killed, on the same data folder.
func (c *Cluster) Start() {
	c.tb.Helper()
	if err := c.TryStart(); err != nil {
		c.tb.Fatalf("start: %v", err)
	}
}

// TryStart is Start for goroutines that may not end the test.
func (c *Cluster) TryStart() error {
	settings, more, err := c.settings()
	if err != nil {
		return err
	}
	cfg := serve.Config{Settings: settings, MoreComets: more, Now: c.Now, OpenStore: c.opts.OpenStore}
	begin := startHere
	switch {
	case c.opts.Begin != nil:
		begin = func(serve.Config) (process, Addrs, error) { return c.opts.Begin(c) }
	case c.opts.Child:
		begin = c.startChild
	}
	proc, addrs, err := begin(cfg)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proc, c.addrs = proc, addrs
	return nil
}

// settings are those of a first start, on ports that the system chooses.
func (c *Cluster) settings() (config.Serve, []config.Comet, error) {
	s := config.Default()
	s.Data = filepath.Join(c.dir, "data")
	if err := s.PortsFrom(0); err != nil {
		return s, nil, err
	}
	c.store(&s.Store)
	if c.opts.Settings != nil {
		c.opts.Settings(&s)
	}
	var more []config.Comet
	for i := 2; i <= c.opts.Comets; i++ {
		comet := s.Comet
		comet.Group = fmt.Sprintf("node%d", i)
		more = append(more, comet)
	}
	return s, more, nil
}

// Stop ends the cluster in order.
func (c *Cluster) Stop() {
	c.tb.Helper()
	if err := c.take().stop(); err != nil {
		c.tb.Errorf("stop: %v", err)
	}
}

// Kill ends the child process with SIGKILL.
func (c *Cluster) Kill() {
	c.tb.Helper()
	if err := c.take().kill(); err != nil {
		c.tb.Fatalf("kill: %v", err)
	}
}

// Restart stops the cluster in order and starts it again.
func (c *Cluster) Restart() {
	c.tb.Helper()
	c.Stop()
	c.Start()
}

// take hands the running process to who ends it.
func (c *Cluster) take() process {
	c.mu.Lock()
	defer c.mu.Unlock()
	proc := c.proc
	c.proc = nil
	return proc
}

// end stops what runs, looks at the logs, and keeps the folder of a failure.
func (c *Cluster) end() {
	if proc := c.take(); proc != nil {
		if err := proc.stop(); err != nil {
			c.tb.Errorf("stop: %v", err)
		}
	}
	if found := badLines(filepath.Join(c.dir, "log")); len(found) > 0 {
		c.tb.Errorf("the server's log holds:\n%s", strings.Join(found, "\n"))
	}
	if c.tb.Failed() {
		c.tb.Logf("data and logs are kept in %s", c.dir)
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.tb.Errorf("remove the cluster's folder: %v", err)
	}
}

// badLines finds what a server may never write: races and panics.
func badLines(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil // a cluster in this process has no log of its own
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.Contains(line, "DATA RACE") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return lines[i:min(i+60, len(lines))]
		}
	}
	return nil
}

func addrsOf(a serve.Addrs, token string) Addrs {
	all := Addrs{Public: a.Public, Admin: a.Admin, Ops: a.Ops, Message: a.Message, Comets: a.Comets, Token: token, TLS: a.TLS}
	if len(a.Comets) > 0 {
		all.HTTP, all.TCP = a.Comets[0].HTTP, a.Comets[0].TCP
	}
	return all
}

// childConfig is what a child process is told, as JSON.
type childConfig struct {
	Settings config.Serve
	More     []config.Comet
	Hardship hardship // from the beginning
	MemTable uint64
	// Roles 0: all. Otherwise it tells its addresses before it serves, and waits for the
	// first order then.
	Roles   serve.Roles
	Gate    string  // of the store; empty: none
	Program Program `json:"-"` // what runs
}

func (c childConfig) text() string {
	b, _ := json.Marshal(c) // plain settings: cannot fail
	return string(b)
}
