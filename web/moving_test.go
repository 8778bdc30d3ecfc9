package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/push"
)

// oldWeb is a web node of the old system: it notes what it was asked.
type oldWeb struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // guarded by mu: method, path and query, body
	ret   string   // guarded by mu: what is answered
	code  int      // guarded by mu: and with which status
}

func startOldWeb(t *testing.T) *oldWeb {
	t.Helper()
	o := &oldWeb{ret: `{"ret":0}`, code: http.StatusOK}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		text := r.Method + " " + r.URL.RequestURI() + " " + string(body)
		if r.Header.Get("Authorization") != "" {
			text += " with a token"
		}
		o.asked = append(o.asked, strings.TrimSpace(text))
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.WriteHeader(o.code)
		_, _ = io.WriteString(w, o.ret)
	}))
	t.Cleanup(o.Close)
	return o
}

// answers sets what it answers from now on, and forgets what it was asked.
func (o *oldWeb) answers(ret string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ret, o.code, o.asked = ret, http.StatusOK, nil
}

// fails has the same come with another status.
func (o *oldWeb) fails(code int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.code = code
}

func (o *oldWeb) was(t *testing.T, want ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.asked)
	if !slices.Equal(o.asked, want) {
		t.Errorf("the old system was asked %q, want %q", o.asked, want)
	}
	o.asked = nil
}

// By the ring node1, node2: Terry-Mao and c are on node1, a and b on node2.
func movingHarness(t *testing.T, old, held []string) (*harness, *oldWeb) {
	t.Helper()
	h, o := newHarness(t, newCluster(t, "node1", "node2")), startOldWeb(t)
	t.Cleanup(h.server.old.CloseIdleConnections)
	m := Moving{Ring: []string{"node1=1", "node2=1"}, Old: old, Held: held, Public: o.URL, Admin: o.URL}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	h.server.SetMoving(m)
	return h, o
}

