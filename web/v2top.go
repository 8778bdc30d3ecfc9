package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"

	"gopush/internal/push"
)

// Bounds of a list of busy keys.
const (
	defaultTop = 10
	maxTop     = 100
)

// busyKey is a key that is pushed to often: at least and at most so many times a second,
// over the last ten to twenty.
type busyKey struct {
	Key         push.Key `json:"key,omitempty"`
	Public      bool     `json:"public,omitempty"` // the stream of public messages, which has no key
	Node        string   `json:"node"`             // the group
	Least       float64  `json:"least"`
	Most        float64  `json:"most"`
	Connections int      `json:"connections"` // of the public stream: those of the node
}

// topReply is what getTop answers.
type topReply struct {
	Keys   []busyKey `json:"keys"`
	Silent []string  `json:"silent,omitempty"` // RPC addresses of the nodes that have not told
}

// getTop answers GET /v2/top: the keys that are pushed to most, of all groups. Each comet
// knows its own; one that does not answer in time is named.
func (s *Server) getTop(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	limit, err := q.limit(defaultTop, maxTop)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.StatusTimeout)
	defer cancel()
	nodes := s.deps.Directory.View().Nodes
	told := make([][]push.BusyKey, len(nodes))
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() { told[i], errs[i] = s.deps.Comet(nodes[i].RPC).Top(ctx, limit) })
	}
	all.Wait()
	answer := topReply{Keys: []busyKey{}}
	for i, n := range nodes {
		if errs[i] != nil {
			answer.Silent = append(answer.Silent, n.RPC)
		}
		for _, k := range told[i] {
			answer.Keys = append(answer.Keys, shown(n.Group, k))
		}
	}
	slices.SortStableFunc(answer.Keys, func(a, b busyKey) int { return cmp.Compare(b.Least, a.Least) })
	answer.Keys = answer.Keys[:min(limit, len(answer.Keys))]
	return replyJSON(w, answer)
}

func shown(group string, k push.BusyKey) busyKey {
	b := busyKey{Key: k.Key, Node: group, Least: k.Least, Most: k.Most, Connections: k.Connections}
	if k.Key.Public() {
		b.Key, b.Public = "", true
	}
	return b
}
