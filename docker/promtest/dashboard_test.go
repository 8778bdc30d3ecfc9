package promtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what of one has to be right.
type dashboard struct {
	UID        string
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Expr string } }
	Panels      []struct {
		Type, Title string
		Datasource  struct{ UID string }
		Targets     []struct{ Expr string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := make(map[string]dashboard)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// A dashboard keeps its address through changes, and works with any data source.
//
// Broken once by a panel with a data source of its own.
func TestDashboards(t *testing.T) {
	for file, d := range dashboards(t) {
		if want := "gopush-" + strings.TrimSuffix(file, ".json"); d.UID != want {
			t.Errorf("%s has the uid %q, not %q", file, d.UID, want)
		}
		source := false
		for _, v := range d.Templating.List {
			source = source || v.Name == "datasource" && v.Type == "datasource"
		}
		if !source {
			t.Errorf("%s has no variable for the data source", file)
		}
		for _, p := range d.Panels {
			if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
				t.Errorf("%s: the panel %q has the data source %q and %d queries", file, p.Title, p.Datasource.UID, len(p.Targets))
			}
		}
	}
}

var labelValues = regexp.MustCompile(`^label_values\((\w+), \w+\)$`)

// queries are those of all rules and dashboards, by where they stand. Grafana's variables
// are filled in as it would.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, r := range rules(t) {
		all["alert "+r.Alert] = r.Expr
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$group", ".+")
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for i, target := range p.Targets {
				all[file+": "+p.Title+" "+string(rune('A'+i))] = fill.Replace(target.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			all[file+": annotation"] = fill.Replace(a.Expr)
		}
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			m := labelValues.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Errorf("%s: the variable %s is %q", file, v.Name, v.Definition)
				continue
			}
			all[file+": variable "+v.Name] = m[1]
		}
	}
	return all
}
