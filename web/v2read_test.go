package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// TestV2Node: whole URLs, with TLS where the owner of the key wants it.
func TestV2Node(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c)
	want := `{"key":"K","node":"node1","ws":"ws://node1:6968/v2/stream","sse":"http://node1:6968/v2/events","tcp":"node1:6969"}` + "\n"
	if a := h.get(t, "/v2/node?key=K"); a.status != 200 || a.body != want || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.edit("node1", func(g *coord.Group) { g.Public.TLS, g.Public.TCPTLS = true, true })
	want = `{"key":"K","node":"node1","ws":"wss://node1:6968/v2/stream","sse":"https://node1:6968/v2/events","tcp":"node1:6969","tcp_tls":true}` + "\n"
	if a := h.get(t, "/v2/node?key=K"); a.status != 200 || a.body != want {
		t.Errorf("%d %s", a.status, a.body)
	}
	for target, code := range map[string]string{
		"/v2/node": "bad_key", "/v2/node?key=": "bad_key", "/v2/node?key=%07": "bad_key", "/v2/node?key=a&key=b": "bad_request",
		"/v2/node?key=a;b=c": "bad_request", "/v2/node?key=%f": "bad_request",
	} {
		if a := h.get(t, target); a.status != 400 || a.code(t) != code {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	c.edit("node1", func(g *coord.Group) { g.Serving = false })
	if a := h.get(t, "/v2/node?key=K"); a.status != 503 || a.code(t) != "no_node" || a.header.Get("Retry-After") == "" {
		t.Errorf("no node: %d %s %v", a.status, a.body, a.header)
	}
}

func msgJSON(id, prev push.ID, data string) string {
	return fmt.Sprintf(`{"id":"%d","prev":"%d","data":%s,"expires_at":4102444800000}`, id, prev, data)
}

// TestV2Messages quotes the reading of pages.
func TestV2Messages(t *testing.T) {
	c := newCluster(t, "node1")
	id := c.put("K", `{"a":1}`, `"<b>"`, ` [ 1 ]`, "4", "5")
	if err := c.comet("").Recall(t.Context(), "K", id[3]); err != nil {
		t.Fatal(err)
	}
	pub := c.put(push.PublicKey, `"p1"`, `"p2"`)
	h := newHarness(t, c)
	m := []string{
		msgJSON(id[0], 0, `{"a":1}`), msgJSON(id[1], id[0], `"<b>"`), msgJSON(id[2], id[1], ` [ 1 ]`), "", msgJSON(id[4], id[3], "5"),
	}
	page := func(next push.ID, more bool, msgs ...string) string {
		return fmt.Sprintf(`"messages":[%s],"next":"%d","more":%v`, strings.Join(msgs, ","), next, more)
	}
	tests := []struct{ contract, query, want string }{
		{"after missing = 0; the recalled one is skipped", "key=K", `{` + page(id[4], false, m[0], m[1], m[2], m[4]) + `}`},
		{"after=0", "key=K&after=0", `{` + page(id[4], false, m[0], m[1], m[2], m[4]) + `}`},
		{"after is exclusive", fmt.Sprintf("key=K&after=%d", id[1]), `{` + page(id[4], false, m[2], m[4]) + `}`},
		{"limit", "key=K&limit=2", `{` + page(id[1], true, m[0], m[1]) + `}`},
		{"next moves past a recalled one", fmt.Sprintf("key=K&limit=1&after=%d", id[2]), `{` + page(id[3], true) + `}`},
		{"the end", fmt.Sprintf("key=K&after=%d", id[4]), `{` + page(id[4], false) + `}`},
		{"beyond the end", "key=K&after=9223372036854775807", `{` + page(push.MaxID, false) + `}`},
		{"a key without messages", "key=none", `{` + page(0, false) + `}`},
		{"limit above 1000 is clamped", "key=K&limit=99999999999999999999999", `{` + page(id[4], false, m[0], m[1], m[2], m[4]) + `}`},
		{"public_after", "key=none&public_after=0", `{` + page(0, false) + `,"public":{` + page(pub[1], false, msgJSON(pub[0], 0, `"p1"`), msgJSON(pub[1], pub[0], `"p2"`)) + `}}`},
		{"limit holds for each", fmt.Sprintf("key=K&limit=1&public_after=%d", pub[0]), `{` + page(id[0], true, m[0]) + `,"public":{` + page(pub[1], false, msgJSON(pub[1], pub[0], `"p2"`)) + `}}`},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			a := h.get(t, "/v2/messages?"+tt.query)
			if a.status != 200 || a.body != tt.want+"\n" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d\n got %s\nwant %s", a.status, a.body, tt.want)
			}
			if !json.Valid([]byte(a.body)) {
				t.Error("the reply is no JSON")
			}
		})
	}
}

