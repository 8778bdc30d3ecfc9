package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a file of settings; a real one has a few kilobytes.
const maxFile = 256 << 10

// reader walks one file.
type reader struct {
	file   string
	fields table
	lines  map[string]int // of the settings that the file gives
	found  Problems
}

func (r *reader) complain(line int, path, format string, args ...any) {
	r.found = append(r.found, Problem{Source{r.file, line}, path, fmt.Sprintf(format, args...)})
}

// read takes in the one document of the file, if there is one.
func (r *reader) read(b []byte) {
	if len(b) > maxFile {
		r.complain(0, "", "the file has more than %d bytes; settings are smaller", maxFile)
		return
	}
	file, err := syntax(b)
	if err != nil {
		line, what := where(err)
		r.complain(line, "", "this is not YAML: %s", what)
		return
	}
	seen := false
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentGroupType || doc.Body.Type() == ast.NullType {
			continue
		}
		if seen {
			r.complain(lineOf(doc.Body), "", "the file has a second document; keep all settings in one, without ---")
			return
		}
		seen = true
		r.section("", doc.Body)
	}
}

// syntax parses the file. The parser is known to panic on some broken texts, and
// a broken file must be an error like any other. Repeated names are allowed
// here: the walk reports all of them, the parser only the first.
func syntax(b []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is malformed; compare it with the output of gopush serve --print-config")
		}
	}()
	return parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
}

// where takes the line out of an error of the parser.
func where(err error) (line int, what string) {
	type placed interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}
	e, ok := errors.AsType[placed](err)
	if !ok {
		what, _, _ = strings.Cut(err.Error(), "\n")
		return 0, what
	}
	if t := e.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return line, e.GetMessage()
}

// lineOf is 0 for a node that the parser gave no place.
func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// section reads the entries below a name, or those at the top ("").
func (r *reader) section(name string, n ast.Node) {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return // a section whose settings are all commented out
	default:
		r.complain(lineOf(n), name, "it must hold settings, each as a line of the form name: value")
		return
	}
	for _, e := range entries {
		r.entry(name, e)
	}
}

// entry reads one line of the form name: value.
func (r *reader) entry(section string, e *ast.MappingValueNode) {
	line := lineOf(e.Key)
	name := e.Key.GetToken().Value
	if s, ok := e.Key.(*ast.StringNode); ok {
		name = s.Value
	}
	path := name
	if section != "" {
		path = section + "." + name
	}
	f, known := r.fields.find(path)
	nested := section == "" && r.fields.section(name)
	switch {
	// A name with a dot would otherwise pass for a section and a name.
	case strings.Contains(name, ".") || !known && !nested:
		r.complain(line, section, "%s", unknown(name, r.fields.names(section)))
		return
	case r.lines[path] > 0:
		r.complain(line, path, "it is already set in line %d; remove one of them", r.lines[path])
		return
	}
	r.lines[path] = line
	if nested {
		r.section(name, e.Value)
		return
	}
	if err := assign(plain(f.value), e.Value); err != nil {
		r.complain(line, path, "%s", err)
	}
}

// assign gives v what the node says.
func assign(v value, n ast.Node) error {
	form, scalar := formOf(n)
	if _, null := n.(*ast.NullNode); null {
		return errors.New("it has no value; give one or remove the line")
	}
	if ok, instead := v.accepts(form); !ok {
		return fmt.Errorf("it must be %s", instead)
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return v.set(scalar)
	}
	var items []string
	for _, item := range seq.Values {
		form, scalar := formOf(item)
		if form != textForm {
			return errors.New("each item of the list must be text; put it in quotes")
		}
		items = append(items, scalar)
	}
	l, ok := v.(*list)
	if !ok { // only a list accepts the form of one
		return errors.New("it must not be a list")
	}
	return l.setItems(items)
}

// formOf is how a value is written, and its text if it is a scalar. Anchors,
// aliases and tags are no form: what a file says should stand where it says it.
func formOf(n ast.Node) (form, string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return textForm, n.Value
	case *ast.LiteralNode:
		return textForm, n.Value.Value
	case *ast.IntegerNode:
		return wholeForm, n.Token.Value
	case *ast.FloatNode:
		return partForm, n.Token.Value
	case *ast.BoolNode:
		return boolForm, strings.ToLower(n.Token.Value)
	case *ast.SequenceNode:
		return listForm, ""
	default:
		return otherForm, ""
	}
}
