package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream makes the lines of go test -json from events.
func stream(t *testing.T, events ...event) io.Reader {
	t.Helper()
	var b bytes.Buffer
	for _, ev := range events {
		if err := json.NewEncoder(&b).Encode(ev); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

const p = "gopush/x"

var passed = event{Action: "pass", Package: p, Test: "TestA"}

// verdicts are runs of go test, and what the gate makes of them.
var verdicts = map[string]struct {
	events []event
	want   string   // in the error; empty: none
	shows  []string // in the output
	hides  []string
}{
	"pass": {
		events: []event{
			{Action: "start", Package: p},
			{Action: "output", Package: p, Test: "TestA", Output: "=== RUN TestA\n"},
			passed,
			{Action: "output", Package: p, Output: "PASS\n"},
			{Action: "output", Package: p, Output: "ok  \tgopush/x\t0.1s\n"},
			{Action: "pass", Package: p},
		},
		shows: []string{"ok  \tgopush/x", "1 packages, 1 tests passed, 0 failed, 0 skipped"},
		hides: []string{"=== RUN", "PASS"},
	},
	"skip": {
		events: []event{
			passed,
			{Action: "output", Package: p, Test: "TestB", Output: "no network here\n"},
			{Action: "skip", Package: p, Test: "TestB"},
			{Action: "pass", Package: p},
		},
		want:  "1 skipped",
		shows: []string{"no network here", "SKIPPED gopush/x TestB", "1 skipped"},
	},
	"package without tests": {
		events: []event{passed, {Action: "pass", Package: p}, {Action: "skip", Package: "gopush/pb"}},
		shows:  []string{"1 packages"},
	},
	"failure": {
		events: []event{
			{Action: "output", Package: p, Test: "TestB", Output: "got 1, want 2\n"},
			{Action: "fail", Package: p, Test: "TestB"},
			passed,
			{Action: "output", Package: p, Output: "FAIL\tgopush/x\t0.1s\n"},
			{Action: "fail", Package: p},
		},
		want:  "1 failed",
		shows: []string{"got 1, want 2", "FAILED  gopush/x TestB", "FAIL\tgopush/x"},
	},
	"process died": {
		events: []event{
			{Action: "output", Package: p, Test: "TestB", Output: "panic: boom\n"},
			{Action: "output", Package: p, Output: "FAIL\tgopush/x\t0.1s\n"},
			{Action: "fail", Package: p},
			passed,
		},
		want:  "1 failed",
		shows: []string{"panic: boom", "FAILED  gopush/x (as a whole)"},
	},
	"leak after the tests": {
		events: []event{
			passed,
			{Action: "output", Package: p, Output: "goleak: Errors on successful test run\n"},
			{Action: "fail", Package: p},
		},
		want:  "1 failed",
		shows: []string{"goleak", "(as a whole)"},
	},
	"does not build": {
		events: []event{
			{Action: "build-output", ImportPath: "gopush/y", Output: "y.go:1: undefined: z\n"},
			{Action: "build-fail", ImportPath: "gopush/y"},
			{Action: "output", Package: "gopush/y", Output: "FAIL\tgopush/y [build failed]\n"},
			{Action: "fail", Package: "gopush/y", FailedBuild: "gopush/y"},
			passed,
		},
		want:  "1 failed",
		shows: []string{"undefined: z", "gopush/y (does not build)"},
	},
	"nothing ran": {want: "no test ran", shows: []string{"0 packages, 0 tests"}},
	"both": {
		events: []event{{Action: "skip", Package: p, Test: "TestB"}, {Action: "fail", Package: p, Test: "TestC"}},
		want:   "1 failed",
		shows:  []string{"SKIPPED gopush/x TestB"},
	},
}

func TestVerdict(t *testing.T) {
	for name, tt := range verdicts {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			g := newGate(&out, time.Now)
			g.follow(stream(t, tt.events...), nil)
			err := g.verdict()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("verdict %v, want %q", err, tt.want)
			}
			for _, s := range tt.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q is not in the output:\n%s", s, &out)
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("%q is in the output:\n%s", s, &out)
				}
			}
		})
	}
}

// What is no JSON, such as a message of the toolchain, is shown as it is; a
// last line without an end counts too.
func TestForeignLines(t *testing.T) {
	var out strings.Builder
	g := newGate(&out, time.Now)
	g.follow(strings.NewReader("go: downloading x\n{\"Action\":\"skip\",\"Package\":\"p\",\"Test\":\"T\"}"), nil)
	if out.String() != "go: downloading x\n" {
		t.Errorf("shown: %q", &out)
	}
	if len(g.skipped) != 1 {
		t.Errorf("skipped: %q", g.skipped)
	}
}

func TestProgressWhileQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		g := newGate(&out, time.Now)
		r, w := io.Pipe()
		ticker := time.NewTicker(quiet)
		defer ticker.Stop()
		go func() {
			_, _ = io.Copy(w, stream(t, event{Action: "start", Package: "gopush/slow"}))
			<-time.After(2*quiet + time.Second)
			_, _ = io.Copy(w, stream(t, event{Action: "pass", Package: "gopush/slow"}))
			_ = w.Close()
		}()
		g.follow(r, ticker.C)
		if n := strings.Count(out.String(), "running: gopush/slow"); n != 2 {
			t.Errorf("%d signs of life in two quiet periods:\n%s", n, &out)
		}
		if !strings.Contains(out.String(), "...  40s, 0 tests passed; running: gopush/slow 40s\n") {
			t.Errorf("shown: %s", &out)
		}
	})
}

// The gate against the real go test, on a module of one package.
func TestRun(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"pass":       {"", ""},
		"skip":       {"t." + "SkipNow()", "1 skipped"},
		"fail":       {"t.Fail()", "1 failed"},
		"exit":       {"os.Exit(3)", "1 failed"},
		"no compile": {"undefined()", "failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module x\n\ngo 1.26\n")
			write(t, filepath.Join(dir, "x_test.go"), "package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar _ = os.Exit\n\n"+
				"func TestFirst(t *testing.T) {}\n\nfunc TestSecond(t *testing.T) {"+tt.body+"}\n")
			t.Chdir(dir)
			err := run(t.Context(), []string{"./..."})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run: %v, want %q", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
