package hbasetest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestUniqueName(t *testing.T) {
	valid := regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	t.Run("with spaces/and: signs", func(t *testing.T) {
		a, b := UniqueName(t), UniqueName(t)
		if a == b || !valid.MatchString(a) || !strings.HasPrefix(a, "TestUniqueName_with_spaces_and__signs_") {
			t.Errorf("the names are %q and %q", a, b)
		}
	})
}

// runs is a package's tests, which end with a code.
type runs func() int

func (r runs) Run() int { return r() }

// withShared puts a stack in the place of the one that Shared starts.
func withShared(t *testing.T, s *Stack, err error) {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	beforeStack, beforeErr := shared.stack, shared.err
	shared.stack, shared.err = s, err
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		shared.stack, shared.err = beforeStack, beforeErr
	})
}

// The shared stack ends with the tests of its package; what it leaves behind
// tells why they failed.
func TestMainClosesShared(t *testing.T) {
	for code, stays := range map[int]bool{0: false, 1: true} {
		s := &Stack{dir: filepath.Join(t.TempDir(), "stack")}
		must(t, os.Mkdir(s.dir, 0o700))
		withShared(t, s, nil)
		if got := Main(runs(func() int { return code })).Run(); got != code {
			t.Errorf("tests that end with %d end with %d", code, got)
		}
		if _, err := os.Stat(s.dir); (err == nil) != stays {
			t.Errorf("after code %d, the folder: %v", code, err)
		}
		if !s.closed.Load() {
			t.Errorf("after code %d, the stack runs", code)
		}
	}
	withShared(t, nil, nil)
	if got := Main(runs(func() int { return 3 })).Run(); got != 3 {
		t.Errorf("without a stack, 3 becomes %d", got)
	}
}

// A start that failed is not tried again for each test.
func TestSharedFails(t *testing.T) {
	t.Setenv(ZooKeeperEnv, "")
	t.Setenv(CacheEnv, t.TempDir())
	t.Setenv("PATH", t.TempDir()) // neither Java nor Maven
	withShared(t, nil, nil)
	_, first := sharedAddr(t)
	_, second := sharedAddr(t)
	if first == nil || !errors.Is(second, first) {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestSharedStack(t *testing.T) {
	t.Setenv(ZooKeeperEnv, "")
	p, err := holdPort(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	withShared(t, &Stack{ports: []*port{p}}, nil)
	if got := Shared(t); got != p.addr() {
		t.Errorf("the shared stack is at %s, want %s", got, p.addr())
	}
}
