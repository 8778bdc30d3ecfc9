package composetest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPlan: without a wish every service is hit once, and each fault hits each kind of
// service that there are several of. With the same fault for two of a kind, such as j == i%2,
// or with a service left out of compose.yaml's, it fails.
func TestPlan(t *testing.T) {
	hits, err := plan("")
	if err != nil || len(hits) != len(services) {
		t.Fatalf("%d hits, %v", len(hits), err)
	}
	of := make(map[string][]string) // faults of each kind of service
	used := make(map[string]int)
	digits := regexp.MustCompile(`[0-9].*`)
	for _, h := range hits {
		kind := digits.ReplaceAllString(h.service.name, "")
		if slices.Contains(of[kind], h.fault.name) {
			t.Errorf("%s is hit twice by %s", kind, h.fault.name)
		}
		of[kind] = append(of[kind], h.fault.name)
		used[h.fault.name]++
	}
	for _, f := range faults {
		if used[f.name] < 3 {
			t.Errorf("%s hits %d services only", f.name, used[f.name])
		}
	}
	all, err := plan("all")
	if err != nil || len(all) != len(services)*len(faults) {
		t.Errorf("all are %d, %v", len(all), err)
	}
	some, err := plan("zookeeper-pause, web1-kill")
	if err != nil || len(some) != 2 || some[0].String() != "zookeeper-pause" || some[1].String() != "web1-kill" {
		t.Errorf("by name: %v, %v", some, err)
	}
	if _, err := plan("web3-kill"); err == nil || !strings.Contains(err.Error(), `no hit "web3-kill"`) {
		t.Errorf("one that is not there: %v", err)
	}
}

// TestEveryServiceIsHit compares the list with compose.yaml, which may get more services.
// With "namenode" out of the list it fails.
func TestEveryServiceIsHit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\nservices:\n")
	section, _, _ = strings.Cut(section, "\nvolumes:\n")
	// Those are done once, or are not part of the cluster.
	others := []string{"migrate", "token", "prometheus", "grafana"}
	var listed []string
	for _, s := range services {
		listed = append(listed, s.name)
	}
	found := regexp.MustCompile(`(?m)^  ([a-z0-9-]+):`).FindAllStringSubmatch(section, -1)
	for _, m := range found {
		if !slices.Contains(others, m[1]) && !slices.Contains(listed, m[1]) {
			t.Errorf("the service %s is never hit", m[1])
		}
	}
	if len(found) != len(listed)+len(others) {
		t.Errorf("compose.yaml has %d services; %d are known here", len(found), len(listed)+len(others))
	}
	for _, name := range portNames {
		if !strings.Contains(section, "${"+name+":-") {
			t.Errorf("compose.yaml has no variable %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:- |ports: \[)"(.*:[0-9]+)"\]?$`).FindAllStringSubmatch(section, -1) {
		if !strings.HasPrefix(m[1], "127.0.0.1:") {
			t.Errorf("a port is not on loopback alone: %s", m[1])
		}
	}
}
