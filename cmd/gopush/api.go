package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopush/internal/push"
	"gopush/internal/serve"
)

// maxReply bounds what is read of a reply; a page has about a megabyte.
const maxReply = 16 << 20

// publicFlags say where the public API is. The defaults are those of gopush
// serve, so that on one machine no flag is needed.
type publicFlags struct {
	Web     string        `help:"Public API of the server, default ${default}." env:"GOPUSH_WEB" default:"http://127.0.0.1:8090" placeholder:"URL"`
	Timeout time.Duration `help:"How long to wait for an answer." default:"10s"`
	caFlag
}

// clientToken is the token that servers may require of clients. No flag gives it: what stands
// on a command line is seen by everybody on the machine.
func clientToken() string { return os.Getenv("GOPUSH_CLIENT_TOKEN") }

// adminAccess says where the admin API is and what opens it.
type adminAccess struct {
	Admin     string `help:"Admin API of the server, default ${default}." env:"GOPUSH_ADMIN" default:"http://127.0.0.1:8091" placeholder:"URL"`
	TokenFile string `help:"File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder." placeholder:"FILE"`
	Data      string `help:"Data folder of a server on this machine, default ${default}." default:"gopush-data" placeholder:"FOLDER"`
}

// adminFlags are for commands that ask the admin API alone.
type adminFlags struct {
	adminAccess
	Timeout time.Duration `help:"How long to wait for an answer." default:"10s"`
	caFlag
}

// caFlag names authorities that this machine does not know, for servers with https and wss.
type caFlag struct {
	CA string `name:"ca" help:"File with the authority of the server's certificate, PEM; without it, those that this machine knows." env:"GOPUSH_CA" placeholder:"FILE"`
}

// trust is what servers are judged by; f may be nil.
func (f *caFlag) trust() (*tls.Config, error) {
	if f == nil || f.CA == "" {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	b, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, usage("the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, usage("the authority: %s holds no certificate; it must be PEM", f.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// token finds the admin token. None at all is no error: a server in development
// mode needs none, and any other will say so.
func (f *adminAccess) token() (string, error) {
	if f.TokenFile != "" {
		t, err := serve.AdminToken(f.TokenFile)
		if err != nil {
			return "", usage("the token file: %w", err)
		}
		return t, nil
	}
	if t := os.Getenv("GOPUSH_TOKEN"); t != "" {
		return t, nil
	}
	t, err := serve.AdminToken(filepath.Join(f.Data, "admin.token"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return t, err
}

// problem is an error that a server answered with: RFC 9457, with the members
// that gopush adds.
type problem struct {
	Status    int       `json:"status"`
	Code      push.Kind `json:"code"`
	Detail    string    `json:"detail"` // a sentence: what is wrong and what to do
	Retryable bool      `json:"retryable"`
	RequestID string    `json:"request_id"`

	Message json.RawMessage `json:"message"` // what is known of a message that is not there

	retryAfter string // seconds, as the header gave them
	path       string // that was asked
	closed     bool   // it came as a close of a stream, with its code as Status
}

func (p *problem) Error() string {
	if p.closed {
		return fmt.Sprintf("the server ended the stream: %s (%s, close code %d)", p.Detail, p.Code, p.Status)
	}
	return fmt.Sprintf("%s (%s, HTTP %d)", p.Detail, p.Code, p.Status)
}

// request is one call of an API.
type request struct {
	method  string
	base    string // the API's URL, as the flag gave it
	path    string
	query   url.Values
	header  map[string]string // empty values are left out
	body    []byte            // JSON; nil: none
	timeout time.Duration
	ca      *caFlag // whom an https server is trusted by
}

// call makes the request and decodes the reply into out. An error is a *problem,
// an *unreachableError, or a plain one for a reply that makes no sense.
func (r *request) call(ctx context.Context, out any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	trust, err := r.ca.trust()
	if err != nil {
		return 0, err
	}
	// A command makes a call or two, then ends: no connection is kept. Nobody
	// redirects these APIs, so a redirect is left as the odd answer that it is.
	transport := http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: trust}
	client := http.Client{
		Transport:     &transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := r.send(ctx, &client)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() // only read
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return 0, &unreachableError{r.base, err}
	case len(b) > maxReply:
		return 0, fmt.Errorf("%s answered with more than %d bytes; is it a gopush server?", r.base, maxReply)
	// Below 300 is a result; a redirect is decoded, and fails there.
	case resp.StatusCode >= http.StatusBadRequest:
		return 0, problemOf(r.base, r.path, resp, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return 0, fmt.Errorf("%s answered what is not the JSON expected; is it a gopush server? %w", r.base, err)
	}
	return resp.StatusCode, nil
}

// send makes the request; the caller closes the reply's body.
func (r *request) send(ctx context.Context, client *http.Client) (*http.Response, error) {
	base, err := baseURL(r.base)
	if err != nil {
		return nil, err
	}
	target := base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, usage("%w", err)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, v := range r.header {
		if v != "" {
			req.Header.Set(name, v)
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		// The URL in net/http's error holds the key, and says nothing new.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, &unreachableError{r.base, err}
	}
	return resp, nil
}

// baseURL accepts host:port too, as that is what is copied from settings.
func baseURL(s string) (string, error) {
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	if strings.Contains(full, "@") {
		return "", usage("the URL of a server holds a user or a password, which no server of gopush takes; write it as http://host:port")
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", usage("%q is not the URL of a server; write it as http://host:port", s)
	}
	return u.Scheme + "://" + u.Host, nil
}

// segment escapes a text as one segment of a path. Dots alone would be a step.
func segment(text string) string {
	if text == "." || text == ".." {
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

// problemOf reads a refusal. One that is no problem document is of some other
// server, or of a proxy before it.
func problemOf(base, path string, resp *http.Response, b []byte) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	p := &problem{path: path, retryAfter: resp.Header.Get("Retry-After")}
	if media == "application/problem+json" && json.Unmarshal(b, p) == nil && p.Detail != "" {
		p.Status = resp.StatusCode
		return p
	}
	if speaksTLS(resp.StatusCode, b) {
		return fmt.Errorf("%s speaks TLS; write its URL with https://", base)
	}
	return fmt.Errorf("%s answered HTTP %d without saying why; is it a gopush server?", base, resp.StatusCode)
}

// speaksTLS reports whether an answer to plain HTTP says, in net/http's own words, that TLS is
// spoken there.
func speaksTLS(status int, body []byte) bool {
	return status == http.StatusBadRequest && strings.Contains(string(body), "HTTPS server")
}

// writeJSON writes v as one line.
func writeJSON(w io.Writer, v any) error {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
