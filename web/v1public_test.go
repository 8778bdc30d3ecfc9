package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"gopush/internal/coord"
	"gopush/internal/push"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

const (
	jsonType = "application/json;charset=utf-8"
	jsType   = "application/javascript;charset=utf-8"
)

// v1Case is one row of the contract, and what is asked to see it.
type v1Case struct{ contract, target, want, contentType string }

// What K and the public stream hold, in the forms of protocol v1.
const (
	v1Msg   = `{"msg":{"test":1},"mid":17953750178989536,"gid":0}`
	v1PMsg  = `{"msg":{"all":"\u003cb\u003e"},"mid":17953750178989552,"gid":1}`
	v1Text  = `"{\"msg\":\"{\\\"test\\\":1}\",\"mid\":17953750178989536,\"gid\":0}"`
	v1PText = `"{\"msg\":\"{\\\"all\\\":\\\"\\u003cb\\u003e\\\"}\",\"mid\":17953750178989552,\"gid\":1}"`
	long64  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// checkV1 asks each case of a cluster in which K has one message, and so has the
// public stream.
func checkV1(t *testing.T, tests []v1Case) {
	t.Helper()
	c := newCluster(t, "node1")
	c.put("K", `{"test":1}`)
	c.put(push.PublicKey, `{"all":"<b>"}`)
	h := newHarness(t, c)
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			a := h.get(t, tt.target)
			if a.status != http.StatusOK || a.body != tt.want || a.header.Get("Content-Type") != tt.contentType {
				t.Errorf("GET %s\n got %d %s %s\nwant 200 %s %s", tt.target, a.status, a.header.Get("Content-Type"), a.body, tt.contentType, tt.want)
			}
			if a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("X-Content-Type-Options is not nosniff")
			}
			if ok := strings.Contains(a.body, `"ret":0`); ok == (a.header.Get("Gopush-Error") != "") {
				t.Errorf("Gopush-Error is %q with %s", a.header.Get("Gopush-Error"), a.body)
			}
		})
	}
}

// TestV1ServerGet quotes the rows of /1/, /2/ and plain server/get.
func TestV1ServerGet(t *testing.T) {
	checkV1(t, []v1Case{
		{"/1/server/get, p=1 websocket", "/1/server/get?k=K&p=1", `{"data":{"server":"node1:6968"},"ret":0}`, jsonType},
		{"p=2 TCP", "/1/server/get?k=K&p=2", `{"data":{"server":"node1:6969"},"ret":0}`, jsonType},
		{"/2/server/get is a list", "/2/server/get?k=K&p=1", `{"data":{"server":["node1:6968"]},"ret":0}`, jsonType},
		{"/2/server/get, TCP", "/2/server/get?k=K&p=2", `{"data":{"server":["node1:6969"]},"ret":0}`, jsonType},
		{"/server/get: key, proto", "/server/get?key=K&proto=1", `{"data":{"server":"node1:6968"},"msg":"ok","ret":0}`, jsonType},
		{"k missing", "/1/server/get?p=1", `{"ret":65534}`, jsonType},
		{"k empty", "/1/server/get?k=&p=1", `{"ret":65534}`, jsonType},
		{"bad p", "/1/server/get?k=K&p=3", `{"ret":65534}`, jsonType},
		{"p missing", "/2/server/get?k=K", `{"ret":65534}`, jsonType},
		{"no version: msg ok even when ret is not 0", "/server/get?key=K&proto=0", `{"msg":"ok","ret":65534}`, jsonType},
		{"names of the other version count for nothing", "/server/get?k=K&p=1", `{"msg":"ok","ret":65534}`, jsonType},
		{"key with a control character", "/1/server/get?k=a%01b&p=1", `{"ret":65534}`, jsonType},
		{"key of 256 bytes", "/1/server/get?p=1&k=" + strings.Repeat("a", 256), `{"ret":65534}`, jsonType},
		{"key of 255 bytes", "/1/server/get?p=1&k=" + strings.Repeat("a", 255), `{"data":{"server":"node1:6968"},"ret":0}`, jsonType},
		{"key that is not UTF-8", "/1/server/get?p=1&k=%ff", `{"ret":65534}`, jsonType},
	})
}

