package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	v1JSON = "application/json;charset=utf-8"
	v1JS   = "application/javascript;charset=utf-8"
)

// v1Case is one line of the v1 HTTP contract. In want, {ws}, {tcp} and {mid1} to
// {mid3} stand for what the cluster has, and {time} for any number.
type v1Case struct{ quote, target, kind, want string }

var v1Public = []v1Case{
	{"/1/server/get, p = `1` websocket", "/1/server/get?k=K&p=1", v1JSON, `{"data":{"server":"{ws}"},"ret":0}`},
	{"/1/server/get, `2` TCP", "/1/server/get?k=K&p=2", v1JSON, `{"data":{"server":"{tcp}"},"ret":0}`},
	{"/2/server/get: a list", "/2/server/get?k=K&p=1", v1JSON, `{"data":{"server":["{ws}"]},"ret":0}`},
	{"/2/server/get over TCP", "/2/server/get?k=K&p=2", v1JSON, `{"data":{"server":["{tcp}"]},"ret":0}`},
	{"/server/get without a version", "/server/get?key=K&proto=1", v1JSON, `{"data":{"server":"{ws}"},"msg":"ok","ret":0}`},
	{"k missing: 65534", "/1/server/get?p=1", v1JSON, `{"ret":65534}`},
	{"k empty: 65534", "/1/server/get?k=&p=1", v1JSON, `{"ret":65534}`},
	{"bad p: 65534", "/1/server/get?k=K&p=3", v1JSON, `{"ret":65534}`},
	{"p missing: 65534", "/1/server/get?k=K", v1JSON, `{"ret":65534}`},
	{"bad p, /2/", "/2/server/get?k=K&p=x", v1JSON, `{"ret":65534}`},
	{"no-version replies carry msg ok even when ret is not 0", "/server/get?proto=1", v1JSON, `{"msg":"ok","ret":65534}`},
	{"no-version, bad proto", "/server/get?key=K&proto=0", v1JSON, `{"msg":"ok","ret":65534}`},

	{"/1/time/get", "/1/time/get", v1JSON, `{"data":{"timeid":{time}},"ret":0}`},
	{"/time/get", "/time/get", v1JSON, `{"data":{"timeid":{time}},"msg":"ok","ret":0}`},

	{
		"/1/msg/get: ascending", "/1/msg/get?k=K&m=0", v1JSON,
		`{"data":{"msgs":[{"msg":{"test":1},"mid":{mid1},"gid":0},{"msg":"\u003cb\u003e","mid":{mid2},"gid":0}]},"ret":0}`,
	},
	{"m (int64, exclusive)", "/1/msg/get?k=K&m={mid1}", v1JSON, `{"data":{"msgs":[{"msg":"\u003cb\u003e","mid":{mid2},"gid":0}]},"ret":0}`},
	{"none: `{\"ret\":0}`", "/1/msg/get?k=K&m={mid2}", v1JSON, `{"ret":0}`},
	{"none: a key that nobody pushed to", "/1/msg/get?k=nobody&m=0", v1JSON, `{"ret":0}`},
	{"none: the largest int64", "/1/msg/get?k=K&m=9223372036854775807", v1JSON, `{"ret":0}`},
	{
		"with a public cursor (`pm` in /1/) the public ones come in pmsgs", "/1/msg/get?k=K&m={mid1}&pm=0", v1JSON,
		`{"data":{"msgs":[{"msg":"\u003cb\u003e","mid":{mid2},"gid":0}],"pmsgs":[{"msg":"all","mid":{mid3},"gid":1}]},"ret":0}`,
	},
	{
		"public ones alone", "/1/msg/get?k=nobody&m=0&pm=0", v1JSON,
		`{"data":{"msgs":[],"pmsgs":[{"msg":"all","mid":{mid3},"gid":1}]},"ret":0}`,
	},
	{"k missing: 65534", "/1/msg/get?m=0", v1JSON, `{"ret":65534}`},
	{"m missing: 65534", "/1/msg/get?k=K", v1JSON, `{"ret":65534}`},
	{"m not an integer: 65534", "/1/msg/get?k=K&m=1x", v1JSON, `{"ret":65534}`},
	{"m overflows: 65534", "/1/msg/get?k=K&m=9223372036854775808", v1JSON, `{"ret":65534}`},
	{"m negative: 65535", "/1/msg/get?k=K&m=-1", v1JSON, `{"ret":65535}`},
	{
		"/msg/get: JSON strings whose msg is again a string", "/msg/get?key=K&mid=0", v1JSON,
		`{"data":{"msgs":["{\"msg\":\"{\\\"test\\\":1}\",\"mid\":{mid1},\"gid\":0}","{\"msg\":\"\\\"\\u003cb\\u003e\\\"\",\"mid\":{mid2},\"gid\":0}"],"pmsgs":[]},"msg":"ok","ret":0}`,
	},
	{"/msg/get, none", "/msg/get?key=nobody&mid=0", v1JSON, `{"msg":"ok","ret":0}`},
	{
		"`pmid` without version", "/msg/get?key=K&mid={mid2}&pmid=0", v1JSON,
		`{"data":{"msgs":[],"pmsgs":["{\"msg\":\"\\\"all\\\"\",\"mid\":{mid3},\"gid\":1}"]},"msg":"ok","ret":0}`,
	},
	{"/msg/get, mid missing", "/msg/get?key=K", v1JSON, `{"msg":"ok","ret":65534}`},
	{"/msg/get, mid negative", "/msg/get?key=K&mid=-5", v1JSON, `{"msg":"ok","ret":65535}`},

	{"JSONP: `cb({...})`, no semicolon", "/1/server/get?k=K&p=1&cb=f", v1JS, `f({"data":{"server":"{ws}"},"ret":0})`},
	{"JSONP of an error", "/1/server/get?cb=f", v1JS, `f({"ret":65534})`},
	{"JSONP of a list", "/1/msg/get?k=K&m={mid1}&cb=a.b$_1", v1JS, `a.b$_1({"data":{"msgs":[{"msg":"\u003cb\u003e","mid":{mid2},"gid":0}]},"ret":0})`},
	{"JSONP of a time", "/1/time/get?cb=_", v1JS, `_({"data":{"timeid":{time}},"ret":0})`},
	{"JSONP, no version: callback", "/server/get?key=K&proto=2&callback=$f", v1JS, `$f({"data":{"server":"{tcp}"},"msg":"ok","ret":0})`},
	{"a callback name that is not a name: 65534", "/1/server/get?k=K&p=1&cb=a(b", v1JSON, `{"ret":65534}`},
	{"a callback name: script", "/1/msg/get?k=K&m=0&cb=%3Cscript%3E", v1JSON, `{"ret":65534}`},
	{"a callback name: a digit first", "/1/time/get?cb=1a", v1JSON, `{"ret":65534}`},
	{"a callback name: 64 characters", "/1/server/get?cb=" + strings.Repeat("a", 64), v1JS, strings.Repeat("a", 64) + `({"ret":65534})`},
	{"a callback name: 65 characters", "/1/server/get?cb=" + strings.Repeat("a", 65), v1JSON, `{"ret":65534}`},
	{"a callback name, no version", "/time/get?callback=a%3Bb", v1JSON, `{"msg":"ok","ret":65534}`},
}

