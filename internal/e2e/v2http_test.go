package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
)

// problemCase is a request that has to be refused, and how.
type problemCase struct {
	quote, method, target, body string
	status                      int
	code                        string
	header                      []string
}

var adminProblems = []problemCase{
	{"no JSON", "POST", "/v2/messages", `{"key":"k","data":`, 400, "bad_request", nil},
	{"a bare body", "POST", "/v2/messages", `hello`, 400, "bad_request", nil},
	{"an empty body", "POST", "/v2/messages", ``, 400, "bad_request", nil},
	{"no data", "POST", "/v2/messages", `{"key":"k"}`, 400, "bad_request", nil},
	{"no key", "POST", "/v2/messages", `{"data":1}`, 400, "bad_key", nil},
	{"an empty key", "POST", "/v2/messages", `{"key":"","data":1}`, 400, "bad_key", nil},
	{"a key over 255 bytes", "POST", "/v2/messages", `{"key":"` + strings.Repeat("k", 256) + `","data":1}`, 400, "bad_key", nil},
	{"a key with control characters", "POST", "/v2/messages", `{"key":"a\u0000b","data":1}`, 400, "bad_key", nil},
	{"the public stream's own name", "POST", "/v2/messages", `{"key":"\u0001public","data":1}`, 400, "bad_key", nil},
	{"invalid UTF-8", "POST", "/v2/messages", "{\"key\":\"k\",\"data\":\"\xff\"}", 400, "bad_request", nil},
	{"`ttl_s` together with `expires_at`", "POST", "/v2/messages", `{"key":"k","data":1,"ttl_s":5,"expires_at":4102444800000}`, 400, "bad_request", nil},
	{"`ttl_s` together with `transient`", "POST", "/v2/messages", `{"key":"k","data":1,"ttl_s":5,"transient":true}`, 400, "bad_request", nil},
	{"negative expiry", "POST", "/v2/messages", `{"key":"k","data":1,"ttl_s":-1}`, 400, "bad_request", nil},
	{"an expiry that overflows", "POST", "/v2/messages", `{"key":"k","data":1,"ttl_s":99999999999999999999}`, 400, "bad_request", nil},
	{"an expiry that has passed", "POST", "/v2/messages", `{"key":"k","data":1,"expires_at":1000}`, 400, "bad_request", nil},
	{"a wrong content type", "POST", "/v2/messages", `{"key":"k","data":1}`, 400, "bad_request", []string{"Content-Type", "text/plain"}},
	{"idempotency keys: 1 to 128 visible ASCII characters: 129", "POST", "/v2/messages", `{"key":"k","data":1}`, 400, "bad_request", []string{"Idempotency-Key", strings.Repeat("i", 129)}},
	{"idempotency keys: visible: a space", "POST", "/v2/messages", `{"key":"k","data":1}`, 400, "bad_request", []string{"Idempotency-Key", "a b"}},
	{"idempotency keys: ASCII", "POST", "/v2/messages", `{"key":"k","data":1}`, 400, "bad_request", []string{"Idempotency-Key", "é"}},
	{"64 KiB by default", "POST", "/v2/messages", `{"key":"k","data":"` + strings.Repeat("x", 65<<10) + `"}`, 413, "too_large", nil},
	{"a broadcast has no key", "POST", "/v2/broadcast", `{"key":"k","data":1}`, 400, "bad_request", nil},
	{"an id that overflows", "DELETE", "/v2/messages/9223372036854775808?key=k", ``, 400, "bad_request", nil},
	{"an id that is none", "DELETE", "/v2/messages/abc?key=k", ``, 400, "bad_request", nil},
	{"a recall of nothing", "DELETE", "/v2/messages/16?key=k", ``, 404, "not_found", nil},
	{"a deletion of nobody's", "DELETE", "/v2/messages", ``, 400, "bad_key", nil},
	{"no such path", "POST", "/v2/nothing", ``, 404, "not_found", nil},
	{"a wrong method is 405", "PUT", "/v2/messages", ``, 405, "method_not_allowed", nil},
	{"a wrong method is 405: keys", "POST", "/v2/keys/k", ``, 405, "method_not_allowed", nil},
	{"without the token", "POST", "/v2/messages", `{"key":"k","data":1}`, 401, "unauthenticated", []string{"Authorization", ""}},
	{"with another token", "POST", "/v2/messages", `{"key":"k","data":1}`, 401, "unauthenticated", []string{"Authorization", "Bearer x"}},
	{"without the token a path does not show", "GET", "/v2/nothing", ``, 401, "unauthenticated", []string{"Authorization", "Basic eDp5"}},
}

