package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
)

const (
	docFile  = "../../docs/configuration.md"
	docBegin = "<!-- settings: written by the test of internal/config, with -update -->\n"
	docEnd   = "<!-- end of settings -->\n"
)

// The documentation has every setting, with the default and the bounds that the code has.
//
// Broken once by changing a default.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), docBegin)
	_, after, closed := strings.Cut(rest, docEnd)
	if !ok || !closed {
		t.Fatalf("%s has no place for the settings: the lines %q and %q", docFile, docBegin, docEnd)
	}
	want := before + docBegin + documented() + docEnd + after
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil { //nolint:gosec // documentation is for everybody
			t.Fatal(err)
		}
		return
	}
	if d := diff.Diff(want, string(text)); d != "" {
		t.Errorf("the settings have changed; run go test ./internal/config -run TestDocumentation -update (-want +got):\n%s", d)
	}
}

// documented is a table for each section.
func documented() string {
	var b strings.Builder
	defaults, section := Default(), "none yet"
	for _, f := range defaults.fields() {
		head, _, nested := strings.Cut(f.path, ".")
		if !nested {
			head = ""
		}
		if head != section {
			section = head
			fmt.Fprintf(&b, "\n### %s\n\n| setting | default | values | reload | meaning |\n|---|---|---|---|---|\n", cmp.Or(head, "At the top"))
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", f.path, f.value.yaml(), bounds(plain(f.value)), f.reload(), strings.ReplaceAll(f.doc, "\n", " "))
	}
	return b.String() + "\n"
}

// bounds says what a setting may be.
func bounds(v value) string {
	switch v := v.(type) {
	case *boolean:
		return "true or false"
	case *number:
		return fmt.Sprintf("%d to %d", v.low, v.high)
	case *share:
		return "0 to 1"
	case *size:
		return sizeText(v.low) + " to " + sizeText(v.high)
	case *duration:
		return durationText(v.low) + " to " + durationText(v.high)
	case *list:
		return "list"
	default:
		return "text"
	}
}
