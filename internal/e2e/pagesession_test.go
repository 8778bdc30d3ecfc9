package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopush/hbase/hbasetest"
	"gopush/internal/oldredis/redistest"
	"gopush/internal/pages"
	"gopush/internal/serve"
)

// session is where the blocks of one page run that need the same: a folder, and shells in it
// that keep what was exported before. It is used by one goroutine.
type session struct {
	bin, dir string
	env      []string
	ports    map[string]string // of the page, and what they really are
	words    *strings.Replacer // what else is another one than on the page
	ids      pages.IDs
}

// blockTime bounds one block. The longest make a table on HBase, and another to try a
// compression with.
const blockTime = 4 * time.Minute

// usual are the ports of a first start, with the settings that are theirs.
var usual = map[string]string{
	"6968": "COMET_HTTP", "6969": "COMET_TCP", "6970": "COMET_RPC", "6971": "OPS", "8070": "MESSAGE_RPC", "8090": "WEB_PUBLIC", "8091": "WEB_ADMIN",
}

// pagePort is one of them, or one that a page chooses, as a page names it.
var pagePort = regexp.MustCompile(`\b(127\.0\.0\.1|localhost):(\d{4,5})\b`)

func newSession(t *testing.T, bin, needs string) *session {
	t.Helper()
	s := &session{bin: bin, dir: t.TempDir(), ports: make(map[string]string), ids: make(pages.IDs), words: strings.NewReplacer()}
	link(t, bin, s.dir)
	// curl says each status, and no more; what else it is told on this machine does not count.
	rc := `write-out = "%{stderr}\nHTTP %{http_code}\n"` + "\nsilent\nshow-error\n"
	if err := os.WriteFile(filepath.Join(s.dir, ".curlrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+s.dir, "CURL_HOME="+s.dir)
	switch needs {
	case "serve":
		s.signs(t)
		s.serves(serveBinary(t, s))
		return s
	case "hbase":
		s.hbase(t)
	case "table":
		s.hbase(t)
		s.gopush(t, "migrate", "up")
	case "redis":
		s.hbase(t, "redis1:6379", redistest.Start(t, "..."), "redis2:6379", redistest.Start(t, "..."))
	}
	for _, name := range usual {
		s.env = append(s.env, "GOPUSH_"+name+"=127.0.0.1:0")
	}
	return s
}

// signs gives the server of the session a key to sign tokens with.
func (s *session) signs(t *testing.T) {
	t.Helper()
	keys, err := exec.Command(filepath.Join(s.bin, "gopush"), "token", "keygen", "k1").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, "server.keys")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "GOPUSH_TOKENS_KEYS_FILE="+file)
}

// hbase puts the shared HBase into the place of those that pages name, and gives the session
// tables of its own.
func (s *session) hbase(t *testing.T, more ...string) {
	t.Helper()
	zookeeper := hbasetest.Shared(t)
	own := namespace + ":" + strings.ToLower(rand.Text())
	s.words = strings.NewReplacer(append(more,
		"zk1.example.org:2181,zk2.example.org:2181", zookeeper, "zk1.example.org:2181", zookeeper, "127.0.0.1:21810", zookeeper,
		"gopush:look", own+"_look", "gopush:messages", own, "/tmp/look", filepath.Join(s.dir, "look"), "--ports-from 17000", "--ports-from 0",
	)...)
	s.env = append(s.env, "GOPUSH_TABLE="+own, "GOPUSH_ZOOKEEPER="+zookeeper)
	t.Cleanup(func() { s.gopush(t, "migrate", "down", "--to", "0", "--lose-messages", own) })
}

// gopush runs a command of the tools, which has to do what it is told.
func (s *session) gopush(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "gopush"), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", cmd, err, out)
	}
}

// serves has the page's addresses lead to a server.
func (s *session) serves(at serve.Addrs) {
	comet := at.Comets[0]
	maps.Copy(s.ports, map[string]string{"8090": at.Public, "8091": at.Admin, "6971": at.Ops, "6968": comet.HTTP, "6969": comet.TCP})
	s.env = append(s.env, "GOPUSH_WEB="+scheme(at.TLS)+at.Public, "GOPUSH_ADMIN="+scheme(at.TLS)+at.Admin, "GOPUSH_OPS="+at.Ops)
}

func scheme(tls bool) string {
	if tls {
		return "https://"
	}
	return "http://"
}

// here is a text of the page as it has to be on this machine.
func (s *session) here(text string) string {
	text = pagePort.ReplaceAllStringFunc(text, func(addr string) string {
		host, port, _ := net.SplitHostPort(addr)
		real, ok := s.ports[port]
		if !ok {
			return addr
		}
		_, port, _ = net.SplitHostPort(real)
		return net.JoinHostPort(host, port)
	})
	return s.ids.In(s.words.Replace(text))
}

// The shell of a block begins with what the blocks before have set.
const prelude = `[ ! -e .state ] || . ./.state
trap 'declare -px > .state' EXIT
set -a
`

// run runs one block with bash. One that has an until is stopped there, or at the end of the
// test if it stays.
func (s *session) run(t *testing.T, b pages.Block) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &watched{until: b.Until, found: make(chan struct{})}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", prelude+s.here(b.Script))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.env, out, out
	// What the block starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		return "", err
	}
	var err error // of the whole, once ended is closed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	stop := func() {
		cancel()
		<-ended
	}
	late := time.NewTimer(blockTime)
	defer late.Stop()
	select {
	case <-late.C:
		stop()
		return out.String(), errors.New("it takes longer than " + blockTime.String())
	case <-ended:
		cancel()
		if b.Until != "" {
			err = errors.Join(errors.New("it ended before "+b.Until+" came"), err)
		}
		return out.String(), err
	case <-out.found:
	}
	if !b.Stays {
		stop()
		return out.String(), nil
	}
	t.Cleanup(stop)
	maps.Copy(s.ports, printed(out.String()))
	return out.String(), nil
}

// address is a line of what gopush serve prints.
var address = regexp.MustCompile(`(?m)^  (websocket, SSE|TCP \(v1\)|public API|admin API|metrics, health) +(?:https?://)?(\S+:\d+)`)

// printed are the ports of a gopush serve that a block has started.
func printed(out string) map[string]string {
	names := map[string]string{"websocket, SSE": "6968", "TCP (v1)": "6969", "public API": "8090", "admin API": "8091", "metrics, health": "6971"}
	ports := make(map[string]string)
	for _, m := range address.FindAllStringSubmatch(out, -1) {
		ports[names[m[1]]] = m[2]
		if m[1] == "public API" {
			ports["17000"] = m[2] // with --ports-from 17000
		}
	}
	return ports
}

// serveBinary runs the built binary, as a person does, until the test ends: then it has to
// stop in order.
func serveBinary(t *testing.T, s *session) serve.Addrs {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "gopush"), "serve", "--ports-from", "0", "--json")
	cmd.Dir, cmd.Env = s.dir, s.env
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

// watched keeps what is written, and closes found once it holds a text.
type watched struct {
	until string        // immutable; empty: nothing is waited for
	found chan struct{} // closed once

	mu   sync.Mutex
	text strings.Builder // guarded by mu
	done bool            // guarded by mu; found is closed
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if w.until != "" && !w.done && strings.Contains(w.text.String(), w.until) {
		w.done = true
		close(w.found)
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

var _ io.Writer = (*watched)(nil)
