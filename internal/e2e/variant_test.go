package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// variant is another build of the tree: some lines are others, and some packages have a
// file more. The product knows nothing of it.
type variant struct {
	dir      string // below testdata; it also names the additional file of each package
	edits    []edit
	packages []string // that have a file more
}

// edit changes a line of the product, which must be there exactly once.
type edit struct{ file, from, to string }

// build builds this package's test binary from the edited sources. The race
// detector would only make it slow.
func (v variant) build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text, err := json.Marshal(map[string]any{"Replace": v.sources(t, root, dir)})
	if err != nil {
		t.Fatal(err)
	}
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, v.dir+".test")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	return binary
}

// sources says what stands for which file of the tree.
func (v variant) sources(t *testing.T, root, dir string) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, e := range v.edits {
		if texts[e.file] == "" {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[e.file] = string(b)
		}
		if n := strings.Count(texts[e.file], e.from); n != 1 {
			t.Fatalf("%s holds %q %d times: the edit has to follow the source", e.file, e.from, n)
		}
		texts[e.file] = strings.Replace(texts[e.file], e.from, e.to, 1)
	}
	replaced := make(map[string]string)
	for file, text := range texts {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(root, file)] = path
	}
	for _, pkg := range v.packages {
		file := filepath.Join(pkg, v.dir+".go")
		if _, err := os.Stat(filepath.Join(root, file)); !os.IsNotExist(err) {
			t.Fatalf("%s is part of the product (%v); the additional file needs another name", file, err)
		}
		replaced[filepath.Join(root, file)] = filepath.Join(root, "internal/e2e/testdata", v.dir, file)
	}
	return replaced
}
