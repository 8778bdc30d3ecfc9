package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gopush/comet/client"
	"gopush/internal/push"
)

// listenCmd follows a key over the v2 websocket, by way of the client package: it
// resumes after a lost connection and prints each message once.
type listenCmd struct {
	Key      string `arg:"" help:"Subscription key."`
	After    string `help:"Start with the messages above this id; 0: with all that are stored; without it: with new ones." placeholder:"ID"`
	Count    int    `help:"End after so many messages; 0: never." default:"0" placeholder:"N"`
	NoPublic bool   `help:"Leave public messages out."`
	Mint     bool   `help:"Where client tokens are required: have the server make them, over the admin API, the next one before each ends. Without it: the token of GOPUSH_CLIENT_TOKEN."`
	adminAccess
	publicFlags
}

// errEnough ends a listener that has what it was asked for.
var errEnough = errors.New("enough messages")

// listener prints the events of one stream.
type listener struct {
	cmd       *listenCmd
	s         streams
	json      bool
	connected bool // at least once
	left      int  // messages until the end, if Count is set
}

// Run prints messages until Ctrl-C. A lost connection is made again; only one
// that never stood is an error.
func (c *listenCmd) Run(ctx context.Context, cli *commands, s streams) error {
	l := &listener{cmd: c, s: s, json: cli.JSON, left: c.Count}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	cfg.OnEvent = l.event
	stream, err := client.New(cfg, client.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return usage("%w", err)
	}
	err = stream.Run(ctx)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	}
	return refusal(err)
}

// config checks the flags before anybody is asked.
func (c *listenCmd) config() (client.Config, error) {
	base, err := baseURL(c.Web)
	if err != nil {
		return client.Config{}, err
	}
	key, err := push.ParseKey(c.Key)
	if err != nil {
		return client.Config{}, usage("%w", err)
	}
	trust, err := c.trust()
	if err != nil {
		return client.Config{}, err
	}
	cfg := client.Config{NodeURL: base, Key: key, NoPublic: c.NoPublic, Handshake: c.Timeout, TLS: trust, Token: clientToken()}
	if c.Mint {
		if _, err := c.token(); err != nil { // a file that is not there is told now
			return client.Config{}, err
		}
		cfg.Token, cfg.TokenSource = "", c.mint
	}
	if c.After != "" {
		after, err := push.ParseID(c.After)
		if err != nil {
			return client.Config{}, usage("--after: %w", err)
		}
		cfg.After = &after
	}
	if c.Count < 0 {
		return client.Config{}, usage("--count is %d; it must not be negative", c.Count)
	}
	return cfg, nil
}

// mint has the server make the next token. A refusal is final, as whoever may not make one
// may not in a minute either.
func (c *listenCmd) mint(ctx context.Context) (string, error) {
	m := mintCmd{Keys: []string{c.Key}, NoPublic: c.NoPublic, adminFlags: adminFlags{c.adminAccess, c.Timeout, c.caFlag}}
	made, err := m.ask(ctx)
	if e, ok := errors.AsType[*problem](err); ok && !e.Retryable {
		err = fmt.Errorf("%w: %w", client.ErrDenied, err)
	}
	return made.Token, err
}

// refusal gives what ended a stream for good the form of other refusals.
func refusal(err error) error {
	// What event returned comes back wrapped, in words for programmers.
	if e, ok := errors.AsType[*problem](err); ok {
		return e
	}
	if e, ok := errors.AsType[*unreachableError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*client.LookupError](err); ok && e.Code != "" {
		return &problem{Status: e.Status, Code: push.Kind(e.Code), Detail: e.Detail}
	}
	if e, ok := errors.AsType[*client.CloseError](err); ok {
		return &problem{Status: int(e.Code), Code: push.Kind(e.ErrorCode), Detail: e.Detail, closed: true}
	}
	return err
}

