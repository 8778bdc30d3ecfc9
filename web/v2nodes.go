package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// nodeState is one node of the cluster, as the directory shows it.
type nodeState struct {
	ID      string `json:"id,omitempty"` // of a comet node; no other ever has it
	Name    string `json:"name"`         // the group of a comet node, else the address
	Role    string `json:"role"`
	Group   string `json:"group"`
	Address string `json:"address"`
	Epoch   int64  `json:"epoch"` // of the group's term, if the node serves it
	State   string `json:"state"`

	// What the node itself has said; nothing, if it is older than the question.
	Version     string    `json:"version,omitempty"` // of its build
	Load        *nodeLoad `json:"load,omitempty"`
	Counts      *counts   `json:"counts,omitempty"`
	Unreachable bool      `json:"unreachable,omitempty"` // it has said nothing in time
}

// nodeLoad is what a node has to do right now.
type nodeLoad struct {
	Connections int64 `json:"connections"` // of clients
	InFlight    int64 `json:"in_flight"`   // pushes, writes and reads without an answer yet
}

// counts are what a node has done since it began: a comet has the first three, a message
// node the others.
type counts struct {
	Pushes     *int64 `json:"pushes,omitempty"`     // that were acknowledged
	Deliveries *int64 `json:"deliveries,omitempty"` // messages written to connections
	Behind     *int64 `json:"behind,omitempty"`     // streams of connections that read from the store right now

	Saves       *int64   `json:"saves,omitempty"` // calls of the store that are done
	SaveSeconds *float64 `json:"save_seconds,omitempty"`
	Reads       *int64   `json:"reads,omitempty"`
	ReadSeconds *float64 `json:"read_seconds,omitempty"`
}

// The roles of nodes that are listed.
const (
	roleComet   = "comet"
	roleMessage = "message"
)

// The states of nodes.
const (
	stateServing  = "serving"  // the primary of its group, or a message node
	stateStandby  = "standby"  // an alternate
	stateDraining = "draining" // it has been asked to hand over
	stateWaiting  = "waiting"  // a group that nobody serves
)

// getNodes answers GET /v2/nodes: the comet nodes of each group in the order in which
// they would serve, groups that nobody serves, and the message nodes. Who is there is
// known from the directory; each node is asked for its version and its load.
func (s *Server) getNodes(w http.ResponseWriter, r *http.Request) error {
	view := s.deps.Directory.View()
	nodes := append(cometNodes(view), idleGroups(view)...)
	for _, addr := range view.Messages {
		nodes = append(nodes, nodeState{Name: addr, Role: roleMessage, Address: addr, State: stateServing})
	}
	// Stable: the order of succession stays.
	slices.SortStableFunc(nodes, func(a, b nodeState) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Group, b.Group))
	})
	s.askNodes(r.Context(), nodes)
	return replyJSON(w, struct {
		Nodes []nodeState `json:"nodes"`
	}{nodes})
}

// askNodes asks all of them at once, so that one that hangs costs no more than the
// timeout. Nobody keeps this up to date: it costs something only while somebody looks.
func (s *Server) askNodes(ctx context.Context, nodes []nodeState) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusTimeout)
	defer cancel()
	var all sync.WaitGroup
	for i := range nodes {
		if n := &nodes[i]; n.Address != "" {
			all.Go(func() { n.told(s.statusOf(ctx, n)) })
		}
	}
	all.Wait()
}

func (s *Server) statusOf(ctx context.Context, n *nodeState) (push.NodeStatus, error) {
	if n.Role == roleMessage {
		return s.deps.Messages.Status(ctx, n.Address)
	}
	return s.deps.Comet(n.Address).Status(ctx)
}

// told notes the answer.
func (n *nodeState) told(is push.NodeStatus, err error) {
	switch {
	case err != nil:
		n.Unreachable = true
	case is.Version != "":
		n.Version, n.Load = is.Version, &nodeLoad{Connections: is.Connections, InFlight: is.InFlight}
	}
	if err == nil && is.Counted {
		n.Counts = countsOf(n.Role, is.Counts)
	}
}

func countsOf(role string, c push.Counts) *counts {
	if role == roleComet {
		return &counts{Pushes: &c.Pushes, Deliveries: &c.Deliveries, Behind: &c.Behind}
	}
	return &counts{
		Saves: &c.Saves, SaveSeconds: new(c.SaveTime.Seconds()), Reads: &c.Reads, ReadSeconds: new(c.ReadTime.Seconds()),
	}
}

func cometNodes(view *coord.View) []nodeState {
	nodes := make([]nodeState, 0, len(view.Nodes)+len(view.Messages))
	for _, n := range view.Nodes {
		state := nodeState{ID: n.ID, Name: n.Group, Role: roleComet, Group: n.Group, Address: n.RPC, State: stateStandby}
		if n.Role == coord.Primary {
			state.State, state.Epoch = stateServing, view.Groups[n.Group].Epoch
		}
		if n.Asked {
			state.State = stateDraining
		}
		nodes = append(nodes, state)
	}
	return nodes
}

// idleGroups are those without a primary: their keys wait.
func idleGroups(view *coord.View) []nodeState {
	var idle []nodeState
	for name, g := range view.Groups {
		if !g.Serving {
			idle = append(idle, nodeState{Name: name, Role: roleComet, Group: name, Epoch: g.Epoch, State: stateWaiting})
		}
	}
	return idle
}

// postDrain answers POST /v2/nodes/GROUP/drain: the primary of the group is asked to
// hand over. Without an alternate its keys would wait until it comes back, so that
// takes force=1.
func (s *Server) postDrain(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	group := r.PathValue("group")
	aim(w, slog.String("group", group))
	primary, err := s.drainable(group, q.Get("force") == "1")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.QueryTimeout)
	defer cancel()
	if err := s.deps.Admin.Drain(ctx, primary.ID); err != nil {
		return err
	}
	return replyJSON(w, nodeState{
		ID: primary.ID, Name: group, Role: roleComet, Group: group, Address: primary.RPC,
		Epoch: s.deps.Directory.View().Groups[group].Epoch, State: stateDraining,
	})
}

// drainable finds the primary of a group, and what speaks against a hand-over.
func (s *Server) drainable(group string, force bool) (coord.Node, error) {
	view := s.deps.Directory.View()
	var primary coord.Node
	alternates := 0
	for _, n := range view.Nodes {
		switch {
		case n.Group != group:
		case n.Role == coord.Primary:
			primary = n
		default:
			alternates++
		}
	}
	_, known := view.Groups[group]
	switch {
	case primary.ID == "" && !known && alternates == 0:
		return primary, push.E(push.KindNotFound, "there is no group %q; GET /v2/nodes lists them", group)
	case primary.ID == "":
		return primary, push.E(push.KindNoNode, "no node serves the group %s right now, so there is none to hand over; try again", group)
	case alternates == 0 && !force:
		return primary, push.E(push.KindConflict, "the group %s has no other node to hand over to; start one first, or add force=1 to interrupt it", group)
	}
	return primary, nil
}

// deleteGroup answers DELETE /v2/nodes/GROUP: a group without nodes leaves the ring, and
// its keys go to the others.
func (s *Server) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	group := r.PathValue("group")
	aim(w, slog.String("group", group))
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.QueryTimeout)
	defer cancel()
	if err := s.deps.Admin.RemoveGroup(ctx, group); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
