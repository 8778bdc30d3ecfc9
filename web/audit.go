package web

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"gopush/internal/push"
)

// The actions of the audit log. Pushes are not among them: they are the traffic, and
// each has its request's line.
const (
	actBroadcast   = "broadcast"
	actDelete      = "delete"
	actRecall      = "recall"
	actDrain       = "drain"
	actRemoveGroup = "remove_group"
	actMint        = "mint_token"
	actRevoke      = "revoke_token"
)

// told notes who sent the request, for the audit log.
func told(w http.ResponseWriter, who *Admin) {
	if rec, ok := w.(*recorder); ok {
		rec.admin = who
	}
}

// aim notes what an audited action is about: a key, an id, a group. Never a token.
func aim(w http.ResponseWriter, attrs ...slog.Attr) {
	if rec, ok := w.(*recorder); ok {
		rec.aim = append(rec.aim, attrs...)
	}
}

// aimAt notes the stream of an action. Keys are in the audit log, unlike in any other:
// without them it would not say what was deleted.
func aimAt(w http.ResponseWriter, key push.Key) {
	if key.Public() {
		aim(w, slog.Bool("public", true))
		return
	}
	aim(w, slog.String("key", string(key)))
}

// audited writes one line of the audit log for each request that serve answers.
func (s *Server) audited(action string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		serve(w, r)
		rec, ok := w.(*recorder)
		if !ok || rec.admin == nil {
			return
		}
		outcome := "ok"
		if rec.err != nil {
			outcome = string(classOf(push.KindOf(rec.err)).code)
		}
		attrs := append([]slog.Attr{slog.String("action", action)}, rec.aim...)
		s.audit(w, r, rec.admin, "admin action", outcome, attrs...)
	}
}

// audit writes a line.
func (s *Server) audit(w http.ResponseWriter, r *http.Request, who *Admin, event, outcome string, attrs ...slog.Attr) {
	name, role := "", AdminRole(0)
	if who != nil {
		name, role = who.Name, who.Role
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	all := append([]slog.Attr{slog.String("who", name), slog.String("role", role.String())}, attrs...)
	all = append(all, slog.String("outcome", outcome),
		slog.String("request_id", w.Header().Get(requestIDHeader)), slog.String("remote", host))
	s.deps.Audit.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, event, all...) //nolint:sloglint // one of two constants, above
}

// denied notes a request that was let in no further than the guard, and counts it.
func (s *Server) denied(w http.ResponseWriter, r *http.Request, who *Admin, err error) {
	s.metrics.deny("admin", err)
	skipped, ok := s.denials.allow(s.deps.Now())
	if !ok {
		return
	}
	s.audit(w, r, who, "admin access denied", string(push.KindOf(err)),
		slog.String("method", r.Method), slog.Int("skipped", skipped))
}

// The most denied requests that the audit log shows: whoever guesses tokens must not be
// able to fill a disk.
const (
	denialsShown  = 20
	denialsPeriod = time.Minute
)

// sparse lets the first events of each period through and counts the others.
type sparse struct {
	mu sync.Mutex
	// guarded by mu:
	began           time.Time // of the period
	passed, skipped int
}

// allow reports whether the event passes, and how many have not since one last did.
func (s *sparse) allow(now time.Time) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.began); age >= denialsPeriod || age < 0 {
		s.began, s.passed = now, 0
	}
	if s.passed >= denialsShown {
		s.skipped++
		return 0, false
	}
	s.passed++
	skipped, s.skipped = s.skipped, 0
	return skipped, true
}
