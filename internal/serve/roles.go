package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"gopush/comet"
	"gopush/internal/config"
	"gopush/internal/coord"
	"gopush/internal/daemon"
	"gopush/internal/rpc"
	"gopush/message"
	"gopush/web"
)

// components are the roles in the order of their start: each finds those that it
// calls.
func (s *System) components() ([]daemon.Component, error) {
	ops, err := daemon.NewOps(daemon.OpsConfig{}, s.metrics, s.health, s.part("ops"))
	if err != nil {
		return nil, err
	}
	all := []daemon.Component{{Name: "ops", Run: func(ctx context.Context, ready func()) error {
		ready()
		return ops.Run(ctx, s.listeners.ops)
	}}}
	all = append(all, daemon.Component{Name: "memory", Run: func(ctx context.Context, ready func()) error {
		ready()
		s.pressure.Run(ctx)
		return nil
	}})
	if c, ok := s.storeComponent(); ok {
		all = append(all, c)
	}
	if s.cfg.Roles.Has(Message) {
		all = append(all, daemon.Component{Name: "message", Run: s.runMessage})
	}
	if s.tokens != nil {
		if err := s.watchRevoked(); err != nil {
			return nil, err
		}
		all = append(all, daemon.Component{Name: "tokens", Run: s.followRevoked})
	}
	for i, c := range s.cfg.comets() {
		all = append(all, daemon.Component{Name: "comet " + c.Group, Run: func(ctx context.Context, ready func()) error {
			return s.runComet(ctx, ready, c, s.listeners.comets[i])
		}})
	}
	if s.cfg.Roles.Has(Web) {
		all = append(all, daemon.Component{Name: "web", Run: s.runWeb})
	}
	return all, nil
}

// part is the logger of a role.
func (s *System) part(name string) *slog.Logger { return s.log.With(slog.String("part", name)) }

// share is the part of the drain that each of the roles may use: they stop one
// after the other.
func (s *System) share() time.Duration {
	parts := 1 + len(s.cfg.comets())
	for _, role := range []Roles{Message, Web} {
		if s.cfg.Roles.Has(role) {
			parts++
		}
	}
	return s.cfg.Settings.Drain / time.Duration(parts)
}

// endpoint is the RPC server of one role.
type endpoint struct {
	server *grpc.Server
	drain  chan struct{}
	ended  chan struct{}
	err    error // of serving; to be read after ended
}

// newEndpoint makes a server; register adds the service to it.
func newEndpoint(cfg rpc.ServerConfig, log *slog.Logger, register func(grpc.ServiceRegistrar, rpc.Handlers)) *endpoint {
	e := &endpoint{server: rpc.NewServer(cfg, log), drain: make(chan struct{}), ended: make(chan struct{})}
	register(e.server, rpc.Handlers{Drain: e.drain, Log: log, Version: daemon.ThisBuild().Short(), Traces: cfg.Traces})
	return e
}

// start serves l, which the server closes, until stop. If that fails before,
// failed is called.
func (e *endpoint) start(l net.Listener, failed context.CancelFunc) {
	go func() {
		defer close(e.ended)
		if err := e.server.Serve(l); err != nil {
			e.err = fmt.Errorf("rpc server: %w", err)
			failed()
		}
	}()
}

