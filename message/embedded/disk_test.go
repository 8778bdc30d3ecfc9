package embedded

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// childDisk says what of its disk fails a child; empty: nothing.
const childDisk = "GOPUSH_TEST_EMBEDDED_DISK"

// failingFS is the disk of a child, which fills up some time after it was
// opened.
type failingFS struct {
	vfs.FS
	opened atomic.Bool
}

// diskFaults are the operations on logs that can fail; a kind of fault is a
// number of them that succeed first.
var diskFaults = map[string]struct {
	after int64
	hits  func(errorfs.Op) bool
}{
	"write": {500, func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite }},
	"sync": {300, func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
	}},
	"create": {1, func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate }},
}

func newFailingFS(what string) *failingFS {
	f := &failingFS{FS: vfs.Default}
	fault, ok := diskFaults[what]
	if !ok {
		return f
	}
	var left atomic.Int64
	left.Store(fault.after)
	f.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f.opened.Load() && strings.HasSuffix(op.Path, ".log") && fault.hits(op) && left.Add(-1) < 0 {
			return syscall.ENOSPC
		}
		return nil
	}))
	return f
}

// ReuseForWrite makes a new log instead: errorfs would let an old one through.
func (f *failingFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(oldName); err != nil {
		return nil, err
	}
	return f.Create(newName, category)
}

// When the log cannot be written, the process ends and says why, and what it
// acknowledged until then is there for the next one.
func TestDiskFails(t *testing.T) {
	for what := range diskFaults {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			acked := make(map[ack]string)
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), childDir+"="+dir, childDisk+"="+what)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(out); lines.Scan(); {
				note(lines.Text(), acked)
			}
			if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "the store cannot go on") || !strings.Contains(stderr.String(), "no space left on device") {
				t.Fatalf("the child ended with %v\n%.2000s", err, stderr.String())
			}
			if len(acked) == 0 {
				t.Fatal("the child acknowledged nothing")
			}
			checkAcked(t, dir, acked)
		})
	}
}
