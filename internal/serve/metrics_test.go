package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"gopush/hbase"
	"gopush/internal/cert/certtest"
	"gopush/internal/config"
	"gopush/message"
)

var update = flag.Bool("update", false, "rewrite the list of metrics in the documentation")

const (
	metricsFile  = "../../docs/metrics.md"
	metricsBegin = "<!-- metrics: written by the test of internal/serve, with -update -->\n"
	metricsEnd   = "<!-- end of metrics -->\n"
)

// use does one of everything for a key that is worth a series.
func (c *cluster) use(key string) {
	c.t.Helper()
	admin := "http://" + c.sys.Addrs().Admin
	first := c.push(key, `"one"`)
	events := c.listen(key)
	if _, ok := events.next("message"); !ok {
		c.t.Fatal("no message")
	}
	for _, body := range []string{
		`{"key":"` + key + `","data":2,"transient":true}`,
		`{"key":"` + key + `","data":3,"idempotency_key":"i"}`,
		`{"key":"` + key + `","data":3,"idempotency_key":"i"}`,
	} {
		c.call(http.MethodPost, admin+"/v2/messages", body, nil)
	}
	c.call(http.MethodPost, admin+"/v2/broadcast", `{"data":4}`, nil)
	c.call(http.MethodGet, admin+"/v2/keys/"+key, "", nil)
	c.call(http.MethodGet, admin+"/v2/nodes", "", nil)
	c.call(http.MethodDelete, admin+"/v2/messages/"+first+"?key="+key, "", nil)
	c.inbox(key)
	c.call(http.MethodDelete, admin+"/v2/messages?key="+key, "", nil)
	_ = events.body.Close()
	comet := c.sys.Addrs().Comets[0]
	c.greet(comet.TCP, fmt.Sprintf("*3\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$2\r\n60\r\n", len(key), key))
	for _, path := range []string{"/sub?heartbeat=60&key=", "/v2/stream?key="} {
		c.greet(comet.HTTP, "GET "+path+key+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	}
}

// greet connects a client that says hello, hears something, and goes.
func (c *cluster) greet(addr, hello string) {
	c.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(hello)); err != nil {
		c.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 512)); err != nil {
		c.t.Fatalf("no answer to the handshake: %v", err)
	}
}

// families are the metrics of a system as it exposes them now.
func families(t *testing.T, sys *System) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := sys.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*dto.MetricFamily)
	for _, f := range all {
		found[f.GetName()] = f
	}
	return found
}

// series are the names of all series of this project, with their labels.
func series(all map[string]*dto.MetricFamily) map[string]bool {
	found := make(map[string]bool)
	for name, f := range all {
		for _, m := range f.GetMetric() {
			if strings.HasPrefix(name, "gopush_") {
				found[name+fmt.Sprint(m.GetLabel())] = true
			}
		}
	}
	return found
}

// The number of series does not grow with keys or clients, and no label holds a key, a
// token, an address or an id.
//
// Broken once by labelling operations with their key.
func TestSeriesDoNotGrow(t *testing.T) {
	c := start(t, Config{Settings: settings(t, t.TempDir())})
	c.use("canary-first")
	awaitQuiet(t, c.sys)
	before := series(families(t, c.sys))
	for i := range 40 {
		c.use(fmt.Sprintf("canary-%d", i))
	}
	awaitQuiet(t, c.sys)
	after := series(families(t, c.sys))
	if d := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))); d != "" {
		t.Errorf("40 keys and clients have changed the series (-before +after):\n%s", d)
	}
	for name := range after {
		for _, bad := range []string{"canary", c.sys.Token(), "127.0.0.1"} {
			if strings.Contains(name, bad) {
				t.Errorf("a label holds %q: %s", bad, name)
			}
		}
	}
}

// awaitQuiet waits until no connection is left, so that its end has been counted.
func awaitQuiet(t *testing.T, sys *System) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		open := 0.0
		for _, m := range families(t, sys)["gopush_comet_connections"].GetMetric() {
			open += m.GetGauge().GetValue()
		}
		if open == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v connections are open", open)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// everything is every metric that there is: of all roles in one process, and of a
