package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gopush/web/console"
)

// route is one operation of an API: a method on a path pattern of net/http's
// mux, without the method in it.
type route struct {
	method, pattern string
	serve           http.HandlerFunc
}

// publicRoutes is the public API; docs/openapi.yaml has the same list, and a test
// holds them together.
func (s *Server) publicRoutes() []route {
	return []route{
		{http.MethodGet, "/1/server/get", s.v1ServerGet(v1Versioned)},
		{http.MethodGet, "/2/server/get", s.v1ServerGet(v1List)},
		{http.MethodGet, "/1/msg/get", s.v1MsgGet(v1Versioned)},
		{http.MethodGet, "/1/time/get", s.v1TimeGet(v1Versioned)},
		{http.MethodGet, "/server/get", s.v1ServerGet(v1Plain)},
		{http.MethodGet, "/msg/get", s.v1MsgGet(v1Plain)},
		{http.MethodGet, "/time/get", s.v1TimeGet(v1Plain)},
		{http.MethodGet, "/v2/node", v2(s.getNode)},
		{http.MethodGet, "/v2/messages", v2(s.getMessages)},
		{http.MethodGet, "/v2/time", v2(s.getTime)},
	}
}

// adminRoutes is the admin API. No GET of it has an effect, and what changes something other
// than by pushing to a key is audited.
func (s *Server) adminRoutes() []route {
	return []route{
		{http.MethodPost, "/1/admin/push/private", s.v1Push(false)},
		{http.MethodPost, "/admin/push", s.v1Push(false)},
		{http.MethodPost, "/1/admin/push/public", s.audited(actBroadcast, s.v1Push(true))},
		{http.MethodPost, "/1/admin/push/mprivate", s.v1PushMany},
		{http.MethodPost, "/1/admin/msg/del", s.audited(actDelete, s.v1Delete)},
		{http.MethodPost, "/admin/msg/clean", s.audited(actDelete, s.v1Delete)},
		{http.MethodPost, "/v2/messages", v2(s.postMessage)},
		{http.MethodPost, "/v2/messages/batch", v2(s.postBatch)},
		{http.MethodPost, "/v2/broadcast", s.audited(actBroadcast, v2(s.postBroadcast))},
		{http.MethodDelete, "/v2/messages", s.audited(actDelete, v2(s.deleteMessages))},
		{http.MethodGet, "/v2/messages/{id}", v2(s.getMessage)},
		{http.MethodDelete, "/v2/messages/{id}", s.audited(actRecall, v2(s.recallMessage))},
		{http.MethodGet, "/v2/keys/{key}", v2(s.getKey)},
		{http.MethodGet, "/v2/top", v2(s.getTop)},
		{http.MethodGet, "/v2/nodes", v2(s.getNodes)},
		{http.MethodGet, "/v2/moving", v2(s.getMoving)},
		{http.MethodPost, "/v2/tokens", s.audited(actMint, v2(s.postToken))},
		{http.MethodDelete, "/v2/tokens/{id}", s.audited(actRevoke, v2(s.deleteToken))},
		{http.MethodPost, "/v2/nodes/{group}/drain", s.audited(actDrain, v2(s.postDrain))},
		{http.MethodDelete, "/v2/nodes/{group}", s.audited(actRemoveGroup, v2(s.deleteGroup))},
	}
}

// v2 turns a handler of protocol v2 into a plain one: an error that it returns
// becomes a problem. It must not have written anything then.
func v2(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeProblem(w, err)
		}
	}
}

// mount makes the handler of an API from its routes.
func mount(routes []route) http.Handler {
	mux := http.NewServeMux()
	paths := make(map[string]methods)
	for _, r := range routes {
		if paths[r.pattern] == nil {
			paths[r.pattern] = make(methods)
			mux.Handle(r.pattern, paths[r.pattern])
		}
		paths[r.pattern][r.method] = r.serve
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would answer a path such as //v2/keys/a with a redirect to
		// another path, which may name another key.
		if !isClean(r.URL.EscapedPath()) {
			notFound(w, r)
			return
		}
		if pattern := slashed(paths, r); pattern != "" {
			r.Pattern = pattern
			paths[pattern].ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// slashed finds the pattern of a path with a segment that is an escaped slash alone, such as
// that of the key "/". The mux takes one for a trailing slash, and finds nothing.
func slashed(paths map[string]methods, r *http.Request) string {
	if r.URL.RawPath == "" {
		return "" // nothing is escaped that need not be
	}
	got := strings.Split(r.URL.EscapedPath(), "/")
	if !slices.ContainsFunc(got, func(seg string) bool { return strings.EqualFold(seg, "%2F") }) {
		return ""
	}
	for pattern := range paths {
		want := strings.Split(pattern, "/")
		same := func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" }
		if !slices.EqualFunc(want, got, same) {
			continue
		}
		for i, name := range want {
			if value, err := url.PathUnescape(got[i]); err == nil && name != got[i] {
				r.SetPathValue(strings.Trim(name, "{}"), value)
			}
		}
		return pattern
	}
	return ""
}

// isClean reports whether a path stays as it is when its empty and dot segments
// are resolved. Escaped ones (%2E, %2F) are part of a segment and stay.
func isClean(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "//") &&
		!strings.Contains(path+"/", "/./") && !strings.Contains(path+"/", "/../")
}

// isV2 tells the two protocols apart: everything outside /v2/ answers as v1, but
// for what the console asks.
func isV2(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v2/") || console.Asks(r.URL.Path)
}

// notFound answers in the terms of the protocol that was meant.
func notFound(w http.ResponseWriter, r *http.Request) {
	if isV2(r) {
		writeProblem(w, errNotFound())
		return
	}
	http.NotFound(w, r)
}

// methods serves one path: a handler for each method.
type methods map[string]http.HandlerFunc

// ServeHTTP answers other methods in the terms of the protocol: v1 knows its one
// method and a line of text, v2 also HEAD, OPTIONS and a problem.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve, ok := m[r.Method]; ok {
		serve(w, r)
		return
	}
	if !isV2(r) {
		w.Header().Set("Allow", m.allow(false))
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	serve, ok := m[http.MethodGet]
	switch {
	case ok && r.Method == http.MethodHead:
		serve(w, r) // net/http leaves the body out
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", m.allow(true))
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", m.allow(true))
		writeProblem(w, errMethod(r.Method))
	}
}

// allow lists the methods of the path; protocol v1 knows neither HEAD nor
// OPTIONS.
func (m methods) allow(v2 bool) string {
	var names []string
	for name := range m {
		names = append(names, name)
		if v2 && name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	if v2 {
		names = append(names, http.MethodOptions)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
