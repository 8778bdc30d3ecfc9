package arch

import (
	"slices"
	"testing"
)

func TestLinksFindsViolations(t *testing.T) {
	others := []File{
		{"docs/b.md", "# The title\n\n## Row `keys` & more\n## Again\n## Again\n"},
		{"LICENSE", "text"},
	}
	tests := map[string]struct {
		text string
		want []string
	}{
		"file":              {"see [b](b.md)", nil},
		"upwards":           {"see [it](../LICENSE)", nil},
		"folder":            {"see [it](../docs)", nil},
		"root":              {"see [it](..)", nil},
		"missing":           {"one\n\nsee [c](c.md)", []string{"docs/a.md:3: c.md: no such file"}},
		"outside":           {"see [c](../../c.md)", []string{"no such file"}},
		"anchor":            {"see [b](b.md#the-title)", nil},
		"anchor with code":  {"see [b](b.md#row-keys--more)", nil},
		"repeated heading":  {"see [b](b.md#again-1)", nil},
		"one too many":      {"see [b](b.md#again-2)", []string{"no such heading"}},
		"own anchor":        {"# Here\n[up](#here) [down](#there)", []string{"#there: no such heading"}},
		"heading in a code": {"```sh\n# Here\n```\n[up](#here)", []string{"no such heading"}},
		"web":               {"see [x](https://example.org/c.md#x)", nil},
		"in a code block":   {"```\n[c](c.md)\n```\n", nil},
		"in a code span":    {"write `[c](c.md)` so", nil},
		"reference":         {"see [c]\n\n[c]: c.md", []string{"no such file"}},
		"two on a line":     {"[c](c.md), [d](d.md \"title\")", []string{"c.md", "d.md"}},
		"picture":           {"![c](c.png)", []string{"c.png"}},
		"anchor of no text": {"[l](../LICENSE#x)", []string{"no such heading"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			planted(t, Links(append(slices.Clone(others), File{"docs/a.md", tt.text})), tt.want...)
		})
	}
}

func TestLinks(t *testing.T) { none(t, Links(tree(t))) }
