package promtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	settingsDir = "../prometheus"
	runbook     = "../../docs/operations-alerts.md"
)

// program finds one that Debian's package has.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: install Debian's package prometheus (apt-get install --no-install-recommends prometheus)", name)
	}
	return path
}

// rule is an alert as the file has it.
type rule struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(settingsDir, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// What promtool finds wrong: settings, rules, and the rules' own unit tests.
//
// Broken once by a threshold of 5 instead of 0.05 in the HBase alert.
func TestPromtool(t *testing.T) {
	tool := program(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Dir = settingsDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Each alert says how urgent it is, has a sentence, a section of the page that it points
// at, and a unit test in which it fires; and there is no section without an alert.
//
// Broken once by renaming a section.
func TestRunbook(t *testing.T) {
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(settingsDir, "rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rules(t) {
		names = append(names, r.Alert)
		if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("%s has the severity %q and the summary %q", r.Alert, r.Labels["severity"], r.Annotations["summary"])
		}
		link := "docs/operations-alerts.md#" + strings.ToLower(r.Alert)
		if got := r.Annotations["runbook"]; got != link {
			t.Errorf("%s points at %q, not at %q", r.Alert, got, link)
		}
		if !strings.Contains(string(tests), "runbook: "+link+"\n") {
			t.Errorf("%s fires in no unit test", r.Alert)
		}
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (Gopush\w+)\n\n\*\*Means\.\*\* [^#]*\*\*Look at\.\*\* [^#]*\*\*Do\.\*\* `).FindAllStringSubmatch(string(page), -1) {
		sections = append(sections, m[1])
	}
	if headings := strings.Count(string(page), "\n## "); len(sections) != headings {
		t.Errorf("of %d sections %d say what the alert means, what to look at and what to do", headings, len(sections))
	}
	slices.Sort(names)
	slices.Sort(sections)
	if !slices.Equal(names, sections) {
		t.Errorf("alerts %v\nsections %v", names, sections)
	}
}
