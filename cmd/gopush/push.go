package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"gopush/internal/push"
)

// maxBody bounds what is read of standard input; servers take far less.
const maxBody = 1 << 20

// pushCmd pushes through the admin API. It tries once: whether to repeat is the
// caller's decision, by the exit code, as only the idempotency key makes that
// safe.
type pushCmd struct {
	Key  string `arg:"" help:"Subscription key."`
	Data string `arg:"" name:"json" help:"The message, one JSON value; - reads it from standard input."`

	TTL            time.Duration `name:"ttl" xor:"life" help:"How long the message lives; without it as long as the server decides."`
	Transient      bool          `xor:"life" help:"Only for who is connected right now: it is not stored."`
	IdempotencyKey string        `help:"Makes a retry safe: pushing again with the same one stores nothing new." placeholder:"TEXT"`
	adminFlags
}

// pushed is the result of a push, as --json shows it. The id is a string, as in
// the API: some readers of JSON round large numbers.
type pushed struct {
	Key       push.Key `json:"key"`
	ID        string   `json:"id"`
	Duplicate bool     `json:"duplicate"`
}

// Run pushes one message.
func (c *pushCmd) Run(ctx context.Context, cli *commands, s streams) error {
	body, err := c.body(s.in)
	if err != nil {
		return err
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	r := request{
		method: http.MethodPost, base: c.Admin, path: "/v2/messages", body: body, timeout: c.Timeout, ca: &c.caFlag,
		header: map[string]string{"Idempotency-Key": c.IdempotencyKey, "Authorization": bearer(token)},
	}
	var result pushed
	status, err := r.call(ctx, &result)
	if err != nil {
		return err
	}
	// A retry is answered 200, a new message 201.
	result.Duplicate = status == http.StatusOK
	if cli.JSON {
		return writeJSON(s.out, result)
	}
	_, err = fmt.Fprintf(s.out, "%s %s\n", c.verb(result), result.ID)
	return err
}

// verb says what has become of the message.
func (c *pushCmd) verb(result pushed) string {
	switch {
	case result.Duplicate:
		return "already stored"
	case c.Transient:
		return "sent"
	default:
		return "stored"
	}
}

// body is the request's: what can be seen to be wrong is refused here.
func (c *pushCmd) body(stdin io.Reader) ([]byte, error) {
	key, err := push.ParseKey(c.Key)
	if err != nil {
		return nil, usage("%w", err)
	}
	data := []byte(c.Data) // sent as it is: the server keeps it byte for byte
	if c.Data == "-" {
		if data, err = io.ReadAll(io.LimitReader(stdin, maxBody+1)); err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
	}
	switch {
	case len(data) > maxBody:
		return nil, usage("the message has more than %d bytes; no server takes that", maxBody)
	case !json.Valid(data):
		return nil, usage(`the message is not JSON; a text needs quotes of its own: '"hello"'`)
	case c.TTL < 0 || c.TTL%time.Second != 0:
		return nil, usage("--ttl is %s; it must be whole seconds, such as 90s or 24h", c.TTL)
	}
	return json.Marshal(struct {
		Key       push.Key        `json:"key"`
		Data      json.RawMessage `json:"data"`
		TTL       int64           `json:"ttl_s,omitempty"`
		Transient bool            `json:"transient,omitempty"`
	}{key, data, int64(c.TTL / time.Second), c.Transient})
}

// bearer is the value of the Authorization header; empty without a token.
func bearer(token string) string {
	if token == "" {
		return ""
	}
	return "Bearer " + token
}
