package cert

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/internal/cert/certtest"
)

// TestLoad: what an operator may have put there, and what is said of it.
//
// Broken once by not looking at the usages.
func TestLoad(t *testing.T) {
	ca, stranger := certtest.New(t), certtest.New(t)
	good := ca.Issue(t, "good", []string{"localhost"}, nil)
	other := ca.Issue(t, "other", []string{"localhost"}, nil)
	expired := ca.Issue(t, "expired", nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early := ca.Issue(t, "early", nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	oneEnd := ca.Issue(t, "server", nil, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })
	open := ca.Issue(t, "open", nil, nil)
	if err := os.Chmod(open.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	shared := ca.Issue(t, "shared", nil, nil)
	if err := os.Chmod(shared.Key, 0o440); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files   Files
		wrong   string
		warning string
	}{
		"good":                 {files: Files{good.Cert, good.Key, ""}},
		"good, with authority": {files: Files{good.Cert, good.Key, ca.File}},
		"shared with a group":  {files: Files{shared.Cert, shared.Key, ""}},
		"expired":              {files: Files{expired.Cert, expired.Key, ca.File}, warning: "it expired at"},
		"not valid yet":        {files: Files{early.Cert, early.Key, ca.File}, warning: "it is valid from"},
		"key that others read": {files: Files{open.Cert, open.Key, ""}, warning: "others can read or change its private key"},
		"another's key":        {files: Files{good.Cert, other.Key, ""}, wrong: "are no pair"},
		"no certificate":       {files: Files{text, good.Key, ""}, wrong: "are no pair"},
		"missing":              {files: Files{text + "x", good.Key, ""}, wrong: "no such file"},
		"missing key":          {files: Files{good.Cert, text + "x", ""}, wrong: "no such file"},
		"a folder":             {files: Files{filepath.Dir(text), good.Key, ""}, wrong: "is a directory"},
		"too large":            {files: Files{large, good.Key, ""}, wrong: "no file of certificates"},
		"authority missing":    {files: Files{good.Cert, good.Key, text + "x"}, wrong: "no such file"},
		"authority no PEM":     {files: Files{good.Cert, good.Key, text}, wrong: "holds no certificate"},
		"another authority":    {files: Files{good.Cert, good.Key, stranger.File}, wrong: "would be refused by peers"},
		"of one end only":      {files: Files{oneEnd.Cert, oneEnd.Key, ca.File}, wrong: "serverAuth and clientAuth"},
	} {
		p, err := Load(tt.files, time.Now())
		switch {
		case tt.wrong != "":
			if err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s: %v, want %q", name, err, tt.wrong)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.warning == "" && len(p.Warnings) > 0:
			t.Errorf("%s: %q", name, p.Warnings)
		case tt.warning != "" && (len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], tt.warning)):
			t.Errorf("%s: %q, want %q", name, p.Warnings, tt.warning)
		case (p.Authorities == nil) != (tt.files.CA == ""):
			t.Errorf("%s: authorities %v", name, p.Authorities)
		}
	}
}
