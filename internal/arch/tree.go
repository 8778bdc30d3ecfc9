package arch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the prefix of this module's import paths.
const Module = "gopush/"

// Package is a package of this module with what it imports.
type Package struct {
	Path        string   // without the module's prefix
	Imports     []string // full import paths
	TestImports []string // those of its test files, external ones included
}

// File is a text file of the tree.
type File struct {
	Path string // slash-separated, from the root of the tree
	Text string
}

// Root finds the directory of go.mod, from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Packages lists the packages under root. Those that do not compile are there
// too: their imports are still known.
func Packages(ctx context.Context, root string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []Package
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		pkgs = append(pkgs, Package{
			Path:        strings.TrimPrefix(p.ImportPath, Module),
			Imports:     p.Imports,
			TestImports: slices.Concat(p.TestImports, p.XTestImports),
		})
	}
}

// Files reads every text file of the tree under root that a commit would hold,
// as far as names tell: what .gitignore keeps out by directory is left out.
func Files(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "build", "gopush-data", "hbase-data", "node_modules"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || strings.ContainsRune(string(text[:min(len(text), 8000)]), 0) {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, File{Path: filepath.ToSlash(rel), Text: string(text)})
		return nil
	})
	return files, err
}

// generated reports whether a tool wrote the file, as Go's convention marks it.
func (f File) generated() bool {
	head, _, _ := strings.Cut("\n"+f.Text, "\npackage ")
	return strings.Contains(head, "// Code generated ") && strings.Contains(head, "DO NOT EDIT.")
}

// lines counts the file's lines.
func (f File) lines() int {
	n := strings.Count(f.Text, "\n")
	if !strings.HasSuffix(f.Text, "\n") && f.Text != "" {
		n++
	}
	return n
}
