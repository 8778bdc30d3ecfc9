package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// Limits of size, in lines.
const (
	MaxMain     = 120 // a file with func main: flags, config, New, Run
	MaxFile     = 800
	MaxFunction = 80
)

// Sizes reports every Go file and function that has outgrown its limit.
// Generated files have none.
func Sizes(files []File) []string {
	var bad []string
	for _, f := range files {
		if !source(f) || f.generated() {
			continue
		}
		if n := f.lines(); n > MaxFile {
			bad = append(bad, fmt.Sprintf("%s has %d lines, at most %d are allowed", f.Path, n, MaxFile))
		}
		bad = append(bad, functions(f)...)
	}
	return bad
}

func functions(f File) []string {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, f.Path, f.Text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	for _, decl := range tree.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		first, last := set.Position(fn.Pos()).Line, set.Position(fn.End()).Line
		if n := last - first + 1; n > MaxFunction {
			bad = append(bad, fmt.Sprintf("%s:%d: %s has %d lines, at most %d are allowed", f.Path, first, fn.Name.Name, n, MaxFunction))
		}
		isMain := fn.Name.Name == "main" && fn.Recv == nil && tree.Name.Name == "main"
		if n := f.lines(); isMain && n > MaxMain && !strings.HasSuffix(f.Path, "_test.go") {
			bad = append(bad, fmt.Sprintf("%s holds func main and has %d lines, at most %d are allowed", f.Path, n, MaxMain))
		}
	}
	return bad
}
