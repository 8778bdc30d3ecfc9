package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForeignFindsViolations(t *testing.T) {
	uses := map[string]Use{
		"example.org/net":  {By: []string{"comet"}, Tests: []string{"e2e"}},
		"example.org/test": {Tests: everywhere},
	}
	tests := map[string]struct {
		pkg  Package
		want []string
	}{
		"allowed":                  {Package{Path: "comet", Imports: []string{"net/http", "gopush/x", "example.org/net/v2"}}, nil},
		"of somebody else":         {Package{Path: "web", Imports: []string{"example.org/net"}}, []string{"web imports example.org/net: only comet, tests of e2e may"}},
		"same prefix, other name":  {Package{Path: "comet", Imports: []string{"example.org/network"}}, []string{"not in arch.ThirdParty"}},
		"tests only, in tests":     {Package{Path: "web", TestImports: []string{"example.org/test"}}, nil},
		"tests only, in the code":  {Package{Path: "web", Imports: []string{"example.org/test"}}, []string{"only tests of any package may"}},
		"one package's tests":      {Package{Path: "e2e", TestImports: []string{"example.org/net"}}, nil},
		"code that only tests may": {Package{Path: "e2e", Imports: []string{"example.org/net"}}, []string{"e2e imports"}},
		"new":                      {Package{Path: "web", TestImports: []string{"example.org/new"}}, []string{"not in arch.ThirdParty"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { planted(t, Foreign([]Package{tt.pkg}, uses), tt.want...) })
	}
}

func TestForeign(t *testing.T) { none(t, Foreign(packages(t), ThirdParty)) }

// Every module that go.mod names directly is decided on here, and none is
// decided on that is not there.
func TestThirdPartyIsGoMod(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			direct = append(direct, f[0])
		}
	}
	used := make(map[string]bool)
	for _, module := range direct {
		known := false
		for prefix := range ThirdParty {
			if module == prefix || strings.HasPrefix(module, prefix+"/") {
				known, used[prefix] = true, true
			}
		}
		if !known {
			t.Errorf("go.mod requires %s, which is not in arch.ThirdParty", module)
		}
	}
	for prefix := range ThirdParty {
		if !used[prefix] {
			t.Errorf("arch.ThirdParty has %s, which go.mod does not require directly", prefix)
		}
	}
}
