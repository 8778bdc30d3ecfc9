package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopush/internal/push"
)

// writeV1Admin writes the reply of an admin operation.
func writeV1Admin(w http.ResponseWriter, data string, no *refusal) {
	switch {
	case no == nil:
	case push.Is(no.err, push.KindTooLarge):
		explain(w, no.err)
		writeV1Error(w, http.StatusRequestEntityTooLarge, no.err, retParam)
		return
	case errors.Is(no.err, errHeld):
		explain(w, no.err)
		w.Header().Set("Retry-After", "1")
		writeV1Error(w, http.StatusServiceUnavailable, no.err, no.ret)
		return
	}
	v1Form{}.reply(w, "", data, no)
}

// writeV1Error writes {"msg":TEXT,"ret":N}: what protocol v1 did not foresee, so
// that it comes with an HTTP status of its own.
func writeV1Error(w http.ResponseWriter, status int, err error, ret int) {
	body := `{"msg":` + quote(detailOf(err)) + `,"ret":` + strconv.Itoa(ret) + `}`
	reply(w, status, contentType(""), []byte(body))
}

// writeV1Denied answers who may not use the admin API.
func writeV1Denied(w http.ResponseWriter, err error) {
	explain(w, err)
	status := classOf(push.KindOf(err)).status
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gopush"`)
	}
	writeV1Error(w, status, err, retInternal)
}

// life is a v1 message's: transient, or until an instant.
type life struct {
	transient bool
	expiresAt int64
}

// v1Life reads expire: seconds, 0 for online only.
func (s *Server) v1Life(q url.Values) (life, *refusal) {
	n, err := strconv.ParseUint(q.Get("expire"), 10, 32)
	switch {
	case err != nil:
		return life{}, refuse(retParam, "the parameter expire must be 0 to 4294967295 seconds")
	case n == 0:
		return life{transient: true}, nil
	}
	d := min(time.Duration(n)*time.Second, s.cfg.MaxTTL)
	return life{expiresAt: s.deps.Now().UnixMilli() + d.Milliseconds()}, nil
}

// v1Push pushes one message, to the key of the query or to everybody.
func (s *Server) v1Push(public bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		receipt, no := s.v1PushOne(w, r, public)
		if no == nil && receipt.ID != 0 { // the old system gives none
			w.Header().Set(v1IDHeader, receipt.ID.String())
			if public {
				aim(w, slog.String("id", receipt.ID.String()))
			}
		}
		writeV1Admin(w, "", no)
	}
}

// v1PushOne checks in the order of the original: expire, key, body. So a request
// with several faults gets the same ret as ever.
func (s *Server) v1PushOne(w http.ResponseWriter, r *http.Request, public bool) (push.Receipt, *refusal) {
	q := r.URL.Query()
	l, no := s.v1Life(q)
	if no != nil {
		return push.Receipt{}, no
	}
	key := push.PublicKey
	if !public {
		if key, no = v1PushKey(q); no != nil {
			return push.Receipt{}, no
		}
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return push.Receipt{}, refusalOf(err)
	}
	if !isJSON(body) {
		return push.Receipt{}, refuse(retInternal, "the body must be one JSON value in UTF-8")
	}
	m, end, err := s.startChange(key)
	if err != nil {
		return push.Receipt{}, refusalOf(err)
	}
	defer end()
	if m.isOld(key) {
		return push.Receipt{}, s.pushOld(r.Context(), m, key, q.Get("expire"), body)
	}
	receipt, err := s.push(r.Context(), push.Push{
		Key: key, Body: body, Transient: l.transient, ExpiresAt: l.expiresAt,
		RequestID: w.Header().Get(requestIDHeader), Trace: s.traceOf(r.Context()),
	})
	if err != nil {
		return push.Receipt{}, refusalOf(err)
	}
	return receipt, nil
}

// v1PushKey reads the key of a push; that none is an internal error is how
// protocol v1 has it.
func v1PushKey(q url.Values) (push.Key, *refusal) {
	if q.Get("key") == "" {
		return "", refuse(retInternal, "the parameter key is missing or empty")
	}
	return v1Form{key: "key"}.keyOf(q)
}

