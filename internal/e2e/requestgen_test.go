package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"gopush/internal/apitest"
)

// drawn draws requests from the document, and remembers of which keys.
type drawn struct {
	token string // immutable

	mu   sync.Mutex
	seen map[string]bool // guarded by mu
	many map[string]bool // guarded by mu: of pushes to many keys, which are not told their ids
}

func newDrawn(token string) *drawn {
	return &drawn{token: token, seen: make(map[string]bool), many: make(map[string]bool)}
}

// keys are those of which every stored message is known.
func (d *drawn) keys() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := maps.Clone(d.seen)
	maps.DeleteFunc(known, func(key string, _ bool) bool { return d.many[key] })
	return slices.Sorted(maps.Keys(known))
}

// sent notes the keys of a push to many.
func (d *drawn) sent(r *request) {
	var members map[string]any
	if r.op.OperationID != "v1PushMany" || json.Unmarshal(r.body, &members) != nil {
		return
	}
	list, _ := members["k"].(string)
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range strings.SplitSeq(list, ",") {
		d.many[key] = true
	}
}

// named is a name and a value, escaped as it is to be sent.
type named struct{ name, value string }

// request is what becomes bytes. Each part can be spoiled by itself.
type request struct {
	op      *apitest.Operation
	method  string
	path    []string // segments, escaped
	query   []named
	header  []named
	body    []byte
	chunked bool
}

// request draws one that the document calls valid.
func (d *drawn) request(t *rapid.T, o *apitest.Operation) *request {
	r := &request{op: o, method: o.Method, path: strings.Split(o.Path, "/"), header: []named{{"Host", "localhost"}}}
	if o.Listener == "admin" {
		r.header = append(r.header, named{"Authorization", "Bearer " + d.token})
	}
	if o.RequestBody != nil {
		d.drawBody(t, r)
	}
	for _, ref := range o.Parameters {
		d.parameter(t, r, ref.Value)
	}
	// In words: public=1 stands in the place of a key.
	if public := r.param("public"); public != nil && o.Listener == "admin" && !deletes(o) {
		r.query = []named{*public}
	} else if slices.ContainsFunc(o.Parameters, func(p *openapi3.ParameterRef) bool { return p.Ref == "#/components/parameters/StreamKey" }) {
		r.query = []named{{"key", url.QueryEscape(d.key(t, o))}}
	}
	if o.OperationID == "getStream" || o.OperationID == "v1Sub" {
		r.header = append(r.header, named{"Connection", "Upgrade"}, named{"Upgrade", "websocket"}, named{"Sec-WebSocket-Version", "13"},
			named{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="})
	}
	return r
}

func (d *drawn) parameter(t *rapid.T, r *request, p *openapi3.Parameter) {
	if !p.Required && !rapid.Bool().Draw(t, "with "+p.Name) {
		return
	}
	text := fmt.Sprint(d.value(t, r.op, p.Name, p.Schema))
	switch {
	case p.In == "path":
		for i := range r.path {
			if r.path[i] == "{"+p.Name+"}" {
				if r.path[i] = url.PathEscape(text); strings.Trim(text, ".") == "" {
					r.path[i] = strings.ReplaceAll(text, ".", "%2E") // as the document says
				}
			}
		}
	case p.In == "query":
		r.query = append(r.query, named{p.Name, url.QueryEscape(text)})
	// In words: not for transient messages, nor besides the one of the body.
	case p.Name == "Idempotency-Key" && (strings.Contains(string(r.body), `"idempotency_key"`) || strings.Contains(string(r.body), `"transient":true`)):
	default:
		r.header = append(r.header, named{p.Name, text})
	}
}

func (d *drawn) drawBody(t *rapid.T, r *request) {
	content := r.op.RequestBody.Value.Content
	kind := slices.Sorted(maps.Keys(content))[0]
	media := content[kind]
	if kind != "*/*" {
		r.header = append(r.header, named{"Content-Type", kind})
	}
	lines, ok := media.Extensions["x-lines"].(string)
	switch {
	case ok:
		for range rapid.IntRange(0, 3).Draw(t, "lines") {
			r.body = append(append(r.body, d.json(t, r.op, openapi3.NewSchemaRef("", d.line(r.op, lines)))...), '\n')
		}
	case kind == "application/x-www-form-urlencoded":
		key := d.value(t, r.op, "key", media.Schema.Value.Properties["key"])
		r.body = []byte(url.Values{"key": {fmt.Sprint(key)}}.Encode())
	default:
		r.body = d.json(t, r.op, media.Schema)
	}
	r.chunked = rapid.Bool().Draw(t, "chunked")
}

// line is the schema of a line, which is that of the body of a single push.
func (d *drawn) line(o *apitest.Operation, name string) *openapi3.Schema {
	return o.Document.API.Components.Schemas[name].Value
}

// json draws a document until it fits the schema: what members forbid each other is in not.
func (d *drawn) json(t *rapid.T, o *apitest.Operation, s *openapi3.SchemaRef) []byte {
	for {
		v := d.value(t, o, "", s)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatal(err)
		}
		if s.Value.VisitJSON(plain) == nil {
			return b
		}
	}
}

// value draws one that the schema allows.
func (d *drawn) value(t *rapid.T, o *apitest.Operation, name string, ref *openapi3.SchemaRef) any {
	s := ref.Value
	switch {
	case ref.Ref == "#/components/schemas/Key":
		return d.key(t, o)
	case ref.Ref == "#/components/schemas/ID":
		return drawID(t, o)
	case name == "group":
		return rapid.StringMatching(`g-[a-z0-9]{1,20}`).Draw(t, name) // of no node, which would be told to hand over
	case name == "Last-Event-ID":
		return "0/0" // a cursor of the future is refused
	case name == "expires_at":
		return time.Now().Add(time.Duration(rapid.IntRange(60, 1<<20).Draw(t, name)) * time.Second).UnixMilli()
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, name)
	case len(s.OneOf) > 0:
		return d.value(t, o, name, rapid.SampledFrom(s.OneOf).Draw(t, name))
	case s.Type == nil:
		return anyJSON(t, 3)
	case s.Type.Is("integer"):
		return drawInteger(t, name, s)
	case s.Type.Is("boolean"):
		return rapid.Bool().Draw(t, name)
	case s.Type.Is("array"):
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return d.value(t, o, name, s.Items) }), int(s.MinItems), 3).Draw(t, name)
	case s.Type.Is("object"):
		return d.object(t, o, s)
	default:
		return drawString(t, name, s)
	}
}

