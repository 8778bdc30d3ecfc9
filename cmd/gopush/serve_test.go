package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// tail collects what a command prints; tests wait for a part of it.
type tail struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // replaced with every write
}

func newTail() *tail { return &tail{changed: make(chan struct{})} }

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	close(w.changed)
	w.changed = make(chan struct{})
	return len(p), nil
}

func (w *tail) look() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.changed
}

// until waits for the part, and returns everything so far.
func (w *tail) until(t *testing.T, part string) string {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		text, changed := w.look()
		if strings.Contains(text, part) {
			return text
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no %q in:\n%s", part, text)
		}
	}
}

// background runs a command line in the background.
type background struct {
	out, err *tail
	stop     func() int // interrupts it and waits for the exit code
}

func inBackground(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &background{out: newTail(), err: newTail()}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), c.out, c.err}) }()
	c.stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { c.stop() })
	return c
}

// serving starts a server in an empty folder, and points the tools at it.
func serving(t *testing.T, args ...string) (server *background, b banner) {
	t.Helper()
	t.Chdir(t.TempDir())
	server = inBackground(t, append([]string{"serve", "--json", "--ports-from", "0", "--log-level", "error"}, args...)...)
	if err := json.Unmarshal([]byte(server.out.until(t, "\n")), &b); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_WEB", b.Addresses.Public)
	t.Setenv("GOPUSH_ADMIN", b.Addresses.Admin)
	return server, b
}

// TestTools uses every tool against a real server, as a person would.
func TestTools(t *testing.T) {
	server, b := serving(t)
	if b.Token == "" || b.TokenFile != filepath.Join("gopush-data", "admin.token") || len(b.Addresses.Comets) != 1 {
		t.Errorf("%+v", b)
	}
	tool := func(args ...string) outcome { return gopushHere(t.Context(), "", args...) }

	got := tool("push", "k", `{"text":"one"}`, "--idempotency-key", "1")
	id := strings.TrimSpace(strings.TrimPrefix(got.out, "stored "))
	if got.code != exitOK || id == "" {
		t.Fatalf("push: %+v", got)
	}
	tool("push", "k", `{"text":"one"}`, "--idempotency-key", "1").check(t, outcome{exitOK, "already stored " + id + "\n", ""})
	if got := tool("push", "k", `2`, "--idempotency-key", "1"); got.code != exitRefused || !strings.Contains(got.err, "(conflict, HTTP 409)") {
		t.Errorf("conflict: %+v", got)
	}
	tool("inbox", "k").check(t, outcome{exitOK, id + ` {"text":"one"}` + "\n", ""})
	if got := tool("where", "k"); got.code != exitOK || !strings.HasPrefix(got.out, "node       node1\nwebsocket  ws://127.0.0.1:") {
		t.Errorf("where: %+v", got)
	}
	if got := tool("push", "k", "1", "--data", "nowhere"); got.code != exitRefused || !strings.Contains(got.err, "Give the admin token") {
		t.Errorf("without the token: %+v", got)
	}

	listener := inBackground(t, "listen", "k", "--after", "0")
	listener.err.until(t, "-- live\n")
	if got := tool("push", "k", "2", "--transient"); !strings.HasPrefix(got.out, "sent ") {
		t.Errorf("transient: %+v", got)
	}
	listener.out.until(t, " 2 (transient)\n")
	if code := listener.stop(); code != exitOK {
		t.Errorf("Ctrl-C ends listen with %d", code)
	}

	if code := server.stop(); code != exitOK {
		t.Errorf("Ctrl-C ends serve with %d", code)
	}
	text := server.err.until(t, "stopped in order")
	if !strings.Contains(text, "stopping; what is under way is finished first") {
		t.Errorf("serve says %s", text)
	}
	if out, _ := server.out.look(); strings.Count(out, "\n") != 1 {
		t.Errorf("with --json there is more than one line: %s", out)
	}
}

func TestListen(t *testing.T) {
	_, _ = serving(t)
	var ids []string
	for _, data := range []string{"1", "2", "3"} {
		got := gopushHere(t.Context(), "", "push", "k", data)
		ids = append(ids, strings.TrimSpace(strings.TrimPrefix(got.out, "stored ")))
	}
	got := gopushHere(t.Context(), "", "listen", "k", "--after", ids[0], "--count", "2")
	if got.code != exitOK || got.out != ids[1]+" 2\n"+ids[2]+" 3\n" || !strings.HasPrefix(got.err, "-- connected to node1, after "+ids[0]+"\n") {
		t.Errorf("%+v", got)
	}
	got = gopushHere(t.Context(), "", "listen", "k", "--json", "--no-public", "--after", ids[1], "--count", "1")
	var ready, message line
	lines := strings.SplitN(got.out, "\n", 2)
	if err := json.Unmarshal([]byte(lines[0]), &ready); err != nil || ready.Type != "ready" || ready.Node != "node1" || ready.Cursor != ids[1] {
		t.Errorf("%+v %v", ready, err)
	}
	err := json.Unmarshal([]byte(lines[1]), &message)
	if err != nil || message.ID != ids[2] || message.Prev != ids[1] || string(message.Data) != "3" || message.Cursor != ids[2] || message.ExpiresAt == 0 {
		t.Errorf("%+v %v", message, err)
	}
	got = gopushHere(t.Context(), "", "listen", "k", "--after", "9000000000000000000")
	if got.code != exitRefused || !strings.Contains(got.err, "close code 41") {
		t.Errorf("a cursor of nowhere: %+v", got)
	}
}