// What is asked about keys of old groups is answered by the old system, and everything else here. No
// token goes there, in whatever place it stands.
//
// Broken once by a getOld that asks for every key, by a query that is handed on as it is, by a
// header that is, and by a batch that is pushed here whole.
func TestOldGroups(t *testing.T) {
	h, o := movingHarness(t, []string{"node2"}, nil)
	for _, q := range []struct{ path, asked, answer string }{
		{"/1/server/get?k=a&p=2&t=secret", "/1/server/get?k=a&p=2", `{"data":{"server":"old:6969"},"ret":0}`},
		{"/2/server/get?k=a&p=2", "/2/server/get?k=a&p=2", `{"data":{"server":["old:6969"]},"ret":0}`},
		{"/server/get?proto=2&key=a&proto=1", "/server/get?key=a&proto=2", `{"data":{"server":"old:6969"},"msg":"ok","ret":0}`},
		{"/1/msg/get?k=a&m=7&t=secret&pm=0", "/1/msg/get?k=a&m=7", `{"data":{"msgs":[{"msg":1,"mid":8,"gid":0}]},"ret":0}`},
		{"/msg/get?key=a&mid=7&token=secret", "/msg/get?key=a&mid=7", `{"msg":"ok","ret":0}`},
	} {
		o.answers(q.answer)
		if a := h.do(t, "GET", h.public+q.path, "", map[string]string{"Authorization": "Bearer secret"}); a.status != 200 || a.body != q.answer {
			t.Errorf("%s: %d %s", q.path, a.status, a.body)
		}
		o.was(t, "GET "+q.asked)
	}
	if a := h.get(t, "/1/server/get?k=c&p=2"); a.body != `{"data":{"server":"node1:6969"},"ret":0}` {
		t.Errorf("a key that is here: %s", a.body)
	}
	o.was(t)
	o.answers(`{"ret":0}`)
	if a := h.post(t, "/1/admin/push/private?key=a&expire=60", `{"x": 1}`); a.status != 200 || a.body != `{"ret":0}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.post(t, "/1/admin/push/private?key=c&expire=60", "2"); a.body != `{"ret":0}` || a.header.Get(v1IDHeader) == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.was(t, `POST /1/admin/push/private?expire=60&key=a {"x": 1}`)
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"3","k":"c,a,b"}`); a.body != `{"ret":0}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.was(t, "POST /1/admin/push/private?expire=60&key=a 3", "POST /1/admin/push/private?expire=60&key=b 3")
	if got := strings.Join(h.bodies("c"), " ") + strings.Join(h.bodies("a"), " "); got != "2 3" {
		t.Errorf("stored here is %s", got)
	}
	o.answers(`{"ret":1001}`)
	if a := h.post(t, "/1/admin/push/private?key=a&expire=60", "1"); a.body != `{"ret":1001}` {
		t.Errorf("a refusal of the old system: %s", a.body)
	}
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"4","k":"c,a"}`); a.body != `{"data":{"fk":["a"]},"ret":0}` {
		t.Errorf("a refusal of one key: %s", a.body)
	}
	o.answers("<html>")
	o.fails(http.StatusBadGateway)
	if a := h.get(t, "/1/server/get?k=a&p=2&cb=f"); a.status != 200 || a.body != `f({"ret":65535})` || !strings.Contains(a.header.Get(v1ErrorHeader), "502") {
		t.Errorf("a page of something before the old system: %d %s", a.status, a.body)
	}
	if a := h.post(t, "/1/admin/push/private?key=a&expire=60", "1"); a.body != `{"ret":65535}` {
		t.Errorf("no answer of the old system: %s", a.body)
	}
	for _, call := range [][3]string{
		{"POST", "/v2/messages", `{"key":"a","data":1}`},
		{"GET", "/v2/messages/160?key=a", ""},
		{"DELETE", "/v2/messages/160?key=a", ""},
		{"GET", "/v2/keys/a", ""},
	} {
		if a := h.call(t, call[0], call[1], call[2], "Content-Type", "application/json"); a.status != 409 || a.code(t) != "conflict" {
			t.Errorf("%s %s: %d %s", call[0], call[1], a.status, a.body)
		}
	}
	for _, path := range []string{"/v2/node?key=a", "/v2/messages?key=a"} {
		if a := h.get(t, path); a.status != 409 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// A deletion is one in both systems, whoever has the key.
//
// Broken once by one that is made here alone.
func TestDeletedInBoth(t *testing.T) {
	h, o := movingHarness(t, []string{"node2"}, nil)
	h.put("a", "1")
	h.put("c", "2")
	if a := h.post(t, "/1/admin/msg/del", "key=a"); a.body != `{"ret":0}` {
		t.Error(a.body)
	}
	if a := h.call(t, "DELETE", "/v2/messages?key=c", ""); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.was(t, "POST /1/admin/msg/del key=a", "POST /1/admin/msg/del key=c")
	h.put("c", "3")
	o.answers(`{"ret":65535}`)
	if a := h.call(t, "DELETE", "/v2/messages?key=c", ""); a.status != 503 {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.server.SetMoving(Moving{})
	for key, want := range map[string]string{"a": `{"ret":0}`, "c": `{"data":{"msgs":[{"msg":3,"mid":17953750178989568,"gid":0}]},"ret":0}`} {
		if a := h.get(t, "/1/msg/get?m=0&k="+key); a.body != want {
			t.Errorf("%s has %s, not %s", key, a.body, want)
		}
	}
}

// Held keys change neither here nor there, and can be read; GET /v2/moving says when what began before
// has ended.
//
// Broken once by a batch that is not asked, and by changes that are not counted.
func TestHeldGroups(t *testing.T) {
	h, o := movingHarness(t, []string{"node2"}, []string{"node1", "node2"})
	for _, key := range []string{"a", "c"} {
		if a := h.post(t, "/1/admin/push/private?key="+key+"&expire=60", "1"); a.status != 503 || a.header.Get("Retry-After") == "" || !strings.HasSuffix(a.body, `"ret":65535}`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := h.post(t, "/v2/messages", `{"key":"`+key+`","data":1}`, "Content-Type", "application/json"); a.status != 503 || a.code(t) != "moving" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := h.post(t, "/v2/messages/batch", `{"key":"`+key+`","data":1}`, "Content-Type", "application/x-ndjson"); !strings.Contains(a.body, `"code":"moving"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := h.call(t, "DELETE", "/v2/messages?key="+key, ""); a.status != 503 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"c,a"}`); a.status != 503 {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.was(t)
	if got := len(h.bodies("a")) + len(h.bodies("c")); got != 0 {
		t.Errorf("%d were stored", got)
	}
	if a := h.get(t, "/1/msg/get?k=c&m=0"); a.body != `{"ret":0}` {
		t.Errorf("a held key is read: %s", a.body)
	}
	if a := h.get(t, "/1/msg/get?k=a&m=0"); a.body != `{"ret":0}` {
		t.Errorf("a held key is read: %s", a.body)
	}
	o.was(t, "GET /1/msg/get?k=a&m=0")

	// A push that began before the hold counts until it is answered.
	h.server.SetMoving(Moving{})
	_, end, err := h.server.startChange("c")
	if err != nil {
		t.Fatal(err)
	}
	h.server.SetMoving(Moving{Ring: []string{"node1=1"}, Held: []string{"node1"}, Public: o.URL, Admin: o.URL})
	state := func() string { return h.call(t, "GET", "/v2/moving", "").body }
	if got := state(); !strings.Contains(got, `"in_flight":1,`) || !strings.Contains(got, `"settled":false`) || !strings.Contains(got, `{"group":"node1","with":"here","held":true}`) {
		t.Error(got)
	}
	end()
	h.timeOf = func(string) (push.ID, error) { return push.IDAt(testNow), nil }
	if got := state(); !strings.Contains(got, `"in_flight":0,`) || !strings.Contains(got, `"settled":true`) {
		t.Error(got)
	}
	h.timeOf = func(string) (push.ID, error) { return push.IDAt(testNow.Add(time.Minute)), nil }
	if got := state(); !strings.Contains(got, `"settled":false`) {
		t.Errorf("ids are ahead of the clock: %s", got)
	}
	h.timeOf = func(string) (push.ID, error) { return 0, push.E(push.KindMoving, "away") }
	if got := state(); !strings.Contains(got, `"silent":["node1","node2"]`) || !strings.Contains(got, `"settled":false`) {
		t.Errorf("nobody answers: %s", got)
	}
}

// A first cursor is below what either system gives.
//
// Broken once by the time of this system alone.
func TestFirstCursorOfBoth(t *testing.T) {
	h, o := movingHarness(t, []string{"node2"}, nil)
	h.timeOf = func(string) (push.ID, error) { return 3200, nil }
	for ret, want := range map[string]string{
		`{"data":{"timeid":1600},"ret":0}`: `"timeid":1600`,
		`{"data":{"timeid":4800},"ret":0}`: `"timeid":3200`,
		`{"ret":65535}`:                    `"ret":65535`,
	} {
		o.answers(ret)
		if a := h.get(t, "/1/time/get"); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s, not %s", ret, a.body, want)
		}
	}
}

func TestMovingValidate(t *testing.T) {
	const at = "http://127.0.0.1:8090"
	for _, bad := range []Moving{
		{Old: []string{"node1"}},
		{Ring: []string{"node1=x"}, Public: at, Admin: at},
		{Ring: []string{"node1=1"}, Held: []string{"node2"}, Public: at, Admin: at},
		{Ring: []string{"node1=1"}, Admin: at},
		{Ring: []string{"node1=1"}, Public: at, Admin: at + "/x"},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
