package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"gopush/internal/push"
)

// guard lets only administrators through. Nothing behind it, not even a 404,
// shows without the token.
func (s *Server) guard(next http.Handler) http.Handler {
	loopback := s.checkLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if want := s.token.Load(); want != nil {
			err = checkToken(want, r)
		} else {
			err = loopback(r)
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case isV2(r):
			writeProblem(w, err)
		default:
			writeV1Denied(w, err)
		}
	})
}

// digest is that of a token.
type digest [sha256.Size]byte

// SetAdminToken has the admin API take this token, and no other one, from now on. What
// is under way goes on. The token must not be empty.
func (s *Server) SetAdminToken(token string) {
	d := digest(sha256.Sum256([]byte(token)))
	s.token.Store(&d)
}

// checkToken compares digests, in constant time: neither the token's bytes nor
// its length show in how long the answer takes.
func checkToken(want *digest, r *http.Request) error {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(given))
	same := subtle.ConstantTimeCompare(want[:], got[:]) == 1
	if !strings.EqualFold(scheme, "Bearer") || !same {
		return push.E(push.KindUnauthenticated, "send the admin token as the header Authorization: Bearer TOKEN")
	}
	return nil
}

// checkLoopback stands in for a token in development mode. A peer on loopback
// may still be a browser that a foreign page drives, or a proxy for somebody
// else: both are refused.
func (s *Server) checkLoopback() func(*http.Request) error {
	browsers := http.NewCrossOriginProtection()
	return func(r *http.Request) error {
		switch {
		case !isLoopback(r.RemoteAddr):
			return push.E(push.KindUnauthenticated, "without an admin token only this host may use the admin API; set one")
		case !localName(r.Host):
			return push.E(push.KindForbidden, "without an admin token use the name localhost or a loopback address")
		case r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "":
			return push.E(push.KindForbidden, "without an admin token the admin API does not answer through a proxy; set one")
		case browsers.Check(r) != nil:
			return push.E(push.KindForbidden, "without an admin token a page of another origin may not use the admin API")
		}
		return nil
	}
}

// localName reports whether the Host header names this host, so that a foreign
// name which resolves to loopback (DNS rebinding) does not pass.
func localName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || (ip != nil && ip.IsLoopback())
}
