package web

import (
	"net/http"
	"strings"

	"gopush/web/console"
)

// withConsole puts the console's page before the admin API. The page comes
// without a token, as it holds nothing that is secret: a browser cannot send
// one when a person opens a link.
func (s *Server) withConsole(api http.Handler) (http.Handler, error) {
	page, err := console.New(console.Config{Nodes: s.cometOrigins})
	if err != nil {
		return nil, err
	}
	root := strings.TrimSuffix(console.Path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if path == console.NodePath || path != root && !strings.HasPrefix(path, console.Path) {
			api.ServeHTTP(w, r)
			return
		}
		r.Pattern = console.Path // for the log line
		page.ServeHTTP(w, r)
	}), nil
}

// consoleRoutes are what the page asks for beyond the admin API: where the phone
// connects. From the public listener, another origin, it could not be read
// without a CORS rule.
func (s *Server) consoleRoutes() []route {
	return []route{{http.MethodGet, console.NodePath, v2(s.getNode)}}
}

// cometOrigins are those that devices are told, of all nodes: the page opens
// connections to whichever owns its key.
func (s *Server) cometOrigins() []string {
	groups := s.deps.Directory.View().Groups
	all := make([]string, 0, len(groups))
	for _, g := range groups {
		ws, _ := origins(g.Public)
		all = append(all, ws)
	}
	return all
}
