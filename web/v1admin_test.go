package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// TestV1Push quotes the table of the admin API for one message.
func TestV1Push(t *testing.T) {
	const private = "/1/admin/push/private?key=K&expire=600"
	tests := []struct {
		contract, target, body, want string
		stored                       []string
	}{
		{"private: one JSON value of any kind", private, `{"test":1}`, `{"ret":0}`, []string{`{"test":1}`}},
		{"alias /admin/push", "/admin/push?key=K&expire=600", `[1]`, `{"ret":0}`, []string{`[1]`}},
		{"a bare number", private, `12345678901234567890.5e999`, `{"ret":0}`, []string{`12345678901234567890.5e999`}},
		{"null", private, `null`, `{"ret":0}`, []string{`null`}},
		{"whitespace is kept", private, " {\"a\" :1}\n", `{"ret":0}`, []string{" {\"a\" :1}\n"}},
		{"UTF-8", private, `"中文"`, `{"ret":0}`, []string{`"中文"`}},
		{"expire=0: online only, never stored", "/1/admin/push/private?key=K&expire=0", `1`, `{"ret":0}`, nil},
		{"expire = 4294967295", "/1/admin/push/private?key=K&expire=4294967295", `1`, `{"ret":0}`, []string{`1`}},
		{"expire above 4294967295", "/1/admin/push/private?key=K&expire=4294967296", `1`, `{"ret":65534}`, nil},
		{"expire missing", "/1/admin/push/private?key=K", `1`, `{"ret":65534}`, nil},
		{"expire empty", "/1/admin/push/private?key=K&expire=", `1`, `{"ret":65534}`, nil},
		{"expire negative", "/1/admin/push/private?key=K&expire=-1", `1`, `{"ret":65534}`, nil},
		{"expire not an integer", "/1/admin/push/private?key=K&expire=1.0", `1`, `{"ret":65534}`, nil},
		{"key missing", "/1/admin/push/private?expire=600", `1`, `{"ret":65535}`, nil},
		{"key empty", "/1/admin/push/private?key=&expire=600", `1`, `{"ret":65535}`, nil},
		{"key with a control character", "/1/admin/push/private?key=%00&expire=600", `1`, `{"ret":65534}`, nil},
		{"key of 256 bytes", "/1/admin/push/private?expire=600&key=" + strings.Repeat("k", 256), `1`, `{"ret":65534}`, nil},
		{"body empty", private, ``, `{"ret":65535}`, nil},
		{"body of whitespace", private, `  `, `{"ret":65535}`, nil},
		{"body not JSON", private, `{"test":`, `{"ret":65535}`, nil},
		{"a bare word", private, `hello`, `{"ret":65535}`, nil},
		{"two values", private, `1 2`, `{"ret":65535}`, nil},
		{"invalid UTF-8", private, "\"\xff\"", `{"ret":65535}`, nil},
		{"a depth bomb", private, strings.Repeat("[", 60000), `{"ret":65535}`, nil},
		{"a balanced depth bomb", private, strings.Repeat("[", 30000) + strings.Repeat("]", 30000), `{"ret":65535}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			h := newHarness(t, newCluster(t, "node1", "node2"))
			a := h.post(t, tt.target, tt.body)
			if a.status != 200 || a.body != tt.want || a.header.Get("Content-Type") != jsonType {
				t.Errorf("got %d %s %s, want %s", a.status, a.header.Get("Content-Type"), a.body, tt.want)
			}
			ok := tt.want == `{"ret":0}`
			if (a.header.Get("Gopush-Message-Id") == "17953750178989536") != ok || (a.header.Get("Gopush-Error") != "") == ok {
				t.Errorf("headers %v", a.header)
			}
			if diff := cmp.Diff(tt.stored, h.bodies("K")); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// TestV1PushLife: expire counts seconds from now; above MaxTTL it is shortened.
func TestV1PushLife(t *testing.T) {
	tests := []struct {
		expire        string
		longest, want time.Duration
	}{
		{"600", 0, 600 * time.Second},
		{"4294967295", 0, 4294967295 * time.Second},
		{"4294967295", 31 * 24 * time.Hour, 31 * 24 * time.Hour},
	}
	for _, tt := range tests {
		h := newHarness(t, newCluster(t, "node1"), func(c *Config) { c.MaxTTL = tt.longest })
		if a := h.post(t, "/1/admin/push/private?key=K&expire="+tt.expire, "1"); a.body != `{"ret":0}` {
			t.Fatal(a.body)
		}
		if got := h.stored("K")[0].ExpiresAt - testNow.UnixMilli(); got != tt.want.Milliseconds() {
			t.Errorf("expire=%s: %d ms, want %d", tt.expire, got, tt.want.Milliseconds())
		}
	}
}

// TestV1PushPublic: one message, stored once, for everybody.
func TestV1PushPublic(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for target, want := range map[string]string{
		"/1/admin/push/public?expire=60":       `{"ret":0}`,
		"/1/admin/push/public?expire=60&key=K": `{"ret":0}`, // a key means nothing here
		"/1/admin/push/public":                 `{"ret":65534}`,
	} {
		a := h.post(t, target, `{"all":1}`)
		if a.body != want || (a.header.Get("Gopush-Message-Id") != "") != (want == `{"ret":0}`) {
			t.Errorf("%s: %s %v", target, a.body, a.header)
		}
	}
	if got := h.bodies(push.PublicKey); len(got) != 2 || len(h.bodies("K")) != 0 {
		t.Errorf("public stream: %q", got)
	}
	if a := h.post(t, "/1/admin/push/public?expire=60", `{`); a.body != `{"ret":65535}` {
		t.Error(a.body)
	}
}

// TestV1PushTwice: identical bodies pushed twice are two messages.
func TestV1PushTwice(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for range 2 {
		h.post(t, "/1/admin/push/private?key=K&expire=60", `{"same":1}`)
	}
	a := h.get(t, "/1/msg/get?k=K&m=0")
	if want := `{"data":{"msgs":[{"msg":{"same":1},"mid":17953750178989536,"gid":0},{"msg":{"same":1},"mid":17953750178989552,"gid":0}]},"ret":0}`; a.body != want {
		t.Error(a.body)
	}
}

// TestV1TooLarge: 413 with the v1 JSON error.
func TestV1TooLarge(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	fits := `"` + strings.Repeat("a", 64<<10-2) + `"`
	if a := h.post(t, "/1/admin/push/private?key=K&expire=60", fits); a.body != `{"ret":0}` {
		t.Errorf("64 KiB: %d %s", a.status, a.body)
	}
	for _, target := range []string{
		"/1/admin/push/private?key=K&expire=60", "/1/admin/push/mprivate?expire=60", "/1/admin/msg/del", "/1/admin/push/public?expire=60",
	} {
		a := h.post(t, target, fits+" ")
		want := `{"msg":"the body is longer than 65536 bytes","ret":65534}`
		if a.status != http.StatusRequestEntityTooLarge || a.body != want || a.header.Get("Gopush-Error") == "" {
			t.Errorf("%s: %d %s %v", target, a.status, a.body, a.header)
		}
	}
	if n := len(h.stored("K")); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}

// TestV1PushMany quotes the rows of mprivate.
func TestV1PushMany(t *testing.T) {
	const target = "/1/admin/push/mprivate?expire=600"
	tests := []struct {
		contract, target, body, want string
		stored                       map[push.Key]int
	}{
		{"k1,k2", target, `{"m":"{\"test\":1}","k":"k1,k2"}`, `{"ret":0}`, map[push.Key]int{"k1": 1, "k2": 1}},
		{"a repeated key counts once, an empty one is skipped", target, `{"m":"1","k":"k1,,k2,k1,"}`, `{"ret":0}`, map[push.Key]int{"k1": 1, "k2": 1}},
		{"unknown members are ignored", target, `{"x":[{}],"m":"1","k":"k1"}`, `{"ret":0}`, map[push.Key]int{"k1": 1}},
		{"m missing", target, `{"k":"k1"}`, `{"ret":65534}`, map[push.Key]int{"k1": 0}},
		{"m empty", target, `{"m":"","k":"k1"}`, `{"ret":65534}`, map[push.Key]int{"k1": 0}},
		{"m not a string", target, `{"m":{"test":1},"k":"k1"}`, `{"ret":65534}`, map[push.Key]int{"k1": 0}},
		{"k missing", target, `{"m":"1"}`, `{"ret":65534}`, nil},
		{"k empty", target, `{"m":"1","k":""}`, `{"ret":65534}`, nil},
		{"k not a string", target, `{"m":"1","k":["k1"]}`, `{"ret":65534}`, map[push.Key]int{"k1": 0}},
		{"k names no key", target, `{"m":"1","k":",,"}`, `{"ret":65534}`, nil},
		{"m that holds no JSON: ret 0 with all keys in fk", target, `{"m":"hello","k":"k1,k2"}`, `{"data":{"fk":["k1","k2"]},"ret":0}`, map[push.Key]int{"k1": 0}},
		{"keys that are not valid fail", target, `{"m":"1","k":"k1,a\u0001b,k2"}`, `{"data":{"fk":["a\u0001b"]},"ret":0}`, map[push.Key]int{"k1": 1, "k2": 1}},
		{"fk is escaped as ever", target, `{"m":"x","k":"<k>"}`, `{"data":{"fk":["\u003ck\u003e"]},"ret":0}`, nil},
		{"expire missing", "/1/admin/push/mprivate", `{"m":"1","k":"k1"}`, `{"ret":65534}`, map[push.Key]int{"k1": 0}},
		{"expire = 0 is not stored", "/1/admin/push/mprivate?expire=0", `{"m":"1","k":"k1"}`, `{"ret":0}`, map[push.Key]int{"k1": 0}},
		{"body empty", target, ``, `{"ret":65534}`, nil},
		{"body no object", target, `["m","k"]`, `{"ret":65534}`, nil},
		{"invalid UTF-8", target, "{\"m\":\"1\",\"k\":\"\xff\"}", `{"ret":65534}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			h := newHarness(t, newCluster(t, "node1", "node2"))
			a := h.post(t, tt.target, tt.body)
			if a.status != 200 || a.body != tt.want || (a.header.Get("Gopush-Error") != "") != !strings.Contains(tt.want, `"ret":0`) {
				t.Errorf("got %d %s %v, want %s", a.status, a.body, a.header, tt.want)
			}
			for key, n := range tt.stored {
				if len(h.stored(key)) != n {
					t.Errorf("%s holds %q, want %d", key, h.bodies(key), n)
				}
			}
		})
	}
}

