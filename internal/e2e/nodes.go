package e2e

import (
	"context"
	"encoding/json"
	"net/http"
)

// NodeState is one line of the list of nodes.
type NodeState struct {
	Name, Role, Group, Address, State string
	Epoch                             int64
}

// Nodes lists the nodes that a web node knows.
func (a *API) Nodes(ctx context.Context) ([]NodeState, error) {
	res, err := a.Admin(ctx, http.MethodGet, "/v2/nodes", "")
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, &StatusError{Status: res.Status, Body: res.Body}
	}
	var body struct{ Nodes []NodeState }
	err = json.Unmarshal([]byte(res.Body), &body)
	return body.Nodes, err
}
