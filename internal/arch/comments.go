package arch

import (
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// negative finds the part of a package comment that draws its border.
var negative = regexp.MustCompile(`(?i)\b(not|no|nothing|nobody|never|none|neither|nor|without|only|alone)\b`)

// PackageComments reports every package that has no comment, or one that never
// says what the package does not do. Mains need only a comment.
func PackageComments(files []File) []string {
	type pkg struct{ name, doc string }
	pkgs := make(map[string]pkg)
	var bad []string
	for _, f := range files {
		if !source(f) || f.generated() {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Path, f.Text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		// An external test package counts as the one that it tests.
		dir, name := path.Dir(f.Path), strings.TrimSuffix(tree.Name.Name, "_test")
		pkgs[dir] = pkg{name, pkgs[dir].doc + tree.Doc.Text()}
	}
	for dir, p := range pkgs {
		switch {
		case p.doc == "":
			bad = append(bad, dir+": package "+p.name+" has no comment")
		case p.name != "main" && !negative.MatchString(p.doc):
			bad = append(bad, dir+": the comment of package "+p.name+" does not say what it does not do")
		}
	}
	slices.Sort(bad)
	return bad
}

// source reports whether f is Go source that the toolchain would build.
func source(f File) bool {
	return strings.HasSuffix(f.Path, ".go") && !strings.Contains(f.Path, "testdata/")
}