// TestV1PushManyFails: fk names the keys that failed, in the order of k.
func TestV1PushManyFails(t *testing.T) {
	c := newCluster(t, "node1")
	c.refuse = func(_ string, p push.Push) error {
		if p.Key == "k2" || p.Key == "k4" {
			return push.E(push.KindTooLarge, "not this one")
		}
		return nil
	}
	h := newHarness(t, c)
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"k4,k1,k2,k3"}`); a.body != `{"data":{"fk":["k4","k2"]},"ret":0}` {
		t.Error(a.body)
	}
}

// TestV1PushManyKeys goes through the window several times.
func TestV1PushManyKeys(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1", "node2", "node3"))
	keys := make([]string, 3*window)
	for i := range keys {
		keys[i] = "user" + push.ID(i).String()
	}
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"`+strings.Join(keys, ",")+`"}`); a.body != `{"ret":0}` {
		t.Fatal(a.body)
	}
	for _, key := range keys {
		if n := len(h.stored(push.Key(key))); n != 1 {
			t.Fatalf("%s holds %d messages", key, n)
		}
	}
}

// TestV1PushWithoutNode: 1001; of a batch nothing is pushed.
func TestV1PushWithoutNode(t *testing.T) {
	c := newCluster(t, "node1", "node2")
	c.edit("node2", func(g *coord.Group) { g.Serving = false })
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushTimeout = 50 * time.Millisecond })
	// As the vectors have it, b is node1's or node2's; find one of each.
	var here, there string
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if _, ok := c.View().Owner(push.Key(key)); ok {
			here = key
		} else {
			there = key
		}
	}
	if a := h.post(t, "/1/admin/push/private?expire=60&key="+there, "1"); a.body != `{"ret":1001}` || a.header.Get("Gopush-Error") == "" {
		t.Errorf("private: %s", a.body)
	}
	if a := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"`+here+","+there+`"}`); a.body != `{"ret":1001}` || len(h.stored(push.Key(here))) != 0 {
		t.Errorf("mprivate: %s", a.body)
	}
	if a := h.post(t, "/1/admin/msg/del", "key="+there); a.body != `{"ret":1001}` {
		t.Errorf("del: %s", a.body)
	}
	if a := h.post(t, "/1/admin/push/private?expire=60&key="+here, "1"); a.body != `{"ret":0}` {
		t.Errorf("the other node: %s", a.body)
	}
}

// TestV1Delete quotes the row of msg/del.
func TestV1Delete(t *testing.T) {
	tests := []struct{ contract, target, body, contentType, want string }{
		{"form body key=K", "/1/admin/msg/del", "key=K", "application/x-www-form-urlencoded", `{"ret":0}`},
		{"alias /admin/msg/clean", "/admin/msg/clean", "key=K", "application/x-www-form-urlencoded", `{"ret":0}`},
		{"whatever the Content-Type says", "/1/admin/msg/del", "key=K", "application/json", `{"ret":0}`},
		{"also when there was none", "/1/admin/msg/del", "key=other", "", `{"ret":0}`},
		{"never the query string", "/1/admin/msg/del?key=K", "", "", `{"ret":65534}`},
		{"no key in it", "/1/admin/msg/del", "k=K", "", `{"ret":65534}`},
		{"an empty key", "/1/admin/msg/del", "key=", "", `{"ret":65534}`},
		{"an invalid key", "/1/admin/msg/del", "key=%01public", "", `{"ret":65534}`},
		{"no form", "/1/admin/msg/del", "key=%zz", "", `{"ret":65534}`},
		{"an escaped key", "/1/admin/msg/del", "key=%4B", "", `{"ret":0}`},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			c := newCluster(t, "node1")
			c.put("K", "1", "2")
			h := newHarness(t, c)
			if a := h.post(t, tt.target, tt.body, "Content-Type", tt.contentType); a.status != 200 || a.body != tt.want {
				t.Errorf("%d %s, want %s", a.status, a.body, tt.want)
			}
			gone := tt.want == `{"ret":0}` && !strings.Contains(tt.body, "other")
			if a := h.get(t, "/1/msg/get?k=K&m=0"); (a.body == `{"ret":0}`) != gone {
				t.Errorf("afterwards: %s", a.body)
			}
		})
	}
}

// TestV1AdminMethods: POST only.
func TestV1AdminMethods(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	for _, path := range []string{"/1/admin/push/private", "/admin/push", "/1/admin/push/mprivate", "/1/admin/push/public", "/1/admin/msg/del", "/admin/msg/clean"} {
		for _, method := range []string{"GET", "PUT", "OPTIONS"} {
			if a := h.call(t, method, path, ""); a.status != 405 || a.body != "Method Not Allowed\n" || a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: %d %q", method, path, a.status, a.body)
			}
		}
	}
}

// TestV1PushRefused: what the cluster refuses for good is 65535, with a reason.
func TestV1PushRefused(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushTimeout = 30 * time.Millisecond })
	c.refuse = func(string, push.Push) error {
		return push.Wrap(push.KindStoreUnavailable, errBroken, "the store is away")
	}
	a := h.post(t, "/1/admin/push/private?key=K&expire=60", "1")
	if a.body != `{"ret":65535}` || a.header.Get("Gopush-Error") != "the store is away" {
		t.Errorf("%s %v", a.body, a.header)
	}
	c.refuse = func(string, push.Push) error { return push.E(push.KindTooLarge, "the message has more than 64 KiB") }
	if a := h.post(t, "/1/admin/push/private?key=K&expire=60", "1"); a.status != 413 || !strings.HasSuffix(a.body, `"ret":65534}`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.refuse = func(string, push.Push) error { return push.E(push.KindForbidden, "line\r\nbreak: 中") }
	if a := h.post(t, "/1/admin/push/private?key=K&expire=60", "1"); a.header.Get("Gopush-Error") != "line??break: ?" {
		t.Errorf("%q", a.header.Get("Gopush-Error"))
	}
}
