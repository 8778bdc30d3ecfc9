package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gopush/internal/push"
)

// maxReply bounds what is read of a reply, in bytes; a page has about a megabyte.
const maxReply = 16 << 20

// outcome is what one try at a push has come to.
type outcome struct {
	state     state // acked, refused or unknown
	id        push.ID
	code      string // why it is not acknowledged
	retryable bool
}

// problem is what servers refuse with, as a reply or as a line of a batch.
type problem struct {
	Status    int       `json:"status"`
	Code      push.Kind `json:"code"`
	Retryable bool      `json:"retryable"`
}

// outcome: a 5xx other than 503 may have happened all the same.
func (p *problem) outcome() outcome {
	o := outcome{state: refused, code: string(p.Code), retryable: p.Retryable}
	if o.code == "" {
		o.code = "http_" + strconv.Itoa(p.Status)
	}
	if p.Status >= http.StatusInternalServerError && p.Status != http.StatusServiceUnavailable {
		o.state = unknown
	}
	return o
}

// api makes the requests of a run.
type api struct {
	cfg  *Config
	http *http.Client
}

// request makes a request of the admin API; the caller closes the reply's body.
func (a *api) request(ctx context.Context, method, path, media string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.cfg.Admin+path, body)
	if err != nil {
		return nil, err
	}
	if a.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.cfg.Token)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	return a.http.Do(req)
}

// push makes one try at a message; path is that of messages or broadcasts.
func (a *api) push(ctx context.Context, path string, body []byte, idempotency string) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.Admin+path, bytes.NewReader(body))
	if err != nil {
		return outcome{state: refused, code: "request"}
	}
	if a.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.cfg.Token)
	}
	req.Header.Set("Content-Type", "application/json")
	if idempotency != "" {
		req.Header.Set("Idempotency-Key", idempotency)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return broken(err)
	}
	defer resp.Body.Close() // only read
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return broken(err)
	}
	return outcomeOf(resp.StatusCode, b)
}

// broken is a request without a reply. Only one that found no connection has surely
// done nothing.
func broken(err error) outcome {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return outcome{state: refused, code: "unreachable", retryable: true}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return outcome{state: unknown, code: "timeout", retryable: true}
	}
	return outcome{state: unknown, code: "connection", retryable: true}
}

func outcomeOf(status int, body []byte) outcome {
	if status == http.StatusOK || status == http.StatusCreated {
		var receipt struct{ ID string }
		if json.Unmarshal(body, &receipt) == nil {
			if id, err := push.ParseID(receipt.ID); err == nil {
				return outcome{state: acked, id: id}
			}
		}
		return outcome{state: unknown, code: "no_receipt"}
	}
	var p problem
	if json.Unmarshal(body, &p) != nil {
		p = problem{}
	}
	p.Status = status
	return p.outcome()
}

// remove deletes what a key has.
func (a *api) remove(ctx context.Context, key push.Key) error {
	resp, err := a.request(ctx, http.MethodDelete, "/v2/messages?key="+url.QueryEscape(string(key)), "", http.NoBody)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // only read
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("deleting %s was answered with HTTP %d", key, resp.StatusCode)
	}
	return nil
}

// page is one reply of reading.
type page struct {
	Messages []struct {
		ID, Prev string
		Data     json.RawMessage
	}
	Next string
	More bool
	Gap  *struct{ After, Until, Reason string }
}

// read gives a page of a key, or of the public messages if the key is empty. Those
// come beside those of a key, so one is named that has none.
func (a *api) read(ctx context.Context, key push.Key, after push.ID) (page, error) {
	public := key == ""
	query := url.Values{"key": {string(key)}, "after": {after.String()}, "limit": {"1000"}}
	if public {
		query = url.Values{"key": {a.cfg.prefix() + "public"}, "public_after": {after.String()}, "limit": {"1000"}}
	}
	body, err := a.get(ctx, a.cfg.Web+"/v2/messages?"+query.Encode())
	if err != nil {
		return page{}, err
	}
	var reply struct {
		page
		Public *page
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return page{}, fmt.Errorf("a page: %w", err)
	}
	if !public {
		return reply.page, nil
	}
	if reply.Public == nil {
		return page{}, errors.New("a page has no public part")
	}
	return *reply.Public, nil
}

// get is a GET that has to be answered 200.
func (a *api) get(ctx context.Context, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d: %.200s", resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return body, nil
}
