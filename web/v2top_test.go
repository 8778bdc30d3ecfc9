package web

import (
	"net/http"
	"strings"
	"testing"

	"gopush/internal/push"
)

// TestTop: the busiest keys of all groups, and who has not told of its own.
//
// Broken once by sorting by the upper bound, once by cutting before the groups are put
// together, and once by showing the name of the public stream.
func TestTop(t *testing.T) {
	c := newCluster(t, "node1", "node2", "node3")
	c.top = map[string][]push.BusyKey{
		"node1:6970": {{Key: "a", Least: 5, Most: 50, Connections: 2}, {Key: "b", Least: 1, Most: 1.5}},
		"node2:6970": {{Key: push.PublicKey, Least: 7, Most: 7}, {Key: "c", Least: 6, Most: 6}},
	}
	h := newHarness(t, c)
	a := h.call(t, http.MethodGet, "/v2/top?limit=3", "")
	want := `{"keys":[{"public":true,"node":"node2","least":7,"most":7,"connections":0},{"key":"c","node":"node2","least":6,"most":6,"connections":0},` +
		`{"key":"a","node":"node1","least":5,"most":50,"connections":2}],"silent":["node3:6970"]}`
	if got := strings.TrimSpace(a.body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for target, status := range map[string]int{"": 200, "?limit=1000": 200, "?limit=0": 400, "?limit=x": 400, "?limit=1&limit=2": 400} {
		if a := h.call(t, http.MethodGet, "/v2/top"+target, ""); a.status != status {
			t.Errorf("%q: %d %s", target, a.status, a.body)
		}
	}
	if a := h.do(t, http.MethodGet, h.admin+"/v2/top", "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	if a := h.get(t, "/v2/top"); a.status != http.StatusNotFound {
		t.Errorf("on the public listener: %d %s", a.status, a.body)
	}
}