func (d *drawn) object(t *rapid.T, o *apitest.Operation, s *openapi3.Schema) any {
	v := make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if slices.Contains(s.Required, name) || rapid.IntRange(0, 3).Draw(t, "with "+name) == 0 {
			v[name] = d.value(t, o, name, s.Properties[name])
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "unknown member") == 0 {
		v["colour"] = anyJSON(t, 1)
	}
	return v
}

// deletes: what the others have stored has to stay, as it tells whether it was to be.
func deletes(o *apitest.Operation) bool {
	return slices.Contains([]string{"deleteMessages", "v1Delete", "v1DeleteAlias"}, o.OperationID)
}

// key draws some of a few keys, so that there is something to read.
func (d *drawn) key(t *rapid.T, o *apitest.Operation) string {
	if deletes(o) {
		return rapid.StringMatching("deleted-[ -~]{1,20}").Draw(t, "key")
	}
	some := rapid.SampledFrom([]string{"k", "a/b c", "..", ".", "/", "ключ", "😀", "a;b&c=d", strings.Repeat("k", 255), "%00", `"'<>\`})
	any := rapid.StringN(1, 60, 255).Filter(func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f })
	})
	key := rapid.OneOf(some, any).Draw(t, "key")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[key] = true
	return key
}

// drawID draws a cursor or an id: to a stream not one of the future, which is refused.
func drawID(t *rapid.T, o *apitest.Operation) string {
	if o.Listener == "comet" {
		return "0"
	}
	return strconv.FormatInt(rapid.OneOf(rapid.SampledFrom([]int64{1, 16, math.MaxInt64}), rapid.Int64Min(1)).Draw(t, "id"), 10)
}

func drawInteger(t *rapid.T, name string, s *openapi3.Schema) int64 {
	low, high := int64(0), int64(3600)
	if s.Min != nil {
		low = int64(*s.Min)
	}
	if s.Max != nil {
		high = int64(*s.Max)
	}
	return rapid.Int64Range(low, high).Draw(t, name)
}

func drawString(t *rapid.T, name string, s *openapi3.Schema) string {
	most := 40
	if s.MaxLength != nil {
		most = int(*s.MaxLength)
	}
	if s.Pattern != "" && !strings.HasPrefix(s.Pattern, "[") {
		return rapid.StringMatching(s.Pattern).Filter(func(v string) bool { return len(v) >= int(s.MinLength) && len(v) <= most }).Draw(t, name)
	}
	return rapid.StringN(max(1, int(s.MinLength)), most, most).Draw(t, name)
}

// anyJSON draws a value of at most that depth.
func anyJSON(t *rapid.T, depth int) any {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number"))
	case 3:
		return rapid.String().Draw(t, "string")
	case 4:
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return anyJSON(t, depth-1) }), 0, 3).Draw(t, "list")
	default:
		return rapid.MapOfN(rapid.String(), rapid.Custom(func(t *rapid.T) any { return anyJSON(t, depth-1) }), 0, 3).Draw(t, "object")
	}
}

// param finds a parameter of the query.
func (r *request) param(name string) *named {
	for i := range r.query {
		if r.query[i].name == name {
			return &r.query[i]
		}
	}
	return nil
}

// has reports whether a header is there.
func (r *request) has(name string) bool {
	return slices.ContainsFunc(r.header, func(p named) bool { return strings.EqualFold(p.name, name) })
}

// wire makes it bytes.
func (r *request) wire() wrote {
	w := wrote{listener: r.op.Listener, method: r.method, target: strings.Join(r.path, "/"), body: r.body}
	for i, p := range r.query {
		w.target += map[bool]string{true: "?", false: "&"}[i == 0] + p.name + "=" + p.value
	}
	var head strings.Builder
	for _, p := range r.header {
		head.WriteString(p.name + ": " + p.value + "\r\n")
	}
	switch {
	case r.chunked:
		head.WriteString("Transfer-Encoding: chunked\r\n")
		w.body = nil
		for chunk := range slices.Chunk(r.body, 1000) {
			w.body = append(append(fmt.Appendf(w.body, "%x\r\n", len(chunk)), chunk...), "\r\n"...)
		}
		w.body = append(w.body, "0\r\n\r\n"...)
	case len(r.body) > 0 || r.method == http.MethodPost:
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(r.body))
	}
	w.head = head.String()
	return w
}
