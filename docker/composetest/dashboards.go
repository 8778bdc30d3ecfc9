package composetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/docker/grafana"
	"gopush/internal/e2e"
)

// scraped is how long Prometheus may take to know of everything: two scrapes of each
// node, for a rate.
const scraped = 2 * time.Minute

// dashboards asks the cluster's own Prometheus for everything that the dashboards show,
// while messages go through: it reaches every node of gopush by the name of its service,
// and every query has a value.
func (p *project) dashboards(t *testing.T) {
	load := e2e.StartSteady(t, e2e.Remote(t, p.addrs), false, "0-dashboards", "r-dashboards")
	ctx, cancel := context.WithTimeout(t.Context(), scraped)
	defer cancel()
	nodes := 0
	for _, s := range services {
		if s.gopush() {
			nodes++
		}
	}
	for {
		up, err := p.query(ctx, `up{job="gopush"} == 1`)
		rates, also := p.query(ctx, `rate(gopush_web_pushes_total[1m]) > 0`)
		if len(up) == nodes && len(rates) > 0 {
			break
		}
		if !e2e.Pause(ctx, askEvery) {
			t.Fatalf("Prometheus reaches %v, and not all of %d nodes (%v); rates of pushes %v (%v)", up, nodes, err, rates, also)
		}
	}
	all, err := grafana.Queries()
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range slices.Sorted(maps.Keys(all)) {
		values, err := p.query(t.Context(), all[where])
		if err != nil || len(values) == 0 && !grafana.Silent(all[where]) {
			t.Errorf("%s has no value: %s (%v)", where, all[where], err)
		}
		t.Logf("%s: %s", where, strings.Join(values[:min(len(values), 4)], ", "))
	}
	load.Acked(5)
	load.Prove()
}

// query asks Prometheus for the values of an expression, as texts.
func (p *project) query(ctx context.Context, expr string) ([]string, error) {
	addr := net.JoinHostPort("127.0.0.1", p.ports["PROMETHEUS_PORT"])
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseValues(body)
}

// parseValues reads an answer of Prometheus: each value behind what tells it from the
// others, as in "web1 1".
func parseValues(body []byte) ([]string, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any // time, text of the value
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("what Prometheus answered: %w", err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("prometheus: %s", answer.Error)
	}
	var values []string
	for _, r := range answer.Data.Result {
		delete(r.Metric, "__name__")
		delete(r.Metric, "job")
		labels := slices.Sorted(maps.Values(r.Metric))
		values = append(values, strings.TrimSpace(fmt.Sprintf("%s %v", strings.Join(labels, " "), r.Value[1])))
	}
	return values, nil
}
