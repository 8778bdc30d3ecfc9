package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// code reads the code of a problem.
func (a answer) code(t *testing.T) string {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%d %q is no problem: %v", a.status, a.body, err)
	}
	return string(p.Code)
}

// TestV2PushAccepts: 201 {"key":K,"id":ID}, with the life that was asked for.
func TestV2PushAccepts(t *testing.T) {
	now := testNow.UnixMilli()
	tests := []struct {
		contract, body, data string
		expiresAt            int64
		key                  push.Key
	}{
		{"without ttl the configured default life", `{"key":"K","data":{"a":1}}`, `{"a":1}`, now + 30*24*3600*1000, "K"},
		{"ttl_s", `{"key":"K","data":1,"ttl_s":60}`, `1`, now + 60_000, "K"},
		{"the longest ttl_s", `{"key":"K","data":1,"ttl_s":4294967295}`, `1`, now + 4294967295_000, "K"},
		{"expires_at", `{"key":"K","data":1,"expires_at":1795375099999}`, `1`, 1795375099999, "K"},
		{"transient false", `{"key":"K","data":1,"transient":false,"ttl_s":1}`, `1`, now + 1000, "K"},
		{"any JSON value: null", `{"key":"K","data":null}`, `null`, now + 30*24*3600*1000, "K"},
		{"any JSON value: string", `{"data":"x\"}]","key":"K"}`, `"x\"}]"`, now + 30*24*3600*1000, "K"},
		{"any JSON value: giant number", `{"key":"K","data":` + strings.Repeat("9", 5000) + `e99999}`, strings.Repeat("9", 5000) + `e99999`, now + 30*24*3600*1000, "K"},
		{"byte for byte", "{ \"key\" : \"K\" ,\r\n\t\"data\" : [ 1 , {\"b\":2} ] }\n", `[ 1 , {"b":2} ]`, now + 30*24*3600*1000, "K"},
		{"unknown fields are ignored", `{"x":{"data":[]},"key":"K","data":1,"Data":2,"KEY":"Z"}`, `1`, now + 30*24*3600*1000, "K"},
		{"of a repeated field the last counts", `{"key":"A","key":"K","data":1,"data":2}`, `2`, now + 30*24*3600*1000, "K"},
		{"null is missing", `{"key":"K","data":1,"ttl_s":null,"transient":null,"idempotency_key":null}`, `1`, now + 30*24*3600*1000, "K"},
		{"escapes in names and keys", `{"\u006bey":"\u4e2d/\"","data":1}`, `1`, now + 30*24*3600*1000, "中/\""},
		{"deep, but not too deep", `{"key":"K","data":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, strings.Repeat("[", 5000) + strings.Repeat("]", 5000), now + 30*24*3600*1000, "K"},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			h := newHarness(t, newCluster(t, "node1"))
			a := h.post(t, "/v2/messages", tt.body, "Content-Type", "application/json; charset=utf-8")
			want, _ := json.Marshal(map[string]string{"key": string(tt.key), "id": "17953750178989536"})
			if a.status != 201 || a.header.Get("Content-Type") != "application/json" || compactMap(t, a.body) != string(want) {
				t.Fatalf("%d %s", a.status, a.body)
			}
			got := h.stored(tt.key)
			if len(got) != 1 || string(got[0].Body) != tt.data || got[0].ExpiresAt != tt.expiresAt {
				t.Errorf("stored %+v", got)
			}
		})
	}
}

func compactMap(t *testing.T, body string) string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	out, _ := json.Marshal(m)
	return string(out)
}

// TestV2PushRefuses: each malformed push gets its code, and nothing is stored.
func TestV2PushRefuses(t *testing.T) {
	past := `1795375017898` // exactly now
	tests := []struct {
		contract, body string
		status         int
		code           string
		header         []string
	}{
		{"no body", ``, 400, "bad_request", nil},
		{"no JSON", `{"key":"K"`, 400, "bad_request", nil},
		{"no object", `["key","K"]`, 400, "bad_request", nil},
		{"a bare body", `1`, 400, "bad_request", nil},
		{"invalid UTF-8", "{\"key\":\"K\",\"data\":\"\xc3\x28\"}", 400, "bad_request", nil},
		{"a depth bomb", `{"key":"K","data":` + strings.Repeat("[", 60000), 400, "bad_request", nil},
		{"too deep", `{"key":"K","data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, "bad_request", nil},
		{"data missing", `{"key":"K"}`, 400, "bad_request", nil},
		{"key missing", `{"data":1}`, 400, "bad_key", nil},
		{"key empty", `{"key":"","data":1}`, 400, "bad_key", nil},
		{"key no string", `{"key":7,"data":1}`, 400, "bad_key", nil},
		{"key with a control character", `{"key":"a\u0000","data":1}`, 400, "bad_key", nil},
		{"the public stream is no key", `{"key":"\u0001public","data":1}`, 400, "bad_key", nil},
		{"key of 256 bytes", `{"key":"` + strings.Repeat("k", 256) + `","data":1}`, 400, "bad_key", nil},
		{"ttl_s 0", `{"key":"K","data":1,"ttl_s":0}`, 400, "bad_request", nil},
		{"ttl_s negative", `{"key":"K","data":1,"ttl_s":-1}`, 400, "bad_request", nil},
		{"ttl_s above 4294967295", `{"key":"K","data":1,"ttl_s":4294967296}`, 400, "bad_request", nil},
		{"ttl_s giant", `{"key":"K","data":1,"ttl_s":` + strings.Repeat("9", 10000) + `}`, 400, "bad_request", nil},
		{"ttl_s a fraction", `{"key":"K","data":1,"ttl_s":1.5}`, 400, "bad_request", nil},
		{"ttl_s a string", `{"key":"K","data":1,"ttl_s":"60"}`, 400, "bad_request", nil},
		{"expires_at now", `{"key":"K","data":1,"expires_at":` + past + `}`, 400, "bad_request", nil},
		{"expires_at negative", `{"key":"K","data":1,"expires_at":-5}`, 400, "bad_request", nil},
		{"expires_at beyond the longest life", `{"key":"K","data":1,"expires_at":9223372036854775807}`, 400, "bad_request", nil},
		{"expires_at overflows", `{"key":"K","data":1,"expires_at":9223372036854775808}`, 400, "bad_request", nil},
		{"ttl_s with expires_at", `{"key":"K","data":1,"ttl_s":1,"expires_at":1795375099999}`, 400, "bad_request", nil},
		{"ttl_s with transient", `{"key":"K","data":1,"ttl_s":1,"transient":true}`, 400, "bad_request", nil},
		{"expires_at with transient", `{"key":"K","data":1,"expires_at":1795375099999,"transient":true}`, 400, "bad_request", nil},
		{"transient no bool", `{"key":"K","data":1,"transient":1}`, 400, "bad_request", nil},
		{"transient with Idempotency-Key", `{"key":"K","data":1,"transient":true}`, 400, "bad_request", []string{"Idempotency-Key", "a"}},
		{"transient with idempotency_key", `{"key":"K","data":1,"transient":true,"idempotency_key":"a"}`, 400, "bad_request", nil},
		{"Idempotency-Key of 129", `{"key":"K","data":1}`, 400, "bad_request", []string{"Idempotency-Key", strings.Repeat("x", 129)}},
		{"Idempotency-Key empty", `{"key":"K","data":1}`, 400, "bad_request", []string{"Idempotency-Key", ""}},
		{"Idempotency-Key with a space", `{"key":"K","data":1}`, 400, "bad_request", []string{"Idempotency-Key", "a b"}},
		{"Idempotency-Key not ASCII", `{"key":"K","data":1}`, 400, "bad_request", []string{"Idempotency-Key", "é"}},
		{"idempotency_key no string", `{"key":"K","data":1,"idempotency_key":5}`, 400, "bad_request", nil},
		{"the two differ", `{"key":"K","data":1,"idempotency_key":"a"}`, 400, "bad_request", []string{"Idempotency-Key", "b"}},
		{"a form", `{"key":"K","data":1}`, 400, "bad_request", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"text", `{"key":"K","data":1}`, 400, "bad_request", []string{"Content-Type", "text/plain"}},
		{"a broken type", `{"key":"K","data":1}`, 400, "bad_request", []string{"Content-Type", ";;"}},
		{"above 64 KiB", `{"key":"K","data":"` + strings.Repeat("a", 64<<10) + `"}`, 413, "too_large", nil},
	}
	h := newHarness(t, newCluster(t, "node1"))
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			a := h.post(t, "/v2/messages", tt.body, tt.header...)
			if a.status != tt.status || a.code(t) != tt.code {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	if n := len(h.streams); n != 0 {
		t.Errorf("%d streams were touched", n)
	}
}

// TestV2MaxTTL: a configured longest life refuses longer ones.
func TestV2MaxTTL(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"), func(c *Config) { c.MaxTTL, c.Limits.DefaultTTL = time.Hour, time.Minute })
	for body, want := range map[string]int{
		`{"key":"K","data":1,"ttl_s":3600}`:               201,
		`{"key":"K","data":1,"ttl_s":3601}`:               400,
		`{"key":"K","data":1,"expires_at":1795378617898}`: 201,
		`{"key":"K","data":1,"expires_at":1795378617899}`: 400,
		`{"key":"K","data":1}`:                            201,
	} {
		if a := h.post(t, "/v2/messages", body); a.status != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

// TestV2Idempotency: a retry 200 with the same id; the same key with other data
// 409; scoped to the subscription key.
func TestV2Idempotency(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	push := func(body, key string) answer { return h.post(t, "/v2/messages", body, "Idempotency-Key", key) }
	first := push(`{"key":"K","data":{"n":1}}`, "order-4711")
	again := push(`{"key":"K","data":{"n":1}}`, "order-4711")
	if first.status != 201 || again.status != 200 || first.body != again.body {
		t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
	}
	if a := push(`{"key":"K","data":{"n":2}}`, "order-4711"); a.status != 409 || a.code(t) != "conflict" {
		t.Errorf("other data: %d %s", a.status, a.body)
	}
	if a := push(`{"key":"L","data":{"n":2}}`, "order-4711"); a.status != 201 {
		t.Errorf("other subscription key: %d %s", a.status, a.body)
	}
	if a := h.post(t, "/v2/messages", `{"key":"K","data":{"n":1},"idempotency_key":"order-4711"}`); a.status != 200 || a.body != first.body {
		t.Errorf("in the body: %d %s", a.status, a.body)
	}
	if a := push(`{"key":"K","data":1}`, "~"+strings.Repeat("!", 127)); a.status != 201 {
		t.Errorf("128 visible characters: %d %s", a.status, a.body)
	}
}

// TestV2Transient: a transient push gets an id too, and is not stored.
func TestV2Transient(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	a := h.post(t, "/v2/messages", `{"key":"K","data":1,"transient":true}`)
	if a.status != 201 || a.body != `{"key":"K","id":"17953750178989536"}`+"\n" || len(h.stored("K")) != 0 {
		t.Errorf("%d %s, %q", a.status, a.body, h.bodies("K"))
	}
}

// TestV2Broadcast: as one message, without key.
func TestV2Broadcast(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	a := h.post(t, "/v2/broadcast", `{"data":{"all":1},"ttl_s":60}`, "Idempotency-Key", "b1")
	if a.status != 201 || a.body != `{"id":"17953750178989536"}`+"\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.post(t, "/v2/broadcast", `{"data":{"all":1},"ttl_s":60}`, "Idempotency-Key", "b1"); a.status != 200 {
		t.Errorf("again: %d %s", a.status, a.body)
	}
	if a := h.post(t, "/v2/broadcast", `{"key":"K","data":1}`); a.status != 400 || a.code(t) != "bad_request" {
		t.Errorf("with a key: %d %s", a.status, a.body)
	}
	if a := h.post(t, "/v2/broadcast", `{}`); a.status != 400 {
		t.Errorf("without data: %d %s", a.status, a.body)
	}
	if got := h.bodies(push.PublicKey); len(got) != 1 || got[0] != `{"all":1}` {
		t.Errorf("%q", got)
	}
}

// TestV2Withdraw: deletes answer 204; recall of what is not there 404.
func TestV2Withdraw(t *testing.T) {
	c := newCluster(t, "node1")
	ids := c.put("K", "1", "2", "3")
	pub := c.put(push.PublicKey, "9")
	h := newHarness(t, c)
	tests := []struct {
		contract, target string
		status           int
		code             string
	}{
		{"recall", "/v2/messages/" + ids[1].String() + "?key=K", 204, ""},
		{"recall twice", "/v2/messages/" + ids[1].String() + "?key=K", 204, ""},
		{"recall what never was", "/v2/messages/16?key=K", 404, "not_found"},
		{"recall from another key", "/v2/messages/" + ids[0].String() + "?key=L", 404, "not_found"},
		{"recall of no number", "/v2/messages/abc?key=K", 400, "bad_request"},
		{"recall beyond int64", "/v2/messages/9223372036854775808?key=K", 400, "bad_request"},
		{"recall without key", "/v2/messages/16", 400, "bad_key"},
		{"recall a broadcast", "/v2/messages/" + pub[0].String() + "?public=1", 204, ""},
		{"public and a key", "/v2/messages?public=1&key=K", 400, "bad_request"},
		{"public=yes", "/v2/messages?public=yes", 400, "bad_request"},
		{"a key twice", "/v2/messages?key=K&key=L", 400, "bad_request"},
		{"a broken query", "/v2/messages?key=%zz", 400, "bad_request"},
		{"delete all up to now", "/v2/messages?key=K", 204, ""},
		{"delete when there is none", "/v2/messages?key=none", 204, ""},
	}
	for _, tt := range tests {
		a := h.call(t, http.MethodDelete, tt.target, "")
		if a.status != tt.status || (tt.code != "" && a.code(t) != tt.code) || (tt.status == 204 && a.body != "") {
			t.Errorf("%s: %d %s", tt.contract, a.status, a.body)
		}
	}
	if a := h.get(t, "/v2/messages?key=K"); !strings.Contains(a.body, `"messages":[]`) {
		t.Errorf("afterwards: %s", a.body)
	}
}

// TestV2KeysAndNodes quotes the replies of the decided edges.
func TestV2KeysAndNodes(t *testing.T) {
	c := newCluster(t, "node1", "node2")
	c.put("a/b ü", "1")
	c.edit("node2", func(g *coord.Group) { g.Serving = false })
	c.statuses = map[string]push.NodeStatus{"node1:6970": {}, "127.0.0.1:8070": {}}
	h := newHarness(t, c, func(cfg *Config) { cfg.QueryTimeout = 50 * time.Millisecond })
	nodes := `{"nodes":[{"id":"node1.1","name":"node1","role":"comet","group":"node1","address":"node1:6970","epoch":3,"state":"serving"},` +
		`{"name":"node2","role":"comet","group":"node2","address":"","epoch":3,"state":"waiting"},` +
		`{"name":"127.0.0.1:8070","role":"message","group":"","address":"127.0.0.1:8070","epoch":0,"state":"serving"}]}` + "\n"
	if a := h.call(t, "GET", "/v2/nodes", ""); a.status != 200 || a.body != nodes {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.setView(t, "node1")
	for target, want := range map[string]string{
		"/v2/keys/a%2Fb%20%C3%BC": `{"key":"a/b ü","node":"node1","connections":2,"newest":"17953750178989536"}` + "\n",
		"/v2/keys/nobody":         `{"key":"nobody","node":"node1","connections":2,"newest":"0"}` + "\n",
		"/v2/keys/%2E%2E":         `{"key":"..","node":"node1","connections":2,"newest":"0"}` + "\n",
	} {
		if a := h.call(t, "GET", target, ""); a.status != 200 || a.body != want {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	if a := h.call(t, "GET", "/v2/keys/%01x", ""); a.status != 400 || a.code(t) != "bad_key" {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.setView(t)
	if a := h.call(t, "GET", "/v2/keys/K", ""); a.status != 503 || a.code(t) != "no_node" || a.header.Get("Retry-After") != "2" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.call(t, "GET", "/v2/nodes", ""); !strings.HasPrefix(a.body, `{"nodes":[{"name":"127`) {
		t.Errorf("without groups: %s", a.body)
	}
}
