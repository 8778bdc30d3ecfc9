package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/comet/client"
	"gopush/internal/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stored is one message of the fake server.
type stored struct {
	id, prev push.ID
	data     json.RawMessage
}

// fake is a server without sockets: it stores, acknowledges and delivers as a gopush
// does, except where a test has it do otherwise.
type fake struct {
	// answer, if set, may answer a push in place of the server; n counts tries from 0.
	// A status of 0 leaves it to the server; stores says that the push is stored all
	// the same.
	answer func(n int) (status int, code string, stores bool)
	// work is how long a push takes; nil: no time.
	work func(n int) time.Duration
	// send changes what a reader gets; nil: what was stored. n counts from 0.
	send func(n int, m stored) []stored
	// give changes what stands in a page; nil: what is stored.
	give func([]stored) []stored
	// name changes the id that an ack tells.
	name func(n int, id push.ID) push.ID
	// cut is after how many lines a batch breaks off; 0: never.
	cut int

	mu      sync.Mutex
	tries   int                   // guarded by mu, as all below
	busy    int                   // pushes that are not answered
	busiest int                   // most at once
	keys    map[string][]stored   // "": public
	claims  map[string]push.ID    // by key and idempotency key
	readers map[string][]*fakeEnd // by key
	newest  push.ID
	deleted []string
	batches int
	cpu     float64
}

func newFake() *fake {
	return &fake{keys: make(map[string][]stored), claims: make(map[string]push.ID), readers: make(map[string][]*fakeEnd)}
}

// fakeEnd is the server's end of a stream.
type fakeEnd struct {
	*fake
	cfg    client.Config
	events chan client.Event
	sent   int // guarded by fake.mu
	cursor push.ID
}