// v1PushMany pushes one message to many keys.
func (s *Server) v1PushMany(w http.ResponseWriter, r *http.Request) {
	body, err := s.readBody(w, r)
	if err != nil {
		writeV1Admin(w, "", refusalOf(err))
		return
	}
	message, keys, no := parseMany(body)
	if no != nil {
		writeV1Admin(w, "", no)
		return
	}
	q := r.URL.Query()
	l, no := s.v1Life(q)
	if no != nil {
		writeV1Admin(w, "", no)
		return
	}
	failed, no := s.pushMany(r.Context(), keys, q.Get("expire"), push.Push{
		Body: []byte(message), Transient: l.transient, ExpiresAt: l.expiresAt, RequestID: w.Header().Get(requestIDHeader),
	})
	data := ""
	if len(failed) > 0 {
		for i := range failed {
			failed[i] = quote(failed[i])
		}
		data = `{"fk":[` + strings.Join(failed, ",") + `]}`
	}
	writeV1Admin(w, data, no)
}

// parseMany reads {"m":"<JSON text as a string>","k":"k1,k2"}. A repeated key
// counts once, an empty one not at all.
func parseMany(body []byte) (message string, keys []string, no *refusal) {
	var list string
	if isJSON(body) {
		for name, raw := range members(body) {
			switch string(name) {
			case "m":
				message, _ = unquote(raw)
			case "k":
				list, _ = unquote(raw)
			}
		}
	}
	seen := make(map[string]bool)
	for key := range strings.SplitSeq(list, ",") {
		if key != "" && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	if message == "" || len(keys) == 0 {
		return "", nil, refuse(retParam, `the body must be {"m":"JSON text","k":"key1,key2"}, neither of them empty`)
	}
	return message, keys, nil
}

// pushMany pushes p to each of the keys and returns those that failed, in their
// order; expire is how the request spells p's life. Unless every key has a node, and none is held,
// nothing is pushed.
func (s *Server) pushMany(ctx context.Context, keys []string, expire string, p push.Push) (failed []string, no *refusal) {
	if !isJSON(p.Body) {
		// To protocol v1 this is a failure of each key, not of the request.
		return keys, nil
	}
	valid, old := keys[:0:0], keys[:0:0]
	for _, key := range keys {
		key, err := push.ParseKey(key)
		if err != nil {
			continue
		}
		m, end, err := s.startChange(key)
		if err != nil {
			return nil, refusalOf(err)
		}
		end()
		if m.isOld(key) {
			old = append(old, string(key))
		} else {
			valid = append(valid, string(key))
		}
	}
	// One key without a node fails them all, before anything is pushed.
	if err := s.awaitOwners(ctx, valid); err != nil {
		return nil, refusalOf(err)
	}
	line := newPipeline(context.WithoutCancel(ctx), s)
	defer line.close()
	ok := make(map[string]bool, len(valid))
	for left := valid; len(left) > 0 || !line.empty(); {
		if len(left) > 0 && !line.full() {
			p.Key, left = push.Key(left[0]), left[1:]
			line.add(p)
		} else if !line.wait() {
			break // nobody is there to be answered
		}
		for it := line.next(); it != nil; it = line.next() {
			ok[string(it.push.Key)] = it.err == nil
		}
	}
	for _, key := range s.pushManyOld(ctx, old, expire, p.Body) {
		ok[key] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return ok[key] }), nil
}

// awaitOwners waits, at most PushTimeout, until every key has a node.
func (s *Server) awaitOwners(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().PushTimeout)
	defer cancel()
	var pause backoff
	for {
		var err error
		view := s.deps.Directory.View()
		for _, key := range keys {
			if _, ok := view.Owner(push.Key(key)); !ok {
				err = errNoNode()
				break
			}
		}
		if err == nil || !s.pause(ctx, &pause, err) {
			return err
		}
	}
}

// v1Delete deletes what a key has; the key is in the form body, whatever the
// Content-Type says, and never in the query.
func (s *Server) v1Delete(w http.ResponseWriter, r *http.Request) {
	body, err := s.readBody(w, r)
	if err != nil {
		writeV1Admin(w, "", refusalOf(err))
		return
	}
	q, err := url.ParseQuery(string(body))
	if err != nil {
		writeV1Admin(w, "", refuse(retParam, "the body must be a form, key=K"))
		return
	}
	key, no := v1Form{key: "key"}.keyOf(q)
	if no != nil {
		writeV1Admin(w, "", no)
		return
	}
	aimAt(w, key)
	if err := s.deleteAll(r.Context(), key); err != nil {
		writeV1Admin(w, "", refusalOf(err))
		return
	}
	writeV1Admin(w, "", nil)
}
