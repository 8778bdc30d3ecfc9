package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/config"
	"gopush/internal/daemon"
	"gopush/internal/token"
	"gopush/internal/trace/otlp"
	"gopush/message"
	"gopush/web"
)

// System is the roles of one process. New opens what it needs, Run serves once,
// Close gives everything back.
type System struct {
	// immutable
	cfg     Config
	log     *slog.Logger
	addrs   Addrs
	ready   chan struct{}
	health  *daemon.Readiness
	metrics *prometheus.Registry
	// pressure has its own locks
	pressure *daemon.Pressure

	admins  atomic.Pointer[admins] // nil: none
	reloads reloads                // has its own lock
	tokens  *token.Authority       // nil: there are no keys; set by New

	// opened by New, closed by Close
	lock      *os.File
	certs     certificates
	store     message.Store
	coord     coordination
	listeners *listeners
	exporter  *otlp.Exporter // nil: no tracing

	ran      atomic.Bool
	stopping atomic.Bool
	stuck    atomic.Bool // something still runs, though Run has returned
	running  sync.WaitGroup
	shut     func() error // closes once
}

// New locks the data folder, opens the store and the coordination in it, makes
// the admin token if there is none, and binds every address: of all that, what the
// roles need. It does not wait for ZooKeeper or HBase. The error says what to do.
// On success the caller must Close.
func New(cfg Config, log *slog.Logger) (*System, error) {
	if err := cfg.prepare(log); err != nil {
		return nil, err
	}
	s := &System{
		cfg: cfg, log: log, ready: make(chan struct{}),
		health: new(daemon.Readiness), pressure: daemon.NewPressure(log),
	}
	s.reloads.now = s.cfg.Settings
	s.reloads.at.Store(time.Now().UnixNano())
	s.metrics = s.registry()
	s.shut = sync.OnceValue(s.release)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open takes what New promises, in the order in which mistakes are likely:
// nothing durable is touched before the folder and the addresses are ours.
func (s *System) open() (err error) {
	cfg := &s.cfg
	if cfg.needsFolder() {
		if s.lock, err = lockFolder(cfg.Settings.Data); err != nil {
			return err
		}
	}
	if err := s.openCertificates(); err != nil {
		return err
	}
	if s.listeners, err = listen(cfg); err != nil {
		return err
	}
	s.addrs = s.listeners.addrs(cfg)
	s.listeners.secure(&s.certs, cfg.Settings.Comet.TLSTCP)
	s.warnOpen()
	if err := s.onReload(s.logLevel); err != nil {
		return err
	}
	if cfg.Roles.Has(Web) && !cfg.Settings.Dev {
		if err := s.onReload(s.adminTokens); err != nil {
			return err
		}
	}
	if s.exporter, err = s.openTraces(); err != nil {
		return err
	}
	if cfg.Settings.Tokens.KeysFile != "" && (cfg.Roles.Has(Comet) || cfg.Roles.Has(Web)) {
		if err := s.onReload(s.tokenKeys()); err != nil {
			return err
		}
	}
	if s.coord, err = s.coordinationOf(); err != nil {
		return err
	}
	if err := s.watchCoordination(); err != nil {
		return err
	}
	if cfg.Roles.Has(Message) {
		if s.store, err = s.storeOf(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// comets are the settings of all comets.
func (c *Config) comets() []config.Comet {
	if !c.Roles.Has(Comet) {
		return nil
	}
	return append([]config.Comet{c.Settings.Comet}, c.MoreComets...)
}

// Addrs are the real addresses; they are known once New has returned.
func (s *System) Addrs() Addrs { return s.addrs }

// Token is an operator's admin token; empty in development mode, without web, and when
// the file holds only digests.
func (s *System) Token() string {
	if a := s.admins.Load(); a != nil {
		return a.token
	}
	return ""
}

// administrators are those of the admin API; none in development mode, and without web.
func (s *System) administrators() []web.Admin {
	if a := s.admins.Load(); a != nil {
		return a.list
	}
	return nil
}

// TokenFile is where the admin tokens lie at the start; empty in development mode.
func (s *System) TokenFile() string {
	if s.cfg.Settings.Dev {
		return ""
	}
	return s.cfg.tokenPath(s.cfg.Settings.Web)
}

// adminTokens reads the admin tokens, or makes the first one of a data folder.
func (s *System) adminTokens(settings config.Serve) (step, error) {
	path, old := s.cfg.tokenPath(settings.Web), s.administrators()
	var a admins
	var err error
	switch {
	case settings.Web.AdminTokenFile != "":
		// It is somebody else's, perhaps not to be written. One that several nodes share is
		// not made here either, as each would make its own.
		a, err = readAdmins(path, s.log, func(*os.File, fs.FileMode) error { return nil })
	case len(old) == 0:
		a, err = adminToken(path, s.log)
	default:
		a, err = readAdmins(path, s.log, (*os.File).Chmod)
	}
	if err != nil {
		return step{}, err
	}
	st := step{take: func() { s.admins.Store(&a) }}
	if !slices.Equal(a.list, old) {
		st.news = "the admin tokens"
	}
	return st, nil
}

// logLevel takes the level of the log over.
func (s *System) logLevel(settings config.Serve) (step, error) {
	level, err := daemon.Level(settings.Log.Level)
	if err != nil || s.cfg.LogLevel == nil {
		return step{}, err
	}
	return step{take: func() { s.cfg.LogLevel.Set(level) }}, nil
}

// Ready is closed when every role serves, or stands by for one that does.
func (s *System) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, and for Settings.DrainDelay after that without being
// ready; then it drains: web first, so that no push is lost between the roles, message
// last. It can be called once. The error is nil after an orderly stop.
func (s *System) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("a system runs only once")
	}
	s.running.Add(1)
	defer s.running.Done()
	components, err := s.components()
	if err != nil {
		return err
	}
	s.health.Add("process", s.life)
	serving, over := s.linger(ctx)
	defer over()
	err = daemon.RunGroup(serving, daemon.GroupConfig{
		Grace: s.cfg.Settings.Drain,
		Ready: func() { close(s.ready) },
	}, s.log, components...)
	s.stuck.Store(errors.Is(err, daemon.ErrGrace))
	return err
}

// linger returns a context that ends after ctx, once readiness has turned and those who go
// by it have had Settings.DrainDelay to leave. A process that has never been ready has
// nobody to wait for. over waits for what it has started.
func (s *System) linger(ctx context.Context) (serving context.Context, over func()) {
	serving, end := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		wasReady := s.life() == nil
		s.stopping.Store(true)
		if delay := s.cfg.Settings.DrainDelay; delay > 0 && wasReady {
			s.log.InfoContext(ctx, "told to stop; serving on for the drain delay", slog.Duration("delay", delay))
			timer := time.NewTimer(delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-done:
			}
		}
		end(context.Cause(ctx))
	})
	return serving, func() {
		close(done)
		watcher.Wait()
		end(nil)
	}
}

// life says, for readiness, whether the process as a whole is up.
func (s *System) life() error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	select {
	case <-s.ready:
		return nil
	default:
		return errors.New("starting")
	}
}

// Close gives back what New took, after Run has returned; it waits for that.
func (s *System) Close() error { return s.shut() }

func (s *System) release() error {
	s.running.Wait()
	var errs []error
	if s.listeners != nil {
		s.listeners.close()
	}
	if s.coord != nil {
		errs = append(errs, s.coord.Close())
	}
	// A store must not be closed under those who use it; what it acknowledged is
	// on disk, and the process is about to end.
	if s.store != nil && !s.stuck.Load() {
		errs = append(errs, s.store.Close())
	}
	if s.exporter != nil {
		errs = append(errs, s.exporter.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close()) // last: the folder is free only now
	}
	return errors.Join(errs...)
}
