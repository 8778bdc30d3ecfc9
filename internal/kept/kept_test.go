package kept

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// witness notes failures rather than fail.
type witness struct {
	testing.TB
	failures int
}

func (w *witness) Helper()               {}
func (w *witness) Error(...any)          { w.failures++ }
func (w *witness) Errorf(string, ...any) { w.failures++ }

// What is written anew has to be added by hand, as a file more; what was written once must
// still be read, with the same meaning.
//
// Broken once by an update that takes the number of the last file, by not looking for
// today's bytes, and by not comparing meanings.
func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	upper := func(bytes string) (string, error) { return "read " + bytes, nil }
	fails := func(string) (string, error) { return "", errors.New("no") }
	other := func(string) (string, error) { return "something else", nil }
	one, two := Sample{Lines("a", "b"), "read a\nb\n"}, Sample{Lines("c"), "read c\n"}
	for i, step := range []struct {
		today    Sample
		update   bool
		read     func(string) (string, error)
		failures int
	}{
		{one, false, upper, 1}, // nothing is there yet
		{one, true, upper, 0},
		{one, false, upper, 0},
		{two, false, upper, 1},
		{two, true, upper, 0},
		{two, true, upper, 0}, // nothing to be added
		{one, false, upper, 0},
		{one, false, other, 2},
		{one, false, fails, 2},
		{one, true, fails, 2},
	} {
		w := &witness{TB: t}
		Check(w, dir, "row", step.update, step.today, step.read)
		if w.failures != step.failures {
			t.Errorf("step %d: %d failures, want %d", i, w.failures, step.failures)
		}
	}
	for i, want := range []Sample{one, two} {
		if got, err := load(filepath.Join(dir, fmt.Sprintf("row-%03d.txt", i+1))); got != want || err != nil {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if files, err := os.ReadDir(dir); len(files) != 2 || err != nil {
		t.Errorf("%d files, %v", len(files), err)
	}
	if got := Split(Lines("a", "b")); len(got) != 2 || Lines() != "" {
		t.Errorf("%q", got)
	}
}
