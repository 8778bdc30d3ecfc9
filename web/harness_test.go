package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "s3cret-admin-token"

var testAdmins = []Admin{NewAdmin("alice", Operator, testToken)}

// harness is a Server over a fake cluster, behind two real HTTP listeners.
type harness struct {
	*cluster
	server        *Server
	public, admin string // base URLs
	client        *http.Client
	log           *lockedBuffer
}

func newHarness(t *testing.T, c *cluster, edit ...func(*Config)) *harness {
	t.Helper()
	h := &harness{cluster: c, log: new(lockedBuffer)}
	h.server = newServer(t, c, slog.New(slog.NewTextHandler(h.log, nil)), edit...)
	h.public = listen(t, h.server.httpServer(t.Context(), h.server.Public()))
	h.admin = listen(t, h.server.httpServer(t.Context(), h.server.Admin()))
	transport := &http.Transport{DisableCompression: true}
	h.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(transport.CloseIdleConnections)
	return h
}

// newServer makes a Server whose answers are held against docs/openapi.yaml, in tests.
func newServer(t testing.TB, c *cluster, log *slog.Logger, edit ...func(*Config)) *Server {
	t.Helper()
	deps := Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c, Log: log}
	return newServerOver(t, deps, apitest.NewCoverage(apitest.Load(t)), edit...)
}

// newServerOver also notes what the answers were.
func newServerOver(t testing.TB, deps Deps, by *apitest.Coverage, edit ...func(*Config)) *Server {
	t.Helper()
	cfg := Config{Admins: testAdmins, Limits: Limits{PushTimeout: 300 * time.Millisecond}, QueryTimeout: time.Second, StatusTimeout: 50 * time.Millisecond}
	for _, e := range edit {
		e(&cfg)
	}
	deps.Now = func() time.Time { return testNow }
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	if _, test := t.(*testing.T); test {
		s.public, s.admin = judged(t, by, "public", s.public), judged(t, by, "admin", s.admin)
	}
	return s
}

func listen(t testing.TB, srv *http.Server) string {
	t.Helper()
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = srv
	ts.Start()
	t.Cleanup(ts.Close)
	return ts.URL
}

// answer is a reply, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks the public API.
func (h *harness) get(t *testing.T, target string) answer {
	t.Helper()
	return h.do(t, http.MethodGet, h.public+target, "", nil)
}

// post asks the admin API, with the token and without a content type.
func (h *harness) post(t *testing.T, target, body string, header ...string) answer {
	t.Helper()
	return h.call(t, http.MethodPost, target, body, header...)
}

// call asks the admin API; header holds names and values in turn.
func (h *harness) call(t *testing.T, method, target, body string, header ...string) answer {
	t.Helper()
	all := map[string]string{"Authorization": "Bearer " + testToken}
	for i := 0; i+1 < len(header); i += 2 {
		all[header[i]] = header[i+1]
	}
	return h.do(t, method, h.admin+target, body, all)
}

func (h *harness) do(t *testing.T, method, url, body string, header map[string]string) answer {
	t.Helper()
	a, err := h.try(t, method, url, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func (h *harness) try(t *testing.T, method, url, body string, header map[string]string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// judged has every answer of an API held against docs/openapi.yaml. The page of the console,
// and what it asks, are not in there.
func judged(t testing.TB, by *apitest.Coverage, listener string, next http.Handler) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tape := &tape{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(tape, r) // of an answer that a panic cuts off nothing is promised
		if strings.HasPrefix(r.URL.Path, "/console") || tape.body.Len() > mostKept || t.Context().Err() != nil {
			return
		}
		a := tape.answer(listener, r)
		if err := by.Note(a); err != nil {
			t.Errorf("%s %s: %d %v %.500q is not as docs/openapi.yaml has it: %v", r.Method, r.URL, a.Status, a.Header, a.Body, err)
		}
	})
}

// mostKept is the longest body that is judged. Those of tests that are about length have the
// form of shorter ones, and are about time as well, which keeping megabytes would take.
const mostKept = 1 << 20

// tape keeps what is written, up to a little more than mostKept.
type tape struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *tape) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tape) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *tape) Write(p []byte) (int, error) {
	if t.body.Len() <= mostKept {
		t.body.Write(p)
	}
	return t.ResponseWriter.Write(p)
}

func (t *tape) answer(listener string, r *http.Request) apitest.Answer {
	return apitest.Answer{
		Listener: listener, Method: r.Method, EscapedPath: r.URL.EscapedPath(),
		Status: t.status, Header: t.Header(), Body: t.body.Bytes(),
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// times returns an error for the first n calls.
func times(n int, err error) func() error {
	return func() error {
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

var errBroken = errors.New("broken")
