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
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/coord/zk/zktest"
	"gopush/internal/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		{"--set coordination.user=u --set coordination.servers=zk1:2181 --set ops=256.0.0.1:0", exitFailure, "", "ops"},
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

// TestServes: the process prints where it listens before anything else, says when it is
// ready, and ends in order.
func TestServes(t *testing.T) {
	server := zktest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- comet.run(ctx, []string{
			"--coordination", "zookeeper", "--set", "coordination.servers=" + server.Addr(), "--ports-from", "0",
		}, in, &errs)
	}()
	var addrs serve.Addrs
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&addrs); err != nil {
		t.Fatal(err)
	}
	if len(addrs.Comets) != 1 || addrs.Public != "" || addrs.Message != "" {
		t.Errorf("a comet listens on %+v", addrs)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(time.Minute); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addrs.Ops+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatal("never ready")
		}
		<-time.After(20 * time.Millisecond)
	}
	cancel()
	if code := <-ended; code != exitOK || !strings.Contains(errs.String(), "stopped in order") {
		t.Errorf("it ended with %d:\n%s", code, errs.String())
	}
}
