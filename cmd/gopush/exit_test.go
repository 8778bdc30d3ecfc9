package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExitCodes: each code that is documented is one that a command ends with.
//
// Broken once by ending with exitFailure where a server asks to be tried again.
func TestExitCodes(t *testing.T) {
	garbage := fake(t, answer{status: 200, body: "<html>"})
	busy := fake(t, refuses(503, "busy", "too much", true))
	refusal := fake(t, refuses(403, "forbidden", "not you", false))
	reached := map[int][]string{
		exitOK:      {"version"},
		exitFailure: {"nodes", "--admin", garbage.url},
		exitUsage:   {"fly"},
		exitRetry:   {"nodes", "--admin", busy.url},
		exitRefused: {"nodes", "--admin", refusal.url},
	}
	help := gopush(t, "", "--help").out
	for _, e := range exitCodes {
		if e.code == exitBroken || e.code == exitTooSlow {
			continue // the tests of bench reach these
		}
		if got := gopush(t, "", reached[e.code]...); len(reached[e.code]) == 0 || got.code != e.code {
			t.Errorf("%v ends with %d, not %d", reached[e.code], got.code, e.code)
		}
	}
	for _, e := range exitCodes {
		if says := fmt.Sprintf("%d %s", e.code, e.meaning); !strings.Contains(strings.Join(strings.Fields(help), " "), says) {
			t.Errorf("the help does not say %q", says)
		}
	}
}

// TestExitCodesDocumented: docs/tools.md has the same list.
func TestExitCodesDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range exitCodes {
		want = append(want, fmt.Sprintf("| %d | %s |", e.code, e.meaning))
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \| [^|]+ \|`).FindAllString(string(page), -1)
	if !slices.Equal(rows, want) {
		t.Errorf("docs/tools.md has\n%s\nand the program\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoOtherExitCodes: what the outcome of a command is mapped to, and what ends the
// process, are codes of the list by their names.
//
// Broken once by a return of 7, and once by os.Exit(9).
func TestNoOtherExitCodes(t *testing.T) {
	known := map[string]bool{"exitOK": true, "exitFailure": true, "exitUsage": true, "exitRetry": true, "exitRefused": true, "exitBroken": true, "exitTooSlow": true}
	if len(known) != len(exitCodes) {
		t.Fatalf("%d codes have names, and %d are documented", len(known), len(exitCodes))
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			for code := range codesOf(d) {
				seen[code] = true
				if code != "code" && !known[code] { // run's result, which is one of these
					t.Errorf("%s ends with %s", name, code)
				}
			}
		}
	}
	for code := range known {
		if !seen[code] {
			t.Errorf("nothing ends with %s", code)
		}
	}
}

// codesOf are the codes that a declaration returns, if its results are codes, or ends the
// process with; anything that is no name is there as the text of its type.
func codesOf(d ast.Decl) map[string]bool {
	codes := map[string]bool{}
	add := func(e ast.Expr) {
		switch v := e.(type) {
		case *ast.Ident:
			codes[v.Name] = true
		case *ast.CallExpr: // another function of these
			if name, ok := v.Fun.(*ast.Ident); !ok || !mapsToCode[name.Name] {
				codes[fmt.Sprintf("%T", e)] = true
			}
		default:
			codes[fmt.Sprintf("%T", e)] = true
		}
	}
	f, isFunc := d.(*ast.FuncDecl)
	ast.Inspect(d, func(n ast.Node) bool {
		switch v := n.(type) {
		case *ast.ReturnStmt:
			if isFunc && mapsToCode[f.Name.Name] {
				add(v.Results[0])
			}
		case *ast.CallExpr:
			if s, ok := v.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Exit" && fmt.Sprint(s.X) == "os" {
				add(v.Args[0])
			}
		}
		return true
	})
	return codes
}

// mapsToCode are the functions whose result is a code.
var mapsToCode = map[string]bool{"run": true, "exitCode": true, "localCode": true}
