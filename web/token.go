package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gopush/internal/push"
)

// Tokens makes and checks the tokens of clients.
type Tokens interface {
	// Verify says what a token allows. Its errors are of KindUnauthenticated,
	// KindTokenExpired or KindTokenRevoked; any other means that it cannot be told right
	// now.
	Verify(token string, now time.Time) (push.Grant, error)
	// Mint makes a token of g, and returns what it will be verified as. Without Expires it
	// picks the end. Its errors are of KindBadRequest, or of KindConflict when no key can sign.
	Mint(g push.Grant, now time.Time) (string, push.Grant, error)
	// Revoke gives the push that revokes tokens, nil if they are already, and the
	// revocation with its end. Its errors are of KindBadRequest, or of KindConflict when
	// there are too many.
	Revoke(r push.Revocation, now time.Time) (*push.Push, push.Revocation, error)
	// Learn takes in what was revoked.
	Learn(all ...push.Revocation)
}

// mayRead checks that a token allows reading a key, and public messages if those are asked
// for; nil when none is needed. Nothing is looked up that depends on the key, so neither
// the answer nor its time tells what is known of it.
func (s *Server) mayRead(token string, key push.Key, public bool) error {
	if !s.cfg.TokensRequired {
		return nil
	}
	g, err := s.deps.Tokens.Verify(token, s.deps.Now())
	if err == nil {
		err = g.Check(key)
	}
	if err == nil && public && !g.Public {
		err = push.E(push.KindForbidden, "the token is not for public messages")
	}
	if err != nil {
		s.metrics.deny("public", err)
	}
	return err
}

// bearer is the token of an Authorization header, or empty.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// tokenAsk is the body of POST /v2/tokens.
type tokenAsk struct {
	Key    json.RawMessage // text, or a list of texts
	TTL    *int64          // seconds
	Public *bool
	ID     string
}

// read takes the members by their exact names: encoding/json would take KEY for key.
func (a *tokenAsk) read(body []byte) error {
	if !isJSON(body) || body[skipSpace(body, 0)] != '{' {
		return errors.New("no JSON object")
	}
	fields := map[string]any{"key": &a.Key, "ttl_s": &a.TTL, "public": &a.Public, "id": &a.ID}
	for name, raw := range members(body) {
		if field, known := fields[string(name)]; known {
			if err := json.Unmarshal(raw, field); err != nil {
				return err
			}
		}
	}
	return nil
}

// tokenReply has the token, which is shown this once.
type tokenReply struct {
	Token     string     `json:"token"`
	ID        string     `json:"id"`
	Keys      []push.Key `json:"keys"`
	Public    bool       `json:"public"`
	ExpiresAt int64      `json:"expires_at"` // milliseconds since 1970
}

// postToken answers POST /v2/tokens: a token for a client, signed.
func (s *Server) postToken(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Tokens == nil {
		return errNoKeys()
	}
	if err := needType(r, "application/json"); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	now := s.deps.Now()
	g, err := parseToken(body, now)
	if err != nil {
		return err
	}
	text, g, err := s.deps.Tokens.Mint(g, now)
	if err != nil {
		return err
	}
	aim(w, slog.Any("keys", g.Keys), slog.String("id", g.ID), slog.Time("expires", g.Expires))
	made, err := json.Marshal(tokenReply{Token: text, ID: g.ID, Keys: g.Keys, Public: g.Public, ExpiresAt: g.Expires.UnixMilli()})
	if err != nil {
		return push.Wrap(push.KindInternal, err, "the reply could not be written as JSON")
	}
	reply(w, http.StatusCreated, "application/json", append(made, '\n'))
	return nil
}

// parseToken reads what a token is to be for.
func parseToken(body []byte, now time.Time) (push.Grant, error) {
	var ask tokenAsk
	if ask.read(body) != nil {
		return push.Grant{}, push.E(push.KindBadRequest, `the body is not a JSON object such as {"key":"k","ttl_s":3600}`)
	}
	g := push.Grant{ID: ask.ID, Public: ask.Public == nil || *ask.Public}
	var names []string
	var one string
	if json.Unmarshal(ask.Key, &one) == nil {
		names = []string{one}
	} else if json.Unmarshal(ask.Key, &names) != nil {
		return g, push.E(push.KindBadKey, "key is neither a string nor a list of strings")
	}
	for _, name := range names {
		key, err := push.ParseKey(name)
		if err != nil {
			return g, err
		}
		g.Keys = append(g.Keys, key)
	}
	if ask.TTL != nil {
		if *ask.TTL < 1 || *ask.TTL > int64(longestTTL/time.Second) {
			return g, push.E(push.KindBadRequest, "ttl_s must be a whole number of seconds, at least 1")
		}
		g.Expires = now.Add(time.Duration(*ask.TTL) * time.Second)
	}
	return g, nil
}

// errNoKeys is for a node that knows of no tokens.
func errNoKeys() error {
	return push.E(push.KindConflict, "there are no keys to sign tokens with; set tokens.keys_file")
}

// revokedReply says until when a token is refused.
type revokedReply struct {
	ID        string `json:"id"`
	ExpiresAt int64  `json:"expires_at"` // milliseconds since 1970
}

// deleteToken answers DELETE /v2/tokens/ID: the token of that name is revoked. That is
// durable when the answer comes; other nodes read it within seconds.
func (s *Server) deleteToken(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Tokens == nil {
		return errNoKeys()
	}
	asked, err := parseRevocation(r)
	if err != nil {
		return err
	}
	p, revoked, err := s.deps.Tokens.Revoke(asked, s.deps.Now())
	if err != nil {
		return err // without the id in the audit log: it may be a token
	}
	aim(w, slog.String("id", revoked.ID), slog.Time("expires", revoked.Until))
	if p != nil {
		p.RequestID = w.Header().Get(requestIDHeader)
		// Revoking twice is fine, so that an unknown outcome is tried again.
		err = s.withdraw(r.Context(), p.Key, func(ctx context.Context, c Comet) error {
			_, err := await(ctx, c, *p)
			return err
		})
		if err != nil {
			return err
		}
		s.deps.Tokens.Learn(revoked)
	}
	return replyJSON(w, revokedReply{ID: revoked.ID, ExpiresAt: revoked.Until.UnixMilli()})
}

// parseRevocation reads which token is to be revoked, and until when.
func parseRevocation(r *http.Request) (push.Revocation, error) {
	asked := push.Revocation{ID: r.PathValue("id")}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil || !q.Has("expires_at") {
		return asked, err
	}
	ms, err := strconv.ParseInt(q.Get("expires_at"), 10, 64)
	if err != nil || ms <= 0 {
		return asked, push.E(push.KindBadRequest, "expires_at must be a whole number of milliseconds since 1970")
	}
	asked.Until = time.UnixMilli(ms)
	return asked, nil
}
