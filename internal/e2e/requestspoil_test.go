package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// odd are values of parameters, as they are sent.
var odd = []string{
	"", "0", "-1", "+1", "1e3", "0x10", "1.5", "99999999999999999999", "-9223372036854775809", "null", "true", "[]", "{}", "%00", "%01public", "%FF", "%C3%28", "%ED%A0%80",
	"%zz", "%", "a;b", "a%0D%0AX-Injected:%201", "%F0%9F%98%80", "%E2%80%AE", "%C2%85", "..", "%2e%2e", "a%2Fb", "'%22%3Cscript%3E", strings.Repeat("k", 256), strings.Repeat("9", 3000),
}

// oddHeaders are lines that have no business in a request of this API, or none at all.
var oddHeaders = []named{
	{"X-Request-Id", strings.Repeat("x", 200)},
	{"X-Request-Id", "a b"},
	{"Idempotency-Key", "a"},
	{"Idempotency-Key", "a b"},
	{"Idempotency-Key", ""},
	{"Idempotency-Key", strings.Repeat("i", 129)},
	{"Idempotency-Key", "\xc3\xa9"},
	{"Accept", "application/xml"},
	{"Accept-Encoding", "gzip;q=x"},
	{"Range", "bytes=5-1"},
	{"If-None-Match", "*"},
	{"If-Match", `"x"`},
	{"Content-Encoding", "gzip"},
	{"Expect", "100-continue"},
	{"Expect", "200-ok"},
	{"Host", "other"},
	{"X-Control", "a\x01b"},
	{"X-Null", "a\x00b"},
	{"Bad Name", "x"},
	{"", "x"},
	{"Connection", "Upgrade, HTTP2-Settings"},
	{"Upgrade", "h2c"},
	{"Connection", "close"},
	{"X-HTTP-Method-Override", "DELETE"},
	{"X-Big", strings.Repeat("x", 20<<10)},
	{"Content-Length", "5, 5"},
	{"Content-Length", "-1"},
	{"Content-Length", "0x5"},
	{"Transfer-Encoding", "gzip, chunked"},
	{"Transfer-Encoding", "identity"},
	{"traceparent", "00-0-0-00"},
	{"Origin", "https://evil.example"},
	{"Origin", "null"},
	{"Sec-Fetch-Site", "cross-site"},
	{"X-Forwarded-For", "10.0.0.1"},
	{"Forwarded", "for=unknown"},
	{"Last-Event-ID", "x"},
	{"Last-Event-ID", "1/2/3"},
	{"Last-Event-ID", "9223372036854775808/0"},
	{"Cookie", strings.Repeat("a=b; ", 1000)},
	{"Sec-WebSocket-Key", "short"},
	{"Sec-WebSocket-Version", "99"},
	{"Te", "trailers"},
	{"Trailer", "Host"},
}

var oddTypes = []string{
	"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/json, text/plain", "x", "application/", "multipart/form-data; boundary=x", ";", strings.Repeat("x", 1000),
}

var oddTokens = []string{"", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "bearer\tx", "Bearer " + strings.Repeat("x", 9000), "Digest username=\"x\"", "Bearer \xff"}

var oddBodies = []string{
	"", " ", "x", "{", "[]", `"k"`, "1", "null", "\x00", "\xff\xfe{\x00}\x00", "\xef\xbb\xbf{}", `{"key":"k"}`, `{"data":1}`, `{"key":"k","data":1}}`, `{"key":"k","data":1,}`, "{'key':'k','data':1}", `{"key":"k","data":NaN}`,
	`{"key":"k","data":"` + "\xff" + `"}`, `{"key":"k","data":"\ud800"}`, `{"key":"\ud800","data":1}`, `{"key":"k","data":"` + "\n" + `"}`, `{"key":"k","data":01}`, "\n\n\r\n", "key=%", "key=a&key=b", "m=1&k=2",
	strings.Repeat("[", 60000), strings.Repeat(`{"data":`, 8000) + "1" + strings.Repeat("}", 8000), `{"key":"k","data":"` + strings.Repeat("x", 70<<10) + `"}`, strings.Repeat("\n", 70<<10), `{"key":"k","data":` + strings.Repeat("9", 60000) + "}",
}

// spoil makes one thing wrong, or at least odd.
func (r *request) spoil(t *rapid.T) {
	spoils := []func(*request, *rapid.T){
		(*request).spoilQuery, (*request).spoilQuery, (*request).spoilBody, (*request).spoilBody, (*request).spoilMember, (*request).spoilHeader, (*request).spoilHeader, (*request).spoilPath,
		(*request).spoilMethod, (*request).spoilToken, (*request).spoilType,
	}
	rapid.SampledFrom(spoils).Draw(t, "spoil")(r, t)
}

