package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestDefaultIsValid(t *testing.T) {
	s := Default()
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPrint(t *testing.T) {
	s := Default()
	out := printed(t, NewDraft())
	golden := filepath.Join("testdata", "default.yaml")
	if *update {
		if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out); diff != "" {
		t.Errorf("rewrite it with -update if this is meant:\n%s", diff)
	}
	got, err := Parse("x.yaml", []byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.flat(), got.flat()); diff != "" {
		t.Error(diff)
	}
}

// TestEveryFieldIsTold holds the table of settings together: a documented
// sentence each, sections in one piece, no path twice.
func TestEveryFieldIsTold(t *testing.T) {
	s := Default()
	seen := make(map[string]bool)
	done := make(map[string]bool)
	section := ""
	for _, f := range s.fields() {
		if seen[f.path] {
			t.Errorf("%s is there twice", f.path)
		}
		seen[f.path] = true
		if len(f.doc) < 10 || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s is documented by %q", f.path, f.doc)
		}
		head, _, nested := strings.Cut(f.path, ".")
		if !nested {
			head = ""
		}
		if head != section && done[head] {
			t.Errorf("%s comes after its section", f.path)
		}
		section, done[head] = head, true
	}
}

func TestSet(t *testing.T) {
	s := Default()
	for path, text := range map[string]string{
		"dev": "true", "drain": "2m", "messages.newest": "7", "messages.max_bytes": "8KiB",
		"comet.origins": "https://a.example,https://b.example", "web.cors_origins": "", "data": "x",
	} {
		if err := s.Set(path, text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	want := Default()
	want.Dev, want.Drain, want.Data = true, 2*time.Minute, "x"
	want.Messages.Newest, want.Messages.MaxBytes = 7, 8<<10
	want.Comet.Origins = []string{"https://a.example", "https://b.example"}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	for path, tt := range map[string][2]string{
		"comet.max_per_keys": {"1", "did you mean comet.max_per_key?"},
		"comet":              {"1", "is not a setting"},
		"dev":                {"yes", "neither true nor false"},
		"messages.newest":    {"-1", "messages.newest: -1 is out of range"},
		"messages.max_bytes": {"99999999999MiB", "is not a size"},
		"comet.origins":      {"https://a.example,b", `"b" is not an origin`},
		"drain":              {"99999d", "is not a time"},
	} {
		if err := s.Set(path, tt[0]); err == nil || !strings.Contains(err.Error(), tt[1]) {
			t.Errorf("%s=%s: %v", path, tt[0], err)
		}
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("a refused value has changed something: %s", diff)
	}
}

// TestValidate: what flags and code can set wrong is found without a file.
func TestValidate(t *testing.T) {
	s := Default()
	s.Comet.Weight, s.Web.Public, s.Dev, s.Web.Admin = 0, "nowhere", true, ":1"
	err := s.Validate()
	found, ok := errors.AsType[Problems](err)
	var paths []string
	for _, p := range found {
		paths = append(paths, p.Path)
	}
	if diff := cmp.Diff([]string{"comet.weight", "web.public", "dev"}, paths); !ok || diff != "" {
		t.Error(diff, err)
	}
}

// TestHBaseNeedsItsZooKeeper: what a store needs is asked for at once, with the
// line of the setting that wants it.
func TestHBaseNeedsItsZooKeeper(t *testing.T) {
	_, err := Parse("x.yaml", []byte("store:\n  kind: hbase\n"))
	if err == nil || err.Error() != "x.yaml: store.zookeeper: it is empty, but the store is hbase; give the addresses of HBase's ZooKeeper, host:port" {
		t.Error(err)
	}
	s, err := Parse("x.yaml", []byte("store:\n  kind: hbase\n  zookeeper: [zk1:2181, \"zk2:2181\"]\n  keep: 90d\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default().Store
	want.Kind, want.ZooKeeper, want.Keep = "hbase", []string{"zk1:2181", "zk2:2181"}, 90*day
	if diff := cmp.Diff(want, s.Store); diff != "" {
		t.Error(diff)
	}
}

func TestPortsFrom(t *testing.T) {
	s := Default()
	if err := s.PortsFrom(20000); err != nil {
		t.Fatal(err)
	}
	want := []string{"127.0.0.1:20000", "127.0.0.1:20001", "127.0.0.1:20002", "127.0.0.1:20003", "127.0.0.1:20004", "127.0.0.1:20005", "127.0.0.1:20006"}
	got := []string{s.Web.Public, s.Web.Admin, s.Comet.HTTP, s.Comet.TCP, s.Comet.RPC, s.Message.RPC, s.Ops}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := s.PortsFrom(0); err != nil || s.Web.Public != "127.0.0.1:0" || s.Ops != "127.0.0.1:0" {
		t.Errorf("%v, %s, %s", err, s.Web.Public, s.Ops)
	}
	for _, n := range []int{-1, 65530, 70000} {
		if err := s.PortsFrom(n); err == nil {
			t.Errorf("%d passes", n)
		}
	}
	if err := s.PortsFrom(65529); err != nil || s.Ops != "127.0.0.1:65535" {
		t.Errorf("%v, %s", err, s.Ops)
	}
}
