package web

import (
	"net/http"
	"slices"
)

// cors lets pages of the configured origins read the public v2 API. Without
// any, browsers keep their default: no foreign page may read a reply. Protocol
// v1 has JSONP and is left as it is.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, origins := r.Header.Get("Origin"), s.limits.Load().CORSOrigins
		if len(origins) > 0 && isV2(r) {
			h := w.Header()
			// Also without an Origin: a cache must not hand that reply to a page.
			h.Add("Vary", "Origin")
			if origin != "" && (slices.Contains(origins, "*") || slices.Contains(origins, origin)) {
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
				if r.Method == http.MethodOptions {
					h.Set("Access-Control-Allow-Methods", "GET, HEAD")
					h.Set("Access-Control-Allow-Headers", "Authorization, X-Request-Id")
					h.Set("Access-Control-Max-Age", "600")
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
