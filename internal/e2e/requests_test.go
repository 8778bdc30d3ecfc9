package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/apitest"
	"gopush/internal/config"
)

// witness is a running system whose answers to any bytes are held against docs/openapi.yaml.
type witness struct {
	doc  *apitest.Document
	addr map[string]string // by listener
	pool *drawn

	asked, accepted atomic.Int64

	mu    sync.Mutex
	acked map[string]bool // guarded by mu: ids that were answered
}

// newWitness starts a system that can also sign tokens.
func newWitness(tb testing.TB) (*Cluster, *witness) {
	tb.Helper()
	// The token is the same in each process of a fuzzer, as it is in what they hand on.
	token := strings.Repeat("generated", 4)
	dir := tb.TempDir()
	keys, admin := filepath.Join(dir, "keys"), filepath.Join(dir, "admin")
	for name, text := range map[string]string{keys: "k HS256 " + strings.Repeat("c2VjcmV0", 8) + "\n", admin: token + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	c := Start(tb, Options{Settings: func(s *config.Serve) { s.Tokens.KeysFile, s.Web.AdminTokenFile = keys, admin }})
	at := c.Addrs()
	return c, &witness{
		doc: apitest.Load(tb), addr: map[string]string{"public": at.Public, "admin": at.Admin, "comet": at.HTTP},
		acked: make(map[string]bool), pool: newDrawn(token),
	}
}

// wrote is a request as bytes.
type wrote struct {
	listener, method, target string
	head                     string // lines of headers, each with its end
	body                     []byte
}

// ask sends a request on a connection of its own and returns the answer; of a stream, its
// head. An answer that the document does not know, or that blames the server, is an error.
func (w *witness) ask(r wrote) (apitest.Answer, error) {
	a := apitest.Answer{Listener: r.listener, Method: r.method}
	conn, err := net.Dial("tcp", w.addr[r.listener])
	if err != nil {
		return a, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	w.asked.Add(1)
	// What is refused early is not read to its end: the answer counts, not the write.
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = conn.Write(slices.Concat([]byte(r.method+" "+r.target+" HTTP/1.1\r\n"+r.head+"\r\n"), r.body))
	}()
	defer func() { _ = conn.Close(); <-sent }()
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, &http.Request{Method: r.method})
	for err == nil && res.StatusCode == http.StatusContinue {
		res, err = http.ReadResponse(in, &http.Request{Method: r.method})
	}
	if err != nil {
		return a, fmt.Errorf("no answer: %w", err)
	}
	a.Status, a.Header = res.StatusCode, res.Header
	if res.StatusCode != http.StatusSwitchingProtocols && res.Header.Get("Content-Type") != "text/event-stream" {
		// What net/http itself refuses it does not read to its end, which resets the connection.
		if a.Body, err = io.ReadAll(res.Body); err != nil && !refused(a) {
			return a, fmt.Errorf("the answer %d broke off: %w", a.Status, err)
		}
	}
	w.note(a)
	return a, w.judge(a, r.target)
}

// judge accepts, besides what the document has, what net/http says of bytes that are no
// request.
func (w *witness) judge(a apitest.Answer, target string) error {
	u, err := url.ParseRequestURI(target)
	if err == nil {
		a.EscapedPath = u.EscapedPath()
	}
	if refused(a) {
		return nil
	}
	if err != nil || a.Status >= 500 {
		return fmt.Errorf("%d %s", a.Status, a.Body)
	}
	if a.Method == http.MethodOptions && target == "*" && a.Status == http.StatusOK {
		return nil // net/http answers for the server as a whole
	}
	_, err = w.doc.Judge(a)
	return err
}

// refused: the request never came to a handler.
func refused(a apitest.Answer) bool {
	switch a.Status {
	case http.StatusNotImplemented:
		return a.Method == http.MethodHead || string(a.Body) == "Unsupported transfer encoding"
	case 400, 431, 505:
		return strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") && (a.Method == http.MethodHead || strings.HasPrefix(string(a.Body), fmt.Sprint(a.Status, " ")))
	case http.StatusExpectationFailed:
		return len(a.Body) == 0
	}
	return false
}

// note keeps the ids of pushes that were answered.
func (w *witness) note(a apitest.Answer) {
	if a.Status >= 300 {
		return
	}
	w.accepted.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[a.Header.Get("Gopush-Message-Id")] = true
	for line := range bytes.Lines(a.Body) {
		var receipt struct{ ID string }
		if json.Unmarshal(line, &receipt) == nil {
			w.acked[receipt.ID] = true
		}
	}
}

