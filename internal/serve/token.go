package serve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
)

// The shortest admin token that is not a mistake, and the longest.
const (
	minToken = 16
	maxToken = 512
)

// adminToken reads the token of the data folder, or makes one: 130 random bits.
func adminToken(path string, log *slog.Logger) (string, error) {
	token, err := readToken(path, log, (*os.File).Chmod)
	if errors.Is(err, fs.ErrNotExist) {
		return newToken(path)
	}
	return token, err
}

// readToken takes the token that is there; protect makes its file private.
func readToken(path string, log *slog.Logger, protect func(*os.File, fs.FileMode) error) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("others could read the admin token; replace it if they may have", slog.String("file", path))
		if err := protect(f, 0o600); err != nil {
			return "", fmt.Errorf("admin token: %w", err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxToken+2))
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minToken || len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("admin token: %s does not hold one line of %d to %d visible ASCII characters; "+
			"write one, or remove the file to have one made", path, minToken, maxToken)
	}
	return token, nil
}

// newToken writes the file whole or not at all, so that a crash leaves no half
// of a token.
func newToken(path string) (string, error) {
	token := rand.Text()
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	if err := errors.Join(write(f, token), f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	return token, nil
}