// TestV1MsgGet quotes the rows of /1/msg/get.
func TestV1MsgGet(t *testing.T) {
	checkV1(t, []v1Case{
		{"/1/msg/get ascending, exclusive", "/1/msg/get?k=K&m=0", `{"data":{"msgs":[` + v1Msg + `]},"ret":0}`, jsonType},
		{"m is exclusive; none", "/1/msg/get?k=K&m=17953750178989536", `{"ret":0}`, jsonType},
		{"one below", "/1/msg/get?k=K&m=17953750178989535", `{"data":{"msgs":[` + v1Msg + `]},"ret":0}`, jsonType},
		{"key without messages", "/1/msg/get?k=other&m=0", `{"ret":0}`, jsonType},
		{"m missing", "/1/msg/get?k=K", `{"ret":65534}`, jsonType},
		{"m not an integer", "/1/msg/get?k=K&m=1.5", `{"ret":65534}`, jsonType},
		{"m beyond int64", "/1/msg/get?k=K&m=9223372036854775808", `{"ret":65534}`, jsonType},
		{"m = MaxInt64", "/1/msg/get?k=K&m=9223372036854775807", `{"ret":0}`, jsonType},
		{"m negative", "/1/msg/get?k=K&m=-1", `{"ret":65535}`, jsonType},
		{"k missing", "/1/msg/get?m=0", `{"ret":65534}`, jsonType},
		{"k invalid", "/1/msg/get?k=%7f&m=0", `{"ret":65534}`, jsonType},
		{"public cursor pm", "/1/msg/get?k=K&m=0&pm=0", `{"data":{"msgs":[` + v1Msg + `],"pmsgs":[` + v1PMsg + `]},"ret":0}`, jsonType},
		{"public ones only", "/1/msg/get?k=other&m=0&pm=0", `{"data":{"msgs":[],"pmsgs":[` + v1PMsg + `]},"ret":0}`, jsonType},
		{"private ones only", "/1/msg/get?k=K&m=0&pm=17953750178989552", `{"data":{"msgs":[` + v1Msg + `],"pmsgs":[]},"ret":0}`, jsonType},
		{"neither", "/1/msg/get?k=other&m=0&pm=17953750178989552", `{"ret":0}`, jsonType},
		{"pm not an integer", "/1/msg/get?k=K&m=0&pm=x", `{"ret":65534}`, jsonType},
		{"pm negative", "/1/msg/get?k=K&m=0&pm=-16", `{"ret":65535}`, jsonType},
	})
}

// TestV1PlainMsgGet quotes the rows of /msg/get.
func TestV1PlainMsgGet(t *testing.T) {
	checkV1(t, []v1Case{
		{"/msg/get: strings, pmsgs always", "/msg/get?key=K&mid=0", `{"data":{"msgs":[` + v1Text + `],"pmsgs":[]},"msg":"ok","ret":0}`, jsonType},
		{"/msg/get: none", "/msg/get?key=K&mid=17953750178989536", `{"msg":"ok","ret":0}`, jsonType},
		{"/msg/get: pmid", "/msg/get?key=K&mid=0&pmid=0", `{"data":{"msgs":[` + v1Text + `],"pmsgs":[` + v1PText + `]},"msg":"ok","ret":0}`, jsonType},
		{"/msg/get: an empty pmid is none", "/msg/get?key=K&mid=0&pmid=", `{"data":{"msgs":[` + v1Text + `],"pmsgs":[]},"msg":"ok","ret":0}`, jsonType},
		{"/msg/get: mid missing", "/msg/get?key=K", `{"msg":"ok","ret":65534}`, jsonType},
		{"/msg/get: mid negative", "/msg/get?key=K&mid=-5", `{"msg":"ok","ret":65535}`, jsonType},
	})
}

// TestV1TimeGet quotes the rows of time/get.
func TestV1TimeGet(t *testing.T) {
	checkV1(t, []v1Case{
		{"/1/time/get", "/1/time/get", `{"data":{"timeid":17953750178989552},"ret":0}`, jsonType},
		{"/time/get", "/time/get", `{"data":{"timeid":17953750178989552},"msg":"ok","ret":0}`, jsonType},
	})
}

