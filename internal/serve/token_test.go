package serve

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), tokenFile)
	made, err := adminToken(path, quiet)
	if err != nil || len(made) < 26 {
		t.Fatalf("%q, %v", made, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := adminToken(path, quiet)
	if err != nil || again != made {
		t.Errorf("read back %q, %v", again, err)
	}
	other, err := adminToken(filepath.Join(t.TempDir(), tokenFile), quiet)
	if err != nil || other == made {
		t.Errorf("two folders have the same token: %v", err)
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
		case tt.ok && (err != nil || strings.ContainsAny(token, " \r\n")):
			t.Errorf("%s: %q, %v", name, token, err)
		case !tt.ok && (err == nil || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: %q, %v", name, token, err)
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