var anyTime = regexp.MustCompile(`"timeid":\d{17}\b`)

func TestV1PublicHTTP(t *testing.T) {
	c := Start(t, Options{})
	mids := []string{
		v1Push(t, c, "/1/admin/push/private?key=K&expire=600", `{"test":1}`),
		v1Push(t, c, "/1/admin/push/private?key=K&expire=600", `"<b>"`),
		v1Push(t, c, "/1/admin/push/public?expire=600", `"all"`),
	}
	at := c.Addrs()
	names := strings.NewReplacer("{ws}", at.HTTP, "{tcp}", at.TCP, "{mid1}", mids[0], "{mid2}", mids[1], "{mid3}", mids[2])
	for _, tc := range v1Public {
		t.Run(tc.quote, func(t *testing.T) {
			res, err := c.API.Public(t.Context(), "GET", names.Replace(tc.target))
			if err != nil {
				t.Fatal(err)
			}
			got := anyTime.ReplaceAllString(res.Body, `"timeid":{time}`)
			if diff := cmp.Diff(names.Replace(tc.want), got); diff != "" || res.Status != 200 {
				t.Errorf("status %d (-want +got):\n%s", res.Status, diff)
			}
			wantsHeaders(t, res, tc.kind, strings.Contains(got, `"ret":0`))
		})
	}
	for _, path := range []string{"/1/server/get", "/2/server/get", "/1/msg/get", "/1/time/get", "/server/get", "/msg/get", "/time/get"} {
		t.Run("GET only: "+path, func(t *testing.T) {
			for _, method := range []string{"POST", "PUT", "DELETE"} {
				if res, err := c.API.Public(t.Context(), method, path+"?k=K&p=1&m=0"); err != nil || res.Status != 405 || res.Body != "Method Not Allowed\n" {
					t.Errorf("%s: %s, %v", method, res, err)
				}
			}
		})
	}
}

