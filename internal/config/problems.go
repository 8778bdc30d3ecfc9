package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the settings. As text it begins with its
// source.
type Problem struct {
	Source
	Path string // of the setting; empty: the source as a whole
	What string // what is wrong and what to do
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Name != "" {
		b.WriteString(p.Source.String() + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What)
	return b.String()
}

// Problems is an error that lists all that is wrong, one per line.
type Problems []Problem //nolint:errname // it reads as what it is: a list

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err is nil when there is no problem; an empty Problems in an error would not.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// sort puts problems in the order of a file, those without a line first.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
}

// unknown says that name is no setting, and which one may have been meant.
func unknown(name string, known []string) string {
	best, at := "", 3 // more than two edits is another word
	for _, k := range known {
		if d := distance(name, k); d < at {
			best, at = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("%q is not a setting; did you mean %s?", name, best)
	}
	return fmt.Sprintf("%q is not a setting; remove it, or use one of %s", name, strings.Join(known, ", "))
}

// distance is the number of bytes to insert, remove or change between a and b.
// Of words that are too long to be meant it is simply large.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	// row[j] is the distance between a[:i] and b[:j].
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0] // row[j] of the round before
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
