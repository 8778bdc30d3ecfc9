package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"gopush/internal/push"
)

// movingCmd shows where a web node has the groups of the old system.
type movingCmd struct {
	Wait bool `help:"Wait until nothing is in flight of what began under other settings, and the ids lie behind the clock."`
	adminFlags
}

// movingState is the answer of a web node.
type movingState struct {
	Groups []struct {
		Group string `json:"group"`
		With  string `json:"with"`
		Held  bool   `json:"held"`
	} `json:"groups"`
	InFlight int64    `json:"in_flight"`
	Newest   string   `json:"newest"`
	Silent   []string `json:"silent,omitempty"`
	Settled  bool     `json:"settled"`
}

const (
	// movingPause is between two questions of a waiting one.
	movingPause = 200 * time.Millisecond
	// movingMargin is how much the clocks of the hosts of both systems may differ: ids of one
	// have to lie above those of the other.
	movingMargin = 2 * time.Second
)

// Run asks once, or until it is settled.
func (c *movingCmd) Run(ctx context.Context, cli *commands, s streams) error {
	var state movingState
	for {
		if err := c.ask(ctx, http.MethodGet, "/v2/moving", nil, &state); err != nil {
			return err
		}
		if !c.Wait || state.Settled {
			break
		}
		fmt.Fprintf(s.err, "  %d in flight%s\n", state.InFlight, silent(state.Silent))
		if err := pause(ctx, movingPause); err != nil {
			return err
		}
	}
	if c.Wait {
		newest, err := push.ParseID(state.Newest)
		if err != nil {
			return fmt.Errorf("the server says that its newest id is %q, which is none", state.Newest)
		}
		if err := pause(ctx, time.Until(newest.Time().Add(movingMargin))); err != nil {
			return err
		}
	}
	if cli.JSON {
		return writeJSON(s.out, state)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GROUP\tWITH\tCHANGES")
	for _, g := range state.Groups {
		changes := "taken"
		if g.Held {
			changes = "held"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", g.Group, g.With, changes)
	}
	settled := "settled"
	if !state.Settled {
		settled = "not settled"
	}
	fmt.Fprintf(w, "%s: %d in flight%s\n", settled, state.InFlight, silent(state.Silent))
	return w.Flush()
}

// silent names the groups that have not told how far their ids have got.
func silent(groups []string) string {
	if len(groups) == 0 {
		return ""
	}
	return ", nobody answers for " + strings.Join(groups, ", ")
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
