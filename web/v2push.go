package web

import (
	"context"
	"log/slog"
	"net/http"

	"gopush/internal/coord"
	"gopush/internal/push"
)

const idempotencyHeader = "Idempotency-Key"

// postMessage answers POST /v2/messages: one message for one key.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) error {
	return s.postOne(w, r, s.parsePush)
}

// postBroadcast answers POST /v2/broadcast: one message for everybody.
func (s *Server) postBroadcast(w http.ResponseWriter, r *http.Request) error {
	return s.postOne(w, r, s.parseBroadcast)
}

// postOne is what a push and a broadcast share: everything but the key.
func (s *Server) postOne(w http.ResponseWriter, r *http.Request, parse func([]byte) (push.Push, error)) error {
	if err := needType(r, "application/json"); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	p, err := parse(body)
	if err != nil {
		return err
	}
	switch names := r.Header[idempotencyHeader]; {
	case len(names) > 1:
		return push.E(push.KindBadRequest, "the header Idempotency-Key stands more than once")
	case len(names) == 1:
		if err := setIdempotency(&p, names[0]); err != nil {
			return err
		}
	}
	p.RequestID, p.Trace = w.Header().Get(requestIDHeader), s.traceOf(r.Context())
	receipt, err := s.push(r.Context(), p)
	if err != nil {
		return err
	}
	if p.Key.Public() {
		aim(w, slog.String("id", receipt.ID.String()))
	}
	// A retry of this server's own shows as a duplicate, too: the client cannot
	// tell, and need not.
	status := http.StatusCreated
	if receipt.Duplicate {
		status = http.StatusOK
	}
	reply(w, status, "application/json", appendReceipt(make([]byte, 0, len(p.Key)+64), p.Key, receipt.ID))
	return nil
}

// appendReceipt appends {"key":K,"id":ID}; a broadcast has no key.
func appendReceipt(dst []byte, key push.Key, id push.ID) []byte {
	dst = append(dst, '{')
	if !key.Public() {
		dst = append(appendQuoted(append(dst, `"key":`...), string(key)), ',')
	}
	dst = appendID(append(dst, `"id":`...), id)
	return append(dst, '}', '\n')
}

// deleteMessages answers DELETE /v2/messages: everything that the stream has.
func (s *Server) deleteMessages(w http.ResponseWriter, r *http.Request) error {
	key, err := stream(r)
	if err != nil {
		return err
	}
	aimAt(w, key)
	if err := s.deleteAll(r.Context(), key); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// recallMessage answers DELETE /v2/messages/ID: one message is withdrawn.
func (s *Server) recallMessage(w http.ResponseWriter, r *http.Request) error {
	key, err := stream(r)
	if err != nil {
		return err
	}
	id, err := push.ParseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	aimAt(w, key)
	aim(w, slog.String("id", id.String()))
	end, err := s.startHere(key)
	if err != nil {
		return err
	}
	defer end()
	if err := s.withdraw(r.Context(), key, func(ctx context.Context, c Comet) error { return c.Recall(ctx, key, id) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteAll deletes everything that a stream has, in the old system too while keys are moved
// from there. Deleting twice is fine.
func (s *Server) deleteAll(ctx context.Context, key push.Key) error {
	m, end, err := s.startChange(key)
	if err != nil {
		return err
	}
	defer end()
	if err := s.deleteOld(ctx, m, key); err != nil {
		return err
	}
	return s.withdraw(ctx, key, func(ctx context.Context, c Comet) error { return c.Delete(ctx, key) })
}

// withdraw has call done by the owner of key. Withdrawing twice is fine, so an
// unknown outcome is tried again.
func (s *Server) withdraw(ctx context.Context, key push.Key, call func(context.Context, Comet) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().PushTimeout)
	defer cancel()
	return s.onOwner(ctx, key, true, func(ctx context.Context, _ coord.Group, c Comet) error { return call(ctx, c) })
}

// stream names what a withdrawal is about: key=K, or public=1 for the public
// messages, which have no key.
func stream(r *http.Request) (push.Key, error) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	switch {
	case !q.Has("public"):
		return q.key()
	case q.Has("key") || q.Get("public") != "1":
		return "", push.E(push.KindBadRequest, "give key=K, or public=1 for the public messages")
	}
	return push.PublicKey, nil
}
