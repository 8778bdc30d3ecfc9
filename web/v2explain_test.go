package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gopush/internal/push"
)

// explained asks for one message, and reads the explanation of either kind of answer.
func explained(t *testing.T, h *harness, target string, status int) explanation {
	t.Helper()
	a := h.call(t, http.MethodGet, "/v2/messages/"+target, "")
	if a.status != status {
		t.Fatalf("%s: %d %s", target, a.status, a.body)
	}
	var e explanation
	var p struct{ Message *explanation }
	if status == http.StatusNotFound {
		p.Message = &e
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || e.ID == "" {
			t.Fatalf("a problem without what is known: %s", a.body)
		}
		return e
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExplainStored is all that is told of a message that lives.
//
// Broken once by taking every id for one above the floor of the term.
func TestExplainStored(t *testing.T) {
	c := newCluster(t, "node1")
	ids := c.put("terry", `{"a":1}`, `"b"`, `"c"`)
	c.floor = ids[0]
	h := newHarness(t, c)
	got := explained(t, h, ids[1].String()+"?key=terry", http.StatusOK)
	want := explanation{
		Key: "terry", ID: ids[1].String(), Fate: "stored", Now: testNow.UnixMilli(), Given: ids[1].Time().UnixMilli(),
		Message: &storedMessage{Prev: ids[0].String(), Bytes: 3, ExpiresAt: 4102444800000},
		Newest:  ids[2].String(), Newer: &newer{Count: 1},
		Owner:       &owner{Node: "node1", Address: "node1:6970", Epoch: 3, Since: ids[0].String()},
		WrittenBy:   &writer{Node: "node1", Epoch: 3},
		Connections: &standings{Total: 2, Reading: 1, Before: 1, Past: 1, Cursors: []string{"0", ids[2].String()}},
	}
	unexported := cmpopts.IgnoreUnexported(owner{}, standings{})
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Error(diff)
	}
	// What is not above the floor is of an earlier term, or came with its key.
	if e := explained(t, h, ids[0].String()+"?key=terry", http.StatusOK); e.WrittenBy != nil || e.Newer.Count != 2 {
		t.Errorf("the first one: %+v %+v", e.WrittenBy, e.Newer)
	}
	if e := explained(t, h, ids[2].String()+"?key=terry", http.StatusOK); e.Connections.At != 1 || e.Newer.Count != 0 {
		t.Errorf("the newest: %+v %+v", e.Connections, e.Newer)
	}
}

// TestExplainFates: what is gone is told by why, and what never was is no result.
//
// Broken once by taking any gap of the page for one that holds the id, and once by
// answering 200 for what is unknown.
func TestExplainFates(t *testing.T) {
	c := newCluster(t, "node1")
	ids := c.put("terry", "1", "2", "3", "4", "5")
	h := newHarness(t, c)
	for reason, i := range map[push.GapReason]int{push.GapExpired: 0, push.GapLimit: 2} {
		id := ids[i]
		c.mu.Lock()
		st := c.stream("terry")
		st.gaps = append(st.gaps, push.Gap{After: id - 1, Until: id, Reason: reason})
		st.messages[i].ID = id + 1 // its row is gone
		c.mu.Unlock()
	}
	if a := h.call(t, http.MethodDelete, fmt.Sprintf("/v2/messages/%s?key=terry", ids[3]), ""); a.status != http.StatusNoContent {
		t.Fatalf("recall: %d %s", a.status, a.body)
	}
	for i, want := range []string{"expired", "stored", "limit", "recalled", "stored"} {
		if e := explained(t, h, ids[i].String()+"?key=terry", http.StatusOK); e.Fate != want || (e.Message != nil) != (want == "stored" || want == "recalled") {
			t.Errorf("message %d: %s, want %s; %+v", i, e.Fate, want, e.Message)
		}
	}
	for name, target := range map[string]string{
		"none":     (ids[0] - push.Step).String() + "?key=terry",
		"of no id": (ids[1] + 1).String() + "?key=terry",
		"above":    (ids[4] + push.Step).String() + "?key=terry",
		"no key":   ids[0].String() + "?key=nobody",
	} {
		e := explained(t, h, target, http.StatusNotFound)
		if e.Fate != "unknown" || e.Newest == "" || e.Owner == nil || e.Connections == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// TestExplainPublic: each comet has connections of its own that take public messages, and
// one that hangs costs no more than the timeout.
//
// Broken once by asking the owner alone.
func TestExplainPublic(t *testing.T) {
	c := newCluster(t, "node1", "node2", "node3")
	ids := c.put(push.PublicKey, "1", "2")
	h := newHarness(t, c)
	e := explained(t, h, ids[1].String()+"?public=1", http.StatusOK)
	want := &standings{Total: 6, Reading: 3, Before: 3, At: 3, Cursors: []string{"0", "0", "0", e.Newest, e.Newest, e.Newest}}
	if diff := cmp.Diff(want, e.Connections, cmpopts.IgnoreUnexported(standings{})); diff != "" || !e.Public || e.Key != "" {
		t.Errorf("%+v\n%s", e, diff)
	}
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	if e = explained(t, h, ids[1].String()+"?public=1", http.StatusOK); e.Connections.Silent != 3 || e.Connections.Total != 0 || e.Owner == nil || e.Owner.Since != "" {
		t.Errorf("nobody answers: %+v %+v", e.Connections, e.Owner)
	}
}

// TestExplainRefuses: what is wrong with the question, and what keeps it from its answer.
//
// Broken once by taking 0 for an id.
func TestExplainRefuses(t *testing.T) {
	c := newCluster(t, "node1")
	id := c.put("terry", "1")[0].String()
	h := newHarness(t, c)
	for target, want := range map[string]string{
		id: "bad_key", id + "?key=": "bad_key", id + "?key=a%01": "bad_key", "0?key=terry": "bad_request", "x?key=terry": "bad_request",
		"-16?key=terry": "bad_request", id + "?key=a&public=1": "bad_request", id + "?public=yes": "bad_request", id + "?key=a&key=b": "bad_request",
	} {
		if a := h.call(t, http.MethodGet, "/v2/messages/"+target, ""); a.status != http.StatusBadRequest || a.code(t) != want {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	if a := h.do(t, http.MethodGet, h.admin+"/v2/messages/"+id+"?key=terry", "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	if a := h.get(t, "/v2/messages/"+id+"?key=terry"); a.status != http.StatusNotFound {
		t.Errorf("on the public listener: %d %s", a.status, a.body)
	}
	// A key that nobody serves can be asked about; one whose store is away cannot.
	c.edit("node1", gone)
	if e := explained(t, h, id+"?key=terry", http.StatusOK); e.Owner != nil || e.Connections != nil || e.Fate != "stored" {
		t.Errorf("nobody serves it: %+v", e)
	}
	c.mu.Lock()
	c.readErr = func(int) error { return push.Wrap(push.KindStoreUnavailable, errors.New("away"), "the store is away") }
	c.mu.Unlock()
	if a := h.call(t, http.MethodGet, "/v2/messages/"+id+"?key=terry", ""); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("without a store: %d %s", a.status, a.body)
	}
}
