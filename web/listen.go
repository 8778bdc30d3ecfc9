package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// listenerNames are what metrics call the two.
var listenerNames = [...]string{"public", "admin"}

// Run serves both APIs until ctx ends, then stops in order: no new
// connections, batches are told to end, and what is in progress has Config.Drain
// to finish before it is cut off. It closes both listeners. The error is nil
// after an orderly stop.
func (s *Server) Run(ctx context.Context, public, admin net.Listener) error {
	if err := s.checkAdmin(admin); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	// What outlives the drain is told so by its request's context.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	// Two servers, so that a flood of one listener's connections does not count
	// against the other's.
	servers := []*http.Server{s.httpServer(base, s.public), s.httpServer(base, s.admin)}
	var wg sync.WaitGroup
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, admin} {
		entrance := s.door(i, l)
		servers[i].ConnContext, servers[i].ConnState = entrance.context, entrance.state
		wg.Go(func() {
			if err := servers[i].Serve(entrance); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("web: serve %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, s.stop(base, servers))
	// Close ends connections, not handlers: those see the end of their context, or, if they
	// outlive their client, of all.
	cut()
	s.cut()
	s.gate.close()
	wg.Wait()
	s.old.CloseIdleConnections()
	return err
}

// door is the entrance of one of the two. While memory is short no new devices come in, but
// backends do, whose pushes are taken; when it is used up neither.
func (s *Server) door(i int, l net.Listener) *door {
	name, pressed := listenerNames[i], s.deps.Pressed
	if i == 1 {
		pressed = s.deps.Exhausted
	}
	return &door{Listener: l, limits: s.limits.Load, pressed: pressed, refused: func(reason string) { s.metrics.refuse(name, reason) }}
}

// stop drains the servers, then closes what is left of them.
func (s *Server) stop(ctx context.Context, servers []*http.Server) error {
	s.drain()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Drain)
	defer cancel()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, srv := range servers {
		wg.Go(func() {
			if err := srv.Shutdown(ctx); err != nil {
				errs[i] = errors.Join(fmt.Errorf("web: requests were cut off after %s: %w", s.cfg.Drain, err), srv.Close())
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// httpServer sets all four timeouts. ReadTimeout and WriteTimeout hold for
// ordinary requests; batches and long replies move their own deadlines along
// with their progress.
func (s *Server) httpServer(base context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.writeTimeout(&s.cfg.Limits),
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelDebug),
	}
}

// writeTimeout is how long an ordinary request may take until its reply is written.
func (s *Server) writeTimeout(l *Limits) time.Duration {
	return s.cfg.WriteTimeout + s.cfg.ReadTimeout + l.PushTimeout
}

// checkAdmin refuses to serve the admin API to the world without a token.
func (s *Server) checkAdmin(l net.Listener) error {
	if len(*s.admins.Load()) > 0 || isLoopback(l.Addr().String()) {
		return nil
	}
	return fmt.Errorf("web: the admin API has no token and may listen on loopback only, not on %s; set a token", l.Addr())
}

// isLoopback reports whether addr, host:port with a numeric host, is this host.
func isLoopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
