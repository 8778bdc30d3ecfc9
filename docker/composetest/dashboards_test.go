package composetest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestScraped: Prometheus is told of every node of gopush in compose.yaml, and of no other.
// Without message2 in prometheus.yml it fails.
func TestScraped(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "prometheus", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, s := range services {
		if s.gopush() {
			want = append(want, s.name)
		}
	}
	for _, m := range regexp.MustCompile(`"([a-z0-9-]+):6971"`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("scraped are %v, and the nodes are %v", got, want)
	}
}

// TestParseValues: values with what tells them apart, or what is wrong with the query.
// With the status not looked at it fails.
func TestParseValues(t *testing.T) {
	const good = `{"status":"success","data":{"result":[
		{"metric":{"__name__":"up","job":"gopush","role":"web","instance":"web1"},"value":[1.5,"1"]},
		{"metric":{},"value":[1.5,"0.25"]}]}}`
	values, err := parseValues([]byte(good))
	if want := "web web1 1; 0.25"; strings.Join(values, "; ") != want || err != nil {
		t.Errorf("%q, %v; want %q", values, err, want)
	}
	for text, want := range map[string]string{
		`{"status":"error","error":"parse error"}`: "parse error",
		`<html>`: "what Prometheus answered",
	} {
		if _, err := parseValues([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
