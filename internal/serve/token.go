package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"gopush/web"
)

// The shortest admin token that is not a mistake, and the longest.
const (
	minToken = 16
	maxToken = 512
)

// maxAdmins bounds the file of admin tokens, in bytes.
const maxAdmins = 256 << 10

// digestPrefix begins a token that is given as the hexadecimal SHA-256 of itself.
const digestPrefix = "sha256:"

// loneAdmin is the name of the operator whose token is all that a file holds.
const loneAdmin = "admin"

// admins are those of one file.
type admins struct {
	list []web.Admin
	// token is the first operator's, to be shown to whoever may read the file; empty
	// when there are only digests.
	token string
}

// adminToken reads the tokens of the data folder, or makes one: 130 random bits.
func adminToken(path string, log *slog.Logger) (admins, error) {
	a, err := readAdmins(path, log, (*os.File).Chmod)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	token, err := newToken(path)
	if err != nil {
		return admins{}, err
	}
	return parseAdmins(token)
}

// readAdmins takes the tokens that are there; protect makes their file private.
func readAdmins(path string, log *slog.Logger, protect func(*os.File, fs.FileMode) error) (admins, error) {
	text, err := readSecret(path, maxAdmins, log, protect)
	if err != nil {
		return admins{}, fmt.Errorf("admin token: %w", err)
	}
	a, err := parseAdmins(text)
	if err != nil {
		return admins{}, fmt.Errorf("admin token: %s: %w", path, err)
	}
	return a, nil
}

// readSecret reads a file of at most limit bytes, which others should not be able to read;
// protect makes it private if they are.
func readSecret(path string, limit int64, log *slog.Logger, protect func(*os.File, fs.FileMode) error) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("others could read a file of secrets; replace them if they may have", slog.String("file", path))
		if err := protect(f, 0o600); err != nil {
			return "", err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return string(b), nil
}

// AdminToken gives the token to use the admin API with, out of the file at path: the only
// word in it, or an operator's token, if the file has one as it stands. The error is about the file, and never
// shows what is in it.
func AdminToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if words := strings.Fields(string(b)); len(words) == 1 {
		return words[0], nil // whatever it is: the server knows what it takes
	}
	a, err := parseAdmins(string(b))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if a.token == "" {
		return "", fmt.Errorf("%s has only digests of operators' tokens; give the token itself", path)
	}
	return a.token, nil
}

// parseAdmins reads a file of admin tokens: one line with an operator's token and nothing
// else, or lines of the form NAME ROLE TOKEN. Its errors show no token.
func parseAdmins(text string) (admins, error) {
	var lines [][]string
	var places []int
	for i, line := range strings.Split(text, "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0][0] != '#' {
			lines, places = append(lines, fields), append(places, i+1)
		}
	}
	if len(lines) == 1 && len(lines[0]) == 1 {
		lines[0] = []string{loneAdmin, web.Operator.String(), lines[0][0]}
	}
	var a admins
	names, tokens := make(map[string]bool), make(map[[sha256.Size]byte]bool)
	for i, fields := range lines {
		admin, plain, err := parseAdmin(fields)
		switch {
		case err != nil:
		case names[admin.Name]:
			err = errors.New("an earlier line has the same name; the audit log could not tell them apart")
		case tokens[admin.Digest]:
			err = errors.New("an earlier line has the same token; the audit log could not tell them apart")
		}
		if err != nil {
			return admins{}, fmt.Errorf("line %d: %w", places[i], err)
		}
		names[admin.Name], tokens[admin.Digest] = true, true
		a.list = append(a.list, admin)
		if a.token == "" && admin.Role == web.Operator {
			a.token = plain
		}
	}
	if len(a.list) == 0 {
		return admins{}, errors.New("there is no token; write one, or remove the file of a data folder to have one made")
	}
	return a, nil
}

// parseAdmin reads one line; plain is its token, if it is more than a digest.
func parseAdmin(fields []string) (admin web.Admin, plain string, err error) {
	if len(fields) != 3 {
		return admin, "", errors.New("write NAME ROLE TOKEN, or one token alone in the file")
	}
	name, token := fields[0], fields[2]
	if len(name) > 64 || !visible(name) {
		return admin, "", errors.New("the name must be 1 to 64 visible ASCII characters")
	}
	role, err := web.ParseAdminRole(fields[1])
	if err != nil {
		return admin, "", errors.New("the second word is no role; write viewer or operator")
	}
	if digest, ok := strings.CutPrefix(token, digestPrefix); ok {
		admin = web.Admin{Name: name, Role: role}
		b, err := hex.DecodeString(digest)
		if err != nil || len(b) != len(admin.Digest) {
			return admin, "", fmt.Errorf("the digest must be %s and %d hexadecimal digits", digestPrefix, 2*len(admin.Digest))
		}
		copy(admin.Digest[:], b)
		return admin, "", nil
	}
	if len(token) < minToken || len(token) > maxToken || !visible(token) {
		return admin, "", fmt.Errorf("a token must be %d to %d visible ASCII characters", minToken, maxToken)
	}
	return web.NewAdmin(name, role, token), token, nil
}

// visible reports whether s holds printable ASCII alone, without spaces.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// newToken writes the file whole or not at all, so that a crash leaves no half
// of a token.
func newToken(path string) (string, error) {
	token := rand.Text()
	temp := path + ".tmp"
	// What a crash has left, or somebody has put there, may be open to others or a link.
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("admin token: %w", err)
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
