package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of a lookup's answer, in bytes.
const maxAnswer = 64 << 10

// lookup asks the public API where the key lives and gives the URL to connect
// to, without a query.
func (c *Client) lookup(ctx context.Context) (*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Handshake)
	defer cancel()
	target := strings.TrimSuffix(c.cfg.NodeURL, "/") + "/v2/node?key=" + url.QueryEscape(string(c.cfg.Key))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("client: looking the node up: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: looking the node up: %w", err)
	}
	defer resp.Body.Close()
	c.tokens.clock.learn(resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("client: looking the node up: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, newLookupError(resp, body)
	}
	return streamURL(body)
}

func newLookupError(resp *http.Response, body []byte) *LookupError {
	e := &LookupError{Status: resp.StatusCode}
	var problem struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) == nil {
		e.Code, e.Detail = problem.Code, problem.Detail
	}
	// A number of seconds; the other form, a date, is not of this API.
	if s, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 32); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// streamURL takes the websocket URL out of an answer.
func streamURL(body []byte) (*url.URL, error) {
	var node struct {
		WS string `json:"ws"`
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return nil, fmt.Errorf("%w: the lookup's answer: %w", ErrProtocol, err)
	}
	u, err := url.Parse(node.WS)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return nil, fmt.Errorf("%w: the lookup names no websocket URL but %.100q", ErrProtocol, node.WS)
	}
	return u, nil
}