var publicProblems = []problemCase{
	{"no key", "GET", "/v2/messages", "", 400, "bad_key", nil},
	{"an id that overflows", "GET", "/v2/messages?key=k&after=9223372036854775808", "", 400, "bad_request", nil},
	{"a negative id", "GET", "/v2/messages?key=k&after=-1", "", 400, "bad_request", nil},
	{"limit 0", "GET", "/v2/messages?key=k&limit=0", "", 400, "bad_request", nil},
	{"limit not a number", "GET", "/v2/messages?key=k&limit=x", "", 400, "bad_request", nil},
	{"a bad public cursor", "GET", "/v2/messages?key=k&public_after=x", "", 400, "bad_request", nil},
	{"node without key", "GET", "/v2/node", "", 400, "bad_key", nil},
	{"node of a bad key", "GET", "/v2/node?key=%00", "", 400, "bad_key", nil},
	{"pushes are not public", "POST", "/v2/messages", `{"key":"k","data":1}`, 405, "method_not_allowed", nil},
	{"no such path", "GET", "/v2/keys/k", "", 404, "not_found", nil},
}

// Errors are problem documents with a stable code; "`retryable` is true for 429, 503
// and 504 only"; nothing of a refused push is stored.
func TestV2Problems(t *testing.T) {
	c := Start(t, Options{})
	admin := func(tc problemCase) (Answer, error) {
		return c.API.Admin(t.Context(), tc.method, tc.target, tc.body, tc.header...)
	}
	public := func(tc problemCase) (Answer, error) {
		return call(t.Context(), c.API.client, tc.method, "http://"+c.Addrs().Public+tc.target, tc.body)
	}
	for listener, set := range map[string]struct {
		cases []problemCase
		call  func(problemCase) (Answer, error)
	}{"admin": {adminProblems, admin}, "public": {publicProblems, public}} {
		for _, tc := range set.cases {
			t.Run(listener+" "+tc.quote, func(t *testing.T) {
				res, err := set.call(tc)
				if err != nil {
					t.Fatal(err)
				}
				wantsProblem(t, res, tc.status, tc.code)
			})
		}
	}
	if page, err := c.API.Messages(t.Context(), "k", "0", "0", 0); err != nil || len(page.Messages)+len(page.Public.Messages) > 0 {
		t.Errorf("refused pushes are stored: %+v, %v", page, err)
	}
}

