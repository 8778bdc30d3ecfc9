package local

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
)

// used is a folder in which node1 and node2 have served.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c := open(t, dir, true, newClock().now)
	serve(t, c, "node1")
	serve(t, c, "node2")
	_ = c.Close()
	return dir
}

// TestDamage: any loss in the folder is an error that says what to do; none may
// lead to a start from nothing.
func TestDamage(t *testing.T) {
	flip := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tests := map[string]struct {
		harm func(*testing.T, string)
		want string
	}{
		"state flipped":      {flip("node1.ids"), "checksum"},
		"state emptied":      {write("node2.ids", ""), "checksum"},
		"state missing":      {remove("node1.ids"), "no such file"},
		"state of another":   {write("node1.ids", string(state{"node2", 1, 16}.encode())), `state of the group "node2"`},
		"state is huge":      {write("node1.ids", strings.Repeat("x", maxFileBytes+1)), "far too many"},
		"list flipped":       {flip("groups"), "checksum"},
		"list missing":       {remove("groups"), "missing"},
		"everything gone":    {remove("groups", "node1.ids", "node2.ids"), "missing"},
		"list of the future": {write("groups", string(sealed("gopush groups 2", "node1"))), "does not begin"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := used(t)
			tt.harm(t, dir)
			_, err := Open(Config{Dir: dir}, slog.New(slog.DiscardHandler), newClock().now)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{tt.want, dir, "restore", "backup"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestFreshness(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Config{Dir: dir}, slog.New(slog.DiscardHandler), newClock().now); err == nil {
		t.Error("an empty folder passes though messages may exist")
	}
	if c := open(t, dir, true, newClock().now); c == nil {
		t.Error("a fresh folder does not open")
	}
	// From now on it is a folder that knows of no group, and no longer empty.
	open(t, dir, false, newClock().now)

	dir = used(t)
	if err := os.Remove(filepath.Join(dir, "groups")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir, Fresh: true}, slog.New(slog.DiscardHandler), newClock().now); err == nil {
		t.Error("states without a list pass as fresh")
	}
}

// TestCrashBetweenFiles: a state that the list does not know is taken in, so
// that its later loss is noticed too.
func TestCrashBetweenFiles(t *testing.T) {
	dir := used(t)
	late := state{group: "node3", epoch: 7, ceiling: push.IDAt(noon) + 100*leaseIDs}
	if err := os.WriteFile(filepath.Join(dir, "node3.ids"), late.encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node1.ids.tmp"), []byte("half a sta"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir, false, newClock().now)
	if term := serve(t, c, "node3"); term.Epoch() != 8 || term.Floor() != late.ceiling {
		t.Errorf("epoch %d, floor %d", term.Epoch(), term.Floor())
	}
	groups, err := folder(dir).readGroups()
	if diff := cmp.Diff([]string{"node1", "node2", "node3"}, groups); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node1.ids.tmp")); err == nil {
		t.Error("the left-over is still there")
	}
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "coord")
	c := open(t, dir, true, newClock().now)
	serve(t, c, "node1")
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "node1.ids"): 0o600, filepath.Join(dir, "groups"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
}

func TestStateText(t *testing.T) {
	s := state{group: "node1", epoch: 3, ceiling: 17953750000000000}
	want := "gopush ids 1\ngroup node1\nepoch 3\nceiling 17953750000000000\ncrc32c 9f59abd9\n"
	if diff := cmp.Diff(want, string(s.encode())); diff != "" {
		t.Error(diff)
	}
}

// FuzzDecodeState: what decodes is exactly what encodes, and is in range.
func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(""))
	f.Add(state{"node1", 1, 16}.encode())
	f.Add(state{"node1", 1, push.MaxID}.encode())
	f.Add(sealed(stateHead, "group node1", "epoch +1", "ceiling 16"))
	f.Add(sealed(stateHead, "group node1", "epoch 1", "ceiling -16"))
	f.Add(sealed(stateHead, "group ../x", "epoch 1", "ceiling 16"))
	f.Add(sealed(groupHead, "node1", "node2"))
	f.Add(encodeGroups(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeState(b); err == nil {
			if !bytes.Equal(s.encode(), b) || s.epoch < 1 || s.ceiling < 0 || checkGroup(s.group) != nil {
				t.Errorf("%q passes as %+v", b, s)
			}
		}
		if groups, err := decodeGroups(b); err == nil && !bytes.Equal(encodeGroups(groups), b) {
			t.Errorf("%q passes as %q", b, groups)
		}
	})
}
