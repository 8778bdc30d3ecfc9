package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"gopush/hbase/hbasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read is what a command wrote to a file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// An HBase that is there is used, and the command's end is that of the run.
func TestRunsBesideAnHBase(t *testing.T) {
	t.Setenv(hbasetest.ZooKeeperEnv, "127.0.0.1:1")
	out := filepath.Join(t.TempDir(), "out")
	if err := run(t.Context(), hbasetest.Options{}, []string{"/bin/sh", "-c", "echo $" + hbasetest.ZooKeeperEnv + " > " + out}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, out); got != "127.0.0.1:1" {
		t.Errorf("the command saw the address %q", got)
	}
	err := run(t.Context(), hbasetest.Options{}, []string{"/bin/sh", "-c", "exit 7"})
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
		t.Errorf("a command that ends with 7: %v", err)
	}
}

// The command runs while HBase starts, knows where it will be, and HBase ends
// with the command.
func TestStartsAnHBase(t *testing.T) {
	t.Setenv(hbasetest.ZooKeeperEnv, "")
	t.Setenv("TMPDIR", t.TempDir())
	out := filepath.Join(t.TempDir(), "out")
	if err := run(t.Context(), hbasetest.Options{RegionServers: 1}, []string{"/bin/sh", "-c", "echo $" + hbasetest.ZooKeeperEnv + " > " + out}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, out); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("the command saw the address %q", got)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("%q are left (%v)", left, err)
	}
}

// Whoever is asked to end asks the command, and waits for it.
func TestInterrupted(t *testing.T) {
	t.Setenv(hbasetest.ZooKeeperEnv, "127.0.0.1:1")
	out := filepath.Join(t.TempDir(), "out")
	started := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	script := "trap 'echo asked > " + out + ".new; mv " + out + ".new " + out + "; exit 5' INT; echo > " + started + "; while :; do sleep 0.1; done"
	go func() { done <- run(ctx, hbasetest.Options{}, []string{"/bin/sh", "-c", script}) }()
	_ = read(t, started) // which waits until somebody has written
	cancel()
	if err := <-done; err == nil {
		t.Error("a command that was interrupted counts as one that ran")
	}
	if got := read(t, out); got != "asked" {
		t.Errorf("the command wrote %q", got)
	}
}

func TestNoCommand(t *testing.T) {
	if err := run(t.Context(), hbasetest.Options{}, nil); err == nil {
		t.Error("nothing can be run")
	}
}
