package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"gopush/internal/push"
)

// whereCmd asks the public API what a device asks before it connects.
type whereCmd struct {
	Key string `arg:"" help:"Subscription key."`
	publicFlags
}

// place is where a key lives: the node's name on the ring, and what clients of
// each protocol connect to.
type place struct {
	Key  push.Key `json:"key"`
	Node string   `json:"node"`
	WS   string   `json:"ws"`
	SSE  string   `json:"sse"`
	TCP  string   `json:"tcp"`
}

// Run shows which node serves a key.
func (c *whereCmd) Run(ctx context.Context, cli *commands, s streams) error {
	if _, err := push.ParseKey(c.Key); err != nil {
		return usage("%w", err)
	}
	r := request{method: http.MethodGet, base: c.Web, path: "/v2/node", query: url.Values{"key": {c.Key}}, timeout: c.Timeout, ca: &c.caFlag}
	var p place
	if _, err := r.call(ctx, &p); err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, p)
	}
	_, err := fmt.Fprintf(s.out, "node       %s\nwebsocket  %s\nsse        %s\ntcp        %s\n", p.Node, p.WS, p.SSE, p.TCP)
	return err
}
