package apitest

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

const receipt = `{"key":"K","id":"16"}`

var aProblem = `{"type":"t","title":"t","status":503,"code":"busy","detail":"d","retryable":true,"request_id":"r"}`

// TestJudge: what the document promises passes, and each way to break a promise does not.
func TestJudge(t *testing.T) {
	d := Load(t)
	problem := map[string]string{"Content-Type": "application/problem+json", "X-Request-Id": "r", "Retry-After": "1"}
	js := map[string]string{"Content-Type": "application/javascript;charset=utf-8", "X-Request-Id": "r"}
	lines := map[string]string{"Content-Type": "application/x-ndjson"}
	without := func(all map[string]string, name, value string) map[string]string {
		other := maps.Clone(all)
		if delete(other, name); value != "" {
			other[name] = value
		}
		return other
	}
	type header = map[string]string
	asJSON := header{"Content-Type": "application/json"}
	for _, tt := range []struct {
		name, ask string
		status    int
		header    header
		body      string
		fault     string // empty: it is as promised
	}{
		{"a receipt", "admin POST /v2/messages", 201, asJSON, receipt, ""},
		{"another status", "admin POST /v2/messages", 202, asJSON, receipt, "not 202"},
		{"another type", "admin POST /v2/messages", 201, header{"Content-Type": "application/json; charset=utf-8"}, receipt, "content type"},
		{"a member too many", "admin POST /v2/messages", 201, asJSON, `{"key":"K","id":"16","x":1}`, `"x"`},
		{"a member too few", "admin POST /v2/messages", 201, asJSON, `{"key":"K"}`, `"id"`},
		{"two values", "admin POST /v2/messages", 201, asJSON, receipt + receipt, "more than one"},
		{"a problem", "admin POST /v2/messages", 503, problem, aProblem, ""},
		{"no Retry-After", "admin POST /v2/messages", 503, without(problem, "Retry-After", ""), aProblem, "Retry-After"},
		{"a date", "admin POST /v2/messages", 503, without(problem, "Retry-After", "tomorrow"), aProblem, "Retry-After"},
		{"the code of another status", "admin POST /v2/messages", 503, problem, strings.Replace(aProblem, "busy", "internal", 1), "code"},
		{"a body without content", "admin DELETE /v2/messages", 204, nil, "x", "no content"},
		{"nothing", "admin DELETE /v2/messages", 204, nil, "", ""},
		{"lines", "admin POST /v2/messages/batch", 200, lines, `{"i":0,"id":"1"}` + "\n" + `{"i":1,"id":"2"}` + "\n", ""},
		{"a bad line", "admin POST /v2/messages/batch", 200, lines, `{"i":0,"id":"1"}` + "\n" + `{"id":"2"}` + "\n", `"i"`},
		{"a call", "public GET /1/time/get", 200, js, `f({"ret":0,"data":{"timeid":1}})`, ""},
		{"no call", "public GET /1/time/get", 200, js, `{"ret":0,"data":{"timeid":1}}`, "no JSON"},
		{"a ret that is not documented", "public GET /1/time/get", 200, js, `f({"ret":1001})`, "ret"},
		{"HEAD", "public HEAD /v2/time", 200, asJSON, "", ""},
		{"HEAD of v1", "public HEAD /1/time/get", 200, js, "", "no operation"},
		{"OPTIONS", "public OPTIONS /v2/time", 204, header{"Allow": "GET, HEAD, OPTIONS"}, "", ""},
		{"OPTIONS without a method", "public OPTIONS /v2/time", 204, header{"Allow": "GET, OPTIONS"}, "", "Allow"},
		{"a 404 of a path that is there", "public POST /v2/time", 404, problem, "", "must not answer 404"},
		{"a 405 of a path that is not", "public POST /v2/x", 405, problem, "", "must not answer 405"},
		{"a foreign listener", "public GET /v2/nodes", 200, asJSON, `{"nodes":[]}`, "must not answer 200"},
		{"HEAD of a stream", "comet HEAD /v2/events", 200, header{"Content-Type": "text/event-stream", "Cache-Control": "no-store"}, "", "no operation"},
		{"a node without room", "comet GET /", 503, problem, strings.Replace(aProblem, `,"request_id":"r"`, "", 1), ""},
		{"an escaped slash", "admin GET /v2/keys/a%2Fb", 200, asJSON, `{"key":"a/b","node":"n","connections":0,"newest":"0"}`, ""},
	} {
		ask := strings.Fields(tt.ask)
		a := Answer{Listener: ask[0], Method: ask[1], EscapedPath: ask[2], Status: tt.status, Header: http.Header{}, Body: []byte(tt.body)}
		for name, value := range tt.header {
			a.Header.Set(name, value)
		}
		_, err := d.Judge(a)
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: %v; want %q in it", tt.name, err, tt.fault)
		}
	}
}

// TestCoverage: only what was seen is not missing.
func TestCoverage(t *testing.T) {
	d := Load(t)
	c := NewCoverage(d)
	before := c.Missing("public")
	a := Answer{
		Listener: "public", Method: "GET", EscapedPath: "/1/time/get", Status: 200, Body: []byte(`{"ret":65535}`),
		Header: http.Header{"Content-Type": {"application/json;charset=utf-8"}, "X-Request-Id": {"r"}},
	}
	if err := c.Note(a); err != nil {
		t.Fatal(err)
	}
	a.Status = 503
	if err := c.Note(a); err == nil {
		t.Error("503 is not documented")
	}
	after := strings.Join(c.Missing("public"), "\n")
	if len(before) == 0 || strings.Count(after, "\n")+1 != len(before)-2 || c.Count() != 2 ||
		strings.Contains(after, "/1/time/get: ret 65535") || !strings.Contains(after, "/1/time/get: ret 65534") {
		t.Errorf("missing before: %d, after:\n%s", len(before), after)
	}
}