// stop lets clients finish their streams, for at most grace, and returns what
// made serving fail, if anything did.
func (e *endpoint) stop(ctx context.Context, grace time.Duration, log *slog.Logger) error {
	close(e.drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := rpc.Shutdown(ctx, e.server); err != nil {
		log.DebugContext(ctx, "rpc server stopped late", slog.Any("error", err))
	}
	<-e.ended
	return e.err
}

// runMessage is the message role: the RPC service over the store.
func (s *System) runMessage(ctx context.Context, ready func()) error {
	log := s.part("message")
	// A successor's first write may well go to another message node, so this one does
	// not wait for it to learn that an epoch is over.
	epoch := func(group string) int64 { return s.coord.View().Groups[group].Epoch }
	svc, err := message.NewService(message.Config{Epoch: epoch, Traces: s.traces(), Metrics: s.metrics, Log: log}, s.store)
	if err != nil {
		return err
	}
	e := newEndpoint(s.rpcServer(), log, func(r grpc.ServiceRegistrar, h rpc.Handlers) { rpc.RegisterMessage(r, svc, h) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.start(s.listeners.message, cancel)
	leave := s.coord.Register(cmp.Or(s.cfg.Settings.Message.AdvertiseRPC, s.addrs.Message))
	s.health.Add("message", s.alone)
	ready()
	<-ctx.Done()
	leave() // first, so that nobody chooses this node any more
	return e.stop(ctx, s.share(), log)
}

// clients are what a role calls the others with. Each role has its own, as it
// would in a process of its own.
type clients struct {
	messages *rpc.MessageClient
	comets   *rpc.CometPool
}

func (s *System) clients(log *slog.Logger) (*clients, error) {
	nodes := func() []string { return s.coord.View().Messages }
	client := rpc.ClientConfig{TLS: s.rpcTLS(), Traces: s.traces()}
	if dial := s.cfg.Dial; dial != nil { // nil stays nil: gRPC does more for a TCP connection of its own
		client.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, "tcp", addr) }
	}
	messages, err := rpc.NewMessageClient(rpc.MessageClientConfig{Client: client}, nodes, log)
	if err != nil {
		return nil, err
	}
	comets, err := rpc.NewCometPool(rpc.CometPoolConfig{Client: client}, log)
	if err != nil {
		return nil, errors.Join(err, messages.Close())
	}
	return &clients{messages, comets}, nil
}

func (c *clients) close() error { return errors.Join(c.comets.Close(), c.messages.Close()) }

// runComet is one comet: its node, and the RPC service before it.
func (s *System) runComet(ctx context.Context, ready func(), cfg config.Comet, ls cometListeners) (err error) {
	log := s.part("comet").With(slog.String("group", cfg.Group))
	calls, err := s.clients(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, calls.close()) }()
	var tokens comet.Tokens // nil, not a nil pointer, when none are needed
	if s.cfg.Settings.Tokens.Required {
		tokens = s.tokens
	}
	node, err := comet.New(s.cometConfig(cfg, ls), comet.Deps{
		Tokens:     tokens,
		Membership: s.coord, Directory: s.coord, Messages: calls.messages,
		Peer:    func(addr string) comet.Peer { return calls.comets.At(addr) },
		Traces:  s.traces(),
		Pressed: s.pressure.High, Exhausted: s.pressure.Extreme,
		Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"group": cfg.Group}, s.metrics),
		Log:     log, Now: s.cfg.Now,
	})
	if err != nil {
		return err
	}
	if err := s.onCometReload(node, cfg); err != nil {
		return err
	}
	e := newEndpoint(s.rpcServer(), log, func(r grpc.ServiceRegistrar, h rpc.Handlers) { rpc.RegisterComet(r, node, h) })
	ctx, cancel := context.WithCancel(ctx)
	e.start(ls.rpc, cancel)
	member := s.member(cfg, ls)
	stands := func() error { return s.stands(node, member) }
	s.health.Add("comet "+cfg.Group, stands)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		if s.await(ctx, node.Ready(), stands) {
			ready()
		}
	})
	err = node.Run(ctx, comet.Listeners{HTTP: ls.http, TCP: ls.tcp})
	cancel()
	watcher.Wait()
	return errors.Join(err, e.stop(ctx, s.share(), log))
}

// member is what a comet tells others of itself.
func (s *System) member(c config.Comet, ls cometListeners) coord.Member {
	return coord.Member{
		Group: c.Group, Weight: c.Weight, RPC: cmp.Or(c.AdvertiseRPC, ls.rpc.Addr().String()),
		Public: coord.Public{
			WS: cmp.Or(c.AdvertiseHTTP, ls.http.Addr().String()), TCP: cmp.Or(c.AdvertiseTCP, ls.tcp.Addr().String()),
			TLS: s.cfg.Settings.Comet.TLS(), TCPTLS: s.cfg.Settings.Comet.TLSTCP,
		},
	}
}

