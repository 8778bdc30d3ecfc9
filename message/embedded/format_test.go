package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFormat reads without changing anything: a folder that is no store, a new
// one, and one of another program.
func TestFormat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if found, wanted, err := Format(dir); err != nil || found != "" || wanted != formatVersion {
		t.Error(found, wanted, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder was made:", err)
	}
	s, err := Open(Config{Dir: dir}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if found, _, err := Format(dir); err != nil || found != formatVersion {
		t.Error(found, err)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files before, %d after, %v", len(before), len(after), err)
	}
	manifest, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifest) == 0 {
		t.Fatal(manifest, err)
	}
	for _, m := range manifest {
		if err := os.WriteFile(m, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Format(dir); err == nil {
		t.Error("a broken store has a format")
	}
}