// process for which neither ZooKeeper nor HBase is there. As a registry names metrics
// that have no series yet as well, none can be missed.
func everything(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	c := start(t, Config{Settings: settings(t, t.TempDir())})
	c.use("k")
	far := settings(t, filepath.Join(t.TempDir(), "data"))
	far.Coordination.Kind, far.Store.Kind = zookeeperKind, hbaseKind
	far.Store.ZooKeeper = []string{"127.0.0.1:1"}
	far.Tokens.KeysFile = filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(far.Tokens.KeysFile, []byte(keyLine("s", tokenSecret)), 0o600); err != nil {
		t.Fatal(err)
	}
	far.Tracing.Endpoint = "http://127.0.0.1:1"
	files := certtest.New(t).Issue(t, "web", []string{"127.0.0.1"}, nil)
	far.Web.TLSCert, far.Web.TLSKey = files.Cert, files.Key
	cut, _ := run(t, Config{Settings: far, OpenHBase: openAway})
	for end := time.Now().Add(time.Minute); families(t, cut)["gopush_store_usable"] == nil; {
		if time.Now().After(end) {
			t.Fatal("nothing is said of the store")
		}
		<-time.After(10 * time.Millisecond)
	}
	all := families(t, c.sys)
	for _, sys := range []*System{c.sys, cut} {
		problems, err := testutil.GatherAndLint(sys.metrics)
		if err != nil || len(problems) > 0 {
			t.Errorf("the names are not as they should be: %+v, %v", problems, err)
		}
		maps.Copy(all, families(t, sys))
		for _, name := range described(sys.metrics) {
			if all[name] == nil {
				t.Errorf("%s has no series though each thing was done once; make one from the start", name)
			}
		}
	}
	return all
}

// away is a store in HBase that nobody asks: what its client asks of a ZooKeeper that is
// not there would outlive the test.
type away struct{ *hbase.Store }

func (away) Check(context.Context) error { return errors.New("HBase is away") }

func openAway(c config.Store, log *slog.Logger, reg prometheus.Registerer) (message.Store, error) {
	s, err := hbase.Open(hbase.Config{ZooKeeper: c.ZooKeeper[0], Table: c.Table}, log, time.Now, reg)
	return away{s}, err
}

var fqName = regexp.MustCompile(`fqName: "(gopush_[^"]*)"`)

// described are the names that a registry knows, with or without series.
func described(reg *prometheus.Registry) []string {
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		reg.Describe(ch)
	}()
	var names []string
	for d := range ch {
		if m := fqName.FindStringSubmatch(d.String()); m != nil {
			names = append(names, m[1])
		}
	}
	return names
}

// The documentation has every metric, with the type, the labels and the help that the
// code has. Names are as promlint wants them.
//
// Broken once by changing a help, once by a counter without _total, and once by not
// making the series of fenced writes.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), metricsBegin)
	_, after, closed := strings.Cut(rest, metricsEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the metrics: the lines %q and %q", metricsFile, metricsBegin, metricsEnd)
	}
	want := before + metricsBegin + documented(everything(t)) + metricsEnd + after
	if *update {
		if err := os.WriteFile(metricsFile, []byte(want), 0o644); err != nil { //nolint:gosec // documentation is for everybody
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Errorf("the metrics have changed; run go test ./internal/serve -run TestDocumentation -update (-want +got):\n%s", d)
	}
}

// documented is a table for each subsystem.
func documented(all map[string]*dto.MetricFamily) string {
	var b strings.Builder
	section := ""
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasPrefix(name, "gopush_") {
			continue
		}
		if head := strings.Split(name, "_")[1]; head != section {
			section = head
			fmt.Fprintf(&b, "\n### gopush_%s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", section)
		}
		f := all[name]
		labels := make(map[string]bool)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels["`"+l.GetName()+"`"] = true
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()),
			strings.Join(slices.Sorted(maps.Keys(labels)), ", "), f.GetHelp())
	}
	return b.String() + "\n"
}
