package promtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/docker/grafana"
	"gopush/hbase"
	"gopush/internal/cert/certtest"
	"gopush/internal/config"
	"gopush/internal/e2e"
	"gopush/internal/serve"
	"gopush/message"
)

// cutOff is a process for which neither ZooKeeper nor HBase is there: it exposes what a
// cluster in one process has not, certificates among it. The URL is that of its metrics, which
// it gives over TLS, with a certificate of the authority in the file.
func cutOff(t *testing.T) (ops, authority string) {
	t.Helper()
	s := config.Default()
	if err := s.PortsFrom(0); err != nil {
		t.Fatal(err)
	}
	s.Data = filepath.Join(t.TempDir(), "data")
	ca := certtest.New(t)
	files := ca.Issue(t, "all", []string{"127.0.0.1"}, nil)
	s.Web.TLSCert, s.Web.TLSKey, s.OpsTLSCert, s.OpsTLSKey = files.Cert, files.Key, files.Cert, files.Key
	s.Coordination.Kind, s.Store.Kind, s.Store.ZooKeeper = "zookeeper", "hbase", []string{"127.0.0.1:1"}
	sys, err := serve.New(serve.Config{Settings: s, OpenHBase: openAway}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, sys.Close()); err != nil {
			t.Errorf("the process that is cut off: %v", err)
		}
	})
	return "https://" + sys.Addrs().Ops, ca.File
}

// signing are settings with which a cluster can sign clients' tokens, and reads which are revoked.
func signing(t *testing.T) func(*config.Serve) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("k1 HS256 "+strings.Repeat("MDEyMzQ1", 8)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(s *config.Serve) { s.Tokens.KeysFile = path }
}

// away is a store in HBase that nobody asks: what its client asks of a ZooKeeper that is
// not there would outlive the test.
type away struct{ *hbase.Store }

func (away) Check(context.Context) error { return errors.New("HBase is away") }

func openAway(c config.Store, log *slog.Logger, reg prometheus.Registerer) (message.Store, error) {
	s, err := hbase.Open(hbase.Config{ZooKeeper: c.ZooKeeper[0], Table: c.Table}, log, time.Now, reg)
	return away{s}, err
}

// listening pushes n messages to a key that somebody listens to, and reads them.
func listening(t *testing.T, c *e2e.Cluster, n int) {
	t.Helper()
	stream, err := e2e.DialStream(t.Context(), c.Addrs().HTTP, e2e.Cursors{After: "0", Public: "0"}.Query("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := e2e.ReadUntil(stream, "live", patience); err != nil {
		t.Fatal(err)
	}
	for range n {
		if o := c.API.Push(t.Context(), e2e.Message{Key: "k", Data: e2e.Text("x")}); o.State != e2e.Acked {
			t.Fatalf("push: %+v", o)
		}
		if _, err := e2e.ReadUntil(stream, "message", patience); err != nil {
			t.Fatal(err)
		}
	}
}

// patience bounds the wait for one frame.
const patience = 20 * time.Second

var metricName = regexp.MustCompile(`\b(?:gopush|go|process)_[a-z_]+\b|\bup\b`)

// A real Prometheus scrapes a serving cluster and one that is cut off. Every query of
// every rule and dashboard parses, each metric that it names is there, and each panel has
// a value. Rules are
// evaluated without an error, and tell the two clusters apart.
//
// Broken once by a query with a metric that does not exist, once by one that does not
// parse, and once by scraping another path, and once
// by leaving the scheme of the target with TLS out.
func TestPrometheus(t *testing.T) {
	c := e2e.Start(t, e2e.Options{Settings: signing(t)})
	away, authority := cutOff(t)
	s := startServer(t, map[string]string{"web": c.Addrs().Ops, "comet": c.Addrs().Ops, "message": away}, authority)
	const pushes = 20
	listening(t, c, pushes)
	s.until("all targets to be up", func() (bool, string) {
		up, err := s.query(`up == 1`)
		return len(up) == 4, fmt.Sprint(up, err)
	})
	for expr, want := range map[string]string{
		`gopush_comet_deliveries_total{role="web", outcome="written"}`: fmt.Sprint(pushes),
		`gopush_comet_deliveries_due_total{role="web"}`:                fmt.Sprint(pushes),
		`gopush_comet_delivery_duration_seconds_count{role="web"}`:     fmt.Sprint(pushes),
		`gopush_web_pushes_total{role="web", code="ok"}`:               fmt.Sprint(pushes),
		`gopush_cluster_group_serving{role="web", group="node1"}`:      "1",
		`gopush_comet_lease_remaining_seconds{role="web"}`:             "+Inf",
		`gopush_ready{role="web"}`:                                     "1",
		`gopush_ready{role="message"}`:                                 "0",
		`gopush_zookeeper_connected{role="message"}`:                   "0",
	} {
		s.until(expr, func() (bool, string) {
			got, err := s.query(expr)
			return len(got) == 1 && got[0].Value[1] == want, fmt.Sprint(got, err, ", want ", want)
		})
	}
	s.until("two scrapes of each target", func() (bool, string) {
		got, err := s.query(`rate(go_goroutines[1m])`)
		return len(got) == 4, fmt.Sprint(got, err)
	})
	allQueries(t, s)
	rulesEvaluated(s)
}

// allQueries parses them with the real parser, and looks their metrics up.
func allQueries(t *testing.T, s *server) {
	t.Helper()
	var names []string
	if err := s.ask("label/__name__/values", nil, &names); err != nil {
		t.Fatal(err)
	}
	all := queries(t)
	for _, where := range slices.Sorted(maps.Keys(all)) {
		got, err := s.query(all[where])
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		named := metricName.FindAllString(all[where], -1)
		if len(named) == 0 && !strings.Contains(all[where], "ALERTS") {
			t.Errorf("%s names no metric: %s", where, all[where])
		}
		for _, name := range named {
			if !slices.Contains(names, name) {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
		if len(got) == 0 && !strings.HasPrefix(where, "alert ") && !grafana.Silent(all[where]) {
			t.Errorf("%s has no value: %s", where, all[where])
		}
		t.Logf("%s: %d values %v", where, len(got), first(got))
	}
}

func first(all []sample) any {
	if len(all) == 0 {
		return "-"
	}
	return all[0].Value[1]
}

// rulesEvaluated waits until each rule was, and looks at what came of it.
func rulesEvaluated(s *server) {
	s.t.Helper()
	type state struct{ Name, Health, State, LastError string }
	found := make(map[string]state)
	s.until("the rules to be evaluated", func() (bool, string) {
		var data struct{ Groups []struct{ Rules []state } }
		if err := s.ask("rules", nil, &data); err != nil {
			return false, err.Error()
		}
		clear(found)
		good := true
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				found[r.Name] = r
				good = good && r.Health == "ok"
			}
		}
		// What is cut off is noticed.
		return good && len(found) > 0 && found["GopushNodeNotReady"].State == "pending", fmt.Sprint(found)
	})
	for _, r := range rules(s.t) {
		if _, ok := found[r.Alert]; !ok {
			s.t.Errorf("the alert %s was not loaded", r.Alert)
		}
	}
	if got := found["GopushNodeAbsent"].State; got != "inactive" {
		s.t.Errorf("all nodes answer, and GopushNodeAbsent is %s", got)
	}
}