// nothingElse checks that whatever is stored for a key that was drawn was answered.
func (w *witness) nothingElse(t *testing.T, c *Cluster) {
	t.Helper()
	stored := 0
	check := func(key string, messages []StreamFrame) {
		for _, m := range messages {
			if stored++; !w.acked[m.ID] {
				t.Errorf("%q has %s, %s, which was not acknowledged", key, m.ID, m.Data)
			}
		}
	}
	for _, key := range append(w.pool.keys(), "nobody") {
		after, publicAfter := "0", ""
		if key == "nobody" {
			publicAfter = "0" // once is enough
		}
		for more := true; more; {
			page, err := c.API.Messages(t.Context(), key, after, publicAfter, 1000)
			if err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			check(key, page.Messages)
			after, more = page.Next, page.More
			if page.Public != nil {
				check("everybody", page.Public.Messages)
				publicAfter, more = page.Public.Next, more || page.Public.More
			}
		}
	}
	t.Logf("%d requests, %d accepted; %d keys, %d stored messages, all of them acknowledged", w.asked.Load(), w.accepted.Load(), len(w.pool.keys()), stored)
}

// TestValidRequests: what the document calls valid gets a status that means success, and of
// protocol v1 ret 0.
func TestValidRequests(t *testing.T) {
	c, w := newWitness(t)
	rapid.Check(t, func(t *rapid.T) {
		for _, o := range w.doc.Operations {
			r := w.pool.request(t, o)
			w.pool.sent(r)
			a, err := w.ask(r.wire())
			if err != nil {
				t.Fatalf("%s: %.2000q: %v", o, r.wire(), err)
			}
			if !w.succeeds(r, a) {
				t.Fatalf("%s: %.2000q: %d %v %.500s", o, r.wire(), a.Status, a.Header, a.Body)
			}
		}
	})
	w.nothingElse(t, c)
	serves(t, c)
}

// succeeds: a request that names a message or a group by its path may also learn that there
// is none, or that it has nodes; one that repeats an idempotency key, that it stands.
func (w *witness) succeeds(r *request, a apitest.Answer) bool {
	switch {
	case a.Status == http.StatusNotFound:
		return strings.Contains(r.op.Path, "{id}") || strings.Contains(r.op.Path, "{group}")
	case a.Status == http.StatusConflict:
		return strings.Contains(r.op.Path, "{group}") || bytes.Contains(r.body, []byte("idempotency_key")) || r.has("Idempotency-Key")
	case a.Status == http.StatusOK && len(r.op.Rets()) > 0:
		return bytes.Contains(a.Body, []byte(`"ret":0`))
	}
	return a.Status < 300
}

// TestBadRequests: whatever is wrong with a request, it gets an answer that the document
// has and that does not blame the server; nothing of it is stored; and the next one works.
func TestBadRequests(t *testing.T) {
	c, w := newWitness(t)
	rapid.Check(t, func(t *rapid.T) {
		for _, o := range w.doc.Operations {
			r := w.pool.request(t, o)
			for range rapid.IntRange(1, 3).Draw(t, "faults") {
				r.spoil(t)
			}
			w.pool.sent(r)
			if a, err := w.ask(r.wire()); err != nil {
				t.Fatalf("%s: %.2000q: %v\n%d %v %.500s", o, r.wire(), err, a.Status, a.Header, a.Body)
			}
		}
	})
	w.nothingElse(t, c)
	serves(t, c)
}

// FuzzRequests begins with requests that the document describes, right ones and wrong ones.
func FuzzRequests(f *testing.F) {
	_, w := newWitness(f)
	listeners := []string{"public", "admin", "comet"}
	for i, o := range w.doc.Operations {
		seed := rapid.Custom(func(t *rapid.T) wrote {
			r := w.pool.request(t, o)
			for range rapid.IntRange(0, 2).Draw(t, "faults") {
				r.spoil(t)
			}
			return r.wire()
		})
		for n := range 4 {
			r := seed.Example(4*i + n)
			f.Add(uint8(slices.Index(listeners, r.listener)), r.method, r.target, r.head, r.body)
		}
	}
	f.Fuzz(func(t *testing.T, listener uint8, method, target, head string, body []byte) {
		if !oneRequest(method, target, head) {
			return
		}
		r := wrote{listeners[int(listener)%len(listeners)], method, target, head, body}
		if !strings.Contains(strings.ToLower(head), "content-length:") && !strings.Contains(strings.ToLower(head), "transfer-encoding:") {
			r.head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		if strings.Contains(strings.ToLower(head), "expect:") || incomplete(r) {
			return
		}
		if a, err := w.ask(r); err != nil {
			t.Fatalf("%v\n%d %v %.500s", err, a.Status, a.Header, a.Body)
		}
	})
}

// oneRequest: what follows the first answer is nobody's, so there must be one request; and
// none that has the only node hand over, as what comes after it would find no owner.
func oneRequest(method, target, head string) bool {
	return !strings.ContainsAny(method+target, "\r\n") && !strings.Contains(target, "/drain") &&
		!strings.Contains(strings.ReplaceAll("\n"+head, "\r", ""), "\n\n") && strings.HasSuffix(head, "\r\n")
}

// incomplete: the server would wait for the rest of the body, as it should.
func incomplete(r wrote) bool {
	text := r.method + " / HTTP/1.1\r\n" + r.head + "\r\n" + string(r.body)
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err != nil
}
