package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// SecurityPage has a table whose last column names the tests that prove a row; make security
// runs those.
const SecurityPage = "docs/security-tests.md"

var (
	// proof is what that column consists of: `folder`: TestA, TestB; ...
	proof     = regexp.MustCompile("^`([a-z0-9/]+)`: ((?:Test|Fuzz)[A-Za-z0-9_]+(?:, (?:Test|Fuzz)[A-Za-z0-9_]+)*)$")
	separator = regexp.MustCompile(`^\|[-|]+\|$`)
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
)

// Unproven reports every row of the page's tables that names no test, and every test that a row
// names and the tree does not have.
func Unproven(files []File) []string {
	var page string
	tests := make(map[string]bool) // by folder and name
	for _, f := range files {
		switch {
		case f.Path == SecurityPage:
			page = f.Text
		case strings.HasSuffix(f.Path, "_test.go"):
			for _, m := range testFunc.FindAllStringSubmatch(f.Text, -1) {
				tests[path.Dir(f.Path)+" "+m[1]] = true
			}
		}
	}
	var bad []string
	lines, rows := prose(page), 0
	for n, line := range lines {
		isHead := n+1 < len(lines) && separator.MatchString(lines[n+1])
		if !strings.HasPrefix(line, "|") || separator.MatchString(line) || isHead {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for part := range strings.SplitSeq(strings.TrimSpace(cells[len(cells)-1]), "; ") {
			m := proof.FindStringSubmatch(part)
			if m == nil {
				bad = append(bad, fmt.Sprintf("%s:%d: %q names no test; write `folder`: TestA, TestB; ...", SecurityPage, n+1, part))
				continue
			}
			for name := range strings.SplitSeq(m[2], ", ") {
				if !tests[m[1]+" "+name] {
					bad = append(bad, fmt.Sprintf("%s:%d: %s has no %s", SecurityPage, n+1, m[1], name))
				}
			}
		}
	}
	if rows == 0 {
		bad = append(bad, SecurityPage+" has no row")
	}
	return bad
}

// bounds are the fields that keep a client from holding a server's connection, or its memory, for
// as long as it likes.
var bounds = []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes"}

// Unbounded reports every http.Server of the sources that leaves one of these out. Tests may.
func Unbounded(files []File) []string {
	var bad []string
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".go") || strings.HasSuffix(f.Path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, f.Path, f.Text, parser.SkipObjectResolution)
		if err != nil {
			return append(bad, err.Error())
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			c, ok := n.(*ast.CompositeLit)
			if !ok || !isServer(c.Type) {
				return true
			}
			var given []string
			for _, e := range c.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if name, ok := kv.Key.(*ast.Ident); ok {
						given = append(given, name.Name)
					}
				}
			}
			for _, want := range bounds {
				if !slices.Contains(given, want) {
					bad = append(bad, fmt.Sprintf("%s: an http.Server without %s", set.Position(c.Pos()), want))
				}
			}
			return true
		})
	}
	return bad
}

func isServer(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Server" {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "http"
}
