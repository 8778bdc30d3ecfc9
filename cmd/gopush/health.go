package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"gopush/internal/cert"
)

// healthCmd asks a process of any role how it is: for a container's health check, which
// has nothing else to ask with.
type healthCmd struct {
	Ops     string        `help:"Ops listener of the process, default ${default}." env:"GOPUSH_OPS" default:"127.0.0.1:6971" placeholder:"HOST:PORT or URL"`
	Ready   bool          `help:"Ask whether it can serve, not only whether it lives."`
	Timeout time.Duration `help:"How long to wait for an answer." default:"10s"`
	caFlag
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

// ask gets one of the two pages of the ops listener. Whether a process of this machine speaks
// TLS there is found out, as a health check in an image cannot know.
func (c *healthCmd) ask(ctx context.Context, path string) error {
	trust, err := c.trust()
	if err != nil {
		return err
	}
	here := c.here()
	if here {
		trust = cert.ThisMachine()
	}
	status, body, err := c.get(ctx, trust, c.Ops, path)
	if err == nil && here && speaksTLS(status, body) {
		status, body, err = c.get(ctx, trust, "https://"+strings.TrimPrefix(c.Ops, "http://"), path)
	}
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		return nil
	case speaksTLS(status, body):
		return fmt.Errorf("%s speaks TLS; write its URL with https://", c.Ops)
	}
	u := new(unready)
	if err := json.Unmarshal(body, u); err != nil || len(u.Reasons) == 0 {
		return fmt.Errorf("%s answered HTTP %d %s; is it the ops listener of a gopush process?", c.Ops, status, http.StatusText(status))
	}
	return u
}

// here reports whether what is asked is a process of this machine.
func (c *healthCmd) here() bool {
	base, err := baseURL(c.Ops)
	_, addr, _ := strings.Cut(base, "://")
	return err == nil && len(othersOf(addr)) == 0
}

func (c *healthCmd) get(ctx context.Context, trust *tls.Config, base, path string) (status int, body []byte, err error) {
	// The ops listener is of the same machine or network: no proxy is asked.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
	r := request{method: http.MethodGet, base: base, path: path}
	resp, err := r.send(ctx, &client)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() // only read
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return 0, nil, &unreachableError{c.Ops, err}
	}
	return resp.StatusCode, body, nil
}
