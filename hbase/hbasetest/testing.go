package hbasetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// ZooKeeperEnv names the ZooKeeper of an HBase that runs already and that tests
// may share.
const ZooKeeperEnv = "GOPUSH_HBASE_ZOOKEEPER"

// New starts a stack for one test alone, which may do to it what it likes. It
// ends with the test; after a failure its folder stays, and the log says where.
func New(tb testing.TB, opts Options) *Stack {
	tb.Helper()
	if opts.Progress == nil {
		opts.Progress = tb.Output()
	}
	s, err := Start(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			s.Keep()
			tb.Logf("the stack is left in %s\n%s", s.Dir(), s.Logs(10))
		}
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// shared is what this process knows of the stack that Shared gives.
var shared struct {
	mu     sync.Mutex
	served string // the address of somebody else's stack that was seen to serve
	stack  *Stack // the one that this process has started
	err    error  // the start failed; there will be no other
}

// Shared is the ZooKeeper address of an HBase that serves, and that the tests of
// several packages use at once: each with tables of its own (see UniqueName),
// and without faults. It is the one that ZooKeeperEnv names, or else one that
// the first call starts and Main stops.
func Shared(tb testing.TB) string {
	tb.Helper()
	addr, err := sharedAddr(tb)
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}

func sharedAddr(tb testing.TB) (string, error) {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if addr := os.Getenv(ZooKeeperEnv); addr != "" {
		if addr == shared.served {
			return addr, nil
		}
		if err := WaitFor(tb.Context(), addr); err != nil {
			return "", err
		}
		shared.served = addr
		return addr, nil
	}
	if shared.stack == nil && shared.err == nil {
		// It outlives the test that happens to come first.
		shared.stack, shared.err = Start(context.WithoutCancel(tb.Context()), Options{Progress: os.Stderr})
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.stack.ZooKeeper(), nil
}

// WaitFor returns when the HBase behind a ZooKeeper serves, whoever runs it.
func WaitFor(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no start takes that long"))
	defer cancel()
	right := func(live []Server) error {
		if len(live) == 0 {
			return notYetError("no region server is registered")
		}
		return nil
	}
	err := wait(ctx, func(ctx context.Context) error { return cluster(addr).check(ctx, right) }, func(string) {}, func() error { return nil })
	if err != nil {
		return fmt.Errorf("the HBase at %s (from %s): %w", addr, ZooKeeperEnv, err)
	}
	return nil
}

// HoldPort is a port of 127.0.0.1 for a Java process of the test: nobody else gets it as long
// as the test runs, also while nobody listens there.
func HoldPort(tb testing.TB) int {
	tb.Helper()
	p, err := holdPort(0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.release)
	return p.number
}

// UniqueName makes a name for a table, or for a node of ZooKeeper, that no other
// test has.
func UniqueName(tb testing.TB) string {
	tb.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, tb.Name())
	return name + "_" + strings.ToLower(rand.Text()[:10])
}

// Runner runs the tests of a package: *testing.M does.
type Runner interface{ Run() int }

// Main is for the TestMain of packages that use Shared: its Run runs the tests,
// and then stops the stack that they have started, if they have.
func Main(tests Runner) Runner { return runner{tests} }

type runner struct{ tests Runner }

func (r runner) Run() int {
	code := r.tests.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	s := shared.stack
	if s == nil {
		return code
	}
	if code != 0 {
		s.Keep()
		fmt.Fprintf(os.Stderr, "the stack of these tests is left in %s\n", s.Dir())
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
