package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// API is the HTTP side of a cluster, as pushers and devices use it. Its methods
// may be called at once. The addresses may change between two calls: a cluster
// that was restarted listens elsewhere.
type API struct {
	where  func() Addrs
	client *http.Client
}

// Public calls the public listener; target is a path with its query.
func (a *API) Public(ctx context.Context, method, target string, header ...string) (Answer, error) {
	at := a.where()
	return call(ctx, a.client, method, at.api()+at.Public+target, "", header...)
}

// Admin calls the admin listener with its token.
func (a *API) Admin(ctx context.Context, method, target, body string, header ...string) (Answer, error) {
	at := a.where()
	header = append([]string{"Authorization", "Bearer " + at.Token}, header...)
	return call(ctx, a.client, method, at.api()+at.Admin+target, body, header...)
}

// api is the scheme of both HTTP APIs.
func (a Addrs) api() string {
	if a.TLS {
		return "https://"
	}
	return "http://"
}

// Ops calls the ops listener.
func (a *API) Ops(ctx context.Context, target string) (Answer, error) {
	return call(ctx, a.client, http.MethodGet, "http://"+a.where().Ops+target, "")
}

// Message is what a pusher asks for; the zero fields are left out.
type Message struct {
	Key         string          `json:"key,omitempty"`
	Data        json.RawMessage `json:"-"`
	TTL         int             `json:"ttl_s,omitempty"`
	ExpiresAt   int64           `json:"expires_at,omitempty"`
	Transient   bool            `json:"transient,omitempty"`
	Idempotency string          `json:"idempotency_key,omitempty"`
}

// JSON is the message as a request body, or as a line of a batch. The data is in
// it byte for byte, which encoding/json would not leave it.
func (m Message) JSON() string {
	rest, _ := json.Marshal(m) // strings and numbers: cannot fail
	if string(rest) == "{}" {
		return `{"data":` + string(m.Data) + "}"
	}
	return `{"data":` + string(m.Data) + "," + string(rest[1:])
}

// Text makes JSON data of a string.
func Text(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string cannot fail
	return b
}

// Outcome is what a pusher knows after one try.
type Outcome struct {
	State OutcomeState
	ID    int64 // Acked
	// Repeat says that the push was answered as the repetition of an earlier one.
	Repeat bool
	// Code is the error's code; Err what went wrong, for people.
	Code string
	Err  string
}

// OutcomeState is one of the three things that a pusher may know.
type OutcomeState uint8

// The states.
const (
	// Unknown: it may or may not have been stored.
	Unknown OutcomeState = iota
	// Acked: it is durable.
	Acked
	// Refused: it was not stored and never will be.
	Refused
)

func (s OutcomeState) String() string { return [...]string{"unknown", "acked", "refused"}[s] }

// Push tries once to push m, to its key or, without one, to everybody.
func (a *API) Push(ctx context.Context, m Message) Outcome {
	target := "/v2/messages"
	if m.Key == "" {
		target = "/v2/broadcast"
	}
	header := []string{"Content-Type", "application/json"}
	if m.Idempotency != "" {
		header = append(header, "Idempotency-Key", m.Idempotency)
		m.Idempotency = ""
	}
	res, err := a.Admin(ctx, http.MethodPost, target, m.JSON(), header...)
	return outcomeOf(res, err)
}

// outcomeOf reads an answer as protocol v2 means it.
func outcomeOf(res Answer, err error) Outcome {
	if err != nil {
		o := Outcome{Err: err.Error()}
		if neverSent(err) {
			o.State = Refused
		}
		return o
	}
	switch res.Status {
	case http.StatusCreated, http.StatusOK:
		return ackOf(res)
	case http.StatusGatewayTimeout, http.StatusInternalServerError:
		return Outcome{Code: problemCode(res.Body), Err: res.String()}
	default:
		return Outcome{State: Refused, Code: problemCode(res.Body), Err: res.String()}
	}
}

func ackOf(res Answer) Outcome {
	var body struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal([]byte(res.Body), &body)
	id, idErr := strconv.ParseInt(body.ID, 10, 64)
	if err = errors.Join(err, idErr); err != nil {
		return Outcome{Err: fmt.Sprintf("an ack without an id: %s: %v", res, err)}
	}
	return Outcome{State: Acked, ID: id, Repeat: res.Status == http.StatusOK}
}

