package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthCmd asks a process of any role how it is: for a container's health check, which
// has nothing else to ask with.
type healthCmd struct {
	Ops     string        `help:"Ops listener of the process, default ${default}." env:"GOPUSH_OPS" default:"127.0.0.1:6971" placeholder:"HOST:PORT"`
	Ready   bool          `help:"Ask whether it can serve, not only whether it lives."`
	Timeout time.Duration `help:"How long to wait for an answer." default:"10s"`
}

// health is what the command prints.
type health struct {
	Alive bool  `json:"alive"`
	Ready *bool `json:"ready,omitempty"` // nil: nobody asked
}

// unready is the answer of a process that lives and cannot serve.
type unready struct {
	Reasons []struct{ Part, Reason string }
}

func (u *unready) Error() string {
	parts := make([]string, len(u.Reasons))
	for i, r := range u.Reasons {
		parts[i] = r.Part + ": " + r.Reason
	}
	return "not ready: " + strings.Join(parts, "; ")
}

// Run fails, with the reasons, unless the process answers that all is well.
func (c *healthCmd) Run(ctx context.Context, cli *commands, s streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	result, path := health{Alive: true}, "/healthz"
	if c.Ready {
		result.Ready, path = new(true), "/readyz"
	}
	if err := c.ask(ctx, path); err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, result)
	}
	text := "alive"
	if c.Ready {
		text = "ready"
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
}

// ask gets one of the two pages of the ops listener.
func (c *healthCmd) ask(ctx context.Context, path string) error {
	// The ops listener is of the same machine or network: no proxy is asked.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r := request{method: http.MethodGet, base: c.Ops, path: path}
	resp, err := r.send(ctx, &client)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // only read
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return &unreachableError{c.Ops, err}
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	u := new(unready)
	if err := json.Unmarshal(b, u); err != nil || len(u.Reasons) == 0 {
		return errors.New(c.Ops + " answered HTTP " + resp.Status + "; is it the ops listener of a gopush process?")
	}
	return u
}
