package config

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// another gives the setting a value that is allowed and differs from the present one,
// and returns its text.
func another(t *testing.T, f field) string {
	t.Helper()
	before := f.value.yaml()
	for _, text := range []string{
		"true", "2", "0.5", "2s", "3d", "1KiB", "json", "debug", "zookeeper", "hbase", "async", "https://a.example",
		"127.0.0.1:7", "a.example:7", "/a", "a:b", "a", "node1=1",
	} {
		if f.value.set(text) == nil && f.value.yaml() != before {
			return text
		}
	}
	t.Fatalf("%s: no other value was found; add one to this list", f.path)
	return ""
}

// TestEveryVariable: each setting has a variable, which goes over the file and is named as
// its source; no two have the same, and none looks like what Kubernetes injects.
//
// Broken once by leaving the dots of a path in the name.
func TestEveryVariable(t *testing.T) {
	seen := make(map[string]string)
	other := Default()
	for _, f := range other.fields() {
		text := another(t, f)
		name := "GOPUSH_" + strings.ToUpper(strings.NewReplacer(".", "_").Replace(f.path))
		if seen[name] != "" || injected.MatchString(name) || short[name] != "" {
			t.Errorf("%s cannot be a variable of its own: %s", name, f.path)
		}
		seen[name] = f.path
		d := NewDraft()
		d.Env([]string{"PATH=/bin", name + "= " + text + " "})
		s, err := d.Values()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, changed, restart := Default().Reload(s); !slices.Equal(append(changed, restart...), []string{f.path}) {
			t.Errorf("%s changes %v %v, not %s alone", name, changed, restart, f.path)
		}
		if got := d.from[f.path].String(); got != name {
			t.Errorf("%s comes from %q", f.path, got)
		}
	}
}

// TestEnvironment: the order of the sources, and what is no setting.
func TestEnvironment(t *testing.T) {
	d := NewDraft()
	d.Bytes("x.yaml", []byte("comet:\n  weight: 2\n  max_per_key: 3\nstore:\n  kind: hbase\n"))
	d.Env([]string{
		"GOPUSH_COMET_MAX_PER_KEY=4", "GOPUSH_LOG_LEVEL=", "GOPUSH_COMET_ORIGINS=https://a.example,https://b.example",
		// Names of their own, as before.
		"GOPUSH_ZOOKEEPER=zk1:2181,zk2:2181", "GOPUSH_TABLE=a:b",
		// Of others.
		"GOPUSH_TOKEN=secret", "GOPUSH_ADMIN=http://a", "GOPUSH_WEB=http://b", "GOPUSH_E2E_STORE=hbase", "GOPUSH_ZOOKEEPER_PASSWORD=secret",
		"COMET_WEIGHT=9", "GOPUSH_COMET", "=x",
		// Injected by Kubernetes for the services gopush-web, gopush-comet, gopush-store-x and gopush.
		"GOPUSH_WEB_SERVICE_HOST=10.0.0.1", "GOPUSH_WEB_SERVICE_PORT=8090", "GOPUSH_WEB_SERVICE_PORT_PUBLIC_API=8090", "GOPUSH_WEB_PORT=tcp://10.0.0.1:8090",
		"GOPUSH_COMET_PORT_6968_TCP=tcp://10.0.0.1:6968", "GOPUSH_COMET_PORT_6968_TCP_PROTO=tcp", "GOPUSH_COMET_PORT_6968_TCP_PORT=6968",
		"GOPUSH_COMET_PORT_6968_TCP_ADDR=10.0.0.1", "GOPUSH_STORE_X_SERVICE_PORT=1", "GOPUSH_PORT=tcp://10.0.0.1:1", "GOPUSH_MESSAGE_PORT_1_UDP_ADDR=10.0.0.1",
	})
	d.Flag("--set", "comet.origins", "https://c.example")
	d.Change("--ports-from", func(s *Serve) error { return s.PortsFrom(0) })
	got, err := d.Serve()
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if err := want.PortsFrom(0); err != nil {
		t.Fatal(err)
	}
	want.Comet.Weight, want.Comet.MaxPerKey, want.Comet.Origins = 2, 4, []string{"https://c.example"}
	want.Store.Kind, want.Store.ZooKeeper, want.Store.Table = "hbase", []string{"zk1:2181", "zk2:2181"}, "a:b"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sources := map[string]string{
		"comet.weight": "x.yaml:2", "comet.max_per_key": "GOPUSH_COMET_MAX_PER_KEY", "store.table": "GOPUSH_TABLE",
		"comet.origins": "--set", "web.public": "--ports-from", "log.level": "default",
	}
	for path := range maps.Keys(sources) {
		if got := d.origin(path); got != sources[path] {
			t.Errorf("%s comes from %s, not from %s", path, got, sources[path])
		}
	}
}

