package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
)

// nodesCmd lists the nodes of a cluster.
type nodesCmd struct{ adminFlags }

// drainCmd has the primary of a group hand over.
type drainCmd struct {
	Group string `arg:"" help:"Group of comet nodes, as gopush nodes shows it."`
	Force bool   `help:"Even without another node to hand over to, which interrupts the group."`
	adminFlags
}

// node is one line of the list.
type node struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Group   string `json:"group"`
	Address string `json:"address"`
	Epoch   int64  `json:"epoch"`
	State   string `json:"state"`

	Version     string  `json:"version,omitempty"`
	Load        *load   `json:"load,omitempty"`
	Counts      *counts `json:"counts,omitempty"`
	Unreachable bool    `json:"unreachable,omitempty"`
}

// load is what a node has to do right now.
type load struct {
	Connections int64 `json:"connections"`
	InFlight    int64 `json:"in_flight"`
}

// ask makes a request of the admin API.
func (f *adminFlags) ask(ctx context.Context, method, path string, query url.Values, out any) error {
	token, err := f.token()
	if err != nil {
		return err
	}
	r := request{
		method: method, base: f.Admin, path: path, query: query, timeout: f.Timeout, ca: &f.caFlag,
		header: map[string]string{"Authorization": bearer(token)},
	}
	_, err = r.call(ctx, out)
	return err
}

// Run lists them: comet nodes by group, in the order in which they would serve, then
// message nodes.
func (c *nodesCmd) Run(ctx context.Context, cli *commands, s streams) error {
	var list struct {
		Nodes []node `json:"nodes"`
	}
	if err := c.ask(ctx, http.MethodGet, "/v2/nodes", nil, &list); err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, list)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tGROUP\tSTATE\tEPOCH\tCONNECTIONS\tIN-FLIGHT\tVERSION\tADDRESS\tID")
	for i := range list.Nodes {
		fmt.Fprintln(w, strings.Join(list.Nodes[i].columns(), "\t"))
	}
	return w.Flush()
}

// columns has a dash for what there is not.
func (n *node) columns() []string {
	epoch, connections, flight := "-", "-", "-"
	if n.Epoch != 0 {
		epoch = strconv.FormatInt(n.Epoch, 10)
	}
	if n.Load != nil {
		flight = strconv.FormatInt(n.Load.InFlight, 10)
		if n.Role == "comet" {
			connections = strconv.FormatInt(n.Load.Connections, 10)
		}
	}
	return []string{n.Role, orDash(n.Group), n.State, epoch, connections, flight, n.build(), orDash(n.Address), orDash(n.ID)}
}

// build says why there is no version, where a node should have told.
func (n *node) build() string {
	switch {
	case n.Unreachable:
		return "unreachable"
	case n.Version == "" && n.Address != "":
		return "unknown"
	}
	return orDash(n.Version)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Run asks, and does not wait for the hand-over.
func (c *drainCmd) Run(ctx context.Context, cli *commands, s streams) error {
	query := url.Values{}
	if c.Force {
		query.Set("force", "1")
	}
	var n node
	if err := c.ask(ctx, http.MethodPost, "/v2/nodes/"+url.PathEscape(c.Group)+"/drain", query, &n); err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, n)
	}
	_, err := fmt.Fprintf(s.out, "%s at %s hands %s over; gopush nodes shows who serves\n", n.ID, n.Address, n.Group)
	return err
}
