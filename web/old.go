package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gopush/internal/push"
)

// oldBody bounds an answer of the old system that is read whole; oldAtATime how many pushes
// of one request go there at the same time.
const (
	oldBody    = 64 << 10
	oldAtATime = 16
)

// newOld makes the client for the web node of the old system. What is for this one stays
// here: no token and no cookie goes there, and no redirect is followed.
func newOld(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// oldURL is a path of the old web node.
func oldURL(base *url.URL, path string, q url.Values) string {
	u := *base
	u.Path, u.RawQuery = path, q.Encode()
	return u.String()
}

// askOld makes one request there. The context bounds all of it, reading the body included.
func (s *Server) askOld(ctx context.Context, method, target string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, push.Wrap(push.KindInternal, err, "a request for the old system could not be made")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl and its kin send it
	}
	resp, err := s.old.Do(req)
	s.metrics.askedOld(err)
	if err != nil {
		return nil, push.Wrap(push.KindOutcomeUnknown, err, "the old system, which still serves the key, did not answer; it may or may not have carried this out")
	}
	return resp, nil
}

// getOld hands a question to the old web node, and its answer to the client as it comes. It
// reports false if the key is not there, or the question one that is refused here.
func (s *Server) getOld(w http.ResponseWriter, r *http.Request, f v1Form, key push.Key) bool {
	m, q := s.moving.Load(), r.URL.Query()
	if _, no := f.callbackName(q); no != nil || !m.isOld(key) {
		return false
	}
	// The answer may take as long as its reader needs, its beginning may not.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	timer := time.AfterFunc(s.cfg.QueryTimeout, cancel)
	resp, err := s.askOld(ctx, http.MethodGet, oldURL(m.public, r.URL.Path, f.forOld(q)), nil)
	if err != nil {
		f.reply(w, q.Get(f.callback), "", &refusal{ret: retInternal, err: readError(err)})
		return true
	}
	defer func() { _ = resp.Body.Close() }()
	timer.Stop()
	if resp.StatusCode != http.StatusOK { // it has no other for these
		f.reply(w, q.Get(f.callback), "", &refusal{ret: retInternal, err: push.E(push.KindStoreUnavailable, "the old system, which still serves the key, answers %s", resp.Status)})
		return true
	}
	out := newChunks(w, s.cfg.WriteTimeout)
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(out, resp.Body); err != nil {
		// Half of a list must not look like the whole of it.
		note(w, err)
		panic(http.ErrAbortHandler)
	}
	return true
}

// forOld is what the old system knows of a question. Whatever else it has, such as a token of
// this system, stays here.
func (f v1Form) forOld(q url.Values) url.Values {
	known := make(url.Values)
	for _, name := range []string{f.key, f.proto, f.cursor, f.callback} {
		if q.Has(name) {
			known.Set(name, q.Get(name))
		}
	}
	return known
}

// oldRet is how the old web node answers: its code, and what it gives the client.
type oldRet struct {
	Ret  *int `json:"ret"`
	Data struct {
		TimeID push.ID `json:"timeid"`
	} `json:"data"`
}

// retOld asks for a whole answer and reads it.
func (s *Server) retOld(ctx context.Context, method, target string, body []byte) (oldRet, error) {
	var got oldRet
	resp, err := s.askOld(ctx, method, target, body)
	if err != nil {
		return got, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, oldBody))
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || got.Ret == nil || resp.StatusCode != http.StatusOK {
		return got, push.Wrap(push.KindOutcomeUnknown, err, "the old system, which still serves the key, answers %s with something else than it should", resp.Status)
	}
	return got, nil
}

// pushOld has the old system take a message of protocol v1; it gives no id. The refusal has
// the code of the old system.
func (s *Server) pushOld(ctx context.Context, m *moving, key push.Key, expire string, body []byte) (no *refusal) {
	if err := s.mayPush(ctx); err != nil {
		s.metrics.push(err)
		return refusalOf(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().PushTimeout)
	defer cancel()
	q := url.Values{"key": {string(key)}, "expire": {expire}}
	got, err := s.retOld(ctx, http.MethodPost, oldURL(m.admin, "/1/admin/push/private", q), body)
	if err == nil && *got.Ret != retOK {
		err = push.E(push.KindStoreUnavailable, "the old system, which still serves the key, answers ret %d", *got.Ret)
		no = &refusal{ret: *got.Ret, err: err}
	} else if err != nil {
		no = refusalOf(err)
	}
	s.metrics.push(err)
	return no
}

// pushManyOld pushes one message to each of the keys and returns those that have it. Each goes
// alone: the old system takes a batch past the line of its key.
func (s *Server) pushManyOld(ctx context.Context, keys []string, expire string, body []byte) (pushed []string) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(oldAtATime)
	for _, key := range keys {
		g.Go(func() error {
			m, end, err := s.startChange(push.Key(key))
			if err != nil {
				return nil
			}
			defer end()
			if m.isOld(push.Key(key)) && s.pushOld(ctx, m, push.Key(key), expire, body) == nil {
				mu.Lock()
				defer mu.Unlock()
				pushed = append(pushed, key)
			}
			return nil
		})
	}
	_ = g.Wait() // none fails
	return pushed
}

// deleteOld deletes what the old system has of the key: also what was brought here
// from there, as it would come back on the way back.
func (s *Server) deleteOld(ctx context.Context, m *moving, key push.Key) error {
	if m.group(key) == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().PushTimeout)
	defer cancel()
	got, err := s.retOld(ctx, http.MethodPost, oldURL(m.admin, "/1/admin/msg/del", nil), []byte(url.Values{"key": {string(key)}}.Encode()))
	if err == nil && *got.Ret != retOK {
		err = push.E(push.KindStoreUnavailable, "the old system answers ret %d to the deletion; try again", *got.Ret)
	}
	return err
}

// firstCursor is below everything that is pushed from now on, in either system: their clocks
// may differ.
func (s *Server) firstCursor(ctx context.Context) (push.ID, error) {
	id, err := s.clock.safe(ctx)
	m := s.moving.Load()
	if err != nil || len(m.old) == 0 {
		return id, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TimeTimeout)
	defer cancel()
	got, err := s.retOld(ctx, http.MethodGet, oldURL(m.public, "/1/time/get", nil), nil)
	switch {
	case err != nil:
		return 0, readError(err)
	case *got.Ret != retOK || got.Data.TimeID <= 0:
		return 0, push.E(push.KindStoreUnavailable, "the old system does not tell its time; try again")
	}
	return min(id, got.Data.TimeID), nil // before 1.0.4 it counts nanoseconds, which is never less
}
