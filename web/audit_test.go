package web

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const viewerToken = "v1ewer-admin-token"

// audited is a harness whose audit log is its own, with an operator and a viewer.
func audited(t *testing.T, groups ...string) (*harness, *lockedBuffer) {
	t.Helper()
	audit := new(lockedBuffer)
	h := newHarness(t, newCluster(t, groups...), func(c *Config) {
		c.Admins = append([]Admin{NewAdmin("board", Viewer, viewerToken)}, testAdmins...)
	})
	h.server.deps.Audit = slog.New(slog.NewTextHandler(audit, nil))
	return h, audit
}

// A viewer sees what there is and changes nothing, whichever protocol it speaks; an
// operator may do everything.
//
// Broken once by letting a viewer POST to protocol v1, and once by letting him read nothing.
func TestRoles(t *testing.T) {
	h, _ := audited(t, "node1")
	viewer := []string{"Authorization", "Bearer " + viewerToken}
	for _, r := range h.server.adminRoutes() {
		path := strings.NewReplacer("{id}", "16", "{group}", "node1", "{key}", "K").Replace(r.pattern)
		if r.method == "GET" {
			// There is no such message, which a viewer is told.
			if a := h.call(t, "GET", path+"?key=K", "", viewer...); a.status != 200 && a.status != 404 {
				t.Errorf("a viewer reads %s: %d %s", path, a.status, a.body)
			}
			continue
		}
		a := h.call(t, r.method, path+"?key=K&expire=60", `{"key":"K","data":1}`, viewer...)
		if a.status != 403 || strings.HasPrefix(path, "/v2/") && a.code(t) != "forbidden" {
			t.Errorf("a viewer does %s %s: %d %s", r.method, path, a.status, a.body)
		}
	}
	if n := len(h.stored("K")); n != 0 {
		t.Errorf("%d messages of a viewer", n)
	}
	if a := h.post(t, "/v2/messages", `{"key":"K","data":1}`); a.status != 201 {
		t.Errorf("an operator pushes: %d %s", a.status, a.body)
	}
}

// Those who may come are replaced while the server runs.
//
// Broken once by looking at the configuration's list.
func TestSetAdmins(t *testing.T) {
	h, _ := audited(t, "node1")
	h.server.SetAdmins([]Admin{NewAdmin("carol", Operator, "carols-own-token")})
	for token, want := range map[string]int{testToken: 401, viewerToken: 401, "carols-own-token": 200} {
		if a := h.call(t, "GET", "/v2/nodes", "", "Authorization", "Bearer "+token); a.status != want {
			t.Errorf("%s: %d", token, a.status)
		}
	}
}

// What changes something is in the audit log, once, with who and what about; pushes are
// not, nor is any token.
//
// Broken once by auditing before the action, so that the outcome was always ok.
func TestAudit(t *testing.T) {
	h, audit := audited(t, "node1", "node2")
	id := fmt.Sprint(h.put("K", `"x"`)[0])
	h.standby("node1")
	h.edit("node2", gone)
	for _, tt := range []struct{ method, path, body, want string }{
		{"POST", "/v2/messages", `{"key":"K","data":1}`, ""},
		{"POST", "/1/admin/push/private?key=K&expire=60", `1`, ""},
		{"GET", "/v2/nodes", ``, ""},
		{"POST", "/v2/broadcast", `{"data":1}`, "action=broadcast id="},
		{"POST", "/1/admin/push/public?expire=60", `1`, "action=broadcast id="},
		{"POST", "/1/admin/push/public", `1`, "action=broadcast outcome=bad_request"},
		{"DELETE", "/v2/messages/" + id + "?key=K", ``, "action=recall key=K id=" + id + " outcome=ok"},
		{"DELETE", "/v2/messages/32?key=K", ``, "action=recall key=K id=32 outcome=not_found"},
		{"DELETE", "/v2/messages?key=K", ``, "action=delete key=K outcome=ok"},
		{"DELETE", "/v2/messages?public=1", ``, "action=delete public=true outcome=ok"},
		{"DELETE", "/v2/messages", ``, "action=delete outcome=bad_key"},
		{"POST", "/1/admin/msg/del", `key=K`, "action=delete key=K outcome=ok"},
		{"POST", "/v2/nodes/node1/drain", ``, "action=drain group=node1 outcome=ok"},
		{"DELETE", "/v2/nodes/node1", ``, "action=remove_group group=node1 outcome=conflict"},
	} {
		before := audit.String()
		h.call(t, tt.method, tt.path, tt.body, "X-Request-Id", "req-7")
		line := strings.TrimPrefix(audit.String(), before)
		switch {
		case tt.want == "" && line != "":
			t.Errorf("%s %s is audited: %s", tt.method, tt.path, line)
		case tt.want == "":
		case strings.Count(line, "\n") != 1, !strings.Contains(line, `level=INFO msg="admin action" who=alice role=operator `+tt.want),
			!strings.Contains(line, "outcome="), !strings.HasSuffix(line, " request_id=req-7 remote=127.0.0.1\n"):
			t.Errorf("%s %s: %q", tt.method, tt.path, line)
		}
	}
	h.call(t, "DELETE", "/v2/messages?key=K", "", "Authorization", "Bearer "+viewerToken)
	if want := `msg="admin access denied" who=board role=viewer method=DELETE skipped=0 outcome=forbidden`; !strings.Contains(audit.String(), want) {
		t.Errorf("no %s in %s", want, audit.String())
	}
	for _, log := range []string{audit.String(), h.log.String()} {
		if strings.Contains(log, testToken) || strings.Contains(log, viewerToken) {
			t.Error("a token is in a log")
		}
	}
}

// Whoever guesses tokens does not fill the audit log, and what it left out is counted.
//
// Broken once by letting all of them through.
func TestGuessesAreCountedNotListed(t *testing.T) {
	h, audit := audited(t, "node1")
	for range denialsShown + 5 {
		h.call(t, "POST", "/v2/messages", "", "Authorization", "Bearer gue55ed")
	}
	if n := strings.Count(audit.String(), "admin access denied"); n != denialsShown || strings.Contains(audit.String(), "gue55ed") {
		t.Errorf("%d lines: %s", n, audit.String())
	}
	now := testNow
	h.server.deps.Now = func() time.Time { return now.Add(denialsPeriod) }
	h.call(t, "POST", "/v2/messages", "", "Authorization", "Bearer gue55ed")
	if want := `who="" role=none method=POST skipped=5 outcome=unauthenticated`; !strings.Contains(audit.String(), want) {
		t.Errorf("no %s in %s", want, audit.String())
	}
}

// An administrator is found wherever it stands in the list, and by the whole token.
//
// Broken once by stopping at the first entry.
func TestEveryEntryCounts(t *testing.T) {
	s := newServer(t, newCluster(t, "node1"), discard(), func(c *Config) {
		for i := range 5 {
			c.Admins = append(c.Admins, NewAdmin(fmt.Sprint("a", i), Operator, fmt.Sprint("token-of-", i)))
		}
	})
	for i := range 5 {
		for suffix, want := range map[string]string{"": fmt.Sprint("a", i), "x": ""} {
			r := httptest.NewRequest("GET", "/v2/nodes", nil)
			r.Header.Set("Authorization", "Bearer "+fmt.Sprint("token-of-", i)+suffix)
			who, err := byToken(*s.admins.Load(), r)
			if (err == nil) != (want != "") || who != nil && who.Name != want {
				t.Errorf("%d%s: %+v, %v", i, suffix, who, err)
			}
		}
	}
}
