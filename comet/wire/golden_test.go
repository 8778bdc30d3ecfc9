package wire

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden transcripts in testdata")

// transcript is a list of cases and what became of them, one per line, compared
// with a file. Bytes are quoted as in Go source, so that each CR and LF shows.
type transcript struct{ strings.Builder }

func (tr *transcript) title(format string, args ...any) {
	if tr.Len() > 0 {
		tr.WriteByte('\n')
	}
	tr.line("# "+format, args...)
}

func (tr *transcript) line(format string, args ...any) {
	fmt.Fprintf(tr, format+"\n", args...)
}

func (tr *transcript) compare(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(tr.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), tr.String()); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update:\n%s", path, diff)
	}
}

// noAllocs fails if f, which appends to a buffer with room, allocates.
func noAllocs(t *testing.T, name string, f func(dst []byte)) {
	t.Helper()
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { f(dst) }); n != 0 {
		t.Errorf("%s: %v allocations, want 0", name, n)
	}
}
