package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Page is one Markdown file.
type Page struct {
	Path string // from the root of the tree, with slashes
	Text string
}

// All reads README.md, CONTRIBUTING.md and every page under docs, in that order and then by
// path. Root is the folder of go.mod.
func All(root string) ([]Page, error) {
	paths := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		path, err = filepath.Rel(root, path)
		paths = append(paths, filepath.ToSlash(path))
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(paths[2:])
	all := make([]Page, 0, len(paths))
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		all = append(all, Page{path, string(text)})
	}
	return all, nil
}

// Fence is one fenced block of a page.
type Fence struct {
	Line   int    // of its first line, the fence, from 1
	Lang   string // what stands behind the fence; empty: nothing
	Text   string // without the indentation of the fence
	Before string // the line before it, without spaces around it
	// Next is set if nothing but empty lines lies between this block and the one before.
	Next bool
}

// Fences finds the fenced blocks of a page; one that does not end goes to the page's end.
func (p Page) Fences() []Fence {
	lines := strings.Split(p.Text, "\n")
	var all []Fence
	empty := false // since the last block
	for i := 0; i < len(lines); i++ {
		trimmed := strings.TrimLeft(lines[i], " ")
		lang, begins := strings.CutPrefix(trimmed, "```")
		if !begins {
			empty = empty && trimmed == ""
			continue
		}
		f := Fence{Line: i + 1, Lang: strings.TrimSpace(lang), Next: empty}
		if i > 0 {
			f.Before = strings.TrimSpace(lines[i-1])
		}
		indent := lines[i][:len(lines[i])-len(trimmed)]
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			f.Text += strings.TrimPrefix(lines[i], indent) + "\n"
		}
		all, empty = append(all, f), true
	}
	return all
}

// Prose gives the lines of the page with those of fenced blocks, fences included, empty.
func (p Page) Prose() []string {
	lines := strings.Split(p.Text, "\n")
	for _, f := range p.Fences() {
		for i := f.Line - 1; i < min(f.Line+strings.Count(f.Text, "\n")+1, len(lines)); i++ {
			lines[i] = ""
		}
	}
	return lines
}