// wantsProblem checks every member of a problem document.
func wantsProblem(t *testing.T, res Answer, status int, code string) {
	t.Helper()
	var p struct {
		Type, Title, Code, Detail string
		Status                    int
		Retryable                 *bool
		RequestID                 string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(res.Body), &p); err != nil || res.Status != status || p.Status != status || p.Code != code {
		t.Fatalf("got %s (%v); want %d %s", res, err, status, code)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.Retryable == nil {
		t.Errorf("a member is missing: %s", res.Body)
	}
	if p.Retryable != nil && *p.Retryable != (status == 429 || status == 503 || status == 504) {
		t.Errorf("retryable is %v for %d", *p.Retryable, status)
	}
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if status == 405 && res.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	if status == 401 && res.Header.Get("Www-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
}

// Pushing: every form of a life, "without ttl the configured default life (30
// days)", "a transient push gets an id too".
func TestV2PushForms(t *testing.T) {
	c := Start(t, Options{})
	now := time.Now()
	for _, tc := range []struct {
		quote, body string
		life        time.Duration
		stored      bool
	}{
		{"default life", `{"key":"k","data":{"a":[1,2]}}`, 30 * 24 * time.Hour, true},
		{"ttl_s", `{"key":"k","data":null,"ttl_s":60}`, time.Minute, true},
		{"expires_at", fmt.Sprintf(`{"key":"k","data":"x","expires_at":%d}`, now.Add(time.Hour).UnixMilli()), time.Hour, true},
		{"transient", `{"key":"k","data":1,"transient":true}`, 0, false},
		{"unknown fields are ignored", `{"key":"k","data":1,"colour":"red","ttl_s":60}`, time.Minute, true},
	} {
		t.Run(tc.quote, func(t *testing.T) {
			newest := newestOf(t, c, "k")
			res, err := c.API.Admin(t.Context(), "POST", "/v2/messages", tc.body)
			var receipt struct{ Key, ID string }
			if err != nil || json.Unmarshal([]byte(res.Body), &receipt) != nil || res.Status != 201 || receipt.Key != "k" || receipt.ID == "" {
				t.Fatalf("got %s, %v; want 201 with key and id", res, err)
			}
			page, err := c.API.Messages(t.Context(), "k", newest, "", 0)
			if err != nil || len(page.Messages) == 1 != tc.stored {
				t.Fatalf("stored: %+v, %v", page, err)
			}
			if !tc.stored {
				return
			}
			m := page.Messages[0]
			off := time.UnixMilli(m.ExpiresAt).Sub(now.Add(tc.life))
			if m.ID != receipt.ID || m.Prev != newest || off.Abs() > time.Minute {
				t.Errorf("stored %+v, %s off the life that was asked for", m, off)
			}
		})
	}
	res, err := c.API.Admin(t.Context(), "POST", "/v2/broadcast", `{"data":"all"}`)
	if err != nil || res.Status != 201 || !strings.HasPrefix(res.Body, `{"id":"`) {
		t.Errorf("broadcast: %s, %v", res, err)
	}
}

// newestOf asks the admin API for a key's newest id.
func newestOf(t *testing.T, c *Cluster, key string) string {
	t.Helper()
	res, err := c.API.Admin(t.Context(), "GET", "/v2/keys/"+key, "")
	var info struct {
		Key, Node, Newest string
		Connections       int
	}
	if err != nil || json.Unmarshal([]byte(res.Body), &info) != nil || info.Key != key || info.Node != "node1" || info.Newest == "" {
		t.Fatalf("/v2/keys/%s: %s, %v", key, res, err)
	}
	return info.Newest
}

// Paging: "ascending", "default 100, at most 1,000", clamped; next and more walk
// through everything, whatever the limit.
func TestV2Paging(t *testing.T) {
	c := Start(t, Options{})
	const n = 1100
	var lines strings.Builder
	for i := range n {
		lines.WriteString(Message{Key: "k", Data: []byte(strconv.Itoa(i))}.JSON() + "\n")
	}
	pushBatch(t, c, lines.String(), n)
	for _, tc := range []struct{ limit, want int }{{0, 100}, {1, 1}, {1000, 1000}, {1001, 1000}, {1 << 40, 1000}} {
		if page, err := c.API.Messages(t.Context(), "k", "0", "", tc.limit); err != nil || len(page.Messages) != tc.want || !page.More {
			t.Errorf("limit %d: %d messages, more %v, %v; want %d", tc.limit, len(page.Messages), page.More, err, tc.want)
		}
	}
	for _, limit := range []int{7, 256, 1000} {
		after, prev, i := "0", "0", 0
		for more := true; more; {
			page, err := c.API.Messages(t.Context(), "k", after, "", limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				if string(m.Data) != strconv.Itoa(i) || m.Prev != prev {
					t.Fatalf("limit %d: message %d is %s behind %s, want it behind %s", limit, i, m.Data, m.Prev, prev)
				}
				prev = m.ID
				i++
			}
			after, more = page.Next, page.More
		}
		if i != n || after != prev {
			t.Errorf("limit %d: %d messages of %d, next %s, last id %s", limit, i, n, after, prev)
		}
	}
	empty, err := c.API.Messages(t.Context(), "nobody", "0", "0", 0)
	if err != nil || empty.Next != "0" || empty.More || empty.Gap != nil || len(empty.Messages) != 0 || empty.Public == nil {
		t.Errorf("an empty key: %+v, %v", empty, err)
	}
}

// Batch: "status 200, `i` from 0, at most 64 KiB a line", one line per object, in
// order, streamed both ways.
func TestV2Batch(t *testing.T) {
	c := Start(t, Options{})
	lines := []string{
		`{"key":"a","data":1}`, `{"key":"","data":1}`, `not json`, ``, `{"key":"b","data":2,"idempotency_key":"x"}`,
		`{"key":"b","data":2,"idempotency_key":"x"}`, `{"key":"b","data":3,"idempotency_key":"x"}`, `{"key":"a","data":2}`,
	}
	res, err := c.API.Admin(t.Context(), "POST", "/v2/messages/batch", strings.Join(lines, "\n"), "Content-Type", "application/x-ndjson")
	if err != nil || res.Status != 200 {
		t.Fatalf("%s, %v", res, err)
	}
	want := []string{"id", "bad_key", "bad_request", "id", "id", "conflict", "id"} // empty lines do not count
	got := strings.Split(strings.TrimSpace(res.Body), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d reply lines, want %d:\n%s", len(got), len(want), res.Body)
	}
	ids := make([]string, len(got))
	for i, line := range got {
		var reply struct {
			I     int
			ID    string
			Error struct{ Code string }
		}
		if err := json.Unmarshal([]byte(line), &reply); err != nil || reply.I != i || (reply.ID != "") != (want[i] == "id") || reply.ID == "" && reply.Error.Code != want[i] {
			t.Errorf("line %d is %s; want %s", i, line, want[i])
		}
		ids[i] = reply.ID
	}
	if ids[3] != ids[4] || ids[0] >= ids[6] {
		t.Errorf("the ids are %q: a repetition has the first one's, and later ones are larger", ids)
	}
	long := `{"key":"a","data":"` + strings.Repeat("x", 65<<10) + `"}` + "\n" + `{"key":"a","data":"behind it"}`
	res, err = c.API.Admin(t.Context(), "POST", "/v2/messages/batch", long, "Content-Type", "application/x-ndjson")
	if err != nil || res.Status != 200 || !strings.Contains(res.Body, `"code":"too_large"`) || strings.Contains(res.Body, `"id"`) {
		t.Errorf("a line over 64 KiB: %s, %v", res, err)
	}
}

// Lookups: whole URLs, a safe time, the nodes, the key.
func TestV2Lookups(t *testing.T) {
	c := Start(t, Options{Settings: func(s *config.Serve) { s.Comet.AdvertiseTCP = "push.example:6969" }})
	at := c.Addrs()
	res, err := c.API.Public(t.Context(), "GET", "/v2/node?key=a%2Fb")
	want := fmt.Sprintf(`{"key":"a/b","node":"node1","ws":"ws://%s/v2/stream","sse":"http://%s/v2/events","tcp":"push.example:6969"}`, at.HTTP, at.HTTP)
	if err != nil || strings.TrimSpace(res.Body) != want || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("node: %s, %v; want %s", res, err, want)
	}
	var now struct{ ID string }
	res, err = c.API.Public(t.Context(), "GET", "/v2/time")
	if err != nil || json.Unmarshal([]byte(res.Body), &now) != nil {
		t.Fatalf("time: %s, %v", res, err)
	}
	id := push(t, c, Message{Key: "k", Data: Text("x")})
	if len(id) != len(now.ID) || id <= now.ID {
		t.Errorf("the id %s is not above the time %s before it", id, now.ID)
	}
	var nodes struct {
		Nodes []struct {
			Name, Role, Group, Address, State string
			Epoch                             int64
		}
	}
	res, err = c.API.Admin(t.Context(), "GET", "/v2/nodes", "")
	if err != nil || json.Unmarshal([]byte(res.Body), &nodes) != nil || len(nodes.Nodes) < 2 || nodes.Nodes[0].Name != "node1" || nodes.Nodes[0].Epoch < 1 || nodes.Nodes[0].State != "serving" {
		t.Errorf("nodes: %s, %v", res, err)
	}
	s := listenV2(t, c, "websocket", "key=k")
	if _, err := ReadUntil(s, "live", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	res, err = c.API.Admin(t.Context(), "GET", "/v2/keys/k", "")
	if want := fmt.Sprintf(`{"key":"k","node":"node1","connections":1,"newest":%q}`, id); err != nil || strings.TrimSpace(res.Body) != want {
		t.Errorf("key: %s, %v; want %s", res, err, want)
	}
	for _, method := range []string{http.MethodHead, http.MethodOptions} {
		if res, err := c.API.Public(t.Context(), method, "/v2/time"); err != nil || res.Status >= 300 || res.Body != "" {
			t.Errorf("%s: %s, %v", method, res, err)
		}
	}
}
