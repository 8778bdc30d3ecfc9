package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
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
