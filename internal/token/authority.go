package token

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gopush/internal/push"
)

const (
	// MaxBytes is the longest token; a longer one is not looked at.
	MaxBytes = 4096
	// MaxGranted is the most subscription keys of one token.
	MaxGranted = 16
	// usualLife is that of a token whose end nobody named, unless MaxLife is shorter.
	usualLife = time.Hour
	// leeway is how far a clock that signs may be ahead of one that checks.
	leeway = 10 * time.Second
)

// Config says what an Authority accepts.
type Config struct {
	// MaxLife is how far ahead the end of a token may lie; default 30 days. It bounds how
	// long a revocation has to be remembered.
	MaxLife time.Duration
	// Follows says that Follow tells which tokens are revoked. Until it has read that for
	// the first time, no token that could be is known to be valid.
	Follows bool
}

// Authority makes and checks tokens. It may be used concurrently.
type Authority struct {
	cfg    Config      // immutable
	parser *jwt.Parser // immutable
	keys   atomic.Pointer[Keys]

	revoked revoked // has its own lock

	mu      sync.Mutex
	changed chan struct{} // guarded by mu
}

// New makes an Authority.
func New(cfg Config, keys Keys) (*Authority, error) {
	if cfg.MaxLife == 0 {
		cfg.MaxLife = 30 * 24 * time.Hour
	}
	if cfg.MaxLife < time.Second {
		return nil, fmt.Errorf("token: MaxLife is %s; it must be at least a second", cfg.MaxLife)
	}
	a := &Authority{cfg: cfg, changed: make(chan struct{}), parser: jwt.NewParser(
		jwt.WithValidMethods([]string{HS256, EdDSA}), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // checked here: what they are allowed differs
	)}
	a.revoked.until = make(map[string]time.Time)
	return a, a.SetKeys(keys)
}

// SetKeys replaces the keys: what was signed by one that is not among them is not valid
// any more.
func (a *Authority) SetKeys(keys Keys) error {
	if len(keys) == 0 {
		return errors.New("token: there is no key")
	}
	a.keys.Store(&keys)
	a.announce()
	return nil
}

// announce says that Withdrawn may say otherwise.
func (a *Authority) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// Withdrawn reports whether a grant that was verified holds no more, though its time is not
// over: the key that signed it is gone, or it is revoked itself.
func (a *Authority) Withdrawn(g *push.Grant) bool {
	_, known := a.keys.Load().find(g.KeyID)
	return !known || a.revoked.has(g.ID)
}

// Changed returns a channel that is closed once Withdrawn may say otherwise of a grant.
func (a *Authority) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// claims are what is signed.
type claims struct {
	Key    names `json:"key"`
	Public *bool `json:"public,omitempty"`
	jwt.RegisteredClaims
}

// UnmarshalJSON implements json.Unmarshaler. Names count as they are written: where users
// may have claims of their own signed, one of theirs called KEY must not be taken for key.
func (c *claims) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for name, claim := range map[string]any{"key": &c.Key, "public": &c.Public, "exp": &c.ExpiresAt, "nbf": &c.NotBefore, "jti": &c.ID} {
		if value, ok := all[name]; ok {
			if err := json.Unmarshal(value, claim); err != nil {
				return err
			}
		}
	}
	return nil
}

// names is a list of texts, written as one text when it has one.
type names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *names) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*n = names{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(n))
}

// MarshalJSON implements json.Marshaler.
func (n names) MarshalJSON() ([]byte, error) {
	if len(n) == 1 {
		return json.Marshal(n[0])
	}
	return json.Marshal([]string(n))
}

// Verify checks a token and says what it allows. Its errors are of KindUnauthenticated,
// or of KindTokenExpired, KindTokenRevoked or, with Config.Follows, KindStoreUnavailable if
// that is all that is wrong; they say what is wrong, and hold nothing of the token.
func (a *Authority) Verify(token string, now time.Time) (push.Grant, error) {
	switch {
	case token == "":
		return push.Grant{}, invalid("a token is needed; get one from the service that you belong to")
	case len(token) > MaxBytes:
		return push.Grant{}, invalid("the token has %d bytes; at most %d are allowed", len(token), MaxBytes)
	}
	var c claims
	var key Key
	_, err := a.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		var err error
		key, err = a.keyOf(t)
		return key.check, err
	})
	if err != nil {
		return push.Grant{}, parseError(err)
	}
	g, err := a.grant(&c, key.id, now)
	if err == nil {
		err = a.checkRevoked(g.ID)
	}
	if err != nil {
		return push.Grant{}, err
	}
	return g, nil
}

