package web

import (
	"net"
	"net/http"
	"strings"

	"gopush/internal/push"
)

// developer is who uses the admin API in development mode.
var developer = Admin{Name: "dev", Role: Operator}

// guard lets only administrators through, as far as their role goes. Nothing behind it,
// not even a 404, shows without a token.
func (s *Server) guard(next http.Handler) http.Handler {
	browsers := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.administrator(browsers, r)
		if err == nil && !who.Role.allows(r.Method) {
			err = push.E(push.KindForbidden, "this token is a viewer's, who may look and change nothing; use an operator's")
		}
		told(w, who)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
			return
		case isV2(r):
			writeProblem(w, err)
		default:
			writeV1Denied(w, err)
		}
		s.denied(w, r, who, err)
	})
}

// administrator finds out who sends the request; nil with an error.
func (s *Server) administrator(browsers *http.CrossOriginProtection, r *http.Request) (*Admin, error) {
	if admins := *s.admins.Load(); len(admins) > 0 {
		return byToken(admins, r)
	}
	if err := checkLoopback(browsers, r); err != nil {
		return nil, err
	}
	return &developer, nil
}

// checkLoopback stands in for a token in development mode. A peer on loopback
// may still be a browser that a foreign page drives, or a proxy for somebody
// else: both are refused.
func checkLoopback(browsers *http.CrossOriginProtection, r *http.Request) error {
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