// problemCode is the code of a problem document, or empty.
func problemCode(body string) string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(body), &p) // no problem: no code
	return p.Code
}

// Recall withdraws one message; key "" means a broadcast.
func (a *API) Recall(ctx context.Context, key string, id int64) Outcome {
	target := fmt.Sprintf("/v2/messages/%d?key=%s", id, url.QueryEscape(key))
	if key == "" {
		target = fmt.Sprintf("/v2/messages/%d?public=1", id)
	}
	return a.withdraw(ctx, target)
}

// DeleteKey withdraws everything that the key has.
func (a *API) DeleteKey(ctx context.Context, key string) Outcome {
	return a.withdraw(ctx, "/v2/messages?key="+url.QueryEscape(key))
}

func (a *API) withdraw(ctx context.Context, target string) Outcome {
	res, err := a.Admin(ctx, http.MethodDelete, target, "")
	if err == nil && res.Status == http.StatusNoContent {
		return Outcome{State: Acked}
	}
	o := outcomeOf(res, err)
	if o.State == Acked {
		o = Outcome{Err: "an unexpected answer: " + res.String()}
	}
	return o
}

// Page is what reading by cursor gives.
type Page struct {
	Messages []StreamFrame `json:"messages"`
	Next     string        `json:"next"`
	More     bool          `json:"more"`
	Gap      *StreamFrame  `json:"gap"`
	Public   *Page         `json:"public"`
}

// Messages reads one page; limit 0 leaves the default, publicAfter "" the public
// messages out. Any status but 200 is a *StatusError.
func (a *API) Messages(ctx context.Context, key, after, publicAfter string, limit int) (Page, error) {
	q := url.Values{"key": {key}, "after": {after}}
	if publicAfter != "" {
		q.Set("public_after", publicAfter)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var p Page
	err := a.get(ctx, "/v2/messages?"+q.Encode(), &p)
	return p, err
}

// Node is the answer of a node lookup.
type Node struct {
	Key, Node, WS, SSE, TCP string
}

// Node looks up where a key lives.
func (a *API) Node(ctx context.Context, key string) (Node, error) {
	var n Node
	err := a.get(ctx, "/v2/node?key="+url.QueryEscape(key), &n)
	return n, err
}

// V1Fetch asks for what is stored above the cursors; pm below 0 leaves the public
// messages out.
func (a *API) V1Fetch(ctx context.Context, key string, m, pm int64) (private, public []V1Message, err error) {
	q := url.Values{"k": {key}, "m": {strconv.FormatInt(m, 10)}}
	if pm >= 0 {
		q.Set("pm", strconv.FormatInt(pm, 10))
	}
	var body struct {
		Ret  *int
		Data struct{ Msgs, Pmsgs []V1Message }
	}
	if err := a.get(ctx, "/1/msg/get?"+q.Encode(), &body); err != nil {
		return nil, nil, err
	}
	if body.Ret == nil || *body.Ret != 0 {
		return nil, nil, fmt.Errorf("msg/get answers ret %v", body.Ret)
	}
	return body.Data.Msgs, body.Data.Pmsgs, nil
}

// V1Server asks for the address of the key's node; proto is 1 for websocket and
// 2 for TCP.
func (a *API) V1Server(ctx context.Context, key string, proto int) (string, error) {
	var body struct {
		Ret  int
		Data struct{ Server string }
	}
	err := a.get(ctx, fmt.Sprintf("/1/server/get?k=%s&p=%d", url.QueryEscape(key), proto), &body)
	if err == nil && (body.Ret != 0 || body.Data.Server == "") {
		err = fmt.Errorf("server/get answers ret %d", body.Ret)
	}
	return body.Data.Server, err
}

// get reads JSON of the public listener into v.
func (a *API) get(ctx context.Context, target string, v any) error {
	res, err := a.Public(ctx, http.MethodGet, target)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return &StatusError{Status: res.Status, Body: res.Body}
	}
	if err := json.Unmarshal([]byte(res.Body), v); err != nil {
		return fmt.Errorf("%s answers %.200q: %w", target, res.Body, err)
	}
	return nil
}
