package web

import (
	"context"
	"net/http"

	"gopush/internal/push"
	"gopush/internal/quota"
)

// mayPush takes one push from what the node takes in a second, of one pusher and in all; the
// error says that it takes no more right now. Each message counts, of whichever protocol and
// of a batch too. The address comes first, so that one that pushes too fast takes nothing
// from the others.
func (s *Server) mayPush(ctx context.Context) error {
	if s.deps.Exhausted() {
		return push.E(push.KindBusy, "this node is short of memory; nothing was stored, push again later")
	}
	l, now := s.limits.Load(), s.deps.Now()
	if !s.fromPace.Take(cameFrom(ctx), l.PushesPerAddress, now) {
		return push.E(push.KindRateLimited, "this address pushes too fast; push again later, and slower")
	}
	if !s.pushPace.Take(l.PushesPerSecond, now) {
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
