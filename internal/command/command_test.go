package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/coord/zk/zktest"
	"gopush/internal/serve"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(asRole); name != "" {
		os.Exit(roleMain(name))
	}
	goleak.VerifyTestMain(m)
}

var comet = Role{Name: "comet", Roles: serve.Comet, Help: "Keeps connections."}

// TestCommandLine: what a process says, and how it ends, without serving.
func TestCommandLine(t *testing.T) {
	t.Setenv("GOPUSH_ZOOKEEPER_PASSWORD", "hush")
	t.Setenv("GOPUSH_COORDINATION", "zookeeper")
	t.Setenv("GOPUSH_ZOOKEEPER", "zk1:2181,zk2:2181")
	t.Setenv("GOPUSH_STORE", "hbase")
	file := filepath.Join(t.TempDir(), "comet.yaml")
	if err := os.WriteFile(file, []byte("comet: {group: node7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args      string
		code      int
		out, errs string
	}{
		{"--help", exitOK, "finds the other roles through ZooKeeper", ""},
		{"--print-config --config " + file, exitOK, `group: "node7"`, ""},
		{"--print-config --config " + file, exitOK, `kind: "zookeeper"`, ""},
		{"--print-config --config " + file, exitOK, `zookeeper: ["zk1:2181", "zk2:2181"]`, ""},
		{"--print-config --config " + file + " --set comet.group=node8", exitOK, `group: "node8"`, ""},
		{"--fly", exitUsage, "", "see comet --help"},
		{"--config missing.yaml", exitUsage, "", "missing.yaml"},
		{"--set comet.wieght=1", exitUsage, "", "did you mean comet.weight?"},
		{"--ports-from 70000", exitUsage, "", "--ports-from"},
		{"--coordination local --ports-from 0", exitFailure, "", "set it to zookeeper"},
		{"--set coordination.user=u --set coordination.servers=zk1:2181 --set insecure_ops=true --set ops=256.0.0.1:0", exitFailure, "", "ops"},
	} {
		var out, errs bytes.Buffer
		code := comet.run(t.Context(), strings.Fields(tt.args), &out, &errs)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.errs) {
			t.Errorf("%s: %d\n%s\n%s", tt.args, code, out.String(), errs.String())
		}
		if strings.Contains(out.String()+errs.String(), "hush") {
			t.Errorf("%s: the password is printed", tt.args)
		}
	}
}

// logged is what a process has said so far.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestServes: the process prints where it listens before anything else, says when it is
// ready, reads its settings again at a SIGHUP, and ends in order.
//
// Broken once by doing nothing at the SIGHUP.
func TestServes(t *testing.T) {
	server := zktest.Start(t)
	file := filepath.Join(t.TempDir(), "comet.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	errs := new(logged)
	ended := make(chan int, 1)
	go func() {
		ended <- comet.run(ctx, []string{
			"--coordination", "zookeeper", "--set", "coordination.servers=" + server.Addr(), "--ports-from", "0", "--config", file,
		}, in, errs)
	}()
	var addrs serve.Addrs
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&addrs); err != nil {
		t.Fatal(err)
	}
	if len(addrs.Comets) != 1 || addrs.Public != "" || addrs.Message != "" {
		t.Errorf("a comet listens on %+v", addrs)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	until(t, "ready", func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addrs.Ops+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	// What is of web says nothing to a comet.
	write("comet: {weight: 2, max_per_key: 3}\nweb: {push_timeout: 9s, public: 127.0.0.1:1}\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "reloaded", func() bool {
		return strings.Contains(errs.String(), "changed=comet.max_per_key need_restart=comet.weight\n")
	})
	cancel()
	if code := <-ended; code != exitOK || !strings.Contains(errs.String(), "stopped in order") {
		t.Errorf("it ended with %d:\n%s", code, errs.String())
	}
}
