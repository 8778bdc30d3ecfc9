// Package grafana reads the dashboards of this folder, so that tests can ask what they ask.
// It neither starts nor calls Grafana.
package grafana

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

//go:embed dashboards/*.json
var files embed.FS

// Dashboard is what of one has to be right.
type Dashboard struct {
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

// Dashboards are all of them, by the name of their file without its suffix.
func Dashboards() (map[string]Dashboard, error) {
	entries, err := files.ReadDir("dashboards")
	if err != nil {
		return nil, err
	}
	all := make(map[string]Dashboard, len(entries))
	for _, e := range entries {
		text, err := files.ReadFile("dashboards/" + e.Name())
		if err != nil {
			return nil, err
		}
		var d Dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", e.Name(), err)
		}
		all[strings.TrimSuffix(e.Name(), ".json")] = d
	}
	return all, nil
}

// fill puts in what Grafana would for its variables.
var fill = strings.NewReplacer("$__rate_interval", "1m", "$group", ".+")

var labelValues = regexp.MustCompile(`^label_values\((\w+), \w+\)$`)

// Queries are all that Prometheus is asked for by all dashboards, by where they stand.
func Queries() (map[string]string, error) {
	boards, err := Dashboards()
	if err != nil {
		return nil, err
	}
	all := make(map[string]string)
	for name, d := range boards {
		for _, p := range d.Panels {
			for i, target := range p.Targets {
				all[fmt.Sprintf("%s: %s %c", name, p.Title, 'A'+i)] = fill.Replace(target.Expr)
			}
		}
		for i, a := range d.Annotations.List {
			all[fmt.Sprintf("%s: annotation %c", name, 'A'+i)] = fill.Replace(a.Expr)
		}
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			m := labelValues.FindStringSubmatch(v.Definition)
			if m == nil {
				return nil, fmt.Errorf("dashboard %s: the variable %s is %q, not label_values of a metric", name, v.Name, v.Definition)
			}
			all[fmt.Sprintf("%s: variable %s", name, v.Name)] = m[1]
		}
	}
	return all, nil
}

// Silent reports whether a query may well have no value while all is well: it asks for
// alerts, or for what is above zero.
func Silent(expr string) bool {
	return strings.Contains(expr, "ALERTS") || strings.Contains(expr, "> 0")
}