// TestAllProblems: those of every source are told at once, each with where it stands.
//
// Broken once by leaving the variables out after a file that is wrong.
func TestAllProblems(t *testing.T) {
	d := NewDraft()
	d.Bytes("x.yaml", []byte("drain: 1\nlog:\n  levell: info\n"))
	d.Env([]string{
		"GOPUSH_WEB_ADMIN_TOKEN=very-secret", "GOPUSH_COMET_WIEGHT=1", "GOPUSH_COMET_WEIGHT=many", "GOPUSH_DEV=yes",
		"GOPUSH_STORE=hbase", "GOPUSH_STORE_KIND=hbase", "GOPUSH_LOG_FILE=x",
	})
	d.Flag("--set", "comet.grup", "a")
	d.Flag("--log-level", "log.level", "loud")
	d.Change("--ports-from", func(s *Serve) error { return s.PortsFrom(70000) })
	_, err := d.Serve()
	want := []string{
		`x.yaml:1: drain: it must be a time with its unit, such as 30s, 5m, 12h or 30d`,
		`x.yaml:3: log: "levell" is not a setting; did you mean level?`,
		`GOPUSH_COMET_WEIGHT: comet.weight: "many" is not a whole number from 1 to 1000`,
		`GOPUSH_COMET_WIEGHT: "GOPUSH_COMET_WIEGHT" is not a setting; did you mean GOPUSH_COMET_WEIGHT?`,
		`GOPUSH_DEV: dev: "yes" is neither true nor false`,
		`GOPUSH_LOG_FILE: "GOPUSH_LOG_FILE" is not a setting; remove it, or use one of GOPUSH_LOG_FORMAT, GOPUSH_LOG_LEVEL`,
		`GOPUSH_STORE_KIND: store.kind: GOPUSH_STORE sets it already; remove one of them`,
		`GOPUSH_WEB_ADMIN_TOKEN: "GOPUSH_WEB_ADMIN_TOKEN" is not a setting; remove it, or use one of GOPUSH_WEB_ADMIN, GOPUSH_WEB_ADMIN_TOKEN_FILE, ` +
			`GOPUSH_WEB_CORS_ORIGINS, GOPUSH_WEB_INSECURE_ADMIN, GOPUSH_WEB_MAX_CONNECTIONS, GOPUSH_WEB_MAX_PER_ADDRESS, GOPUSH_WEB_PUBLIC, ` +
			`GOPUSH_WEB_PUSHES_PER_ADDRESS, GOPUSH_WEB_PUSHES_PER_SECOND, GOPUSH_WEB_PUSH_TIMEOUT, GOPUSH_WEB_READS_PER_ADDRESS, GOPUSH_WEB_TLS_CERT, GOPUSH_WEB_TLS_KEY`,
		`--set: "comet.grup" is not a setting; did you mean comet.group?`,
		`--log-level: log.level: "loud" is not known; write one of debug, info, warn, error`,
		`--ports-from: the first port is 70000; it must be 0, or 1 to 65529, as 7 ports are needed`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Error(cmp.Diff(strings.Join(want, "\n"), err.Error()))
	}
	// What does not go together is told with who says so.
	d = NewDraft()
	d.Bytes("x.yaml", []byte("comet:\n  http: :80\n"))
	d.Env([]string{"GOPUSH_COMET_TCP=:81"})
	d.Flag("--store", "store.kind", "hbase")
	_, err = d.Serve()
	for _, want := range []string{"x.yaml:2: comet.http: clients cannot", "GOPUSH_COMET_TCP: comet.tcp: clients cannot", "x.yaml: store.zookeeper: it is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

// FuzzEnv: no variable makes settings that are not allowed.
func FuzzEnv(f *testing.F) {
	f.Add("GOPUSH_COMET_WEIGHT=3")
	f.Add("GOPUSH_COMET_WEIGHT=0")
	f.Add("GOPUSH_WEB_PORT_1_TCP=x")
	f.Add("GOPUSH_DATA=\x00")
	f.Add("GOPUSH_LOG_=")
	f.Fuzz(func(t *testing.T, entry string) {
		d := NewDraft()
		d.Env([]string{entry})
		s, err := d.Serve()
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Errorf("it passed, yet: %v", err)
		}
		if _, err := Parse("x.yaml", []byte(printed(t, d))); err != nil {
			t.Errorf("what was printed does not parse: %v", err)
		}
	})
}
