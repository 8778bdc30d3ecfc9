package web

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"gopush/internal/push"
)

// movingState is what a web node knows of keys that are moved from the old system.
type movingState struct {
	Groups []movingGroup `json:"groups"`
	// InFlight are changes of keys that began under earlier settings and have not ended.
	InFlight int64 `json:"in_flight"`
	// Newest is an id that no id lies above which a comet has given so far.
	Newest string `json:"newest"`
	// Silent are groups of this system whose comets have not told.
	Silent []string `json:"silent,omitempty"`
	// Settled: what is held stands still, and Newest counts to now and not to later.
	Settled bool `json:"settled"`
}

// movingGroup is a comet node of the old system.
type movingGroup struct {
	Group string `json:"group"`
	With  string `json:"with"` // "old" or "here"
	Held  bool   `json:"held"`
}

// clocksApart is how much the clocks of the hosts may differ.
const clocksApart = time.Second

// getMoving answers GET /v2/moving: what the operator who moves a group waits for.
func (s *Server) getMoving(w http.ResponseWriter, r *http.Request) error {
	m := s.moving.Load()
	state := movingState{Groups: []movingGroup{}, InFlight: s.unsettled()}
	for _, n := range m.ring.Nodes() {
		g := movingGroup{Group: n.Name, With: "here", Held: slices.Contains(m.held, n.Name)}
		if slices.Contains(m.old, n.Name) {
			g.With = "old"
		}
		state.Groups = append(state.Groups, g)
	}
	newest, silent := s.newestID(r.Context())
	state.Newest, state.Silent = newest.String(), silent
	ahead := newest.Time().Sub(s.deps.Now())
	state.Settled = state.InFlight == 0 && len(silent) == 0 && ahead <= clocksApart
	return replyJSON(w, state)
}

// newestID asks the comets of all groups how far their ids have got.
func (s *Server) newestID(ctx context.Context) (newest push.ID, silent []string) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TimeTimeout)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, g := range s.deps.Directory.View().Groups {
		all.Go(func() {
			id, err := push.ID(0), errNoNode()
			if g.Serving {
				id, err = s.deps.Comet(g.RPC).Time(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent = append(silent, name)
			}
			newest = max(newest, id)
		})
	}
	all.Wait()
	slices.Sort(silent)
	return newest, silent
}