func (r *request) spoilQuery(t *rapid.T) {
	value := rapid.SampledFrom(odd).Draw(t, "value")
	if len(r.query) == 0 {
		r.query = append(r.query, named{"key", value})
		return
	}
	i := rapid.IntRange(0, len(r.query)-1).Draw(t, "which")
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		r.query = slices.Delete(r.query, i, i+1)
	case 1:
		r.query = append(r.query, r.query[i])
	case 2:
		r.query = append(r.query, named{r.query[i].name, value})
	case 3:
		r.query = append(r.query, named{rapid.SampledFrom([]string{"x", "KEY", "%00", "", "after%5B%5D", "limit", "force", "public"}).Draw(t, "name"), value})
	default:
		r.query[i].value = value
	}
}

func (r *request) spoilBody(t *rapid.T) {
	switch how := rapid.IntRange(0, 3).Draw(t, "how"); {
	case how == 0 && len(r.body) > 0: // cut
		r.body = r.body[:rapid.IntRange(0, len(r.body)-1).Draw(t, "at")]
	case how == 1 && len(r.body) > 0: // one byte is another
		r.body = bytes.Clone(r.body)
		r.body[rapid.IntRange(0, len(r.body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	case how == 2 && len(r.body) > 0:
		r.body = append(bytes.Clone(r.body), r.body...)
	default: // also where none belongs
		r.body = []byte(rapid.SampledFrom(oddBodies).Draw(t, "body"))
	}
}

// spoilMember gives a member of the body another type, drops it, or has it twice.
func (r *request) spoilMember(t *rapid.T) {
	var members map[string]json.RawMessage
	if json.Unmarshal(r.body, &members) != nil || len(members) == 0 {
		r.spoilBody(t)
		return
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(members))).Draw(t, "member")
	quoted, _ := json.Marshal(name) // a string: cannot fail
	value := rapid.SampledFrom([]string{
		"null", "true", "0", "-1", "1.5", "1e400", "99999999999999999999", `""`, `"x"`, `"\u0000"`, `"` + strings.Repeat("k", 300) + `"`, "[]", `[""]`, "{}", `["a","a",1]`, `[` + strings.Repeat(`"k",`, 20) + `"k"]`,
	}).Draw(t, "value")
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		delete(members, name)
	case 1: // the last one counts
		again := string(quoted) + ":" + value + "}"
		r.body = append(bytes.TrimRight(bytes.Clone(r.body), "} \n"), ","+again...)
		return
	default:
		members[name] = json.RawMessage(value)
	}
	if b, err := json.Marshal(members); err == nil {
		r.body = b
	}
}

func (r *request) spoilHeader(t *rapid.T) {
	h := rapid.SampledFrom(oddHeaders).Draw(t, "header")
	if h.name == "Content-Length" || h.name == "Transfer-Encoding" {
		r.chunked = false // it would be one fault too many to tell what is to come
	}
	r.header = append(r.header, h)
}

func (r *request) spoilPath(t *rapid.T) {
	i := rapid.IntRange(1, len(r.path)-1).Draw(t, "segment")
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		r.path = slices.Insert(slices.Clone(r.path), i, rapid.SampledFrom([]string{"", ".", "..", "x", "%2e"}).Draw(t, "segment"))
	case 1:
		r.path = append(slices.Clone(r.path), "")
	default:
		r.path = slices.Clone(r.path)
		r.path[i] = rapid.SampledFrom(odd).Draw(t, "segment")
	}
}

func (r *request) spoilMethod(t *rapid.T) {
	r.method = rapid.SampledFrom([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect, "QUERY", "get", "PROPFIND", "G(T", strings.Repeat("X", 1000),
	}).Draw(t, "method")
}

func (r *request) spoilToken(t *rapid.T) {
	r.setHeader("Authorization", rapid.SampledFrom(oddTokens).Draw(t, "token"))
}

func (r *request) spoilType(t *rapid.T) {
	r.setHeader("Content-Type", rapid.SampledFrom(oddTypes).Draw(t, "type"))
}

// setHeader puts it in the place of others of its name.
func (r *request) setHeader(name, value string) {
	r.header = slices.DeleteFunc(slices.Clone(r.header), func(p named) bool { return p.name == name })
	r.header = append(r.header, named{name, value})
}
