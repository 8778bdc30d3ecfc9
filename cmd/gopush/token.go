package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"gopush/internal/push"
	"gopush/internal/token"
)

// tokenCmd is about the tokens that clients show; see docs/security.md.
type tokenCmd struct {
	Keygen keygenCmd `cmd:"" help:"Make a key that signs tokens, as a line for tokens.keys_file."`
	Mint   mintCmd   `cmd:"" help:"Make a token: with a file of keys on this machine, or else over the admin API."`
	Revoke revokeCmd `cmd:"" help:"Revoke a token by its name, on every node."`
	Verify verifyCmd `cmd:"" help:"Say what a token allows, or what is wrong with it."`
}

// keygenCmd prints a key; nothing is kept.
type keygenCmd struct {
	KID string `arg:"" name:"kid" help:"Name of the key: 1 to 64 visible ASCII characters."`
	Alg string `help:"HS256: one secret signs and checks. EdDSA: a public key checks." enum:"HS256,EdDSA" default:"HS256"`
}

// Run prints the line of the file of those who sign; with EdDSA that of those who only
// check goes along.
func (c *keygenCmd) Run(cli *commands, s streams) error {
	private, public, err := token.Generate(c.KID, c.Alg)
	if err != nil {
		return usage("%w", err)
	}
	if cli.JSON {
		return writeJSON(s.out, map[string]string{"sign": private, "check": public})
	}
	if _, err := fmt.Fprintln(s.out, private); err != nil || c.Alg == token.HS256 {
		return err
	}
	_, err = fmt.Fprintf(s.err, "-- for servers that only check tokens:\n%s\n", public)
	return err
}

// mintCmd makes a token.
type mintCmd struct {
	Keys     []string      `arg:"" name:"key" help:"Subscription keys that the token is for."`
	TTL      time.Duration `help:"How long it is valid." default:"1h"`
	NoPublic bool          `help:"Not for public messages."`
	ID       string        `help:"Name of the token (jti); made if it is missing."`
	KeysFile string        `help:"File of keys to sign with, on this machine; without it the server signs." placeholder:"FILE"`
	MaxLife  time.Duration `help:"With --keys-file: what the servers have as tokens.max_life." default:"720h"`
	adminFlags
}

// minted is the result, as --json shows it and as the server answers.
type minted struct {
	Token     string     `json:"token"`
	ID        string     `json:"id"`
	Keys      []push.Key `json:"keys"`
	Public    bool       `json:"public"`
	ExpiresAt int64      `json:"expires_at"` // unix ms
}

// Run prints the token alone, so that it can be put into a variable.
func (c *mintCmd) Run(ctx context.Context, cli *commands, s streams) error {
	if c.TTL < time.Second {
		return usage("--ttl is %s; it must be at least 1s", c.TTL)
	}
	m, err := c.mint(ctx)
	if err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, m)
	}
	_, err = fmt.Fprintln(s.out, m.Token)
	return err
}

func (c *mintCmd) mint(ctx context.Context) (m minted, err error) {
	if c.KeysFile == "" {
		return c.ask(ctx)
	}
	a, err := authorityOf(c.KeysFile, c.MaxLife)
	if err != nil {
		return m, err
	}
	now := time.Now()
	g := push.Grant{ID: c.ID, Public: !c.NoPublic, Expires: now.Add(c.TTL)}
	for _, name := range c.Keys {
		key, err := push.ParseKey(name)
		if err != nil {
			return m, usage("%w", err)
		}
		g.Keys = append(g.Keys, key)
	}
	text, g, err := a.Mint(g, now)
	if err != nil {
		return m, usage("%w", err)
	}
	return minted{text, g.ID, g.Keys, g.Public, g.Expires.UnixMilli()}, nil
}

// ask has the server sign.
func (c *mintCmd) ask(ctx context.Context) (m minted, err error) {
	admin, err := c.token()
	if err != nil {
		return m, err
	}
	wanted := map[string]any{"key": c.Keys, "public": !c.NoPublic, "id": c.ID}
	if c.TTL > 0 { // otherwise the server knows how long they may be
		wanted["ttl_s"] = int64(c.TTL / time.Second)
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return m, err
	}
	r := request{
		method: http.MethodPost, base: c.Admin, path: "/v2/tokens", body: body, timeout: c.Timeout, ca: &c.caFlag,
		header: map[string]string{"Authorization": bearer(admin)},
	}
	_, err = r.call(ctx, &m)
	return m, err
}

