package web

import (
	"net/http"

	"gopush/internal/push"
	"gopush/internal/quota"
)

// mayPush takes one push from what the node takes in a second; the error says that it
// takes no more right now. Each message counts, of whichever protocol and of a batch too.
func (s *Server) mayPush() error {
	if s.deps.Exhausted() {
		return push.E(push.KindBusy, "this node is short of memory; nothing was stored, push again later")
	}
	if !s.pushPace.Take(s.limits.Load().PushesPerSecond, s.deps.Now()) {
		return push.E(push.KindRateLimited, "this node takes no more pushes in this second; push again later, and slower")
	}
	return nil
}

// paced refuses requests of an address that asks too often, in the terms of its protocol.
func (s *Server) paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.readPace.Take(quota.SourceOf(r.RemoteAddr), s.limits.Load().ReadsPerAddress, s.deps.Now()) {
			next.ServeHTTP(w, r)
			return
		}
		later(w, r, push.E(push.KindRateLimited, "this address asks too often; ask again later, and less often"))
	})
}

// later asks to come back in a second, in the terms of the protocol.
func later(w http.ResponseWriter, r *http.Request, err error) {
	if isV2(r) {
		writeProblem(w, err)
		return
	}
	w.Header().Set("Retry-After", "1")
	writeV1Denied(w, err)
}
