package hbasetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphanerEnv makes a test binary a process that starts a stack in the folder
// it names, prints the ids of all processes that belong to it, and never ends.
const orphanerEnv = "GOPUSH_TEST_HBASE_ORPHANER"

func becomeOrphaner() {
	dir := os.Getenv(orphanerEnv)
	if dir == "" {
		return
	}
	s, err := Begin(context.Background(), Options{Dir: dir, RegionServers: 1})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ids := []string{strconv.Itoa(s.keeper.cmd.Process.Pid)}
	for _, p := range s.processes {
		ids = append(ids, strconv.Itoa(p.PID()))
	}
	fmt.Fprintln(os.Stdout, strings.Join(ids, " "))
	select {}
}

// A process that is killed leaves no Java behind, nor one that it had paused.
func TestNothingOutlivesItsProcess(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), orphanerEnv+"="+t.TempDir())
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(field)
		if err != nil || !running(pid) {
			t.Fatalf("%q is no process of the stack (%v)", field, err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != 6 {
		t.Fatalf("a shell and five Java processes make 6, not %d", len(pids))
	}
	if err := syscall.Kill(pids[len(pids)-1], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return !running(pid) })
	}
}

// running reports whether a process runs; one that only waits to be noticed by
// its parent does not.
func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// eventually waits for a condition that nobody announces.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !cond() {
		if pause(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("waited a minute until %s", what)
		}
	}
}