// TestListenComesBack: a restart of the server costs a listener nothing.
func TestListenComesBack(t *testing.T) {
	server, b := serving(t)
	listener := inBackground(t, "listen", "k")
	listener.err.until(t, "-- live\n")
	server.stop()
	listener.err.until(t, "-- disconnected")
	a, c := b.Addresses, b.Addresses.Comets[0]
	again := inBackground(t, "serve", "--json", "--log-level", "error",
		"--set", "web.public="+a.Public, "--set", "web.admin="+a.Admin, "--set", "ops=127.0.0.1:0", "--set", "message.rpc=127.0.0.1:0",
		"--set", "comet.http="+c.HTTP, "--set", "comet.tcp="+c.TCP, "--set", "comet.rpc=127.0.0.1:0")
	again.out.until(t, "\n")
	if got := gopushHere(t.Context(), "", "push", "k", `"later"`); got.code != exitOK {
		t.Errorf("%+v", got)
	}
	listener.out.until(t, `"later"`)
}

// TestPastedLines runs what serve prints, as it stands, in a shell.
func TestPastedLines(t *testing.T) {
	for name, args := range map[string][]string{"token": nil, "development": {"--dev"}} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			server := inBackground(t, append([]string{"serve", "--ports-from", "0", "--log-level", "error"}, args...)...)
			text := server.out.until(t, "the messages stay")
			if !strings.HasPrefix(text, "gopush is ready after ") {
				t.Errorf("it begins with %.60s", text)
			}
			var lines []string
			for l := range strings.Lines(text) {
				if strings.HasPrefix(l, "  curl ") {
					lines = append(lines, strings.TrimSpace(l))
				}
			}
			if len(lines) != 3 {
				t.Fatalf("%d lines to paste in:\n%s", len(lines), text)
			}
			pasted(t, lines[0], `"id":`)
			pasted(t, lines[1], "event: live")
			pasted(t, lines[2], `"data":{"text":"hello"}`)
			server.stop()
		})
	}
}

// pasted runs a line until it has printed the part.
func pasted(t *testing.T, line, part string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+line)
	out := newTail()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := out.until(t, part)
	cancel()
	_ = cmd.Wait()
	if part != "event: live" && strings.Contains(text, "problem") {
		t.Errorf("%s", text)
	}
}

func TestPrintConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("g.yaml", []byte("comet:\n  weight: 3\nlog:\n  level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_COMET_MAX_PER_KEY", "9")
	t.Setenv("GOPUSH_MESSAGES_NEWEST", "6")
	got := gopushHere(t.Context(), "", "serve", "--config", "g.yaml", "--data", "other", "--ports-from", "7000",
		"--log-level", "debug", "--set", "messages.newest=5", "--set", "comet.origins=https://a.example,https://b.example", "--print-config")
	for _, want := range []string{
		"data: \"other\" # --data; reload: restart", "weight: 3 # g.yaml:2; reload: restart", "level: \"debug\" # --log-level; reload: yes",
		"newest: 5 # --set; reload: yes", "public: \"127.0.0.1:7000\" # --ports-from;", "max_per_key: 9 # GOPUSH_COMET_MAX_PER_KEY; reload: yes",
		`origins: ["https://a.example", "https://b.example"] # --set; reload: yes`, "drain: 10s # default; reload: restart",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %s in:\n%s", want, got.out)
		}
	}
	if got.code != exitOK || got.err != "" {
		t.Errorf("%d %s", got.code, got.err)
	}
	if err := os.WriteFile("g.yaml", []byte(got.out), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_MESSAGES_NEWEST", "")
	again := gopushHere(t.Context(), "", "serve", "--config", "g.yaml", "--print-config")
	source := regexp.MustCompile(` # [^ ]+; `)
	if source.ReplaceAllString(again.out, "") != source.ReplaceAllString(got.out, "") {
		t.Errorf("printed, read and printed again it differs:\n%s", again.out)
	}
	if err := os.WriteFile("g.yaml", []byte("a: 1\nb: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_WEB_PUBLICK", "x")
	got = gopushHere(t.Context(), "", "serve", "--config", "g.yaml", "--set", "drian=1s")
	if got.code != exitUsage || strings.Count(got.err, "is not a setting") != 4 || !strings.Contains(got.err, "g.yaml:2: ") {
		t.Errorf("%+v", got)
	}
}

func TestServeCannotStart(t *testing.T) {
	_, _ = serving(t)
	got := gopushHere(t.Context(), "", "serve", "--ports-from", "0")
	if got.code != exitFailure || !strings.Contains(got.err, "in use by the process") {
		t.Errorf("%+v", got)
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", "[::]:80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "10.0.0.1:80": "10.0.0.1:80",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}
