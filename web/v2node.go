package web

import (
	"context"
	"encoding/json"
	"net/http"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// nodeReply tells a device where to connect.
type nodeReply struct {
	Key  push.Key `json:"key"`
	Node string   `json:"node"`
	WS   string   `json:"ws,omitempty"`
	SSE  string   `json:"sse,omitempty"`
	TCP  string   `json:"tcp,omitempty"`
	// TCPTLS says that the TCP address wants TLS; the other two are URLs and say so.
	TCPTLS bool `json:"tcp_tls,omitempty"`
}

// getNode answers GET /v2/node.
func (s *Server) getNode(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.whereIs(r)
	if err != nil {
		return err
	}
	return replyJSON(w, answer)
}

// whereIs finds the node of the key that a query asks for.
func (s *Server) whereIs(r *http.Request) (nodeReply, error) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nodeReply{}, err
	}
	key, err := q.key()
	if err != nil {
		return nodeReply{}, err
	}
	if err := s.servedHere(key); err != nil {
		return nodeReply{}, err
	}
	// No waiting for an owner here: the device comes back by itself.
	g, _, err := s.owner(key)
	if err != nil {
		return nodeReply{}, err
	}
	answer := nodeReply{Key: key, Node: g.Group, TCP: g.Public.TCP, TCPTLS: g.Public.TCPTLS}
	if g.Public.WS != "" {
		ws, sse := origins(g.Public)
		answer.WS, answer.SSE = ws+"/v2/stream", sse+"/v2/events"
	}
	return answer, nil
}

// origins are where websockets and SSE of a comet begin.
func origins(p coord.Public) (ws, sse string) {
	if p.TLS {
		return "wss://" + p.WS, "https://" + p.WS
	}
	return "ws://" + p.WS, "http://" + p.WS
}

// getTime answers GET /v2/time: a safe first cursor.
func (s *Server) getTime(w http.ResponseWriter, r *http.Request) error {
	id, err := s.firstCursor(r.Context())
	if err != nil {
		return err
	}
	return replyJSON(w, struct {
		ID string `json:"id"`
	}{id.String()})
}

// keyReply is what is known of a key.
type keyReply struct {
	Key         push.Key `json:"key"`
	Node        string   `json:"node"`
	Connections int      `json:"connections"`
	Newest      string   `json:"newest"`
}

// getKey answers GET /v2/keys/K, K path-escaped.
func (s *Server) getKey(w http.ResponseWriter, r *http.Request) error {
	key, err := push.ParseKey(r.PathValue("key"))
	if err != nil {
		return err
	}
	return s.describeKey(w, r, key)
}

// describeKey answers with what is known of a key.
func (s *Server) describeKey(w http.ResponseWriter, r *http.Request, key push.Key) error {
	if err := s.servedHere(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.QueryTimeout)
	defer cancel()
	var info push.KeyInfo
	err := s.onOwner(ctx, key, true, func(ctx context.Context, _ coord.Group, c Comet) (err error) {
		info, err = c.Describe(ctx, key, 0)
		return err
	})
	if err != nil {
		return readError(err)
	}
	return replyJSON(w, keyReply{Key: key, Node: info.Group, Connections: info.Connections, Newest: info.Newest.String()})
}

// replyJSON writes v as a whole reply.
func replyJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return push.Wrap(push.KindInternal, err, "the reply could not be written as JSON")
	}
	reply(w, http.StatusOK, "application/json", append(body, '\n'))
	return nil
}