func TestV2MessagesRefuses(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c)
	for query, code := range map[string]string{
		"": "bad_key", "key=": "bad_key", "key=" + strings.Repeat("x", 256): "bad_key", "key=%00": "bad_key", "key=%01public": "bad_key",
		"key=K&after=": "bad_request", "key=K&after=-1": "bad_request", "key=K&after=x": "bad_request", "key=K&after=9223372036854775808": "bad_request",
		"key=K&after=0x10": "bad_request", "key=K&after=+1": "bad_request", "key=K&public_after=": "bad_request", "key=K&public_after=1.0": "bad_request",
		"key=K&limit=0": "bad_request", "key=K&limit=": "bad_request", "key=K&limit=-1": "bad_request", "key=K&limit=ten": "bad_request",
		"key=K&after=1&after=2": "bad_request", "key=%": "bad_request",
	} {
		if a := h.get(t, "/v2/messages?"+query); a.status != 400 || a.code(t) != code {
			t.Errorf("%s: %d %s, want %s", query, a.status, a.body, code)
		}
	}
	if c.reads != 0 {
		t.Errorf("%d reads for refused requests", c.reads)
	}
	c.readErr = func(int) error { return push.E(push.KindOutcomeUnknown, "too late") }
	if a := h.get(t, "/v2/messages?key=K"); a.status != 503 || a.code(t) != "store_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.mu.Lock()
	c.readErr = func(n int) error {
		if n%2 == 0 {
			return errBroken
		}
		return nil
	}
	c.reads = 0
	c.mu.Unlock()
	if a := h.get(t, "/v2/messages?key=K&public_after=0"); a.status != 500 || a.code(t) != "internal" {
		t.Errorf("the public half fails: %d %s", a.status, a.body)
	}
}