// keyOf finds the key that a token says it was signed with. The algorithm is the key's.
func (a *Authority) keyOf(t *jwt.Token) (Key, error) {
	id, ok := t.Header["kid"].(string)
	if !ok {
		return Key{}, invalid("the token's header names no key (kid)")
	}
	if _, crit := t.Header["crit"]; crit {
		return Key{}, invalid("the token's header has critical extensions, of which none is known here")
	}
	key, ok := a.keys.Load().find(id)
	if !ok {
		return Key{}, invalid("the key that the token names (kid) is not known here")
	}
	if key.method.Alg() != t.Method.Alg() {
		return Key{}, invalid("the token's algorithm is not the one of its key")
	}
	return key, nil
}

// parseError says what is wrong with a token that could not be verified. The library's own
// words may hold some of it.
func parseError(err error) error {
	if e, ok := errors.AsType[*push.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is no JSON Web Token of the claims that are known here")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalid("the token's algorithm is not one that is accepted; sign with HS256 or EdDSA")
	default:
		return invalid("the token's signature is wrong, or not one of HS256 and EdDSA")
	}
}

// grant checks the claims of a token whose signature is right.
func (a *Authority) grant(c *claims, keyID string, now time.Time) (push.Grant, error) {
	g := push.Grant{ID: c.ID, KeyID: keyID, Public: c.Public == nil || *c.Public}
	if g.ID != "" && !named(g.ID) {
		return push.Grant{}, invalid("the token's name (jti) is not 1 to %d visible ASCII characters", maxName)
	}
	if len(c.Key) == 0 || len(c.Key) > MaxGranted {
		return push.Grant{}, invalid("the token is for %d subscription keys (key); it must be for 1 to %d", len(c.Key), MaxGranted)
	}
	for _, name := range c.Key {
		key, err := push.ParseKey(name)
		if err != nil {
			return push.Grant{}, invalid("a subscription key of the token (key) is not valid")
		}
		g.Keys = append(g.Keys, key)
	}
	if c.ExpiresAt == nil {
		return push.Grant{}, invalid("the token has no end (exp)")
	}
	g.Expires = c.ExpiresAt.Time
	switch {
	case !sane(c.ExpiresAt), c.NotBefore != nil && !sane(c.NotBefore):
		return push.Grant{}, invalid("a time of the token (exp, nbf) is out of range")
	case c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.Time):
		return push.Grant{}, invalid("the token is not valid yet (nbf)")
	case !now.Before(g.Expires):
		return push.Grant{}, push.E(push.KindTokenExpired, "the token has expired; get a new one")
	case g.Expires.After(now.Add(a.cfg.MaxLife + leeway)):
		return push.Grant{}, invalid("the end of the token (exp) lies further ahead than %s, the most that is accepted", a.cfg.MaxLife)
	}
	return g, nil
}

// sane reports whether a time is one of the years 1970 to 9999: what lies beyond may have
// wrapped around.
func sane(d *jwt.NumericDate) bool {
	const lastSecond = 253402300799
	return d.Unix() >= 0 && d.Unix() <= lastSecond
}

// Mint makes a token of g, which needs Keys; without an ID it gets one, without Expires an
// hour, or MaxLife if that is less. It returns the grant as it will be verified. Its errors are of KindBadRequest, or of
// KindConflict when no key can sign.
func (a *Authority) Mint(g push.Grant, now time.Time) (string, push.Grant, error) {
	key, err := a.keys.Load().signer()
	if err != nil {
		return "", push.Grant{}, push.E(push.KindConflict, "%v; add one that can to the file of keys", err)
	}
	if g.ID == "" {
		g.ID = rand.Text()
	}
	if g.Expires.IsZero() {
		g.Expires = now.Add(min(usualLife, a.cfg.MaxLife))
	}
	c := claims{RegisteredClaims: jwt.RegisteredClaims{
		ID: g.ID, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(g.Expires),
	}}
	for _, k := range g.Keys {
		c.Key = append(c.Key, string(k))
	}
	if !g.Public {
		c.Public = new(bool)
	}
	if g, err = a.grant(&c, key.id, now); err != nil {
		e, _ := errors.AsType[*push.Error](err)
		return "", push.Grant{}, push.E(push.KindBadRequest, "%s", e.Detail)
	}
	t := jwt.NewWithClaims(key.method, c)
	t.Header["kid"] = key.id
	text, err := t.SignedString(key.sign)
	switch {
	case err != nil:
		return "", push.Grant{}, push.Wrap(push.KindInternal, err, "the token could not be signed")
	case len(text) > MaxBytes:
		return "", push.Grant{}, push.E(push.KindBadRequest, "the token would have %d bytes, at most %d are allowed; name fewer keys", len(text), MaxBytes)
	}
	return text, g, nil
}

func invalid(format string, args ...any) error {
	return push.E(push.KindUnauthenticated, format, args...)
}
