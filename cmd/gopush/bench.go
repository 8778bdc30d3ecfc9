package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"gopush/internal/bench"
)

// benchCmd puts load on a server and proves that nothing is lost.
type benchCmd struct {
	Rate        int           `help:"Pushes per second, default ${default}." default:"1000" placeholder:"N"`
	Duration    time.Duration `help:"How long to measure, default ${default}." default:"30s"`
	Warmup      time.Duration `help:"How long to push before that, default ${default}." default:"5s"`
	Size        int           `help:"Bytes of a message, default ${default}." default:"128" placeholder:"BYTES"`
	Keys        int           `help:"Keys to push to in turn, default ${default}." default:"100" placeholder:"N"`
	Readers     int           `help:"Websocket readers of each key, default ${default}." default:"1" placeholder:"N"`
	Fetch       int           `help:"Readers that poll by HTTP once a second, of the first N keys." default:"0" placeholder:"N"`
	Public      int           `help:"Broadcasts per second, beside the rate: they go to everybody who is connected!" default:"0" placeholder:"N"`
	Batch       bool          `help:"Push through NDJSON batches, not one request each."`
	Connections int           `help:"Connections that carry pushes; default 64, or 8 for batches." default:"0" placeholder:"N"`
	InFlight    int           `help:"Pushes that are due and not answered, at most, default ${default}." default:"4096" placeholder:"N"`
	Idempotency bool          `help:"Push with idempotency keys, so that every retry is safe; on by default." default:"true" negatable:""`
	Settle      time.Duration `help:"How long readers may take at the end, default ${default}." default:"10s"`
	Keep        bool          `help:"Leave the keys; their messages expire."`
	Ops         []string      `help:"Ops listeners of servers whose processor time to read, separated by commas." placeholder:"URL"`
	YesReally   bool          `help:"Put the load on servers that are not this machine."`
	Quiet       bool          `help:"No progress on standard error."`

	Web string `help:"Public API of the server, default ${default}." env:"GOPUSH_WEB" default:"http://127.0.0.1:8090" placeholder:"URL"`
	adminFlags
}

// verdictError is a run that did what it should, and found something.
type verdictError struct{ verdict bench.Verdict }

func (e *verdictError) Error() string {
	if e.verdict == bench.Broken {
		return "a promise was broken: messages are lost, came twice or out of order"
	}
	return "the servers do not reach the rate"
}

// Run asks who is there, puts the load on, and prints the result, also of a run that
// Ctrl-C has ended.
func (c *benchCmd) Run(ctx context.Context, cli *commands, s streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := c.preflight(ctx, &cfg); err != nil {
		return err
	}
	onTerminal := false
	if !c.Quiet {
		onTerminal = terminal(s.err)
		cfg.Progress, cfg.ProgressEvery = benchProgress(s.err, onTerminal)
	}
	r, err := bench.Run(ctx, cfg, bench.Deps{})
	if onTerminal {
		fmt.Fprint(s.err, wipe)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return setupFailure(c.Web, err)
	}
	if cli.JSON {
		err = writeJSON(s.out, r)
	} else {
		err = r.WriteText(s.out)
	}
	if err == nil && r.Verdict != bench.OK {
		err = &verdictError{r.Verdict}
	}
	return err
}

// config checks the flags before anybody is asked.
func (c *benchCmd) config() (bench.Config, error) {
	admin, err := baseURL(c.Admin)
	if err != nil {
		return bench.Config{}, err
	}
	web, err := baseURL(c.Web)
	if err != nil {
		return bench.Config{}, err
	}
	token, err := c.token()
	if err != nil {
		return bench.Config{}, err
	}
	trust, err := c.trust()
	if err != nil {
		return bench.Config{}, err
	}
	cfg := bench.Config{
		Admin: admin, Web: web, Token: token, TLS: trust, Rate: c.Rate, Duration: c.Duration, Warmup: c.Warmup, Size: c.Size,
		Keys: c.Keys, Readers: c.Readers, Fetchers: c.Fetch, Public: c.Public, Connections: c.Connections, InFlight: c.InFlight,
		Batch: c.Batch, NoIdempotency: !c.Idempotency, Timeout: c.Timeout, Settle: c.Settle, Keep: c.Keep,
	}
	for _, text := range c.Ops {
		ops, err := baseURL(text)
		if err != nil {
			return bench.Config{}, err
		}
		cfg.Ops = append(cfg.Ops, ops)
	}
	if err := cfg.Validate(); err != nil {
		return bench.Config{}, usage("%w", err)
	}
	if far := bench.Elsewhere(admin, web); len(far) > 0 && !c.YesReally {
		return bench.Config{}, usage("%s is not this machine, and a load may take it down for its users; if that is meant, say --yes-really",
			strings.Join(far, " and "))
	}
	return cfg, nil
}

// preflight asks both APIs, so that a wrong address or token is told as by any other
// command. It leaves the nodes in the settings.
func (c *benchCmd) preflight(ctx context.Context, cfg *bench.Config) error {
	var list struct{ Nodes []bench.Node }
	if err := c.ask(ctx, http.MethodGet, "/v2/nodes", nil, &list); err != nil {
		return err
	}
	cfg.Nodes = list.Nodes
	r := request{method: http.MethodGet, base: c.Web, path: "/v2/time", timeout: c.Timeout, ca: &c.caFlag}
	var now struct{ ID string }
	_, err := r.call(ctx, &now)
	return err
}

// setupFailure is a run that could not begin: as what refused the readers has said,
// or else as something that cannot be reached.
func setupFailure(web string, err error) error {
	e, ok := errors.AsType[*bench.SetupError](err)
	if !ok {
		return err
	}
	if p, ok := errors.AsType[*problem](refusal(e.Err)); ok {
		return p
	}
	return &unreachableError{web, err}
}

// wipe begins a line anew on a terminal.
const wipe = "\r\x1b[K"

// terminal reports whether somebody may be looking at it.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// benchProgress prints a line every second that replaces the one before, or, where
// nobody looks at a terminal, one every ten seconds that stays.
func benchProgress(w io.Writer, onTerminal bool) (tell func(bench.Progress), every time.Duration) {
	if onTerminal {
		return func(p bench.Progress) { fmt.Fprint(w, wipe, p) }, time.Second
	}
	return func(p bench.Progress) { fmt.Fprintln(w, p) }, 10 * time.Second
}