// event prints one event. Messages are the output; what else happens is told on
// standard error, or with --json in its place in the stream.
func (l *listener) event(_ context.Context, ev client.Event) error {
	if ev.Kind == client.KindDisconnected && !l.connected {
		return l.failed(ev.Err)
	}
	l.connected = l.connected || ev.Kind == client.KindReady
	if l.json {
		if err := writeJSON(l.s.out, lineOf(ev)); err != nil {
			return err
		}
	} else if err := l.text(ev); err != nil {
		return err
	}
	if ev.Kind == client.KindMessage && l.cmd.Count > 0 {
		if l.left--; l.left == 0 {
			return errEnough
		}
	}
	return nil
}

// failed is the end of the first attempt to connect: more likely a wrong address
// than an outage, so it is not repeated for ever.
func (l *listener) failed(err error) error {
	if e, ok := errors.AsType[*client.LookupError](err); ok && e.Code != "" {
		return &problem{Status: e.Status, Code: push.Kind(e.Code), Detail: e.Detail, Retryable: true}
	}
	if e, ok := errors.AsType[*client.TokenError](err); ok {
		return e.Err
	}
	return &unreachableError{l.cmd.Web, err}
}

// text keeps standard output to messages, one per line, so that it can be piped.
func (l *listener) text(ev client.Event) error {
	note := func(format string, args ...any) error {
		_, err := fmt.Fprintf(l.s.err, "-- "+format+"\n", args...)
		return err
	}
	switch ev.Kind {
	case client.KindMessage:
		_, err := fmt.Fprintf(l.s.out, "%s %s%s\n", ev.ID, ev.Data, marks(ev))
		return err
	case client.KindReady:
		return note("connected to %s, after %s", ev.Node, ev.Cursor)
	case client.KindLive:
		return note("live")
	case client.KindGap:
		return note("gone for good (%s): after %s up to %s%s", ev.Gap.Reason, ev.Gap.After, ev.Gap.Until, marks(ev))
	case client.KindRecall:
		return note("recalled: %s%s", ev.ID, marks(ev))
	case client.KindDisconnected:
		return note("disconnected (%s); again in %s", ev.Err, ev.RetryIn.Round(time.Millisecond))
	default:
		return nil
	}
}

// marks tell messages apart that the cursor of the key does not count.
func marks(ev client.Event) string {
	switch {
	case ev.Public && ev.Transient:
		return " (public, transient)"
	case ev.Public:
		return " (public)"
	case ev.Transient:
		return " (transient)"
	default:
		return ""
	}
}

// line is an event as --json shows it: one per line, whatever it is, in the order
// of the stream. Type is as in protocol v2, or "disconnected".
type line struct {
	Type         client.Kind     `json:"type"`
	ID           string          `json:"id,omitempty"`
	Prev         string          `json:"prev,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	ExpiresAt    int64           `json:"expires_at,omitempty"` // unix ms
	Public       bool            `json:"public,omitempty"`
	Transient    bool            `json:"transient,omitempty"`
	Gap          *gap            `json:"gap,omitempty"`
	Node         string          `json:"node,omitempty"`
	Error        string          `json:"error,omitempty"`
	Cursor       string          `json:"cursor"`        // where to go on after this event
	PublicCursor string          `json:"public_cursor"` // the same of the public stream
}

// lineOf sets what the kind of the event has.
func lineOf(ev client.Event) line {
	l := line{
		Type: ev.Kind, Data: ev.Data, Public: ev.Public, Transient: ev.Transient, Node: ev.Node,
		Cursor: ev.Cursor.String(), PublicCursor: ev.PublicCursor.String(),
	}
	switch ev.Kind {
	case client.KindMessage:
		l.ID, l.Prev = ev.ID.String(), ev.Prev.String()
		if !ev.ExpiresAt.IsZero() {
			l.ExpiresAt = ev.ExpiresAt.UnixMilli()
		}
	case client.KindRecall:
		l.ID = ev.ID.String()
	case client.KindGap:
		l.Gap = &gap{ev.Gap.After.String(), ev.Gap.Until.String(), string(ev.Gap.Reason)}
	case client.KindDisconnected:
		l.Error = ev.Err.Error()
	default:
	}
	return l
}
