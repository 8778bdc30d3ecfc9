package web

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestNoGetHasAnEffect: whatever path of either API is asked for with GET, HEAD or OPTIONS, and
// with every parameter that any operation takes, by an operator: nothing is pushed, deleted,
// recalled, drained, removed or minted, and nothing is audited.
//
// Broken once by serving the deletion of protocol v1, and once the drain of a node, for GET too.
func TestNoGetHasAnEffect(t *testing.T) {
	h, audit := audited(t, "node1")
	if a := h.post(t, "/v2/messages", `{"key":"K","data":1}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := h.stored("K")[0].ID.String()
	state := func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		var all []string
		for key, st := range h.streams {
			if len(st.messages) > 0 || st.deleted != 0 {
				all = append(all, fmt.Sprint(key, st.messages, st.deleted))
			}
		}
		slices.Sort(all)
		return fmt.Sprint(all, h.clock, h.view.Groups, h.view.Nodes)
	}
	before := state()
	const everything = "?key=K&k=K&expire=60&mid=0&m=0&proto=1&p=1&after=0&data=1&about=1&limit=10&force=1"
	for base, routes := range map[string][]route{
		h.public: h.server.publicRoutes(), h.admin: slices.Concat(h.server.adminRoutes(), h.server.consoleRoutes()),
	} {
		for _, r := range routes {
			path := strings.NewReplacer("{id}", id, "{group}", "node1", "{key}", "K").Replace(r.pattern)
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				tries(t, method, base+path+everything, `{"key":"K","data":1}`)
				tries(t, method, base+path+everything, "key=K")
			}
			if now := state(); now != before {
				t.Errorf("reading %s has an effect: %s, before %s", path, now, before)
				before = now
			}
		}
	}
	if text := audit.String(); text != "" {
		t.Errorf("the audit log says %s", text)
	}
}

// tries makes a request as an operator, whatever comes of it.
func tries(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}
