package wire

import (
	"net/url"
	"strings"

	"gopush/internal/push"
)

const (
	// Subprotocol is the websocket subprotocol of v2.
	Subprotocol = "gopush.v2"
	// TokenSubprotocol begins the subprotocol by which a browser, which cannot
	// set headers, offers its token. It is never echoed.
	TokenSubprotocol = "gopush.token."
)

// Stream is what a v2 client asks for, over websocket or SSE.
type Stream struct {
	Key push.Key
	// After and PublicAfter are cursors; without HasAfter or HasPublicAfter the
	// stream begins with what comes next.
	After, PublicAfter       push.ID
	HasAfter, HasPublicAfter bool
	Public                   bool // public messages too
}

// ParseStreamQuery reads the query of GET /v2/stream and GET /v2/events: key,
// after, public_after and public. Its errors are of KindBadKey or
// KindBadRequest and say what is wrong. A parameter that cannot be read, or stands twice, is
// one: without its cursor a client would miss what came since.
func ParseStreamQuery(raw string) (Stream, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return Stream{}, push.E(push.KindBadRequest, "the query string is malformed; escape it as %%XX")
	}
	for _, name := range []string{"key", "after", "public_after", "public"} {
		if len(q[name]) > 1 {
			return Stream{}, push.E(push.KindBadRequest, "the parameter %s stands more than once", name)
		}
	}
	var s Stream
	if s.Key, err = push.ParseKey(q.Get("key")); err != nil {
		return Stream{}, err
	}
	if s.After, s.HasAfter, err = cursor(q, "after"); err != nil {
		return Stream{}, err
	}
	if s.PublicAfter, s.HasPublicAfter, err = cursor(q, "public_after"); err != nil {
		return Stream{}, err
	}
	s.Public = true
	if q.Has("public") {
		v := q.Get("public")
		if v != "0" && v != "1" {
			return Stream{}, push.E(push.KindBadRequest, "public is %.20q; give 0 to leave public messages out, or 1", v)
		}
		s.Public = v == "1"
	}
	return s, nil
}

// cursor reads an optional id. An empty one is an error, not a missing one:
// whoever builds a URL with a cursor does not mean "from now".
func cursor(q url.Values, name string) (id push.ID, has bool, err error) {
	if !q.Has(name) {
		return 0, false, nil
	}
	id, err = parseCursor(name, q.Get(name))
	return id, err == nil, err
}

// parseCursor keeps hostile lengths out of the error's text.
func parseCursor(name, s string) (push.ID, error) {
	const maxCursor = 40
	if len(s) > maxCursor {
		return 0, push.E(push.KindBadRequest, "%s has %d bytes; give a decimal id", name, len(s))
	}
	id, err := push.ParseID(s)
	if err != nil {
		return 0, push.Wrap(push.KindBadRequest, err, "%s is no cursor; give a decimal id, 0 for the beginning", name)
	}
	return id, nil
}

// ParseSubprotocols looks through the subprotocols that a websocket client
// offers: whether it speaks v2, and its token if it gave one this way.
func ParseSubprotocols(offered []string) (v2 bool, token string) {
	for _, p := range offered {
		if t, ok := strings.CutPrefix(p, TokenSubprotocol); ok && token == "" {
			token = t
		}
		v2 = v2 || p == Subprotocol
	}
	return v2, token
}
