package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gopush/internal/push"
)

const (
	// MaxRevoked is how many names can be revoked at one time. They are kept in memory:
	// that many take some 15 MB.
	MaxRevoked = 100_000
	// outlives is how long a revocation is kept beyond its end, so that neither a clock
	// that is behind nor one that is set back makes a token valid again.
	outlives = time.Hour
	// furthest is how far ahead the end of a revocation may lie: beyond any token's.
	furthest = 100 * 365 * 24 * time.Hour
)

// revoked is what this node knows of revoked tokens.
type revoked struct {
	mu sync.RWMutex
	// guarded by mu:
	until map[string]time.Time // by the name of the tokens
	read  time.Time            // when all that was stored was known last; zero: never yet
}

// entry is a revocation as it is stored: the body of a message of push.RevokedKey.
type entry struct {
	ID    string `json:"id"`
	Until int64  `json:"until"` // milliseconds since 1970
}

// parseEntry reads the body of a message; fields of later versions are overlooked.
func parseEntry(body []byte) (push.Revocation, error) {
	var e entry
	if err := json.Unmarshal(body, &e); err != nil {
		return push.Revocation{}, fmt.Errorf("token: a revocation: %w", err)
	}
	if !named(e.ID) || e.Until <= 0 {
		return push.Revocation{}, errors.New("token: a revocation without a name or an end")
	}
	return push.Revocation{ID: e.ID, Until: time.UnixMilli(e.Until)}, nil
}

// Revoke gives the push that revokes tokens once it is acknowledged, or nil if they are
// for that long already; and the revocation as it will stand: without an Until, it holds for
// as long as a token that is valid now can be. What was acknowledged should be given to
// Learn. Its errors are of KindBadRequest, or of KindConflict when too many are revoked.
func (a *Authority) Revoke(r push.Revocation, now time.Time) (*push.Push, push.Revocation, error) {
	if !named(r.ID) {
		return nil, r, push.E(push.KindBadRequest, "the token's name (jti) is not 1 to %d visible ASCII characters", maxName)
	}
	if r.Until.IsZero() {
		r.Until = now.Add(a.cfg.MaxLife + leeway)
	}
	switch left := r.Until.Sub(now); {
	case left <= 0:
		return nil, r, push.E(push.KindBadRequest, "the end of the revocation has passed already")
	case left > furthest:
		return nil, r, push.E(push.KindBadRequest, "the end of the revocation lies further ahead than %d years", int(furthest.Hours()/24/365))
	}
	a.revoked.mu.RLock()
	until, known := a.revoked.until[r.ID]
	full := len(a.revoked.until) >= MaxRevoked
	a.revoked.mu.RUnlock()
	switch {
	case known && !r.Until.After(until.Add(outlives)):
		return nil, r, nil
	case !known && full:
		return nil, r, push.E(push.KindConflict, "%d tokens are revoked, and no more can be at one time; replace the key that signs them, which takes back all it has signed", MaxRevoked)
	}
	body, err := json.Marshal(entry{ID: r.ID, Until: r.Until.UnixMilli()})
	if err != nil {
		return nil, r, push.Wrap(push.KindInternal, err, "the revocation could not be written as JSON")
	}
	return &push.Push{Key: push.RevokedKey, Body: body, ExpiresAt: r.Until.Add(outlives).UnixMilli()}, r, nil
}

// Learn takes in what is stored as revoked. Connections with such tokens end.
func (a *Authority) Learn(all ...push.Revocation) {
	if a.revoked.add(all) {
		a.announce()
	}
}

// add reports whether anything was new. What is known is never shortened.
func (l *revoked) add(all []push.Revocation) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range all {
		if old, known := l.until[r.ID]; !known || r.Until.After(old) {
			l.until[r.ID] = r.Until
			news = news || !known
		}
	}
	return news
}

// has reports whether tokens of the name are revoked.
func (l *revoked) has(id string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, known := l.until[id]
	return known
}

// complete notes that all that was stored is known, and forgets what is over.
func (l *revoked) complete(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = now
	for id, until := range l.until {
		if now.After(until.Add(outlives)) {
			delete(l.until, id)
		}
	}
}

// Revoked is how many names are known to be revoked, and when all that are stored were
// known last; zero: never yet.
func (a *Authority) Revoked() (count int, read time.Time) {
	a.revoked.mu.RLock()
	defer a.revoked.mu.RUnlock()
	return len(a.revoked.until), a.revoked.read
}

// checkRevoked refuses a token whose name is revoked, and any that might be as long as
// nothing is known of that.
func (a *Authority) checkRevoked(id string) error {
	if id == "" {
		return nil // without a name it cannot be
	}
	if a.revoked.has(id) {
		return push.E(push.KindTokenRevoked, "the token was revoked; get a new one")
	}
	if _, read := a.Revoked(); a.cfg.Follows && read.IsZero() {
		return push.E(push.KindStoreUnavailable, "it is not known here yet which tokens are revoked; try again")
	}
	return nil
}