// wantsHeaders: the type, nosniff, and a sentence in Gopush-Error on any ret other
// than 0.
func wantsHeaders(t *testing.T, res Answer, kind string, ok bool) {
	t.Helper()
	if got := res.Header.Get("Content-Type"); got != kind {
		t.Errorf("Content-Type is %q, want %q", got, kind)
	}
	if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options is %q", got)
	}
	if got := res.Header.Get("Gopush-Error"); (got == "") != ok {
		t.Errorf("Gopush-Error is %q", got)
	}
}

// v1Push pushes and returns the mid.
func v1Push(t *testing.T, c *Cluster, target, body string) string {
	t.Helper()
	res, err := c.API.Admin(t.Context(), "POST", target, body)
	if err != nil || res.Body != `{"ret":0}` || res.Header.Get("Gopush-Message-Id") == "" {
		t.Fatalf("%s: %s %v, %v", target, res, res.Header, err)
	}
	return res.Header.Get("Gopush-Message-Id")
}

// adminCase is one line of the v1 admin contract.
type adminCase struct{ quote, target, body, want string }

var v1Admin = []adminCase{
	{"/1/admin/push/private", "/1/admin/push/private?key=A&expire=60", `{"a":1}`, `{"ret":0}`},
	{"alias /admin/push", "/admin/push?key=A&expire=60", `{"a":1}`, `{"ret":0}`},
	{"one JSON value of any kind", "/1/admin/push/private?key=A&expire=60", `null`, `{"ret":0}`},
	{"expire=0: online only", "/1/admin/push/private?key=A&expire=0", `1`, `{"ret":0}`},
	{"expire: uint32", "/1/admin/push/private?key=A&expire=4294967295", `1`, `{"ret":0}`},
	{"expire missing: 65534", "/1/admin/push/private?key=A", `1`, `{"ret":65534}`},
	{"expire empty: 65534", "/1/admin/push/private?key=A&expire=", `1`, `{"ret":65534}`},
	{"expire negative: 65534", "/1/admin/push/private?key=A&expire=-1", `1`, `{"ret":65534}`},
	{"expire not an integer: 65534", "/1/admin/push/private?key=A&expire=1.5", `1`, `{"ret":65534}`},
	{"expire above 4294967295: 65534", "/1/admin/push/private?key=A&expire=4294967296", `1`, `{"ret":65534}`},
	{"empty key: 65535", "/1/admin/push/private?key=&expire=60", `1`, `{"ret":65535}`},
	{"missing key: 65535", "/1/admin/push/private?expire=60", `1`, `{"ret":65535}`},
	{"body not JSON: 65535", "/1/admin/push/private?key=A&expire=60", `{"a":`, `{"ret":65535}`},
	{"body empty: 65535", "/1/admin/push/private?key=A&expire=60", ``, `{"ret":65535}`},
	{"invalid UTF-8 went out in text frames; here it does not come in", "/1/admin/push/private?key=A&expire=60", "\"\xff\"", `{"ret":65535}`},
	{"one JSON value, not two", "/1/admin/push/private?key=A&expire=60", `1 2`, `{"ret":65535}`},
	{"/1/admin/push/public", "/1/admin/push/public?expire=60", `"p"`, `{"ret":0}`},
	{"public, expire missing", "/1/admin/push/public", `"p"`, `{"ret":65534}`},
	{"public, body not JSON", "/1/admin/push/public?expire=60", `p`, `{"ret":65535}`},

	{"mprivate", "/1/admin/push/mprivate?expire=60", `{"m":"{\"t\":1}","k":"m1,m2"}`, `{"ret":0}`},
	{"mprivate, a repeated key counts once; an empty one is skipped", "/1/admin/push/mprivate?expire=60", `{"m":"\"once\"","k":"m3,,m3,"}`, `{"ret":0}`},
	{"`m` missing: 65534", "/1/admin/push/mprivate?expire=60", `{"k":"m1"}`, `{"ret":65534}`},
	{"`k` missing: 65534", "/1/admin/push/mprivate?expire=60", `{"m":"1"}`, `{"ret":65534}`},
	{"`m` empty: 65534", "/1/admin/push/mprivate?expire=60", `{"m":"","k":"m1"}`, `{"ret":65534}`},
	{"`k` empty: 65534", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":""}`, `{"ret":65534}`},
	{"`m` not a string: 65534", "/1/admin/push/mprivate?expire=60", `{"m":{"t":1},"k":"m1"}`, `{"ret":65534}`},
	{"`k` not a string: 65534", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":["m1"]}`, `{"ret":65534}`},
	{"`m` that holds no JSON: ret 0 with all keys in fk", "/1/admin/push/mprivate?expire=60", `{"m":"{oops","k":"m1,m2"}`, `{"data":{"fk":["m1","m2"]},"ret":0}`},
	{"keys that failed", "/1/admin/push/mprivate?expire=60", `{"m":"2","k":"m4,` + strings.Repeat("k", 256) + `"}`, `{"data":{"fk":["` + strings.Repeat("k", 256) + `"]},"ret":0}`},
	{"mprivate, expire missing", "/1/admin/push/mprivate", `{"m":"1","k":"m1"}`, `{"ret":65534}`},

	{"/1/admin/msg/del: also when there was none", "/1/admin/msg/del", `key=none`, `{"ret":0}`},
	{"alias /admin/msg/clean", "/admin/msg/clean", `key=none`, `{"ret":0}`},
	{"msg/del never reads the query string", "/1/admin/msg/del?key=A", ``, `{"ret":65534}`},
	{"no key in it: 65534", "/1/admin/msg/del", `kei=A`, `{"ret":65534}`},
	{"an empty key in it: 65534", "/1/admin/msg/del", `key=`, `{"ret":65534}`},
}

func TestV1AdminHTTP(t *testing.T) {
	c := Start(t, Options{})
	for _, tc := range v1Admin {
		t.Run(tc.quote, func(t *testing.T) {
			res, err := c.API.Admin(t.Context(), "POST", tc.target, tc.body)
			if err != nil || res.Status != 200 || res.Body != tc.want {
				t.Fatalf("got %s, %v; want %s", res, err, tc.want)
			}
			wantsHeaders(t, res, v1JSON, strings.HasSuffix(tc.want, `"ret":0}`))
			hasID := res.Header.Get("Gopush-Message-Id") != ""
			if single := strings.Contains(tc.target, "/push") && !strings.Contains(tc.target, "mprivate"); hasID != (single && tc.want == `{"ret":0}`) {
				t.Errorf("Gopush-Message-Id is %q", res.Header.Get("Gopush-Message-Id"))
			}
			if strings.Contains(tc.target, "key=A") && res.Header.Get("Gopush-Message-Id") != "" {
				if id, err := strconv.ParseInt(res.Header.Get("Gopush-Message-Id"), 10, 64); err != nil || id%16 != 0 {
					t.Errorf("the mid is %d: no multiple of 16 (%v)", id, err)
				}
			}
		})
	}
	for key, want := range map[string]int{"m1": 1, "m2": 1, "m3": 1, "m4": 1, "A": 4} {
		if msgs, _, err := c.API.V1Fetch(t.Context(), key, 0, -1); err != nil || len(msgs) != want {
			t.Errorf("%s has %d messages, %v; want %d", key, len(msgs), err, want)
		}
	}
	for _, path := range []string{"/1/admin/push/private", "/admin/push", "/1/admin/push/mprivate", "/1/admin/push/public", "/1/admin/msg/del", "/admin/msg/clean"} {
		if res, err := c.API.Admin(t.Context(), "GET", path+"?key=A&expire=60", ""); err != nil || res.Status != 405 {
			t.Errorf("POST only: GET %s gets %s, %v", path, res, err)
		}
	}
}

// "Identical bodies pushed twice are two messages", and each is readable with
// exactly the mid it was delivered with.
func TestV1IdenticalBodies(t *testing.T) {
	c := Start(t, Options{})
	conns := subscribeAll(t, c.Addrs(), "twice", true)
	var mids []string
	for range 3 {
		mids = append(mids, v1Push(t, c, "/1/admin/push/private?key=twice&expire=60", `"same"`))
		expectMessage(t, conns, fmt.Sprintf(`{"msg":"same","mid":%s,"gid":0}`, mids[len(mids)-1]))
	}
	msgs, _, err := c.API.V1Fetch(t.Context(), "twice", 0, -1)
	if err != nil || len(msgs) != 3 {
		t.Fatalf("fetched %d messages, %v", len(msgs), err)
	}
	for i, m := range msgs {
		if fmt.Sprint(m.Mid) != mids[i] {
			t.Errorf("message %d is fetched as %d, pushed as %s", i, m.Mid, mids[i])
		}
	}
}

// "A fetch answers with everything above m in one reply, however many there are".
func TestV1FetchIsWhole(t *testing.T) {
	c := Start(t, Options{})
	const n = 3000
	var lines strings.Builder
	for i := range n {
		lines.WriteString(Message{Key: "many", Data: Text(fmt.Sprint(i))}.JSON() + "\n")
	}
	res, err := c.API.Admin(t.Context(), "POST", "/v2/messages/batch", lines.String(), "Content-Type", "application/x-ndjson")
	if err != nil || res.Status != 200 || strings.Count(res.Body, `"id"`) != n {
		t.Fatalf("batch: %d ids, %v", strings.Count(res.Body, `"id"`), err)
	}
	msgs, _, err := c.API.V1Fetch(t.Context(), "many", 0, -1)
	if err != nil || len(msgs) != n {
		t.Fatalf("fetched %d of %d, %v", len(msgs), n, err)
	}
	for i, m := range msgs {
		if string(m.Msg) != fmt.Sprintf("%q", fmt.Sprint(i)) || i > 0 && m.Mid <= msgs[i-1].Mid {
			t.Fatalf("message %d is %s with mid %d", i, m.Msg, m.Mid)
		}
	}
}

// "Bodies were unbounded. Here: 413 with the v1 JSON error", and msg/del takes its
// form whatever the Content-Type says.
func TestV1AdminEdges(t *testing.T) {
	c := Start(t, Options{})
	tooLarge := regexp.MustCompile(`^\{"msg":"[^"]+","ret":65534\}$`)
	for _, target := range []string{"/1/admin/push/private?key=A&expire=60", "/1/admin/push/public?expire=60", "/1/admin/push/mprivate?expire=60", "/1/admin/msg/del"} {
		res, err := c.API.Admin(t.Context(), "POST", target, `"`+strings.Repeat("x", 65<<10)+`"`)
		if err != nil || res.Status != http.StatusRequestEntityTooLarge || !tooLarge.MatchString(res.Body) {
			t.Errorf("%s: %s, %v", target, res, err)
		}
	}
	for _, kind := range []string{"", "application/x-www-form-urlencoded", "text/plain", "application/json", "a/b/c"} {
		v1Push(t, c, "/1/admin/push/private?key=del&expire=60", `1`)
		res, err := c.API.Admin(t.Context(), "POST", "/1/admin/msg/del", "key=del", "Content-Type", kind)
		if err != nil || res.Body != `{"ret":0}` {
			t.Errorf("msg/del with the type %q: %s, %v", kind, res, err)
		}
		if msgs, _, err := c.API.V1Fetch(t.Context(), "del", 0, -1); err != nil || len(msgs) != 0 {
			t.Errorf("after msg/del: %v, %v", msgs, err)
		}
	}
	for _, token := range []string{"", "Bearer ", "Bearer wrong", "Basic " + c.Addrs().Token, c.Addrs().Token} {
		res, err := call(t.Context(), c.API.client, "POST", "http://"+c.Addrs().Admin+"/1/admin/push/private?key=A&expire=60", "1", "Authorization", token)
		if err != nil || res.Status != http.StatusUnauthorized || strings.Contains(res.Body, `"ret":0`) {
			t.Errorf("with the token %q: %s, %v", token, res, err)
		}
	}
}

// "`timeid` is safe as a first cursor": whatever is pushed after the reply has a
// larger mid, also when the clock was just stepped back by an hour.
func TestV1TimeIsASafeCursor(t *testing.T) {
	c := Start(t, Options{})
	v1Push(t, c, "/1/admin/push/private?key=time&expire=60", `0`)
	c.Step(-3600e9)
	for i := range 20 {
		res, err := c.API.Public(t.Context(), "GET", "/1/time/get")
		if err != nil {
			t.Fatal(err)
		}
		cursor, err := strconv.ParseInt(regexp.MustCompile(`\d{17}`).FindString(res.Body), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", res, err)
		}
		mid, err := strconv.ParseInt(v1Push(t, c, fmt.Sprintf("/1/admin/push/private?key=time%d&expire=60", i%3), `1`), 10, 64)
		if err != nil || mid <= cursor {
			t.Fatalf("the mid %d is not above the timeid %d before it (%v)", mid, cursor, err)
		}
	}
}
