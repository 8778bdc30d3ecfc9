package comet

import (
	"net/http"
	"strings"

	"gopush/internal/push"
)

// kindMethod is a kind that only HTTP knows.
const kindMethod push.Kind = "method_not_allowed"

// mux serves the three paths that become a stream. They are compared as they stand: a
// redirect, as http.ServeMux answers a path such as //sub with, would be to another request.
// There is no HEAD, as a stream without a body is none.
func (n *Node) mux() http.Handler {
	paths := map[string]http.HandlerFunc{"/sub": n.serveV1, "/v2/stream": n.serveV2, "/v2/events": n.serveSSE}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve, ok := paths[r.URL.Path]
		switch {
		case !ok:
			n.elsewhere(w, r)
		case r.Method == http.MethodGet:
			serve(w, r)
		default:
			n.otherMethod(w, r)
		}
	})
}

// isV2 tells the two protocols apart: outside /v2/ answers are lines of text.
func isV2(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v2/") }

func (n *Node) elsewhere(w http.ResponseWriter, r *http.Request) {
	if !isV2(r) {
		http.NotFound(w, r)
		return
	}
	n.sayProblem(w, push.E(push.KindNotFound, "nothing lives at this path; streams are at /v2/stream and /v2/events"))
}

func (n *Node) otherMethod(w http.ResponseWriter, r *http.Request) {
	switch {
	case !isV2(r):
		w.Header().Set("Allow", "GET")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", "GET, OPTIONS")
		n.preflight(w, r)
	default:
		w.Header().Set("Allow", "GET, OPTIONS")
		n.sayProblem(w, push.E(kindMethod, "the path does not know %s; the Allow header names what it knows", r.Method))
	}
}

// noHandshake answers a request that does not become a websocket.
func (n *Node) noHandshake(w http.ResponseWriter, r *http.Request, status int, reason error) {
	w.Header().Set("Sec-WebSocket-Version", "13")
	switch {
	case !isV2(r):
		http.Error(w, http.StatusText(status), status)
	case status == http.StatusForbidden:
		n.sayProblem(w, push.E(push.KindForbidden, "this origin may not listen here"))
	default:
		n.sayProblem(w, push.E(push.KindBadRequest, "this is no websocket handshake (%v); GET /v2/events is the same stream over plain HTTP", reason))
	}
}
