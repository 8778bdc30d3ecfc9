package promtest

import (
	"testing"

	"gopush/docker/grafana"
)

// A dashboard keeps its address through changes, and works with any data source.
//
// Broken once by a panel with a data source of its own.
func TestDashboards(t *testing.T) {
	all, err := grafana.Dashboards()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d dashboards: %v", len(all), err)
	}
	for name, d := range all {
		if want := "gopush-" + name; d.UID != want {
			t.Errorf("%s has the uid %q, not %q", name, d.UID, want)
		}
		source := false
		for _, v := range d.Templating.List {
			source = source || v.Name == "datasource" && v.Type == "datasource"
		}
		if !source {
			t.Errorf("%s has no variable for the data source", name)
		}
		for _, p := range d.Panels {
			if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
				t.Errorf("%s: the panel %q has the data source %q and %d queries", name, p.Title, p.Datasource.UID, len(p.Targets))
			}
		}
	}
}

// queries are those of all rules and dashboards, by where they stand.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all, err := grafana.Queries()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		all["alert "+r.Alert] = r.Expr
	}
	return all
}
