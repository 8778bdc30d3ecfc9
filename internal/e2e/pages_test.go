package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopush/internal/pages"
)

// What the documentation has its readers type works, page by page and block by block, with
// the binaries that it builds, and prints what the page says. Addresses alone are others: the
// usual ports may be taken on this machine.
//
// Broken once for each kind: a parameter in a curl line, an id and a member in an output that
// is shown, a flag of a command, a status that is an error, and a block that ends early.
func TestPages(t *testing.T) {
	all, err := pages.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "gopush/cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	runs := 0
	for _, page := range all {
		blocks, err := page.Blocks()
		if err != nil {
			t.Error(err) // internal/pages says more of it
			continue
		}
		for _, b := range blocks {
			if b.Needs != "" {
				runs++
			}
		}
		t.Run(strings.ReplaceAll(page.Path, "/", "."), func(t *testing.T) {
			sessions := make(map[string]*session)
			for _, b := range blocks {
				if b.Needs == "" {
					continue
				}
				s := sessions[b.Needs]
				if s == nil {
					s = newSession(t, bin, b.Needs)
					sessions[b.Needs] = s
				}
				s.play(t, page.Path, b)
			}
		})
	}
	if runs < 30 {
		t.Errorf("%d blocks are marked to be run", runs)
	}
}

// play runs one block of the page as its reader would, and looks at what it prints.
func (s *session) play(t *testing.T, page string, b pages.Block) {
	t.Helper()
	out, err := s.run(t, b)
	if err != nil {
		t.Errorf("%s:%d: %v; the output is:\n%s", page, b.Line, err, out)
		return
	}
	for _, want := range b.Expect {
		if !strings.Contains(out, want) {
			t.Errorf("%s:%d: the output has to hold %q, and is:\n%s", page, b.Line, want, out)
		}
	}
	for _, shown := range b.Shown {
		if err := s.ids.Find(shown, out); err != nil {
			t.Errorf("%s:%d: %v:\n%s", page, b.Line, err, out)
		}
	}
	if bad := b.Unexpected(out); len(bad) > 0 {
		t.Errorf("%s:%d: answered with %s, of which the page does not speak:\n%s", page, b.Line, bad, out)
	}
}

// link has the binaries in dir/build too, where make puts them.
func link(t *testing.T, bin, dir string) {
	t.Helper()
	if err := os.Symlink(bin, filepath.Join(dir, "build")); err != nil {
		t.Fatal(err)
	}
}
