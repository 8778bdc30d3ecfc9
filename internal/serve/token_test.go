package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopush/web"
)

func TestAdminToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), tokenFile)
	made, err := adminToken(path, quiet)
	if err != nil || len(made.token) < 26 || len(made.list) != 1 || made.list[0].Role != web.Operator {
		t.Fatalf("%+v, %v", made, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := adminToken(path, quiet)
	if err != nil || again.token != made.token {
		t.Errorf("read back %+v, %v", again, err)
	}
	other, err := adminToken(filepath.Join(t.TempDir(), tokenFile), quiet)
	if err != nil || other.token == made.token {
		t.Errorf("two folders have the same token: %v", err)
	}
}

// TestAdminTokenIsMadeAnew: what lies where it is written first, such as a file that others can read or a
// link to one, does not get it.
//
// Broken once by writing into what is there.
func TestAdminTokenIsMadeAnew(t *testing.T) {
	for name, lay := range map[string]func(target, temp string) error{
		"a file that others read": func(_, temp string) error { return os.WriteFile(temp, nil, 0o644) },
		"a link":                  os.Symlink,
	} {
		dir := t.TempDir()
		path, target := filepath.Join(dir, tokenFile), filepath.Join(dir, "of-another")
		if err := errors.Join(os.WriteFile(target, nil, 0o644), lay(target, path+".tmp")); err != nil {
			t.Fatal(err)
		}
		made, err := adminToken(path, quiet)
		if err != nil || made.token == "" {
			t.Fatalf("%s: %+v, %v", name, made, err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if b, err := os.ReadFile(target); err != nil || len(b) > 0 {
			t.Errorf("%s: another file has %q, %v", name, b, err)
		}
	}
}

func TestAdminTokenOfSomebodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), tokenFile)
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"own":       {"a-token-of-my-own-making", true},
		"newline":   {"a-token-of-my-own-making\r\n", true},
		"empty":     {"", false},
		"short":     {"secret", false},
		"two lines": {"a-token-of-my-own\nmaking-and-more", false},
		"comment":   {"# mine\n\n a-token-of-my-own-making \n", true},
		"only talk": {"# nothing\n", false},
		"not ASCII": {"ein-schlüssel-für-alle", false},
		"endless":   {strings.Repeat("x", maxToken+1), false},
		"longest":   {strings.Repeat("x", maxToken) + "\n", true},
	}
	for name, tt := range tests {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := adminToken(path, quiet)
		switch {
		case tt.ok && (err != nil || strings.ContainsAny(token.token, " \r\n")):
			t.Errorf("%s: %+v, %v", name, token, err)
		case !tt.ok && (err == nil || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: %+v, %v", name, token, err)
		case !tt.ok && tt.text != "" && strings.Contains(err.Error(), tt.text):
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

// TestAdminTokenIsMadePrivate: and never shows in the log.
func TestAdminTokenIsMadePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), tokenFile)
	const token = "a-token-of-my-own-making"
	if err := os.WriteFile(path, []byte(token), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if _, err := adminToken(path, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "others could read") || strings.Contains(log.String(), token) {
		t.Errorf("the log says %s", log.String())
	}
}

// TestAdminsOfAFile: each line is one administrator, by a token or by its digest.
//
// Broken once by taking two lines with one name.
func TestAdminsOfAFile(t *testing.T) {
	const token = "operator-token-0001"
	digest := hex.EncodeToString(sha256.New().Sum(nil))
	a, err := parseAdmins("# who may\nalice operator " + token + "\n\nboard viewer sha256:" + digest + "\ncarol\toperator carols-own-token-2\r\n")
	want := []web.Admin{
		web.NewAdmin("alice", web.Operator, token),
		{Name: "board", Role: web.Viewer, Digest: sha256.Sum256(nil)},
		web.NewAdmin("carol", web.Operator, "carols-own-token-2"),
	}
	if err != nil || !slices.Equal(a.list, want) || a.token != token {
		t.Errorf("%+v, %v", a, err)
	}
	const secret = "s3cret-s3cret-s3cret"
	for name, text := range map[string]string{
		"no role":         "alice " + secret,
		"unknown role":    "alice root " + secret,
		"role and token":  "alice " + secret + " operator",
		"short token":     "alice viewer s3cret",
		"short digest":    "alice viewer sha256:s3cret",
		"long digest":     "alice viewer sha256:" + digest + "00",
		"odd digest":      "alice viewer sha256:" + strings.Repeat("s3cret-", 9) + "x",
		"four words":      "alice viewer " + secret + " x",
		"long name":       strings.Repeat("a", 65) + " viewer " + secret,
		"name twice":      "alice viewer " + secret + "\nalice operator " + secret + "2",
		"token twice":     "alice viewer " + secret + "\nbob operator " + secret,
		"lone and others": secret + "\nbob operator " + token,
	} {
		if a, err := parseAdmins(text); err == nil || !strings.Contains(err.Error(), "line ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// TestTokenForTheTools: the first operator's token, never a viewer's, or an error that says why not.
//
// Broken once by taking a viewer's.
func TestTokenForTheTools(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	digest := "sha256:" + strings.Repeat("0a", 32)
	for text, want := range map[string]string{
		"short\n": "short",
		"v viewer viewers-token-0001\no operator operator-token-0001\n": "operator-token-0001",
		"v viewer viewers-token-0001\no operator " + digest:             "",
		"broken line": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := AdminToken(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