// TestV1Callback quotes what is said of JSONP.
func TestV1Callback(t *testing.T) {
	checkV1(t, []v1Case{
		{"JSONP, no semicolon", "/1/server/get?k=K&p=1&cb=f", `f({"data":{"server":"node1:6968"},"ret":0})`, jsType},
		{"JSONP of an error", "/1/server/get?k=K&cb=f", `f({"ret":65534})`, jsType},
		{"JSONP of messages", "/1/msg/get?k=K&m=0&cb=a.b$c_1", `a.b$c_1({"data":{"msgs":[` + v1Msg + `]},"ret":0})`, jsType},
		{"JSONP of no messages", "/1/msg/get?k=K&m=99999999999999999&cb=f", `f({"ret":0})`, jsType},
		{"JSONP, time", "/1/time/get?cb=f", `f({"data":{"timeid":17953750178989552},"ret":0})`, jsType},
		{"callback without version", "/time/get?callback=f", `f({"data":{"timeid":17953750178989552},"msg":"ok","ret":0})`, jsType},
		{"callback: /msg/get", "/msg/get?key=K&mid=0&callback=f", `f({"data":{"msgs":[` + v1Text + `],"pmsgs":[]},"msg":"ok","ret":0})`, jsType},
		{"callback of 64 characters", "/1/time/get?cb=" + long64, long64 + `({"data":{"timeid":17953750178989552},"ret":0})`, jsType},
		{"callback of 65 characters", "/1/time/get?cb=b" + long64, `{"ret":65534}`, jsonType},
		{"callback with a script", "/1/time/get?cb=alert(1)//", `{"ret":65534}`, jsonType},
		{"callback that begins with a digit", "/1/msg/get?k=K&m=0&cb=1a", `{"ret":65534}`, jsonType},
		{"callback that begins with a point", "/server/get?key=K&proto=1&callback=.a", `{"msg":"ok","ret":65534}`, jsonType},
	})
}

// TestV1PublicMethods: GET only; 405 "Method Not Allowed\n" otherwise.
func TestV1PublicMethods(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for _, path := range []string{"/1/server/get", "/2/server/get", "/1/msg/get", "/1/time/get", "/server/get", "/msg/get", "/time/get"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
			a := h.do(t, method, h.public+path, "", nil)
			if a.status != 405 || a.body != "Method Not Allowed\n" || a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.header.Get("Allow") != "GET" {
				t.Errorf("%s %s: %d %q %v", method, path, a.status, a.body, a.header)
			}
		}
		if a := h.do(t, "HEAD", h.public+path, "", nil); a.status != 405 {
			t.Errorf("HEAD %s: %d", path, a.status)
		}
	}
	if a := h.get(t, "/1/nothing"); a.status != 404 || a.body != "404 page not found\n" {
		t.Errorf("unknown path: %d %q", a.status, a.body)
	}
}

// TestV1NoNode: ret 1001, no node for the key.
func TestV1NoNode(t *testing.T) {
	c := newCluster(t, "node1")
	c.edit("node1", func(g *coord.Group) { g.Serving = false })
	h := newHarness(t, c)
	for target, want := range map[string]string{
		"/1/server/get?k=K&p=1":         `{"ret":1001}`,
		"/2/server/get?k=K&p=2":         `{"ret":1001}`,
		"/server/get?key=K&proto=1":     `{"msg":"ok","ret":1001}`,
		"/1/server/get?k=K&p=1&cb=f":    `f({"ret":1001})`,
		"/1/server/get?k=K&p=9":         `{"ret":65534}`,
		"/1/msg/get?k=K&m=0":            `{"ret":0}`, // reading needs no owner
		"/2/server/get?k=%01&p=1&cb=ab": `ab({"ret":65534})`,
	} {
		if a := h.get(t, target); a.body != want {
			t.Errorf("%s: %s, want %s", target, a.body, want)
		}
	}
	c.edit("node1", func(g *coord.Group) { g.Serving, g.Public.TCP = true, "" })
	if a := h.get(t, "/1/server/get?k=K&p=2"); a.body != `{"ret":1001}` {
		t.Errorf("a protocol that the node does not serve: %s", a.body)
	}
}

