package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
)

var allKinds = []push.Kind{
	push.KindBadRequest, push.KindBadKey, push.KindUnauthenticated, push.KindTokenExpired, push.KindTokenRevoked, push.KindForbidden, push.KindNotFound, push.KindConflict,
	push.KindTooLarge, push.KindRateLimited, push.KindBusy, push.KindNoNode, push.KindStoreUnavailable, push.KindMoving,
	push.KindWrongNode, push.KindFenced, push.KindOutcomeUnknown, push.KindInternal, kindMethod,
}

// TestProblems quotes the list of codes.
func TestProblems(t *testing.T) {
	tests := []struct {
		err        error
		status     int
		code       string
		retryable  bool
		retryAfter string
	}{
		{push.E(push.KindBadRequest, "d"), 400, "bad_request", false, ""},
		{push.E(push.KindBadKey, "d"), 400, "bad_key", false, ""},
		{push.E(push.KindUnauthenticated, "d"), 401, "unauthenticated", false, ""},
		{push.E(push.KindForbidden, "d"), 403, "forbidden", false, ""},
		{push.E(push.KindNotFound, "d"), 404, "not_found", false, ""},
		{push.E(kindMethod, "d"), 405, "method_not_allowed", false, ""},
		{push.E(push.KindConflict, "d"), 409, "conflict", false, ""},
		{push.E(push.KindTooLarge, "d"), 413, "too_large", false, ""},
		{push.E(push.KindRateLimited, "d"), 429, "rate_limited", true, "1"},
		{push.E(push.KindBusy, "d"), 503, "busy", true, "1"},
		{push.E(push.KindNoNode, "d"), 503, "no_node", true, "2"},
		{push.E(push.KindStoreUnavailable, "d"), 503, "store_unavailable", true, "2"},
		{push.E(push.KindMoving, "d"), 503, "moving", true, "1"},
		{push.E(push.KindWrongNode, "d"), 503, "moving", true, "1"},
		{push.E(push.KindOutcomeUnknown, "d"), 504, "outcome_unknown", true, ""},
		{push.E(push.KindFenced, "d"), 504, "outcome_unknown", true, ""},
		{push.E(push.KindInternal, "d"), 500, "internal", false, ""},
		{errBroken, 500, "internal", false, ""},
		{context.DeadlineExceeded, 504, "outcome_unknown", true, ""},
		{fmt.Errorf("wrapped: %w", push.E(push.KindConflict, "d")), 409, "conflict", false, ""},
		{&push.Error{Kind: push.KindBusy, Detail: "d", RetryAfter: 1500 * time.Millisecond}, 503, "busy", true, "2"},
		{&push.Error{Kind: push.KindConflict, Detail: "d", RetryAfter: time.Second}, 409, "conflict", false, ""},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		writeProblem(w, tt.err)
		want := fmt.Sprintf(`"code":%q`, tt.code)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), fmt.Sprintf(`"retryable":%v`, tt.retryable)) {
			t.Errorf("%v: %d %s", tt.err, w.Code, w.Body)
		}
		if got := w.Header().Get("Retry-After"); got != tt.retryAfter {
			t.Errorf("%v: Retry-After %q, want %q", tt.err, got, tt.retryAfter)
		}
		if w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %v", tt.err, w.Header())
		}
	}
}

// TestCausesStayInside: the cause of an error is for the log.
func TestCausesStayInside(t *testing.T) {
	for _, err := range []error{
		push.Wrap(push.KindStoreUnavailable, errBroken, "the store is away"), errBroken,
		push.Wrap(push.KindInternal, errBroken, "table 7 is broken"),
	} {
		w := httptest.NewRecorder()
		writeProblem(w, err)
		if strings.Contains(w.Body.String(), "broken") {
			t.Errorf("%v shows: %s", err, w.Body)
		}
	}
}

// TestV2PathsAndMethods: a wrong method is 405 method_not_allowed with Allow.
func TestV2PathsAndMethods(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	tests := []struct {
		method, base, path string
		status             int
		allow              string
	}{
		{"POST", h.public, "/v2/messages?key=K", 405, "GET, HEAD, OPTIONS"},
		{"DELETE", h.public, "/v2/messages?key=K", 405, "GET, HEAD, OPTIONS"},
		{"PATCH", h.public, "/v2/node", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", h.public, "/v2/node", 204, "GET, HEAD, OPTIONS"},
		{"HEAD", h.public, "/v2/node?key=K", 200, ""},
		{"HEAD", h.public, "/v2/node", 400, ""},
		{"GET", h.public, "/v2/nodes", 404, ""},
		{"GET", h.public, "/v2/", 404, ""},
		{"GET", h.public, "/v2//node?key=K", 404, ""},
		{"GET", h.public, "/v2/x/../node?key=K", 404, ""},
		{"GET", h.admin, "/v2/messages?key=K", 405, "DELETE, OPTIONS, POST"},
		{"GET", h.admin, "/v2/messages/batch", 405, "OPTIONS, POST"},
		{"PUT", h.admin, "/v2/messages/16?key=K", 405, "DELETE, GET, HEAD, OPTIONS"},
		{"GET", h.admin, "/v2/nodes/node1/drain", 405, "OPTIONS, POST"},
		{"GET", h.admin, "/v2/nodes/node1", 405, "DELETE, OPTIONS"},
		{"POST", h.admin, "/v2/nothing", 404, ""},
		{"GET", h.admin, "/v2/keys/a//b", 404, ""},
		{"GET", h.admin, "/v2/keys/", 404, ""},
		{"HEAD", h.admin, "/v2/nodes", 200, ""},
	}
	for _, tt := range tests {
		a := h.do(t, tt.method, tt.base+tt.path, "", map[string]string{"Authorization": "Bearer " + testToken})
		if a.status != tt.status || a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.path, a.status, a.header.Get("Allow"), tt.status, tt.allow)
		}
		if tt.status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %v", tt.method, tt.path, a.header)
		}
		if tt.method == http.MethodHead && a.body != "" {
			t.Errorf("HEAD %s has the body %q", tt.path, a.body)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %v", tt.method, tt.path, a.header)
		}
	}
}
