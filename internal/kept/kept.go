// Package kept holds programs to the bytes that they, or earlier versions of them, have
// written: what was written once is read for ever, and means the same. The bytes are in
// files that are only ever added. It is for tests, and knows nothing of what the bytes are.
package kept

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Sample is bytes, as lines of text, and what they mean, as lines as well.
type Sample struct{ Bytes, Means string }

// separator stands between the two in a file.
const separator = "means:\n"

// Check has read give the meaning of every sample of that name in dir, which must be the
// one that stands beside it. today is what is written now: it must be among them. If it is
// not, update adds it as a file of its own; no file is ever changed.
func Check(tb testing.TB, dir, name string, update bool, today Sample, read func(bytes string) (means string, err error)) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, name+"-[0-9][0-9][0-9].txt"))
	if err != nil {
		tb.Fatal(err)
	}
	found := false
	for _, path := range paths {
		was, err := load(path)
		if err != nil {
			tb.Error(err)
			continue
		}
		found = found || was == today
		means, err := read(was.Bytes)
		if err != nil || means != was.Means {
			tb.Errorf("%s: what was written once must be read for ever; it means\n%s\nand is read as\n%s\n%v", path, was.Means, means, err)
		}
	}
	switch {
	case found:
	case update:
		if err := today.add(dir, name, len(paths)+1); err != nil {
			tb.Error(err)
		}
	default:
		tb.Errorf("what is written for %s now is in no file of %s: if versions side by side can bear that (docs/design/0010-upgrades.md), add it with -update:\n%s",
			name, dir, today.Bytes)
	}
}

func load(path string) (Sample, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Sample{}, err
	}
	bytes, means, ok := strings.Cut(string(text), separator)
	if !ok {
		return Sample{}, fmt.Errorf("%s does not say what its bytes mean", path)
	}
	return Sample{bytes, means}, nil
}

// add makes the file with that number, which must not be there yet.
func (s Sample) add(dir, name string, number int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%03d.txt", name, number)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.Bytes + separator + s.Means)
	return errors.Join(err, f.Close())
}

// Lines are lines of a Sample.
func Lines(lines ...string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// Split is the inverse of Lines.
func Split(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" })
}
