package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxSources bounds how many nodes the policy names: a header has to fit what
// browsers and proxies take. Above, any websocket may be opened.
const maxSources = 64

// protect sets the headers that say what a browser may do with the page. The
// page shows what strangers pushed and holds the admin token, so that it may run
// nothing but its own files, even if one of them has a hole.
func (c *Console) protect(h http.Header) {
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"connect-src 'self'" + sources(c.nodes()),
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // frame-ancestors, for browsers that do not know it
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// sources lists the websocket origins of the nodes, each with a space before
// it. What is none is left out: it could end the directive.
func sources(origins []string) string {
	var list []string
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
			continue
		}
		if addr, ok := strings.CutPrefix(origin, u.Scheme+"://"); ok && u.Host == addr && plain(addr) {
			list = append(list, " "+origin)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > maxSources {
		return " ws: wss:"
	}
	return strings.Join(list, "")
}

// plain reports whether addr has nothing but what a host and a port consist of.
func plain(addr string) bool {
	return addr != "" && !strings.ContainsFunc(addr, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
	})
}
