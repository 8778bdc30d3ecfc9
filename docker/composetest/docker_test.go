package composetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeDocker puts a docker in the way that prints what testdata says for its first word.
func fakeDocker(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

const inspected = `[
 {"Id":"a1","Config":{"Labels":{"com.docker.compose.service":"web1"}},
  "State":{"Status":"running","ExitCode":0,"Health":{"Status":"healthy","Log":[{"Start":"2026-11-27T19:31:10.659881436Z","ExitCode":0,"Output":"ready\n"}]}},"RestartCount":1},
 {"Id":"b2","Config":{"Labels":{"com.docker.compose.service":"migrate"}},"State":{"Status":"exited","ExitCode":0}}]`

// TestContainers reads what docker inspect prints. With another filter, or the time of a
// check left out, it fails.
func TestContainers(t *testing.T) {
	fakeDocker(t, `case "$*" in
"ps -aq --no-trunc --filter label=com.docker.compose.project=p --filter label=com.docker.compose.service=s") echo a1; echo b2 ;;
"inspect --type container a1 b2") cat <<'J'
`+inspected+`
J
;;
"ps -aq --no-trunc --filter label=com.docker.compose.project=empty") ;;
*) echo "no $*" >&2; exit 1 ;;
esac
`)
	all, err := containers(t.Context(), "p", "s")
	if err != nil || len(all) != 2 || all[0].ID != "a1" || all[0].service() != "web1" || all[1].service() != "migrate" {
		t.Fatalf("%+v, %v", all, err)
	}
	at := time.Date(2026, 11, 27, 19, 31, 10, 0, time.UTC)
	if why := all[0].trouble(at); why != "" {
		t.Errorf("a healthy one is %s", why)
	}
	if why := all[1].trouble(at); why != "" {
		t.Errorf("one that has done its work is %s", why)
	}
	if none, err := containers(t.Context(), "empty", ""); err != nil || len(none) != 0 {
		t.Errorf("nobody: %v, %v", none, err)
	}
	if _, err := containers(t.Context(), "other", ""); err == nil || !strings.Contains(err.Error(), "no ps -aq") {
		t.Errorf("a failure does not show what docker said: %v", err)
	}
}

// TestTrouble: what a fault leaves must not pass for healthy. Without the comparison with
// since, or with any exit code taken for an end, it fails.
func TestTrouble(t *testing.T) {
	at := time.Date(2026, 11, 27, 19, 31, 10, 0, time.UTC)
	for _, tt := range []struct{ name, state, want string }{
		{"paused", `{"Status":"paused","Health":{"Status":"healthy"}}`, "paused, healthy (never checked)"},
		{"unhealthy", `{"Status":"running","Health":{"Status":"unhealthy","Log":[{"ExitCode":1,"Output":"not ready:\n store"}]}}`, "not ready: store"},
		{"old", `{"Status":"running","Health":{"Status":"healthy","Log":[{"Start":"2026-11-27T19:31:09Z"}]}}`, "not checked since then"},
		{"new", `{"Status":"running","Health":{"Status":"healthy","Log":[{"Start":"2026-11-27T19:31:09Z"},{"Start":"2026-11-27T19:31:11Z"}]}}`, ""},
		{"failed", `{"Status":"exited","ExitCode":3}`, "exited with exit code 3"},
		{"not done yet", `{"Status":"running","Health":{"Status":"none"}}`, "running with exit code 0"},
	} {
		all, err := parseContainers(`[{"State":` + tt.state + `}]`)
		if err != nil {
			t.Fatal(err)
		}
		if got := all[0].trouble(at); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestLeftovers finds what a project has left, of each sort. With one of the three questions
// left out it fails.
func TestLeftovers(t *testing.T) {
	fakeDocker(t, `case "$*" in *label=com.docker.compose.project=p) echo "$1-id" ;; esac`+"\n")
	left, err := leftovers(t.Context(), "p")
	if err != nil || len(left) != 3 {
		t.Fatalf("%v, %v", left, err)
	}
	for _, want := range []string{"container ps-id", "network network-id", "volume volume-id"} {
		if !strings.Contains(strings.Join(left, ","), want) {
			t.Errorf("no %s in %v", want, left)
		}
	}
	if none, err := leftovers(t.Context(), "q"); err != nil || len(none) != 0 {
		t.Errorf("of another project: %v, %v", none, err)
	}
}
