package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The listeners.
const (
	public = "public"
	admin  = "admin"
	comet  = "comet"
)

// Answer is what a request got.
type Answer struct {
	Listener    string // public, admin or comet
	Method      string
	EscapedPath string // without the query
	Status      int
	Header      http.Header
	Body        []byte
}

// Judge says in which way an answer is not what the document promises; nil: it is. The
// operation is nil where the answer is to no documented method of a documented path.
func (d *Document) Judge(a Answer) (*Operation, error) {
	at := d.At(a.Listener, a.EscapedPath)
	for _, o := range at {
		switch {
		case o.Method == a.Method:
			return o, d.check(o, a, true)
		case o.head() && a.Method == http.MethodHead:
			return nil, d.check(o, a, false)
		}
	}
	return nil, d.besides(at, a)
}

// head: it is also served as HEAD.
func (o *Operation) head() bool {
	return o.V2() && o.Method == http.MethodGet && o.Listener != comet
}

// check holds an answer against its operation.
func (d *Document) check(o *Operation, a Answer, body bool) error {
	res := o.Responses.Status(a.Status)
	if res == nil {
		return fmt.Errorf("%s documents %v, not %d", o, o.Statuses(), a.Status)
	}
	return d.response(res.Value, a, body)
}

// besides judges answers that belong to no operation: they are the same for every path.
func (d *Document) besides(at []*Operation, a Answer) error {
	name := map[int]string{
		http.StatusUnauthorized: "Unauthenticated", http.StatusForbidden: "Forbidden", http.StatusTooManyRequests: "RateLimited",
		http.StatusNotFound: "NotFound", http.StatusMethodNotAllowed: "MethodNotAllowed", http.StatusServiceUnavailable: "Unavailable",
	}[a.Status]
	switch {
	case a.Status == http.StatusNoContent && a.Method == http.MethodOptions && isV2(a.EscapedPath) && len(at) > 0:
		return allows(at, a)
	case name == "",
		a.Status == http.StatusNotFound && len(at) > 0,
		a.Status == http.StatusMethodNotAllowed && len(at) == 0,
		a.Status == http.StatusTooManyRequests && a.Listener != public,
		a.Status <= http.StatusForbidden && a.Listener != admin:
		return fmt.Errorf("%s %s on the %s listener is no operation and must not answer %d", a.Method, a.EscapedPath, a.Listener, a.Status)
	case a.Status == http.StatusMethodNotAllowed:
		if err := allows(at, a); err != nil {
			return err
		}
	}
	noRoom := a.Status == http.StatusServiceUnavailable
	switch {
	case isV2(a.EscapedPath) && noRoom && a.Listener != comet:
		name = "NoRoom"
	case !isV2(a.EscapedPath) && (!noRoom || a.Listener != comet):
		name = "V1" + name
	}
	if a.Listener == comet {
		name = "Stream" + name
	}
	res, ok := d.API.Components.Responses[name]
	if !ok {
		return fmt.Errorf("the document has no response %s", name)
	}
	return d.response(res.Value, a, a.Method != http.MethodHead)
}

// allows checks the header that names the methods of a path.
func allows(at []*Operation, a Answer) error {
	var want []string
	for _, o := range at {
		want = append(want, o.Method)
		if o.head() {
			want = append(want, http.MethodHead)
		}
	}
	if at[0].V2() {
		want = append(want, http.MethodOptions)
	}
	slices.Sort(want)
	if got := a.Header.Get("Allow"); got != strings.Join(want, ", ") {
		return fmt.Errorf("header Allow is %q; the document knows %v", got, want)
	}
	return nil
}

// response checks headers, content type and body.
func (d *Document) response(res *openapi3.Response, a Answer, body bool) error {
	for name, h := range res.Headers {
		if err := header(name, h.Value, a.Header.Values(name)); err != nil {
			return err
		}
	}
	given := a.Header.Get("Content-Type")
	if len(res.Content) == 0 {
		if given != "" || len(a.Body) > 0 && body {
			return fmt.Errorf("%d has no content, but it comes with %q and %d bytes", a.Status, given, len(a.Body))
		}
		return nil
	}
	media, ok := res.Content[given] // byte for byte: Content.Get takes less for a match
	if !ok {
		return fmt.Errorf("the content type of %d is %q, which is not documented", a.Status, given)
	}
	if !body {
		return nil
	}
	return d.body(res, given, media, a.Body)
}

func header(name string, h *openapi3.Header, given []string) error {
	switch {
	case len(given) > 1:
		return fmt.Errorf("the header %s stands %d times", name, len(given))
	case len(given) == 0 && h.Required:
		return fmt.Errorf("the header %s is promised and missing", name)
	case len(given) == 0:
		return nil
	}
	var v any = given[0]
	if h.Schema.Value.Type.Is("integer") {
		v = json.Number(given[0])
	}
	if err := h.Schema.Value.VisitJSON(v, openapi3.VisitAsResponse()); err != nil {
		return fmt.Errorf("the header %s is %q: %w", name, given[0], err)
	}
	return nil
}

// body checks the bytes. Of a call of JavaScript its argument has to be the JSON that
// would have come without.
func (d *Document) body(res *openapi3.Response, kind string, media *openapi3.MediaType, text []byte) error {
	if lines, ok := media.Extensions["x-lines"].(string); ok {
		schema := d.API.Components.Schemas[lines]
		for line := range bytes.Lines(text) {
			if err := visit(schema.Value, line); err != nil {
				return fmt.Errorf("the line %q: %w", line, err)
			}
		}
		return nil
	}
	switch base, _, _ := strings.Cut(kind, ";"); base {
	case javascript:
		json := res.Content[strings.Replace(kind, "javascript", "json", 1)]
		return visit(json.Schema.Value, argument(kind, text))
	case "text/plain", "text/event-stream":
		return media.Schema.Value.VisitJSON(string(text), openapi3.VisitAsResponse())
	default:
		return visit(media.Schema.Value, text)
	}
}

const javascript = "application/javascript"

// argument is the JSON in a body: of a call of JavaScript, what it is called with.
func argument(kind string, text []byte) []byte {
	if !strings.HasPrefix(kind, javascript) {
		return text
	}
	open := bytes.IndexByte(text, '(')
	if open < 1 || text[len(text)-1] != ')' {
		return nil // which is no JSON
	}
	return text[open+1 : len(text)-1]
}

// visit checks one JSON value and that nothing follows it.
func visit(schema *openapi3.Schema, text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf("%.200q is no JSON: %w", text, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%.200q is more than one JSON value", text)
	}
	return schema.VisitJSON(bounded(v), openapi3.VisitAsResponse(), openapi3.MultiErrors())
}

// bounded has no number that a float cannot hold: what was pushed may have such, and the
// schemas say nothing of them.
func bounded(v any) any {
	switch v := v.(type) {
	case json.Number:
		if _, err := v.Float64(); err != nil {
			return json.Number("1e308")
		}
	case []any:
		for i := range v {
			v[i] = bounded(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = bounded(v[name])
		}
	}
	return v
}
