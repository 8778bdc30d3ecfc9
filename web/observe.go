package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"gopush/internal/push"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128
)

// recorder keeps what the log line of a request says about its reply.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	err    error // the reason of a refusal, if any

	// For the audit log.
	admin *Admin // nil: nobody known
	aim   []slog.Attr
}

// Unwrap lets http.ResponseController reach the connection.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// WriteHeader keeps the first final status; a 100 Continue is none.
func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && status >= http.StatusOK {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

// Write counts what net/http took, which the client may not have got.
func (rec *recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.bytes += int64(n)
	return n, err
}

// note keeps the reason of a refusal for the log line.
func note(w http.ResponseWriter, err error) {
	if rec, ok := w.(*recorder); ok {
		rec.err = err
	}
}

// observe is the outermost layer of an API: it counts the request, names it,
// sets the headers that every reply has, and writes its one log line.
func (s *Server) observe(listener string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		h := w.Header()
		h.Set(requestIDHeader, requestID(r))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if !s.gate.enter() {
			h.Set("Connection", "close")
			writeProblem(rec, errStopping())
			return
		}
		defer s.gate.leave()
		start := time.Now()
		// net/http goes by the limits of the start, which a push may outlive now.
		if l := s.limits.Load(); l.PushTimeout > s.cfg.Limits.PushTimeout {
			_ = http.NewResponseController(w).SetWriteDeadline(start.Add(s.writeTimeout(l)))
		}
		r, span := s.begin(listener, r)
		defer func() {
			// A panic passes through: net/http ends the connection.
			s.record(listener, r, rec, time.Since(start))
			rec.end(span, listener, r)
		}()
		next.ServeHTTP(rec, r)
	})
}

// record writes the log line. Only the pattern of the path is in it: paths and
// queries hold keys.
func (s *Server) record(listener string, r *http.Request, rec *recorder, took time.Duration) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	route := routeOf(r)
	s.metrics.request(listener, route, rec.status, took)
	level := slog.LevelInfo
	attrs := [9]slog.Attr{
		slog.String("listener", listener),
		slog.String("method", r.Method),
		slog.String("route", route),
		slog.Int("status", rec.status),
		slog.Duration("duration", took),
		slog.String("request_id", rec.Header().Get(requestIDHeader)),
		slog.Int64("bytes", rec.bytes),
	}
	n := 7
	if rec.err != nil {
		attrs[n] = slog.String("code", string(push.KindOf(rec.err)))
		n++
		if classOf(push.KindOf(rec.err)).status >= http.StatusInternalServerError {
			// Only faults of the cluster give their cause; those of a caller
			// could name what it sent.
			level, attrs[n] = slog.LevelWarn, slog.String("error", rec.err.Error())
			n++
		}
	}
	s.deps.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "http request", attrs[:n]...)
}

// routeOf is the pattern that the mux has found.
func routeOf(r *http.Request) string {
	if r.Pattern == "" || r.Pattern == "/" {
		return "none"
	}
	return r.Pattern
}

// requestID takes the caller's id if it is short and printable, else makes one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); id != "" && len(id) <= maxRequestID && visible(id) {
		return id
	}
	return rand.Text()
}

// visible reports whether s holds printable ASCII alone, without spaces.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// errStopping is a 503: what it answers was not begun.
func errStopping() error {
	return push.E(push.KindMoving, "this web node is stopping; ask another one")
}