// TestV2PagesAreWhole follows next through everything, at every page size.
func TestV2PagesAreWhole(t *testing.T) {
	c := newCluster(t, "node1")
	var bodies []string
	for i := range 57 {
		bodies = append(bodies, fmt.Sprint(i))
	}
	ids := c.put("K", bodies...)
	for i := 0; i < len(ids); i += 5 {
		if err := c.comet("").Recall(t.Context(), "K", ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	h := newHarness(t, c)
	var want []string
	for i := range ids {
		if i%5 != 0 {
			want = append(want, ids[i].String())
		}
	}
	for _, limit := range []int{1, 2, 7, 56, 57, 100} {
		var got []string
		for after, more := "0", true; more; {
			var page struct {
				Messages []struct{ ID string }
				Next     string
				More     bool
			}
			a := h.get(t, fmt.Sprintf("/v2/messages?key=K&limit=%d&after=%s", limit, after))
			if err := json.Unmarshal([]byte(a.body), &page); err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				got = append(got, m.ID)
			}
			after, more = page.Next, page.More
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

// TestV2BigMessages: a page is bounded in bytes, too.
func TestV2BigMessages(t *testing.T) {
	c := newCluster(t, "node1")
	for range 40 {
		c.put("K", `"`+strings.Repeat("z", 60000)+`"`)
	}
	h := newHarness(t, c)
	a := h.get(t, "/v2/messages?key=K&limit=1000")
	if len(a.body) > pageBytes+64<<10 || !strings.Contains(a.body, `"more":true`) {
		t.Errorf("a page of %d bytes", len(a.body))
	}
}

// TestCutAtSecondGap: one gap per page, the rest of it on the next one.
func TestCutAtSecondGap(t *testing.T) {
	msgs := func(ids ...push.ID) (ms []push.Message) {
		for _, id := range ids {
			ms = append(ms, push.Message{ID: id})
		}
		return ms
	}
	gap := func(after, until push.ID) push.Gap {
		return push.Gap{After: after, Until: until, Reason: push.GapExpired}
	}
	tests := []struct {
		name     string
		in, want push.Page
	}{
		{"no gap", push.Page{Messages: msgs(16, 32), Next: 32}, push.Page{Messages: msgs(16, 32), Next: 32}},
		{"one", push.Page{Messages: msgs(64), Gaps: []push.Gap{gap(16, 48)}, Next: 64}, push.Page{Messages: msgs(64), Gaps: []push.Gap{gap(16, 48)}, Next: 64}},
		{
			"a second one between messages",
			push.Page{Messages: msgs(64, 80, 160), Gaps: []push.Gap{gap(16, 48), gap(80, 144)}, Next: 160},
			push.Page{Messages: msgs(64, 80), Gaps: []push.Gap{gap(16, 48)}, Next: 80, More: true},
		},
		{
			"a second one after the messages",
			push.Page{Messages: msgs(64), Gaps: []push.Gap{gap(16, 48), gap(64, 144)}, Next: 144},
			push.Page{Messages: msgs(64), Gaps: []push.Gap{gap(16, 48)}, Next: 64, More: true},
		},
		{
			"gaps alone",
			push.Page{Gaps: []push.Gap{gap(16, 48), gap(48, 96), gap(96, 128)}, Next: 128},
			push.Page{Gaps: []push.Gap{gap(16, 48)}, Next: 48, More: true, Messages: nil},
		},
	}
	for _, tt := range tests {
		cutAtSecondGap(&tt.in)
		if diff := cmp.Diff(tt.want, tt.in); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestV2Gap: its shape; and reading from the beginning never gets one.
func TestV2Gap(t *testing.T) {
	c := newCluster(t, "node1")
	id := c.put("K", "1", "2")
	c.stream("K").gaps = []push.Gap{{After: 160, Until: 320, Reason: push.GapDeleted}, {After: 480, Until: 640, Reason: push.GapExpired}}
	h := newHarness(t, c)
	tests := []struct{ after, want string }{
		{"176", `{"messages":[],"next":"480","more":true,"gap":{"after":"176","until":"320","reason":"deleted"}}`},
		{"480", `{"messages":[` + msgJSON(id[0], 0, "1") + `,` + msgJSON(id[1], id[0], "2") + `],"next":"` + id[1].String() + `","more":false,"gap":{"after":"480","until":"640","reason":"expired"}}`},
		{"0", `{"messages":[` + msgJSON(id[0], 0, "1") + `,` + msgJSON(id[1], id[0], "2") + `],"next":"` + id[1].String() + `","more":false}`},
	}
	for _, tt := range tests {
		if a := h.get(t, "/v2/messages?key=K&after="+tt.after); a.body != tt.want+"\n" {
			t.Errorf("after %s:\n got %s\nwant %s", tt.after, a.body, tt.want)
		}
	}
}

// TestV2Time: {"id":ID}.
func TestV2Time(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c)
	if a := h.get(t, "/v2/time"); a.status != http.StatusOK || a.body != `{"id":"17953750178989520"}`+"\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	c.setView(t)
	if a := h.get(t, "/v2/time"); a.status != 503 || a.code(t) != "no_node" {
		t.Errorf("no group: %d %s", a.status, a.body)
	}
	if a := h.get(t, "/1/time/get"); a.body != `{"ret":65535}` {
		t.Errorf("no group, v1: %s", a.body)
	}
}
