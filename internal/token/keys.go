package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms.
const (
	HS256 = "HS256" // HMAC with SHA-256: whoever can check tokens can make them
	EdDSA = "EdDSA" // Ed25519: the public key only checks
)

const (
	minSecret = 32 // bytes, as long as the digest
	maxKeys   = 64
	maxName   = 64 // bytes of a kid or a jti
)

// Key signs or checks tokens.
type Key struct {
	id     string
	method jwt.SigningMethod
	check  any // []byte or ed25519.PublicKey
	sign   any // []byte or ed25519.PrivateKey; nil: it only checks
}

// Keys are those of one file, in its order. The first that can sign does.
type Keys []Key

// ParseKeys reads lines of the form KID ALG KEY. KEY is in base64 (either alphabet, padded
// or not): of HS256 a secret of at least 32 bytes; of EdDSA a public key of 32 bytes, or
// a private one of 64 (the seed and the public key). Empty lines and those that begin
// with # are skipped. The errors name the line and show no key.
func ParseKeys(text string) (Keys, error) {
	var keys Keys
	ids, seen := make(map[string]bool), make(map[string]bool)
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		key, err := parseKey(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		// A public key that is also a secret would let anybody who knows it sign.
		bytes := fmt.Sprint(key.check)
		switch {
		case ids[key.id]:
			return nil, fmt.Errorf("line %d: an earlier line has the same key id", n)
		case seen[bytes]:
			return nil, fmt.Errorf("line %d: an earlier line has the same key", n)
		case len(keys) == maxKeys:
			return nil, fmt.Errorf("line %d: there are more than %d keys", n, maxKeys)
		}
		ids[key.id], seen[bytes] = true, true
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key; make one with gopush token keygen")
	}
	return keys, nil
}

// parseKey reads one line.
func parseKey(fields []string) (Key, error) {
	if len(fields) != 3 {
		return Key{}, errors.New("write KID ALG KEY")
	}
	key := Key{id: fields[0]}
	if !named(key.id) {
		return Key{}, fmt.Errorf("the key id must be 1 to %d visible ASCII characters", maxName)
	}
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(fields[2], "="))
	b, err := base64.RawURLEncoding.Strict().DecodeString(plain)
	if err != nil {
		return Key{}, errors.New("the key is not base64")
	}
	switch {
	case fields[1] == HS256 && len(b) >= minSecret:
		key.method, key.check, key.sign = jwt.SigningMethodHS256, b, b
	case fields[1] == HS256:
		return Key{}, fmt.Errorf("the secret has %d bytes; it must have at least %d", len(b), minSecret)
	case fields[1] != EdDSA:
		return Key{}, errors.New("the algorithm is unknown; write HS256 or EdDSA")
	case len(b) == ed25519.PublicKeySize:
		key.method, key.check = jwt.SigningMethodEdDSA, ed25519.PublicKey(b)
	case len(b) == ed25519.PrivateKeySize:
		private := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
		if !private.Equal(ed25519.PrivateKey(b)) {
			return Key{}, errors.New("the two halves of the private key do not belong together")
		}
		key.method, key.check, key.sign = jwt.SigningMethodEdDSA, private.Public(), private
	default:
		return Key{}, fmt.Errorf("the key has %d bytes; an EdDSA key has 32 (public) or 64 (private)", len(b))
	}
	return key, nil
}

// signer is the first key that can sign.
func (k Keys) signer() (Key, error) {
	for _, key := range k {
		if key.sign != nil {
			return key, nil
		}
	}
	return Key{}, errors.New("none of the keys can sign; they are public ones")
}

// find looks a key up by its id.
func (k Keys) find(id string) (Key, bool) {
	for _, key := range k {
		if key.id == id {
			return key, true
		}
	}
	return Key{}, false
}

// Generate makes a key, as a line of the file of those who sign, and as one of those who
// only check. Of HS256 both are the same.
func Generate(id, alg string) (private, public string, err error) {
	if !named(id) {
		return "", "", fmt.Errorf("the key id must be 1 to %d visible ASCII characters", maxName)
	}
	line := func(b []byte) string { return id + " " + alg + " " + base64.RawURLEncoding.EncodeToString(b) }
	switch alg {
	case HS256:
		secret := make([]byte, minSecret)
		_, _ = rand.Read(secret) // never fails
		return line(secret), line(secret), nil
	case EdDSA:
		pub, priv, err := ed25519.GenerateKey(nil)
		if err != nil {
			return "", "", err
		}
		return line(priv), line(pub), nil
	default:
		return "", "", fmt.Errorf("the algorithm %.20q is unknown; use HS256 or EdDSA", alg)
	}
}

// named reports whether s can name a key or a token.
func named(s string) bool {
	return s != "" && len(s) <= maxName && s[0] != '#' &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
