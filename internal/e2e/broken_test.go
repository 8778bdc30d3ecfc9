package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit breaks a line of the product.
type edit struct{ file, from, to string }

// edits are made in copies that one build takes instead of the sources, together with
// the files in testdata/broken, which define what the new lines call. So the product
// itself holds no switch, and no other build has one. Each edit breaks something in a
// process that is told to:
//
//	fencing  a comet ignores lease, ceiling and end of its term; message nodes store
//	         what writers of any epoch send
//	answer   a comet acknowledges and delivers before the store has answered
//	writes   a key's next write does not wait for the one in flight
//	ids      ids come from the clock alone; message nodes store them in any order
var edits = []edit{
	{"comet/node.go", "newService(term,", "newService(taken(term),"},
	{"comet/sequencer.go", "\tn.deps.Messages.Save(ctx, b.write,", "\tif n.early(b) {\n\t\tcancel()\n\t\treturn\n\t}\n\tn.deps.Messages.Save(ctx, b.write,"},
	{"comet/operation.go", "start = !ch.busy", `start = !ch.busy || broken("writes")`},
	{"message/fence.go", "fence.Epoch < known {", "fence.Epoch < known && !trusting() {"},
	{"message/save.go", "if newest < first {", "if newest < first || trusting() {"},
}

// buildBroken builds this package's test binary from the edited sources. The race
// detector would only make it slow.
func buildBroken(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replaced := brokenSources(t, root, dir)
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "broken.test")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	return binary
}

// brokenSources says what stands for which file of the tree.
func brokenSources(t *testing.T, root, dir string) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, e := range edits {
		if texts[e.file] == "" {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[e.file] = string(b)
		}
		if n := strings.Count(texts[e.file], e.from); n != 1 {
			t.Fatalf("%s holds %q %d times: the edit that breaks it has to follow the source", e.file, e.from, n)
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
	for _, pkg := range []string{"comet", "message"} {
		file := filepath.Join(pkg, "broken.go")
		if _, err := os.Stat(filepath.Join(root, file)); !os.IsNotExist(err) {
			t.Fatalf("%s is part of the product (%v); the file that breaks it needs another name", file, err)
		}
		replaced[filepath.Join(root, file)] = filepath.Join(root, "internal/e2e/testdata/broken", file)
	}
	return replaced
}
