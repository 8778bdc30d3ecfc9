package web

import (
	"bytes"
	"errors"
	"net/url"
	"strconv"
	"time"

	"gopush/internal/push"
)

// maxIdempotencyKey bounds an idempotency key, in bytes.
const maxIdempotencyKey = 128

// asks is the body of a v2 push as it came: the bytes of each member, nil for
// one that is missing or null. Of a repeated member the last counts.
type asks struct {
	key, data, ttl, expires, transient, idempotency []byte
}

// parseAsks looks at the top level of the body alone: whatever data holds, it
// costs one pass for validity and one for its end.
func parseAsks(body []byte) (asks, error) {
	var a asks
	if !isJSON(body) {
		return a, push.E(push.KindBadRequest, "the body is not JSON in UTF-8")
	}
	if body[skipSpace(body, 0)] != '{' {
		return a, push.E(push.KindBadRequest, `the body is not a JSON object such as {"key":"k","data":{}}`)
	}
	for name, raw := range members(body) {
		given := raw
		if bytes.Equal(raw, []byte("null")) {
			given = nil
		}
		switch string(name) {
		case "key":
			a.key = given
		case "data":
			a.data = raw // null is a value like any other
		case "ttl_s":
			a.ttl = given
		case "expires_at":
			a.expires = given
		case "transient":
			a.transient = given
		case "idempotency_key":
			a.idempotency = given
		}
	}
	if a.data == nil {
		return a, push.E(push.KindBadRequest, "data is missing; give any JSON value")
	}
	return a, nil
}

// parsePush reads the body of a v2 push. The body's bytes become the message's.
func (s *Server) parsePush(body []byte) (push.Push, error) {
	a, err := parseAsks(body)
	if err != nil {
		return push.Push{}, err
	}
	name, ok := unquote(a.key)
	if !ok && a.key != nil {
		return push.Push{}, push.E(push.KindBadKey, "the key is not a string")
	}
	key, err := push.ParseKey(name)
	if err != nil {
		return push.Push{}, err
	}
	return s.buildPush(key, a)
}

// parseBroadcast reads the body of a v2 broadcast: as a push, without a key.
func (s *Server) parseBroadcast(body []byte) (push.Push, error) {
	a, err := parseAsks(body)
	if err != nil {
		return push.Push{}, err
	}
	if a.key != nil {
		return push.Push{}, push.E(push.KindBadRequest, "a broadcast goes to everybody and takes no key; POST /v2/messages pushes to one")
	}
	return s.buildPush(push.PublicKey, a)
}

// buildPush puts a push together once its stream is known.
func (s *Server) buildPush(key push.Key, a asks) (push.Push, error) {
	p := push.Push{Key: key, Body: a.data}
	if err := s.setLife(&p, a); err != nil {
		return p, err
	}
	if a.idempotency != nil {
		name, ok := unquote(a.idempotency)
		if !ok {
			return p, push.E(push.KindBadRequest, "idempotency_key is not a string")
		}
		if err := setIdempotency(&p, name); err != nil {
			return p, err
		}
	}
	return p, nil
}

// setIdempotency names the push for retries.
func setIdempotency(p *push.Push, name string) error {
	switch {
	case name == "" || len(name) > maxIdempotencyKey || !visible(name):
		return push.E(push.KindBadRequest, "the idempotency key must be 1 to %d visible ASCII characters", maxIdempotencyKey)
	case p.IdempotencyKey != "" && p.IdempotencyKey != name:
		return push.E(push.KindBadRequest, "the header Idempotency-Key and the body's idempotency_key differ")
	case p.Transient:
		return push.E(push.KindBadRequest, "a transient message is not stored, so a retry cannot be recognised; leave the idempotency key out")
	}
	p.IdempotencyKey = name
	return nil
}

// setLife gives the push its end: by ttl_s, by expires_at, at once (transient),
// or by default.
func (s *Server) setLife(p *push.Push, a asks) error {
	switch string(a.transient) {
	case "", "false":
	case "true":
		if a.ttl != nil || a.expires != nil {
			return push.E(push.KindBadRequest, "a transient message takes neither ttl_s nor expires_at")
		}
		p.Transient = true
		return nil
	default:
		return push.E(push.KindBadRequest, "transient is neither true nor false")
	}
	now := s.deps.Now()
	var err error
	switch {
	case a.ttl != nil && a.expires != nil:
		return push.E(push.KindBadRequest, "give ttl_s or expires_at, not both")
	case a.ttl != nil:
		p.ExpiresAt, err = s.fromTTL(now, a.ttl)
	case a.expires != nil:
		p.ExpiresAt, err = s.fromExpiry(now, a.expires)
	default:
		p.ExpiresAt = now.Add(s.limits.Load().DefaultTTL).UnixMilli()
	}
	return err
}

// fromTTL gives the end of a life of raw seconds, in milliseconds since 1970.
func (s *Server) fromTTL(now time.Time, raw []byte) (int64, error) {
	n, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || n == 0 {
		return 0, push.E(push.KindBadRequest, "ttl_s must be a whole number of seconds, 1 to 4294967295")
	}
	life := time.Duration(n) * time.Second
	if life > s.cfg.MaxTTL {
		return 0, push.E(push.KindBadRequest, "ttl_s is above the longest life here, %d s", int64(s.cfg.MaxTTL/time.Second))
	}
	return now.UnixMilli() + life.Milliseconds(), nil
}

// fromExpiry checks the end of a life. One that has passed is refused, as a
// message that nobody can ever get is a mistake, such as seconds for milliseconds.
func (s *Server) fromExpiry(now time.Time, raw []byte) (int64, error) {
	ms, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil || ms < 0:
		return 0, push.E(push.KindBadRequest, "expires_at must be a whole number of milliseconds since 1970")
	case ms <= now.UnixMilli():
		return 0, push.E(push.KindBadRequest, "expires_at has passed already")
	case ms-now.UnixMilli() > s.cfg.MaxTTL.Milliseconds():
		return 0, push.E(push.KindBadRequest, "expires_at is beyond the longest life here, %d s", int64(s.cfg.MaxTTL/time.Second))
	}
	return ms, nil
}

// query is the query string of a v2 request, in which every parameter may stand
// once.
type query struct{ url.Values }

// parseQuery is stricter than net/url's Query, which drops what it cannot read: a
// cursor that is dropped would read everything again.
func parseQuery(raw string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, push.E(push.KindBadRequest, "the query string is malformed; escape it as %%XX")
	}
	for name, all := range values {
		if len(all) > 1 {
			return query{}, push.E(push.KindBadRequest, "the parameter %q stands more than once", name)
		}
	}
	return query{values}, nil
}

// key reads the subscription key.
func (q query) key() (push.Key, error) { return push.ParseKey(q.Get("key")) }

// cursor reads an id; a missing one is 0, the beginning.
func (q query) cursor(name string) (push.ID, error) {
	if !q.Has(name) {
		return 0, nil
	}
	return push.ParseID(q.Get(name))
}

// limit reads how many things a reply may hold: def, if it does not say; never more
// than most.
func (q query) limit(def, most int) (int, error) {
	if !q.Has("limit") {
		return def, nil
	}
	n, err := strconv.ParseUint(q.Get("limit"), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return most, nil // a number all the same
	}
	if err != nil || n == 0 {
		return 0, push.E(push.KindBadRequest, "limit must be a whole number, 1 to %d", most)
	}
	return int(min(n, uint64(most))), nil //nolint:gosec // neither is negative
}
