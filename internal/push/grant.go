package push

import (
	"slices"
	"time"
)

// Grant is what a client's token allows, once it is verified.
type Grant struct {
	Keys    []Key // that may be listened to and read
	Public  bool  // public messages too
	Expires time.Time
	ID      string // by which the token can be revoked; empty: not at all
	KeyID   string // of the key that signed it
}

// Revocation takes tokens back before they expire.
type Revocation struct {
	ID    string    // the name of the tokens
	Until time.Time // none of that name is valid any more afterwards, revoked or not
}

// Check reports whether the grant is for key; the error is of KindForbidden, and the same
// whatever is or is not known of the key.
func (g *Grant) Check(key Key) error {
	if !slices.Contains(g.Keys, key) {
		return E(KindForbidden, "the token is not for this key")
	}
	return nil
}
