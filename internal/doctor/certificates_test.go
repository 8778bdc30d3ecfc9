package doctor

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"gopush/internal/cert"
	"gopush/internal/cert/certtest"
)

// TestCertificates: what is found, and that everything that is wrong has a fix.
//
// Broken once by not comparing names, and once by a limit of 14 hours.
func TestCertificates(t *testing.T) {
	ca := certtest.New(t)
	issue := func(name string, left time.Duration) cert.Files {
		f := ca.Issue(t, name, []string{"push.example", "10.0.0.1"}, func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(-100 * 24 * time.Hour)
			c.NotAfter = time.Now().Add(left)
		})
		return cert.Files{Cert: f.Cert, Key: f.Key}
	}
	const day = 24 * time.Hour
	good, shared := issue("good", 90*day+time.Hour), issue("shared", 90*day)
	if err := os.Chmod(shared.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	young := ca.Issue(t, "young", nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
	for name, tt := range map[string]struct {
		c    Certificate
		want []string // verdict and a part of what is seen
	}{
		"good":         {Certificate{"web", good, []string{"push.example", "10.0.0.1"}}, []string{"ok valid for 90 days"}},
		"another name": {Certificate{"comet", good, []string{"10.0.0.2", "push.example"}}, []string{"ok valid", "wrong clients that connect to 10.0.0.2 refuse it"}},
		"soon":         {Certificate{"web", issue("soon", 13*day+time.Hour), nil}, []string{"note it expires in 13 days"}},
		"not so soon":  {Certificate{"web", issue("later", 15*day), nil}, []string{"ok valid for 14 days"}},
		"expired":      {Certificate{"web", issue("expired", -time.Hour), nil}, []string{"wrong it expired at"}},
		"not yet":      {Certificate{"web", cert.Files{Cert: young.Cert, Key: young.Key}, nil}, []string{"wrong it is valid from"}},
		"open key":     {Certificate{"web", shared, nil}, []string{"ok valid", "note others can read"}},
		"another key":  {Certificate{"rpc", cert.Files{Cert: good.Cert, Key: shared.Key}, nil}, []string{"wrong " + good.Cert}},
		"of ops":       {Certificate{"ops", cert.Files{Cert: "nowhere", Key: good.Key}, nil}, []string{"wrong open nowhere"}},
		"missing":      {Certificate{"rpc", cert.Files{Cert: "nowhere", Key: good.Key}, nil}, []string{"wrong open nowhere"}},
	} {
		found := certificates([]Certificate{tt.c}, time.Now())
		if len(found) != len(tt.want) {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for i, f := range found {
			if !strings.HasPrefix(string(f.Verdict)+" "+f.Seen, tt.want[i]) || f.Check != "certificate of "+tt.c.Listener || (f.Fix == "") != (f.Verdict == OK) {
				t.Errorf("%s: %+v, want %s", name, f, tt.want[i])
			}
		}
	}
	if fix := certificates([]Certificate{{"ops", cert.Files{}, nil}}, time.Now())[0].Fix; !strings.Contains(fix, "where ops_tls_cert and") {
		t.Errorf("the fix names no setting: %s", fix)
	}
	if r := Examine(t.Context(), Patient{Folder: folder(t.TempDir(), "", "", nil), Connections: 1, Certificates: []Certificate{{"web", issue("old", -day), nil}}}); r.Healthy {
		t.Errorf("an expired one is healthy: %+v", r)
	}
}
