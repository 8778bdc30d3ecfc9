package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// docs/figures.sh, which measures what README.md shows, runs to its end, at rates that any
// machine bears.
//
// Broken once by a flag that gopush bench does not have.
func TestFigures(t *testing.T) {
	gopush := filepath.Join(t.TempDir(), "gopush")
	if out, err := exec.Command("go", "build", "-o", gopush, "gopush/cmd/gopush").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "../../docs/figures.sh", gopush)
	cmd.Env = append(os.Environ(), "DURATION=1s", "WARMUP=0s", "SINGLE=20", "BATCH=20", "FANOUT=2", "FOLDER="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "proof        lost 0, duplicate 0, reordered 0, gaps 0, phantom 0;"); err != nil || n != 3 {
		t.Errorf("%d of 3 proofs, %v:\n%s", n, err, out)
	}
}
