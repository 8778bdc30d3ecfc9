package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Draft gathers settings from one source after the other, later ones over earlier
// ones, with where each of them came from and all that is wrong with them. It is made
// by NewDraft and must not be copied.
type Draft struct {
	settings Serve
	fields   table             // of settings
	from     map[string]Source // by path; what is not here is a default
	file     string            // for problems with what no source gives
	found    Problems
}

// Source is what gives a setting.
type Source struct {
	Name string // a file, a variable or a flag; empty: the defaults
	Line int    // of a file, from 1; 0: none
}

// String begins like a compiler's message does, so that editors can jump to it.
func (s Source) String() string {
	if s.Line > 0 {
		return fmt.Sprintf("%s:%d", s.Name, s.Line)
	}
	return s.Name
}

// NewDraft begins with the defaults.
func NewDraft() *Draft {
	d := &Draft{settings: Default(), from: make(map[string]Source)}
	d.fields = d.settings.fields()
	return d
}

// File reads a file of YAML.
func (d *Draft) File(path string) {
	f, err := os.Open(path)
	if err != nil {
		d.unreadable(path, err)
		return
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		d.unreadable(path, err)
		return
	}
	d.Bytes(path, b)
}

func (d *Draft) unreadable(path string, err error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // its path is told already
	}
	d.complain(Source{Name: path}, "", "the settings cannot be read: %s", err)
}

// Bytes reads YAML; name is the file's, for problems.
func (d *Draft) Bytes(name string, b []byte) {
	d.file = name
	r := &reader{file: name, fields: d.fields, lines: make(map[string]int)}
	r.read(b)
	for path, line := range r.lines {
		d.from[path] = Source{name, line}
	}
	r.found.sort()
	d.found = append(d.found, r.found...)
}

// Flag takes one setting by its path, such as comet.max_per_key; name is the flag's.
func (d *Draft) Flag(name, path, text string) {
	if f, ok := d.fields.find(path); ok {
		d.set(Source{Name: name}, f, text)
		return
	}
	d.complain(Source{Name: name}, "", "%s", unknown(path, d.fields.paths()))
}

// Change lets a flag change several settings.
func (d *Draft) Change(name string, change func(*Serve) error) {
	before := d.settings
	if err := change(&d.settings); err != nil {
		d.complain(Source{Name: name}, "", "%s", err)
		return
	}
	for i, f := range before.fields() {
		if f.value.yaml() != d.fields[i].value.yaml() {
			d.from[f.path] = Source{Name: name}
		}
	}
}

func (d *Draft) set(from Source, f field, text string) {
	if err := f.value.set(strings.TrimSpace(text)); err != nil {
		d.complain(from, f.path, "%s", err)
		return
	}
	d.from[f.path] = from
}

func (d *Draft) complain(from Source, path, format string, args ...any) {
	d.found = append(d.found, Problem{from, path, fmt.Sprintf(format, args...)})
}

// Values are the settings so far. An error is of the type Problems and has all that is
// wrong with any of them, but not what does not go together: see Serve.
func (d *Draft) Values() (Serve, error) { return d.settings, d.found.err() }

// Serve are the settings, checked as a whole. An error is of the type Problems.
func (d *Draft) Serve() (Serve, error) {
	found := slices.Clone(d.found)
	if len(found) == 0 {
		// Each value is in range by itself here; before that, what they mean
		// together would only repeat what is known to be wrong.
		for _, p := range d.settings.together() {
			p.Source = Source{Name: d.file}
			if from, ok := d.from[p.Path]; ok {
				p.Source = from
			}
			found = append(found, p)
		}
		found.sort()
	}
	return d.settings, found.err()
}

// Print writes the settings as a file that can be read back, with what each of them
// means, where it came from, and whether a running process takes a change over.
func (d *Draft) Print(w io.Writer) error {
	var b strings.Builder
	// The table keeps the settings of a section together, so that a change of
	// the first part of the path is where a section begins.
	section := ""
	for _, f := range d.fields {
		head, name, nested := strings.Cut(f.path, ".")
		indent := ""
		if nested {
			indent = "  "
			if head != section {
				section = head
				fmt.Fprintf(&b, "\n%s:\n", head)
			}
		} else {
			name = head
		}
		for line := range strings.SplitSeq(f.doc, "\n") {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s%s: %s # %s; reload: %s\n", indent, name, f.value.yaml(), d.origin(f.path), f.reload())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// origin is where a setting came from, on one line whatever the file is called.
func (d *Draft) origin(path string) string {
	from, ok := d.from[path]
	if !ok {
		return "default"
	}
	from.Name = filepath.Base(from.Name) // there is one file
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, from.String())
}
