package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// process is gopush in a process of its own.
type process struct {
	*exec.Cmd
	out, err *tail
}

// gopushCommand is not started yet.
func gopushCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asGopush+"=1")
	return cmd
}

// start ends the process with the test at the latest.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, out: newTail(), err: newTail()}
	p.Stdout, p.Stderr = p.out, p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestHangup: SIGHUP has a process read its file again, under a stream that goes on as if
// nothing was; a file with a fault changes nothing; and the process still ends in order.
//
// Broken once by not asking for the signal, which ended the process.
func TestHangup(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile("g.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("comet: {max_per_key: 2}\n")
	p := start(t, gopushCommand(t, "serve", "--json", "--config", "g.yaml", "--ports-from", "0", "--set", "drain=30s"))
	var b banner
	if err := json.Unmarshal([]byte(p.out.until(t, "\n")), &b); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_WEB", b.Addresses.Public)
	t.Setenv("GOPUSH_ADMIN", b.Addresses.Admin)
	push := func(data string) {
		t.Helper()
		if got := gopushHere(t.Context(), "", "push", "k", data); got.code != exitOK {
			t.Errorf("push: %+v", got)
		}
	}
	listener := inBackground(t, "listen", "k")
	listener.err.until(t, "-- live\n")
	push(`"before"`)
	listener.out.until(t, `"before"`)

	write("comet:\n  max_per_key: 1\n  weight: 5\n")
	p.signal(t, syscall.SIGHUP)
	if text := p.err.until(t, "settings reloaded"); !strings.Contains(text, "changed=comet.max_per_key need_restart=comet.weight") {
		t.Errorf("the log says %s", text)
	}
	push(`"between"`)
	listener.out.until(t, `"between"`)
	second := gopushHere(t.Context(), "", "listen", "k", "--count", "1")
	if second.code == exitOK {
		t.Errorf("a second stream of a key is served: %+v", second)
	}

	write("comet:\n  max_per_kye: 9\n  weight: 0\n")
	p.signal(t, syscall.SIGHUP)
	text := p.err.until(t, "send SIGHUP again")
	for _, part := range []string{"g.yaml:2: comet", "did you mean max_per_key?", "g.yaml:3: comet.weight"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
	push(`"after"`)
	listener.out.until(t, `"after"`)
	if said, _ := listener.err.look(); strings.Contains(said, "-- disconnected") {
		t.Errorf("the stream was interrupted: %s", said)
	}
	listener.stop()
	p.signal(t, syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if text, _ := p.err.look(); !strings.Contains(text, "stopped in order") {
		t.Errorf("the process says %s", text)
	}
}