// TestV1FetchIsWhole: everything above m in one reply, however many there are.
func TestV1FetchIsWhole(t *testing.T) {
	c := newCluster(t, "node1")
	var want []string
	var all []push.ID
	big := strings.Repeat("x", 900)
	for i := range 3 * fetchPage {
		body := fmt.Sprintf(`{"n":%d,"s":"%s"}`, i, big)
		id := c.put("K", body)[0]
		all = append(all, id)
		if i%7 == 3 {
			if err := c.comet("").Recall(t.Context(), "K", id); err != nil {
				t.Fatal(err)
			}
			continue // recalled markers are skipped
		}
		want = append(want, fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0}`, body, id))
	}
	h := newHarness(t, c)
	a := h.get(t, "/1/msg/get?k=K&m=0")
	if a.body != `{"data":{"msgs":[`+strings.Join(want, ",")+`]},"ret":0}` {
		t.Errorf("the reply of %d bytes is not what was pushed", len(a.body))
	}
	if a.header.Get("Content-Type") != jsonType || c.reads < 3 {
		t.Errorf("content type %q, %d pages read; want several", a.header.Get("Content-Type"), c.reads)
	}
	a = h.get(t, fmt.Sprintf("/1/msg/get?k=K&m=%d", all[len(all)-2]))
	if a.body != `{"data":{"msgs":[`+want[len(want)-1]+`]},"ret":0}` {
		t.Errorf("the last one: %.200s", a.body)
	}
}

// TestV1FetchOfAllRecalled: markers alone are no messages.
func TestV1FetchOfAllRecalled(t *testing.T) {
	c := newCluster(t, "node1")
	for _, id := range c.put("K", "1", "2") {
		if err := c.comet("").Recall(t.Context(), "K", id); err != nil {
			t.Fatal(err)
		}
	}
	h := newHarness(t, c)
	if a := h.get(t, "/1/msg/get?k=K&m=0"); a.body != `{"ret":0}` {
		t.Error(a.body)
	}
	if a := h.get(t, "/msg/get?key=K&mid=0"); a.body != `{"msg":"ok","ret":0}` {
		t.Error(a.body)
	}
}

// TestV1FetchFails: half of a list must not look like the whole of it.
func TestV1FetchFails(t *testing.T) {
	c := newCluster(t, "node1")
	for range 2 * fetchPage {
		c.put("K", `"`+strings.Repeat("y", 200)+`"`)
	}
	c.readErr = func(n int) error {
		if n%2 == 0 {
			return push.Wrap(push.KindStoreUnavailable, errBroken, "the store is away")
		}
		return nil
	}
	h := newHarness(t, c)
	a, err := h.try(t, "GET", h.public+"/1/msg/get?k=K&m=0", "", nil)
	if err == nil {
		t.Errorf("a fetch whose second page failed ended well: ...%.100s", a.body[max(0, len(a.body)-100):])
	}
	if !strings.HasPrefix(a.body, `{"data":{"msgs":[{"msg":"yyy`) {
		t.Errorf("the first page did not come: %.60q", a.body)
	}
	// Nothing was sent yet when the first page fails: a proper error.
	c.mu.Lock()
	c.readErr = func(int) error { return push.Wrap(push.KindStoreUnavailable, errBroken, "the store is away") }
	c.mu.Unlock()
	for target, want := range map[string]string{
		"/1/msg/get?k=K&m=0&cb=f": `f({"ret":65535})`,
		"/msg/get?key=K&mid=0":    `{"msg":"ok","ret":65535}`,
	} {
		a := h.get(t, target)
		if a.body != want || a.header.Get("Gopush-Error") != "the store is away" {
			t.Errorf("%s: %s, Gopush-Error %q", target, a.body, a.header.Get("Gopush-Error"))
		}
	}
	if strings.Contains(h.log.String(), " status=0") {
		t.Error("a request was logged without a status")
	}
}

// TestV1FetchOfAGrowingStream ends although messages keep coming.
func TestV1FetchOfAGrowingStream(t *testing.T) {
	c := newCluster(t, "node1")
	for range fetchPage + 10 {
		c.put("K", "1")
	}
	grow := func(int) error {
		for range fetchPage + 1 {
			c.store(push.Push{Key: "K", Body: []byte("2"), ExpiresAt: 4102444800000})
		}
		return nil
	}
	c.readErr = grow
	h := newHarness(t, c)
	a := h.get(t, "/1/msg/get?k=K&m=0")
	if n := strings.Count(a.body, `"msg":1`); n != fetchPage+10 {
		t.Errorf("%d of the messages that were there at first", n)
	}
	if c.reads > 4 {
		t.Errorf("%d pages were read", c.reads)
	}
}
