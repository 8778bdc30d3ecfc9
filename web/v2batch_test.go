package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
)

const batchType = "application/x-ndjson"

// lines reads the replies of a batch: an id, or the code of the error.
func (a answer) lines(t *testing.T) (out []string) {
	t.Helper()
	for text := range strings.Lines(a.body) {
		out = append(out, readLine(t, text, len(out)))
	}
	return out
}

func readLine(t *testing.T, text string, i int) string {
	t.Helper()
	var l struct {
		I     int
		ID    string
		Error *problem
	}
	l.I = -1
	if err := json.Unmarshal([]byte(text), &l); err != nil || l.I != i || !strings.HasSuffix(text, "}\n") || (l.ID == "") == (l.Error == nil) {
		t.Fatalf("line %d is %q: %v", i, text, err)
	}
	if l.Error != nil {
		return string(l.Error.Code)
	}
	return l.ID
}

// TestBatch: one line per object, in order; i from 0.
func TestBatch(t *testing.T) {
	long := func(n int) string { // a push line of n bytes
		line := `{"key":"K","data":""}`
		return strings.Replace(line, `""`, `"`+strings.Repeat("x", n-len(line))+`"`, 1)
	}
	const id1, id2 = "17953750178989536", "17953750178989552"
	tests := []struct {
		contract, body string
		want           []string
	}{
		{"nothing", "", nil},
		{"empty lines do not count", "\n \r\n\n", nil},
		{"one", `{"key":"K","data":1}` + "\n", []string{id1}},
		{"the last line needs no end", `{"key":"K","data":1}`, []string{id1}},
		{"CRLF", `{"key":"K","data":1}` + "\r\n" + `{"key":"K","data":2}` + "\r\n", []string{id1, id2}},
		{"a bad line gets its own error and the stream goes on", `{"key":"K","data":1}` + "\nhello\n" + `{"key":"K","data":2}` + "\n", []string{id1, "bad_request", id2}},
		{"a bad key", `{"key":"","data":1}` + "\n" + `{"key":"K","data":1}`, []string{"bad_key", id1}},
		{"invalid UTF-8", "{\"key\":\"\xff\",\"data\":1}\n" + `{"key":"K","data":1}`, []string{"bad_request", id1}},
		{"each its idempotency_key", strings.Repeat(`{"key":"K","data":1,"idempotency_key":"a"}`+"\n", 2) + `{"key":"K","data":2,"idempotency_key":"a"}`, []string{id1, id1, "conflict"}},
		{"transient with idempotency_key", `{"key":"K","data":1,"idempotency_key":"a","transient":true}`, []string{"bad_request"}},
		{"a line of 64 KiB", long(64<<10) + "\n" + `{"key":"K","data":1}`, []string{id1, id2}},
		{"a line of 64 KiB + 1 still has an end", long(64<<10+1) + "\n" + `{"key":"K","data":1}`, []string{"too_large", id1}},
		{"an over-long line ends the batch", `{"key":"K","data":1}` + "\n" + long(70<<10) + "\n" + `{"key":"K","data":1}`, []string{id1, "too_large"}},
	}
	for _, tt := range tests {
		t.Run(tt.contract, func(t *testing.T) {
			h := newHarness(t, newCluster(t, "node1"))
			a := h.post(t, "/v2/messages/batch", tt.body, "Content-Type", batchType)
			if a.status != 200 || a.header.Get("Content-Type") != batchType {
				t.Fatalf("%d %v %s", a.status, a.header, a.body)
			}
			if got := a.lines(t); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBatchRefusesBeforeItBegins(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	if a := h.post(t, "/v2/messages/batch", "{}", "Content-Type", "text/plain"); a.status != 400 || a.code(t) != "bad_request" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.post(t, "/v2/messages/batch", "{}", "Idempotency-Key", "a"); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestBatchIsOrdered over many keys, nodes and refusals. A line that was refused
// alone, between others of its key, keeps its refusal.
func TestBatchIsOrdered(t *testing.T) {
	c := newCluster(t, "node1", "node2", "node3")
	n := 0
	c.refuse = func(string, push.Push) error {
		if n++; n%97 == 0 {
			return push.E(push.KindMoving, "moving")
		}
		return nil
	}
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
	var body strings.Builder
	const lines = 5000
	for i := range lines {
		fmt.Fprintf(&body, `{"key":"k%d","data":%d}`+"\n", i%7, i)
	}
	a := h.post(t, "/v2/messages/batch", body.String(), "Content-Type", batchType)
	got := a.lines(t)
	if len(got) != lines {
		t.Fatalf("%d replies", len(got))
	}
	byID := map[string]string{}
	for k := range 7 {
		for _, m := range c.stored(push.Key(fmt.Sprint("k", k))) {
			byID[m.ID.String()] = string(m.Body)
		}
	}
	last := map[int]string{}
	refused := 0
	for i, id := range got {
		if id == "moving" {
			refused++
			continue
		}
		if byID[id] != fmt.Sprint(i) || id <= last[i%7] {
			t.Fatalf("line %d has the id %s, which is of %s; the one before had %s", i, id, byID[id], last[i%7])
		}
		last[i%7] = id
	}
	if refused > lines/50 || refused+len(byID) != lines {
		t.Errorf("%d of %d lines were refused, %d are stored", refused, lines, len(byID))
	}
}

// liveBatch is a batch that is still being sent.
type liveBatch struct {
	w   *io.PipeWriter
	in  *bufio.Reader
	res *http.Response
}

func openBatch(t *testing.T, h *harness) *liveBatch {
	t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", h.admin+"/v2/messages/batch", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", batchType)
	res, err := h.client.Do(req) // the reply's header comes before any line is sent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close(); _ = res.Body.Close() })
	return &liveBatch{w: w, in: bufio.NewReader(res.Body), res: res}
}

func (b *liveBatch) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(b.w, text); err != nil {
		t.Fatal(err)
	}
}

func (b *liveBatch) line(t *testing.T, i int) string {
	t.Helper()
	text, err := b.in.ReadString('\n')
	if err != nil {
		t.Fatalf("line %d: %q, %v", i, text, err)
	}
	return readLine(t, text, i)
}

// TestBatchStreams: replies come while the request is being sent, also longer
// than the timeouts of an ordinary request.
func TestBatchStreams(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"), func(cfg *Config) {
		cfg.ReadTimeout, cfg.WriteTimeout, cfg.Limits.PushTimeout = 200*time.Millisecond, 200*time.Millisecond, 50*time.Millisecond
	})
	b := openBatch(t, h)
	for i := range 3 {
		b.send(t, `{"key":"K","data":1}`+"\n")
		if b.line(t, i) == "" {
			t.Error("no id")
		}
		<-time.After(250 * time.Millisecond) // longer than each of the timeouts
	}
	_ = b.w.Close()
	if rest, err := io.ReadAll(b.in); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestBatchIdle: a pusher that falls silent is told so, at the end of what it
// has sent.
func TestBatchIdle(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"), func(cfg *Config) { cfg.BatchIdle = 400 * time.Millisecond })
	b := openBatch(t, h)
	b.send(t, `{"key":"K","data":1}`+"\n"+`{"key":"K",`)
	if b.line(t, 0) == "" || b.line(t, 1) != "bad_request" {
		t.Error("want an id and bad_request")
	}
	if rest, err := io.ReadAll(b.in); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if len(h.stored("K")) != 1 {
		t.Errorf("stored %v", h.bodies("K"))
	}
}

// TestBatchEndsWithTheServer: an orderly stop answers what it has and says so.
func TestBatchEndsWithTheServer(t *testing.T) {
	c := newCluster(t, "node1")
	c.hold = true
	h := newHarness(t, c, func(cfg *Config) { cfg.Limits.PushTimeout = 5 * time.Second })
	b := openBatch(t, h)
	b.send(t, `{"key":"K","data":1}`+"\n")
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.held) == 1 })
	h.server.drain()
	c.release()
	if b.line(t, 0) == "" || b.line(t, 1) != "moving" {
		t.Error("want an id, then moving")
	}
	if rest, err := io.ReadAll(b.in); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestBatchOfAClientThatGoes: nothing is left behind, and what it sent whole is
