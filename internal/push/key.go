package push

import "unicode/utf8"

// MaxKeyBytes is the longest subscription key, in bytes of UTF-8.
const MaxKeyBytes = 255

// Key is a subscription key: 1 to 255 bytes of UTF-8 without control
// characters. A value of this type is valid; ParseKey makes it from input.
type Key string

// PublicKey names the stream of public messages. It begins with a control
// character, so no user's key can ever equal it.
const PublicKey Key = "\x01public"

// RevokedKey names the stream of revoked tokens, which nodes alone write and read: a
// message for each, that lives as long as the token could be shown. No user's key can ever
// equal it either.
const RevokedKey Key = "\x01revoked"

// ParseKey checks a key that came from outside. The error is of KindBadKey and
// names the first rule that s breaks.
func ParseKey(s string) (Key, error) {
	switch {
	case s == "":
		return "", E(KindBadKey, "the key is empty; give 1 to %d bytes of UTF-8", MaxKeyBytes)
	case len(s) > MaxKeyBytes:
		return "", E(KindBadKey, "the key has %d bytes; at most %d are allowed", len(s), MaxKeyBytes)
	case !utf8.ValidString(s):
		return "", E(KindBadKey, "the key is not valid UTF-8")
	}
	for i, r := range s {
		if isControl(r) {
			return "", E(KindBadKey, "the key has the control character U+%04X at byte %d", r, i)
		}
	}
	return Key(s), nil
}

// Public reports whether k is the stream of public messages.
func (k Key) Public() bool { return k == PublicKey }

// Reserved reports whether k is a stream of the roles' own, whose name ParseKey refuses.
func (k Key) Reserved() bool { return k == PublicKey || k == RevokedKey }

// isControl covers the C0 and C1 controls and DEL, the Unicode category Cc.
func isControl(r rune) bool { return r < 0x20 || (r >= 0x7f && r <= 0x9f) }
