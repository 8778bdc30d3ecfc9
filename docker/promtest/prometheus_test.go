package promtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a Prometheus of the test's own.
type server struct {
	t    *testing.T
	addr string
	http *http.Client
	log  string // the file
}

// startServer runs Prometheus with the settings of this repository, but for the targets,
// which are addresses by role, and the intervals. Those with https:// are judged by the
// authority of the file. It ends with the test.
func startServer(t *testing.T, targets map[string]string, authority string) *server {
	t.Helper()
	path := program(t, "prometheus")
	dir := t.TempDir()
	s := &server{t: t, addr: freeAddr(t), http: &http.Client{Timeout: 20 * time.Second}, log: filepath.Join(dir, "log")}
	t.Cleanup(s.http.CloseIdleConnections)
	rulesText, err := os.ReadFile(filepath.Join(settingsDir, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prometheus.yml": settings(t, targets, authority, s.addr), "rules.yml": string(rulesText)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), path, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.addr)
	cmd.Stdout, cmd.Stderr = log, log
	// It must not outlive a test that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		end := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // whichever way it ended
		end.Stop()
		_ = log.Close()
	})
	return s
}

// settings are those of the repository, with other targets and shorter intervals. Targets with
// TLS are as docs/security.md says.
func settings(t *testing.T, targets map[string]string, authority, own string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(settingsDir, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for role, addr := range targets {
		list := regexp.MustCompile(`targets: \[[^]]*\]\n( +labels: \{role: ` + role + `\})`)
		if !list.Match(text) {
			t.Fatalf("no targets of the role %s in prometheus.yml", role)
		}
		addr, secure := strings.CutPrefix(addr, "https://")
		text = list.ReplaceAll(text, []byte(`targets: ["`+addr+`"]`+"\n$1"))
		if secure {
			text = bytes.Replace(text, []byte("role: "+role+"}"), []byte("role: "+role+", __scheme__: https}"), 1)
		}
	}
	return strings.NewReplacer("  - job_name: gopush\n", "  - job_name: gopush\n    tls_config: {ca_file: "+authority+"}\n", "_interval: 5s", "_interval: 1s", "_timeout: 4s", "_timeout: 1s", "localhost:9090", own).Replace(string(text))
}

// freeAddr is one that nobody listens on right now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask calls the API; out gets what is under data.
func (s *server) ask(path string, params url.Values, out any) error {
	resp, err := s.http.Get("http://" + s.addr + "/api/v1/" + path + "?" + params.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: out}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %q", resp.Status, body)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// sample is one value that a query has.
type sample struct {
	Metric map[string]string
	Value  [2]any // time, text of the value
}

func (s *server) query(expr string) ([]sample, error) {
	var data struct{ Result []sample }
	err := s.ask("query", url.Values{"query": {expr}}, &data)
	return data.Result, err
}

// until asks again and again, for a minute.
func (s *server) until(what string, ok func() (bool, string)) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(s.log)
			s.t.Fatalf("waited in vain for %s: %s\n%s", what, state, text)
		}
		<-time.After(100 * time.Millisecond)
	}
}
