package apitest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is docs/openapi.yaml, read. It may be used at once from many goroutines.
type Document struct {
	API        *openapi3.T
	Operations []*Operation // by listener, path and method
}

// Operation is a method on a path of one listener.
type Operation struct {
	*openapi3.Operation
	Document *Document
	Listener string // the tag: public, admin or comet
	Method   string
	Path     string // with {name} for a segment that is a parameter
}

// String is how an operation is called in failures.
func (o *Operation) String() string { return o.Listener + " " + o.Method + " " + o.Path }

// V2 tells the two protocols apart.
func (o *Operation) V2() bool { return isV2(o.Path) }

func isV2(path string) bool { return strings.HasPrefix(path, "/v2/") }

// Load reads the document of this tree and checks what the judge relies on: every
// operation has one tag, and names each status that it answers.
func Load(tb testing.TB) *Document {
	tb.Helper()
	d, err := load()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// load reads it once in a process: many tests judge by it, and none changes it.
var load = sync.OnceValues(func() (*Document, error) {
	dir, err := root()
	if err != nil {
		return nil, err
	}
	api, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, "docs", "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	if err := api.Validate(context.Background()); err != nil {
		return nil, err
	}
	d := &Document{API: api}
	for path, item := range api.Paths.Map() {
		for method, op := range item.Operations() {
			o := &Operation{Operation: op, Document: d, Method: method, Path: path}
			if len(op.Tags) != 1 || op.Responses.Default() != nil {
				return nil, fmt.Errorf("%s %s needs one tag, its listener, and a list of statuses instead of a default", method, path)
			}
			o.Listener = op.Tags[0]
			d.Operations = append(d.Operations, o)
		}
	}
	slices.SortFunc(d.Operations, func(a, b *Operation) int { return cmp.Compare(a.String(), b.String()) })
	return d, nil
})

// root is the folder of this module, above that of the test.
func root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("there is no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// Statuses are those that the operation documents, ascending.
func (o *Operation) Statuses() []int {
	var all []int
	for text := range o.Responses.Map() {
		n, _ := strconv.Atoi(text) // Validate has seen that they are numbers
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// Rets are the values of ret that an operation of protocol v1 documents for its status
// 200; none of v2.
func (o *Operation) Rets() []int {
	var all []int
	for _, media := range content(o.Responses.Status(200)) {
		ret, ok := media.Schema.Value.Properties["ret"]
		if !ok {
			continue
		}
		for _, v := range ret.Value.Enum {
			f, _ := v.(float64)
			all = append(all, int(f))
		}
	}
	slices.Sort(all)
	return all
}

// At are the operations of a path as it stands in a request, escapes and all. Where two
// patterns match, the one with fewer parameters is meant, as in net/http.
func (d *Document) At(listener, escapedPath string) []*Operation {
	var found []*Operation
	for _, o := range d.Operations {
		if o.Listener != listener || !matches(o.Path, escapedPath) {
			continue
		}
		if len(found) > 0 && found[0].Path != o.Path {
			if strings.Count(found[0].Path, "{") < strings.Count(o.Path, "{") {
				continue
			}
			found = nil
		}
		found = append(found, o)
	}
	return found
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		step := got[i] == "" || got[i] == "." || got[i] == ".." // no name of anything
		if want[i] != got[i] && (!strings.HasPrefix(want[i], "{") || step) {
			return false
		}
	}
	return true
}

// content is that of a response, or none.
func content(r *openapi3.ResponseRef) openapi3.Content {
	if r == nil || r.Value == nil {
		return nil
	}
	return r.Value.Content
}