func (f *fake) listen(cfg client.Config) (Stream, error) {
	end := &fakeEnd{fake: f, cfg: cfg, events: make(chan client.Event, 100_000)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[string(cfg.Key)] = append(f.readers[string(cfg.Key)], end)
	if !cfg.NoPublic {
		f.readers[""] = append(f.readers[""], end)
	}
	return end, nil
}

// Run hands events on, as the client does: what its cursor has passed is a repeat.
func (e *fakeEnd) Run(ctx context.Context) error {
	for _, kind := range []client.Kind{client.KindReady, client.KindLive} {
		if err := e.cfg.OnEvent(ctx, client.Event{Kind: kind}); err != nil {
			return err
		}
	}
	for {
		select {
		case ev := <-e.events:
			if err := e.cfg.OnEvent(ctx, ev); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deliver is called with mu held.
func (e *fakeEnd) deliver(m stored, public bool) {
	all := []stored{m}
	if e.send != nil && !public {
		all = e.send(e.sent, m)
	}
	e.sent++
	for _, m := range all {
		ev := client.Event{Kind: client.KindMessage, ID: m.id, Prev: m.prev, Data: m.data, Public: public}
		if m.id <= e.cursor && !public {
			ev.Kind = client.KindRepeat
		} else if !public {
			e.cursor = m.id
		}
		e.events <- ev
	}
}

// push does what a server does with one.
func (f *fake) push(key, idempotency string, data json.RawMessage) (status int, reply string) {
	f.mu.Lock()
	n := f.tries
	f.tries++
	f.busy++
	f.busiest = max(f.busiest, f.busy)
	f.mu.Unlock()
	if f.work != nil {
		<-time.After(f.work(n))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	if f.answer != nil {
		if status, code, stores := f.answer(n); status != 0 {
			if stores {
				f.store(key, data)
			}
			return status, fmt.Sprintf(`{"status":%d,"code":%q,"retryable":%t}`, status, code, status > 500 || status == 429)
		}
	}
	claim := key + " " + idempotency
	if id, known := f.claims[claim]; known && idempotency != "" {
		return http.StatusOK, fmt.Sprintf(`{"id":"%d"}`, id)
	}
	id := f.store(key, data)
	f.claims[claim] = id
	if f.name != nil {
		id = f.name(n, id)
	}
	return http.StatusCreated, fmt.Sprintf(`{"id":"%d"}`, id)
}

func (f *fake) store(key string, data json.RawMessage) push.ID {
	f.newest += push.Step
	m := stored{id: f.newest, data: data}
	if all := f.keys[key]; len(all) > 0 {
		m.prev = all[len(all)-1].id
	}
	f.keys[key] = append(f.keys[key], m)
	for _, e := range f.readers[key] {
		e.deliver(m, key == "")
	}
	return m.id
}

// asked is a push as the API has it.
type asked struct {
	Key, IdempotencyKey string
	Data                json.RawMessage
}

func (a *asked) UnmarshalJSON(b []byte) error {
	var v struct {
		Key            string          `json:"key"`
		IdempotencyKey string          `json:"idempotency_key"`
		Data           json.RawMessage `json:"data"`
	}
	err := json.Unmarshal(b, &v)
	*a = asked{v.Key, v.IdempotencyKey, v.Data}
	return err
}

// RoundTrip answers the requests that a run makes.
func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	switch req.Method + " " + req.URL.Path {
	case "POST /v2/messages", "POST /v2/broadcast":
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		var p asked
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, err
		}
		return f.timed(req, p)
	case "POST /v2/messages/batch":
		f.mu.Lock()
		f.batches++
		f.mu.Unlock()
		out, in := io.Pipe()
		context.AfterFunc(req.Context(), func() { _ = in.CloseWithError(req.Context().Err()) })
		go func() { _ = in.CloseWithError(f.batch(req.Body, in)) }()
		return &http.Response{StatusCode: http.StatusOK, Body: out}, nil
	case "GET /v2/messages":
		return respond(http.StatusOK, f.page(req)), nil
	case "GET /metrics":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cpu += 0.5
		return respond(http.StatusOK, fmt.Sprintf("process_cpu_seconds_total %g\nprocess_resident_memory_bytes 1e+06\n", f.cpu)), nil
	case "DELETE /v2/messages":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.deleted = append(f.deleted, req.URL.Query().Get("key"))
		return respond(http.StatusNoContent, ""), nil
	}
	return respond(http.StatusNotFound, ""), nil
}

// timed pushes, and gives up waiting when the request does.
func (f *fake) timed(req *http.Request, p asked) (*http.Response, error) {
	answered := make(chan *http.Response, 1)
	go func() {
		status, reply := f.push(p.Key, req.Header.Get("Idempotency-Key"), p.Data)
		answered <- respond(status, reply)
	}()
	select {
	case r := <-answered:
		return r, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewBufferString(body))}
}

// batch answers line by line.
func (f *fake) batch(body io.ReadCloser, out io.Writer) error {
	defer body.Close()
	lines := bufio.NewScanner(body)
	for i := 0; lines.Scan(); i++ {
		var p asked
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return err
		}
		if f.cut > 0 && i == f.cut {
			return io.ErrUnexpectedEOF
		}
		status, reply := f.push(p.Key, p.IdempotencyKey, p.Data)
		if status >= http.StatusBadRequest {
			reply = fmt.Sprintf(`{"i":%d,"error":%s}`, i, reply)
		}
		if _, err := io.WriteString(out, reply+"\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}

// page gives two messages at a time, so that there is more than one page.
func (f *fake) page(req *http.Request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	const limit = 2
	query := req.URL.Query()
	part := func(key, after string) string {
		from, _ := strconv.ParseInt(after, 10, 64) // without one: 0
		all := slices.DeleteFunc(slices.Clone(f.keys[key]), func(m stored) bool { return int64(m.id) <= from })
		if f.give != nil {
			all = f.give(all)
		}
		more, next := len(all) > limit, push.ID(from)
		all = all[:min(limit, len(all))]
		text := `"messages":[`
		for i, m := range all {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf(`{"id":"%d","prev":"%d","data":%s}`, m.id, m.prev, m.data)
			next = max(next, m.id)
		}
		return fmt.Sprintf(`%s],"next":"%d","more":%t`, text, next, more)
	}
	text := "{" + part(query.Get("key"), query.Get("after"))
	if query.Has("public_after") {
		text += `,"public":{` + part("", query.Get("public_after")) + "}"
	}
	return text + "}"
}