// revokeCmd takes a token back.
type revokeCmd struct {
	ID    string    `arg:"" name:"id" help:"Name of the token (jti), as mint --json and verify show it; never the token itself."`
	Until time.Time `help:"Until when it is refused, such as its own end, as 2026-12-31T00:00:00Z; without it for as long as a token can be valid." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
	adminFlags
}

// revoked is the result, as --json shows it and as the server answers.
type revoked struct {
	ID        string `json:"id"`
	ExpiresAt int64  `json:"expires_at"` // unix ms
}

// Run returns once that is durable.
func (c *revokeCmd) Run(ctx context.Context, cli *commands, s streams) error {
	if len(c.ID) > 64 { // it is not sent: it may be the token
		return usage("the name of a token has at most 64 characters; give its jti, which gopush token verify shows, not the token")
	}
	admin, err := c.token()
	if err != nil {
		return err
	}
	r := request{
		method: http.MethodDelete, base: c.Admin, path: "/v2/tokens/" + segment(c.ID), timeout: c.Timeout, ca: &c.caFlag,
		header: map[string]string{"Authorization": bearer(admin)},
	}
	if !c.Until.IsZero() {
		r.query = url.Values{"expires_at": {strconv.FormatInt(c.Until.UnixMilli(), 10)}}
	}
	var done revoked
	if _, err := r.call(ctx, &done); err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, done)
	}
	_, err = fmt.Fprintf(s.out, "revoked %s; refused until %s\n", done.ID, time.UnixMilli(done.ExpiresAt).Format(time.RFC3339))
	return err
}

// verifyCmd checks a token with a file of keys.
type verifyCmd struct {
	Token    string        `arg:"" optional:"" help:"The token; without it, it is read from standard input, so that the shell keeps none."`
	KeysFile string        `help:"File of keys to check with." required:"" placeholder:"FILE"`
	MaxLife  time.Duration `help:"What the servers have as tokens.max_life." default:"720h"`
}

// verdict is the result, as --json shows it.
type verdict struct {
	Valid     bool       `json:"valid"`
	Code      push.Kind  `json:"code,omitempty"`
	Problem   string     `json:"problem,omitempty"`
	ID        string     `json:"id,omitempty"`
	KID       string     `json:"kid,omitempty"`
	Keys      []push.Key `json:"keys,omitempty"`
	Public    bool       `json:"public,omitempty"`
	ExpiresAt int64      `json:"expires_at,omitempty"` // unix ms
}

// Run says what the token is worth; one that is not valid is a failure.
func (c *verifyCmd) Run(cli *commands, s streams) error {
	a, err := authorityOf(c.KeysFile, c.MaxLife)
	if err != nil {
		return err
	}
	text := c.Token
	if text == "" {
		b, err := io.ReadAll(io.LimitReader(s.in, 2*token.MaxBytes))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	g, err := a.Verify(text, time.Now())
	if err != nil {
		if cli.JSON {
			return errors.Join(writeJSON(s.out, verdict{Code: push.KindOf(err), Problem: sentence(err)}), err)
		}
		return err
	}
	v := verdict{Valid: true, ID: g.ID, KID: g.KeyID, Keys: g.Keys, Public: g.Public, ExpiresAt: g.Expires.UnixMilli()}
	if cli.JSON {
		return writeJSON(s.out, v)
	}
	_, err = fmt.Fprintf(s.out, "valid until %s\n  keys    %q\n  public  %t\n  id      %s\n  signed  by %s\n",
		g.Expires.Format(time.RFC3339), g.Keys, g.Public, g.ID, g.KeyID)
	return err
}

// authorityOf reads a file of keys.
func authorityOf(path string, maxLife time.Duration) (*token.Authority, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("the file of keys: %w", err)
	}
	keys, err := token.ParseKeys(string(b))
	if err != nil {
		return nil, usage("the file of keys: %s: %w", path, err)
	}
	a, err := token.New(token.Config{MaxLife: maxLife}, keys)
	if err != nil {
		return nil, usage("--max-life: %w", err)
	}
	return a, nil
}
