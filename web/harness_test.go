package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "s3cret-admin-token"

var testAdmins = []Admin{NewAdmin("alice", Operator, testToken)}

// harness is a Server over a fake cluster, behind two real HTTP listeners. Every
// reply that passes it is checked against docs/openapi.yaml.
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
		Transport:     &specTransport{t: t, next: transport, spec: loadSpec(t)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(transport.CloseIdleConnections)
	return h
}

func newServer(t testing.TB, c *cluster, log *slog.Logger, edit ...func(*Config)) *Server {
	t.Helper()
	cfg := Config{Admins: testAdmins, Limits: Limits{PushTimeout: 300 * time.Millisecond}, QueryTimeout: time.Second, StatusTimeout: 50 * time.Millisecond}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := New(cfg, Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c, Log: log, Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
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

// specTransport checks replies against the OpenAPI document.
type specTransport struct {
	t    *testing.T
	next http.RoundTripper
	spec routers.Router
}

func (s *specTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := s.next.RoundTrip(req)
	if err != nil || res.ContentLength < 0 || req.Method == http.MethodHead || req.Method == http.MethodOptions {
		return res, err // what is streamed is checked by its own tests
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if err := s.check(req, res, body); err != nil {
		s.t.Errorf("%s %s: status %d, body %q does not match openapi.yaml: %v", req.Method, req.URL, res.StatusCode, body, err)
	}
	return res, nil
}

func (s *specTransport) check(req *http.Request, res *http.Response, body []byte) error {
	find := req
	if strings.Contains(req.URL.EscapedPath(), "%2F") {
		// The router of kin-openapi splits a path after unescaping it.
		find = req.Clone(req.Context())
		find.URL.Path, find.URL.RawPath = strings.ReplaceAll(req.URL.EscapedPath(), "%2F", "_"), ""
	}
	route, params, err := s.spec.FindRoute(find)
	if err != nil {
		// A path or method that is not in the document must not work.
		if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed || res.StatusCode == http.StatusUnauthorized {
			return nil
		}
		return err
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   !strings.Contains(res.Header.Get("Content-Type"), "json"),
		},
	}
	in.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(context.Background(), in)
}

const specPath = "../docs/openapi.yaml"

func loadDoc(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(specPath)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func loadSpec(t testing.TB) routers.Router {
	t.Helper()
	doc := loadDoc(t)
	doc.Servers = nil // the tests listen elsewhere
	r, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return r
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
