package serve

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"gopush/internal/daemon"
)

// A reload gives and takes roles.
//
// Broken once by giving everybody the role of an operator.
func TestRolesReload(t *testing.T) {
	r := startReloaded(t, "", nil)
	const viewer, operator = "boards-own-token-1", "alices-own-token-1"
	want := func(token string, read, push int) {
		t.Helper()
		admin := "http://" + r.sys.Addrs().Admin
		gotRead, _ := r.answer(t, http.MethodGet, admin+"/v2/nodes", "", token, "")
		gotPush, _ := r.answer(t, http.MethodPost, admin+"/v2/messages", `{"key":"k","data":1}`, token, "")
		if gotRead != read || gotPush != push {
			t.Errorf("%s: reads %d, pushes %d", token, gotRead, gotPush)
		}
	}
	for _, roles := range [][2]string{{"viewer", "operator"}, {"operator", "viewer"}} {
		text := "board " + roles[0] + " " + viewer + "\nalice " + roles[1] + " " + operator + "\n"
		if err := os.WriteFile(r.sys.TokenFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if line := r.reload(t, ""); !strings.Contains(line, `changed="the admin tokens"`) {
			t.Error(line)
		}
		codes := map[string]int{"viewer": 403, "operator": 201}
		want(viewer, 200, codes[roles[0]])
		want(operator, 200, codes[roles[1]])
	}
}

// The audit log is written even where nothing else is.
//
// Broken once by using the logger of the role.
func TestAuditIsAlwaysOn(t *testing.T) {
	var out bytes.Buffer
	log, _, err := daemon.NewLogger(daemon.LogConfig{Format: "json", Level: "error"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	audit := (&System{log: log}).auditLog()
	log.Warn("of no interest")
	audit.WithGroup("g").With(slog.String("a", "b")).Info("admin action")
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"admin action","part":"audit"`) {
		t.Errorf("the log is %q", got)
	}
}
