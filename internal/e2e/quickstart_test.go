package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopush/internal/serve"
)

// The quick start of the README works, block by block, against the binary that it
// builds. Only the ports are others: the usual ones may be taken on this machine.
func TestQuickStart(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Blocks(string(page))
	if err != nil || len(blocks) < 5 {
		t.Fatalf("the README has %d marked blocks, %v", len(blocks), err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "build", "gopush"), "gopush/cmd/gopush")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	at := serveBinary(t, dir)
	ports := strings.NewReplacer(
		"127.0.0.1:8090", at.Public, "127.0.0.1:8091", at.Admin,
		"127.0.0.1:6968", at.Comets[0].HTTP, "127.0.0.1:6969", at.Comets[0].TCP,
	)
	env := append(os.Environ(), "GOPUSH_WEB=http://"+at.Public, "GOPUSH_ADMIN=http://"+at.Admin)
	for _, b := range blocks {
		out, err := runBlock(t, dir, env, b, ports.Replace(b.Script))
		if err != nil || !strings.Contains(out, b.Expect) {
			t.Errorf("README.md:%d: %v; the output has to hold %q, and is:\n%s", b.Line, err, b.Expect, out)
		}
	}
}

// serveBinary runs the built binary in dir, as a person does, until the test ends:
// then it has to stop in order.
func serveBinary(t *testing.T, dir string) serve.Addrs {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, "build", "gopush"), "serve", "--ports-from", "0", "--json")
	cmd.Dir = dir
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Ctrl-C: %v\n%s", err, log.String())
		}
	})
	var banner struct{ Addresses serve.Addrs }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&banner); err != nil {
		t.Fatalf("the banner: %v\n%s", err, log.String())
	}
	return banner.Addresses
}

// runBlock runs one block with bash. One that has an until is stopped there.
func runBlock(t *testing.T, dir string, env []string, b Block, script string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	// What the block starts goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out := &watched{until: b.Until, found: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	text, stopped := out.result()
	switch {
	case b.Until == "":
		return text, err
	case !stopped:
		return text, errors.Join(errors.New("it ended before "+b.Until+" came"), err)
	default:
		return text, nil
	}
}

// watched keeps what is written, and calls found once it holds a text.
type watched struct {
	until string // immutable; empty: nothing is waited for
	found func() // immutable

	mu      sync.Mutex
	text    strings.Builder // guarded by mu
	stopped bool            // guarded by mu
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.text.Write(b)
	now := w.until != "" && !w.stopped && strings.Contains(w.text.String(), w.until)
	w.stopped = w.stopped || now
	w.mu.Unlock()
	if now {
		w.found()
	}
	return len(b), nil
}

func (w *watched) result() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.stopped
}

var _ io.Writer = (*watched)(nil)

func TestBlocks(t *testing.T) {
	page := "# x\n<!-- test: quickstart -->\n```sh\necho 1\n```\ntext\n```sh\nnot marked\n```\n" +
		"<!-- test: quickstart until='live now' expect='\"a\":1' -->\n```sh\nb\nc\n```\n"
	got, err := Blocks(page)
	want := []Block{{Line: 3, Script: "echo 1\n"}, {Line: 11, Script: "b\nc\n", Expect: `"a":1`, Until: "live now"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{
		"<!-- test: quickstart -->\n\n```sh\nx\n```\n", "<!-- test: quickstart -->\n```bash\nx\n```\n", "<!-- test: quickstart -->\n```sh\nx\n",
		"<!-- test: quickstart what='x' -->\n```sh\nx\n```\n", "<!-- test: quickstart expect=x -->\n```sh\nx\n```\n", "<!-- test: other -->\n```sh\nx\n```\n",
	} {
		if got, err := Blocks(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("<!-- test: quickstart -->\n```sh\necho\n```\n")
	f.Add("<!-- test: quickstart until='x' -->\n```sh\n")
	f.Add("<!-- test:")
	f.Fuzz(func(t *testing.T, page string) {
		blocks, err := Blocks(page)
		if err != nil {
			return
		}
		for _, b := range blocks {
			if !strings.Contains(page, b.Script) {
				t.Errorf("the script %q is not in the page", b.Script)
			}
		}
	})
}