// pushed.
func TestBatchOfAClientThatGoes(t *testing.T) {
	c := newCluster(t, "node1")
	h := newHarness(t, c)
	b := openBatch(t, h)
	b.send(t, `{"key":"K","data":1}`+"\n"+`{"key":"K","data":2`)
	b.line(t, 0)
	_ = b.res.Body.Close()
	_ = b.w.CloseWithError(io.ErrUnexpectedEOF)
	waitFor(t, func() bool { return strings.Contains(h.log.String(), "/v2/messages/batch") })
	if got := c.bodies("K"); len(got) != 1 {
		t.Errorf("stored %v", got)
	}
}

// TestBatchOfAReaderThatStops is cut off, as no memory grows for it.
func TestBatchOfAReaderThatStops(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"), func(cfg *Config) { cfg.WriteTimeout = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /v2/messages/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: 1000000000\r\n\r\n", testToken, batchType)
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte(strings.Repeat("x\n", 16<<10)) // each line costs a long reply
	for err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		_, err = conn.Write(bad)
	}
	waitFor(t, func() bool { return strings.Contains(h.log.String(), "/v2/messages/batch") })
}

// TestBatchWith100Continue: a client that waits for it gets it before the reply.
func TestBatchWith100Continue(t *testing.T) {
	h := newHarness(t, newCluster(t, "node1"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	body := `{"key":"K","data":1}`
	_, _ = fmt.Fprintf(conn, "POST /v2/messages/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", testToken, len(body))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = io.WriteString(conn, body)
	rest, err := io.ReadAll(in)
	if err != nil || !strings.Contains(string(rest), "200 OK") || !strings.Contains(string(rest), `{"i":0,"id":"`) {
		t.Errorf("%q, %v", rest, err)
	}
}

// waitFor polls a condition that another goroutine brings about.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen in time")
		}
	}
}
