package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCompletionScripts: they are what the command line says now.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		golden := filepath.Join("testdata", "completion."+shell)
		got := gopushHere(t.Context(), "", "completion", shell)
		if got.code != exitOK || got.err != "" {
			t.Fatalf("%d %s", got.code, got.err)
		}
		if *update {
			if err := os.WriteFile(golden, []byte(got.out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.out); diff != "" {
			t.Errorf("%s; rewrite it with -update if this is meant:\n%s", shell, diff)
		}
	}
	if got := gopushHere(t.Context(), "", "completion", "tcsh"); got.code != exitUsage {
		t.Errorf("another shell: %+v", got)
	}
}

// TestCompletionInBash has bash complete lines, each up to its end.
//
// Broken once by taking each option for one without a value, and once by not going on into
// the commands of a command.
func TestCompletionInBash(t *testing.T) {
	script := gopushHere(t.Context(), "", "completion", "bash").out
	t.Chdir(t.TempDir())
	for name, folder := range map[string]bool{"a b.yaml": false, "about": true} {
		var err error
		if folder {
			err = os.Mkdir(name, 0o700)
		} else {
			err = os.WriteFile(name, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"p":                       "push",
		"m":                       "migrate|moving",
		"migrate ":                "down|plan|status|up",
		"migrate u":               "up",
		"--json e":                "explain|export",
		"--j":                     "--json",
		"push k 1 --tr":           "--transient",
		"push --admin push k --i": "--idempotency-key",
		"push --admin = push --i": "--idempotency-key", // as bash splits --admin=push
		"serve --tr":              "",
		"push ":                   "",
		"completion ":             "bash|fish|zsh",
		"completion z":            "zsh",
		"serve --config a":        "a b.yaml|about",
		"push --data a":           "about",
		"push --data = a":         "about",
		"push --data =":           "about",
		"health --re":             "--ready",
		"top --on":                "--once",
	} {
		words := strings.Split("gopush "+line, " ")
		program := script + `
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_gopush
((${#COMPREPLY[@]})) && printf '%s\n' "${COMPREPLY[@]}"
exit 0`
		out, err := exec.CommandContext(t.Context(), "bash", append([]string{"--norc", "-c", program, "bash"}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", line, err, out)
		}
		got := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(string(out), " ", "_"), "\n", " "))
		slices.Sort(got)
		if all := strings.ReplaceAll(strings.Join(got, "|"), "_", " "); all != want {
			t.Errorf("%q is completed with %q, want %q", line, all, want)
		}
	}
}
