package web

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"gopush/internal/push"
	"gopush/internal/quota"
	"gopush/internal/trace"
)

// Server is the web role. Its handlers may be called concurrently.
type Server struct {
	cfg     Config        // immutable; for its Limits see limits
	deps    Deps          // immutable
	tracer  *trace.Tracer // immutable
	clock   *clock        // has its own lock
	metrics *metrics      // has its own locks
	denials sparse        // has its own lock
	admins  atomic.Pointer[[]Admin]
	public  http.Handler
	admin   http.Handler

	limits atomic.Pointer[Limits] // never nil; what it points to is immutable

	moving   atomic.Pointer[moving] // never nil
	movingMu sync.Mutex             // one SetMoving at a time
	earlier  []*moving              // guarded by movingMu: those that have changes in flight
	old      *http.Client           // immutable; to the system that is moved from

	pushPace quota.Rate                // has its own lock
	fromPace quota.Rates[quota.Source] // of pushes; has its own lock
	readPace quota.Rates[quota.Source] // has its own lock

	buffers  sync.Pool     // of *[]byte, for replies
	gate     *gate         // counts the requests in progress
	draining chan struct{} // closed when an orderly stop begins
	drain    func()        // closes draining, once
	over     chan struct{} // closed when what the drain has left is cut off
	cut      func()        // closes over, once
}

// New makes a Server. It starts nothing; see Run.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	if cfg.TokensRequired && deps.Tokens == nil {
		return nil, errors.New("web: tokens are required, but Deps.Tokens is missing")
	}
	s := &Server{cfg: cfg, deps: deps, tracer: trace.New(deps.Traces, "gopush/web"), gate: newGate(), draining: make(chan struct{}), over: make(chan struct{})}
	s.limits.Store(&cfg.Limits)
	s.old = newOld(cfg.QueryTimeout)
	s.moving.Store(new(moving))
	s.admins.Store(&cfg.Admins)
	s.drain = sync.OnceFunc(func() { close(s.draining) })
	s.cut = sync.OnceFunc(func() { close(s.over) })
	s.buffers.New = func() any { return new([]byte) }
	s.clock = newClock(deps.Directory, deps.Comet, cfg.TimeTimeout, deps.Now)
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	s.metrics = m
	m.moves(0, 0)
	// Order matters: what is refused is observed too, and nothing of the admin
	// API is looked at before its guard.
	s.public = s.observe(listenerNames[0], s.cors(s.polite(s.paced(mount(s.publicRoutes())))))
	admin, err := s.withConsole(s.guard(mount(slices.Concat(s.adminRoutes(), s.consoleRoutes()))))
	if err != nil {
		return nil, err
	}
	s.admin = s.observe(listenerNames[1], s.polite(admin))
	return s, nil
}

// SetLimits takes other limits over; they must be valid. They hold for what begins from
// now on: a batch goes on with those that it began with.
func (s *Server) SetLimits(l Limits) { s.limits.Store(&l) }

// Public is the handler of the public API.
func (s *Server) Public() http.Handler { return s.public }

// Admin is the handler of the admin API; it checks the bearer token itself.
func (s *Server) Admin() http.Handler { return s.admin }

// span is what a read of at most limit messages above after asks for. A page
// is bounded in bytes too, so that its memory is.
func (s *Server) span(after push.ID, limit int) push.Span {
	return push.Span{After: after, Limit: limit, Bytes: pageBytes, Newest: s.limits.Load().NewestN}
}
