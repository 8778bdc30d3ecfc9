package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gopush/internal/push"
	"gopush/internal/quota"
)

// TestPushRate: the node takes so many messages in a second, however they come, and says
// so to each of those over it. The clock of the test stands still.
//
// Broken once by not counting lines of a batch, once by not counting single pushes.
func TestPushRate(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushesPerSecond = 5 })
	if got := h.post(t, "/v2/messages", `{"key":"K","data":1}`, "Content-Type", "application/json"); got.status != http.StatusCreated {
		t.Fatal(got)
	}
	if got := h.post(t, "/1/admin/push/private?key=K&expire=60", `2`); got.body != `{"ret":0}` {
		t.Error(got)
	}
	if got := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"3","k":"K"}`); got.body != `{"ret":0}` {
		t.Error(got)
	}
	got := h.post(t, "/v2/messages/batch", strings.Repeat(`{"key":"K","data":4}`+"\n", 4), "Content-Type", batchType)
	var lines []string
	for text := range strings.Lines(got.body) {
		lines = append(lines, readLine(t, text, len(lines)))
	}
	if len(lines) != 4 || lines[1] == "rate_limited" || lines[2] != "rate_limited" || lines[3] != "rate_limited" || !strings.Contains(got.body, `"retryable":true`) {
		t.Errorf("the batch was answered %q", lines)
	}
	if got := h.post(t, "/v2/messages", `{"key":"K","data":5}`, "Content-Type", "application/json"); got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") != "1" {
		t.Error(got)
	}
	if got := h.post(t, "/1/admin/push/private?key=K&expire=60", `6`); got.body != `{"ret":65535}` || !strings.Contains(got.header.Get(v1ErrorHeader), "slower") {
		t.Error(got)
	}
	if got := h.post(t, "/1/admin/push/mprivate?expire=60", `{"m":"7","k":"K"}`); got.body != `{"data":{"fk":["K"]},"ret":0}` {
		t.Error(got)
	}
	if got := testutil.ToFloat64(h.server.metrics.pushes.WithLabelValues("rate_limited")); got != 5 {
		t.Errorf("%v are counted, want 5", got)
	}
	if got := len(c.stream("K").messages); got != 5 {
		t.Errorf("%d messages are there, want 5", got)
	}
	if got := h.get(t, "/v2/messages?key=K"); got.status != http.StatusOK {
		t.Errorf("reading is not limited, yet: %v", got)
	}
}

// TestPushRateOfAnAddress: one address pushes so often in a second, however it does; the others
// keep what the node takes. The clock of the test stands still.
//
// Broken once by asking the node's bucket first, and once each by no source for single pushes,
// batches and many keys.
func TestPushRateOfAnAddress(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushesPerAddress, cfg.Limits.PushesPerSecond = 3, 5 })
	push := func(address, target, body, contentType string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body)), httptest.NewRecorder()
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{source: quota.SourceOf(address + ":1")}))
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("Content-Type", contentType)
		h.server.Admin().ServeHTTP(duplex{w}, r)
		return w
	}
	single := func(address string) int {
		return push(address, "/v2/messages", `{"key":"K","data":1}`, "application/json").Code
	}
	if got := single("192.0.2.1"); got != http.StatusCreated {
		t.Fatal(got)
	}
	if got := push("192.0.2.1", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"K,k2,k3"}`, "").Body.String(); got != `{"data":{"fk":["k3"]},"ret":0}` {
		t.Error(got)
	}
	if got := push("192.0.2.1", "/v2/messages/batch", `{"key":"K","data":1}`+"\n", batchType).Body.String(); !strings.Contains(got, `"code":"rate_limited"`) {
		t.Error(got)
	}
	w := push("192.0.2.1", "/v2/messages", `{"key":"K","data":1}`, "application/json")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "this address pushes too fast") {
		t.Error(w.Code, w.Header(), w.Body)
	}
	if got := single("192.0.2.2"); got != http.StatusCreated {
		t.Errorf("another address: %d", got)
	}
	if got := push("192.0.2.2", "/v2/messages/batch", strings.Repeat(`{"key":"K","data":1}`+"\n", 2), batchType).Body.String(); strings.Count(got, `"id"`) != 1 {
		t.Errorf("what the node takes is over: %s", got)
	}
	if got := testutil.ToFloat64(h.server.metrics.pushes.WithLabelValues("rate_limited")); got != 4 {
		t.Errorf("%v are counted, want 4", got)
	}
}

// TestPushRateOfAKey: a comet that says that a key is pushed to too fast is not asked again, and
// the pusher hears it.
func TestPushRateOfAKey(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	asked := 0
	h.server.deps.Comet = func(string) Comet {
		asked++
		return failing{push.E(push.KindRateLimited, "the key is pushed to too fast")}
	}
	if got := h.post(t, "/v2/messages", `{"key":"K","data":1}`, "Content-Type", "application/json"); got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") != "1" {
		t.Error(got)
	}
	if got := h.post(t, "/1/admin/push/private?key=K&expire=60", `6`); got.body != `{"ret":65535}` {
		t.Error(got)
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for each push", asked)
	}
}

// TestReadRate: an address asks so often, and hears of it in the terms of its protocol;
// others, and the admin API, are answered.
//
// Broken once by one bucket for all addresses.
func TestReadRate(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"), func(cfg *Config) { cfg.Limits.ReadsPerAddress = 2 })
	for range 2 {
		if got := h.get(t, "/v2/node?key=K"); got.status != http.StatusOK {
			t.Fatal(got)
		}
	}
	if got := h.get(t, "/v2/messages?key=K"); got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") != "1" {
		t.Error(got)
	}
	got := h.get(t, "/1/msg/get?k=K&m=0")
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" || !strings.HasSuffix(got.body, `,"ret":65535}`) {
		t.Error(got)
	}
	r, other := httptest.NewRequest(http.MethodGet, "/v2/node?key=K", http.NoBody), httptest.NewRecorder()
	r.RemoteAddr = "198.51.100.7:1"
	h.server.Public().ServeHTTP(other, r)
	if other.Code != http.StatusOK {
		t.Errorf("another address: %d", other.Code)
	}
	if got := h.call(t, http.MethodGet, "/v2/keys/K", ""); got.status != http.StatusOK {
		t.Error(got)
	}
}

// TestMemoryShort: while memory is short pushes are refused, at once and retryable; reading
// goes on.
//
// Broken once by not looking.
func TestMemoryShort(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	h.server.deps.Exhausted = func() bool { return true }
	if got := h.post(t, "/v2/messages", `{"key":"K","data":1}`, "Content-Type", "application/json"); got.status != http.StatusServiceUnavailable || got.code(t) != "busy" || got.header.Get("Retry-After") != "1" {
		t.Error(got)
	}
	if got := h.get(t, "/v2/messages?key=K"); got.status != http.StatusOK {
		t.Error(got)
	}
}