// cometConfig turns settings into those of the node.
func (s *System) cometConfig(c config.Comet, ls cometListeners) comet.Config {
	return comet.Config{
		Member: s.member(c, ls),
		Limits: cometLimits(c, s.cfg.Settings.Messages), Heartbeat: c.Heartbeat, Drain: s.share(),
	}
}

// cometLimits turns settings into those of a node that may change while it runs.
func cometLimits(c config.Comet, m config.Messages) comet.Limits {
	return comet.Limits{
		MaxConnections: c.MaxConnections, MaxPerKey: c.MaxPerKey, MaxPerAddress: c.MaxPerAddress,
		HandshakesPerSecond: c.HandshakesPerSecond, HandshakesPerAddress: c.HandshakesPerAddress,
		HandshakesPerKey: c.HandshakesPerKey, PushesPerKey: c.PushesPerKey,
		Newest: m.Newest, Origins: c.Origins,
	}
}

// onCometReload has a node's limits follow the settings, if it is the one they are of.
func (s *System) onCometReload(node *comet.Node, c config.Comet) error {
	if c.Group != s.cfg.Settings.Comet.Group {
		return nil
	}
	return s.onReload(func(settings config.Serve) (step, error) {
		limits := cometLimits(settings.Comet, settings.Messages)
		return step{take: func() { node.SetLimits(limits) }}, limits.Validate()
	})
}

// runWeb is the web role.
func (s *System) runWeb(ctx context.Context, ready func()) (err error) {
	log := s.part("web")
	calls, err := s.clients(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, calls.close()) }()
	settings := &s.cfg.Settings
	var tokens web.Tokens // nil, not a nil pointer, without keys
	if s.tokens != nil {
		tokens = s.tokens
	}
	server, err := web.New(web.Config{
		TokensRequired: settings.Tokens.Required,
		Admins:         s.administrators(), DevLoopback: settings.Dev, Limits: webLimits(*settings), Drain: s.share(),
	}, web.Deps{
		Directory: s.coord, Admin: s.coord, Messages: calls.messages,
		Comet:  func(addr string) web.Comet { return calls.comets.At(addr) },
		Tokens: tokens, Traces: s.traces(), Metrics: s.metrics, Log: log, Audit: s.auditLog(), Now: s.cfg.Now,
		Pressed: s.pressure.High, Exhausted: s.pressure.Extreme,
	})
	if err != nil {
		return err
	}
	if err := s.onWebReload(server); err != nil {
		return err
	}
	s.health.Add("web", s.viewed)
	// It serves whether or not there is a view: who comes early is told to try again.
	watch, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		if s.await(watch, nil, s.viewed) {
			ready()
		}
	})
	err = server.Run(ctx, s.listeners.public, s.listeners.admin)
	cancel()
	watcher.Wait()
	return err
}

// webLimits turns settings into those of a server that may change while it runs.
func webLimits(s config.Serve) web.Limits {
	return web.Limits{
		MaxBody: int64(s.Messages.MaxBytes), DefaultTTL: s.Messages.DefaultTTL, NewestN: s.Messages.Newest,
		CORSOrigins: s.Web.CORSOrigins, PushTimeout: s.PushTimeout(),
		MaxConnections: s.Web.MaxConnections, MaxPerAddress: s.Web.MaxPerAddress,
		PushesPerSecond: s.Web.PushesPerSecond, PushesPerAddress: s.Web.PushesPerAddress, ReadsPerAddress: s.Web.ReadsPerAddress,
	}
}

// onWebReload has the server's limits and its administrators follow the settings. Those are
// read before: see open.
func (s *System) onWebReload(server *web.Server) error {
	return s.onReload(func(settings config.Serve) (step, error) {
		limits, moving := webLimits(settings), webMoving(settings)
		return step{take: func() {
			server.SetLimits(limits)
			server.SetMoving(moving)
			if admins := s.administrators(); len(admins) > 0 {
				server.SetAdmins(admins)
			}
		}}, errors.Join(limits.Validate(), moving.Validate())
	})
}

// webMoving turns settings into those of a server that keys are moved to.
func webMoving(s config.Serve) web.Moving {
	m := s.Moving
	return web.Moving{Ring: m.Ring, Old: m.Old, Held: m.Held, Public: m.Public, Admin: m.Admin}
}
