package web

import (
	"net/http"
	"strings"
	"testing"
)

// TestDrain: a hand-over needs somebody to hand over to, unless it is forced.
func TestDrain(t *testing.T) {
	c := newCluster(t, "node1", "node2")
	h := newHarness(t, c)
	drain := func(target string, status int, code string) {
		t.Helper()
		a := h.post(t, "/v2/nodes/"+target, "")
		if a.status != status || code != "" && a.code(t) != code {
			t.Errorf("drain %s: %d %s", target, a.status, a.body)
		}
	}
	drain("node3/drain", http.StatusNotFound, "not_found")
	drain("node1/drain", http.StatusConflict, "conflict")
	drain("node1/drain?force=0", http.StatusConflict, "conflict")
	drain("node1/drain?force=1", http.StatusOK, "")
	c.standby("node2")
	drain("node2/drain", http.StatusOK, "")
	want := `{"id":"node2.1","name":"node2","role":"comet","group":"node2","address":"node2:6970","epoch":3,"state":"draining"},` +
		`{"id":"node2.2","name":"node2","role":"comet","group":"node2","address":"node2b:6970","epoch":0,"state":"standby"}`
	if a := h.call(t, "GET", "/v2/nodes", ""); !strings.Contains(a.body, want) {
		t.Errorf("afterwards: %s", a.body)
	}
}

// TestDeleteGroup: only a group without nodes leaves the ring.
func TestDeleteGroup(t *testing.T) {
	c := newCluster(t, "node1", "node2")
	h := newHarness(t, c)
	remove := func(group string, status int, code string) {
		t.Helper()
		a := h.call(t, http.MethodDelete, "/v2/nodes/"+group, "")
		if a.status != status || code != "" && a.code(t) != code {
			t.Errorf("%s: %d %s", group, a.status, a.body)
		}
	}
	remove("node3", http.StatusNotFound, "not_found")
	remove("node2", http.StatusConflict, "conflict")
	c.edit("node2", gone)
	if a := h.post(t, "/v2/nodes/node2/drain", ""); a.code(t) != "no_node" {
		t.Errorf("a hand-over by nobody: %s", a.body)
	}
	remove("node2", http.StatusNoContent, "")
	if a := h.call(t, "GET", "/v2/nodes", ""); strings.Contains(a.body, "node2") {
		t.Errorf("afterwards: %s", a.body)
	}
}
