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
		if console.Asks(path) || path != root && !strings.HasPrefix(path, console.Path) {
			api.ServeHTTP(w, r)
			return
		}
		r.Pattern = console.Path // for the log line
		page.ServeHTTP(w, r)
	}), nil
}

// consoleRoutes are what the page asks for beyond the admin API: where the phone
// connects, which from the public listener, another origin, could not be read
// without a CORS rule; and what is known of a key, whatever it is called.
func (s *Server) consoleRoutes() []route {
	return []route{
		{http.MethodGet, console.NodePath, v2(s.getConsoleNode)},
		{http.MethodGet, console.KeyPath, v2(s.getConsoleKey)},
	}
}

// getConsoleNode answers as GET /v2/node does, and says whether a client needs a token.
func (s *Server) getConsoleNode(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.whereIs(r)
	if err != nil {
		return err
	}
	return replyJSON(w, struct {
		nodeReply
		TokenNeeded bool `json:"token_needed,omitempty"`
	}{answer, s.cfg.TokensRequired})
}

// getConsoleKey answers as GET /v2/keys/K does.
func (s *Server) getConsoleKey(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	key, err := q.key()
	if err != nil {
		return err
	}
	return s.describeKey(w, r, key)
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
