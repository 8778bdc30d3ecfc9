package comet

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/quota"
	"gopush/internal/rpc"
	"gopush/internal/trace"
)

// Node is one comet. It implements rpc.CometService.
type Node struct {
	cfg      Config        // immutable; for its Limits see limits
	deps     Deps          // immutable
	log      *slog.Logger  // immutable
	met      *metrics      // immutable
	tracer   *trace.Tracer // immutable
	table    *table        // immutable
	busiest  *busiest      // immutable; the keys that are pushed to most
	public   *channel      // immutable; fed by the follower, not by a sequencer
	catchUps chan struct{} // bounds reads for connections that are behind
	pool     sync.Pool     // the websocket library's write buffers

	limits atomic.Pointer[Limits] // never nil; what it points to is immutable

	// life ends when the node stops; it bounds reads for connections.
	life context.Context
	stop context.CancelFunc

	// turn is held shared by whoever puts an operation in line, so that a change
	// of what is served here can wait until all know of it.
	turn    sync.RWMutex
	adopted atomic.Int64 // version of the ring that the table's memory is of; changed under turn

	serving atomic.Pointer[service]
	served  chan struct{} // closed by began
	begun   chan struct{} // holds one token: a term has begun
	began   func()        // once
	conns   atomic.Int64

	// who connects from where, and how often, and how often what is pushed to; each has its
	// own lock
	sources     quota.Counts
	addressPace quota.Rates[quota.Source]
	nodePace    quota.Rate
	keyPace     quota.Rates[push.Key] // of subscriptions
	pushPace    quota.Rates[push.Key]

	gate    sync.RWMutex
	closed  bool           // guarded by gate: no new operation or connection
	leaving chan struct{}  // closed with the gate
	work    sync.WaitGroup // operations, connections and their goroutines
}

var _ rpc.CometService = (*Node)(nil)

// Listeners are where clients connect: HTTP for websocket and SSE, TCP for v1. What they
// accept may be a *tls.Conn; the node makes the handshake, within Config.Handshake. The
// node closes them.
type Listeners struct {
	HTTP, TCP net.Listener
}

// New makes a node; Run makes it serve.
func New(cfg Config, deps Deps) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, deps: deps, log: deps.Log, tracer: trace.New(deps.Traces, "gopush/comet"),
		table: newTable(), busiest: newBusiest(time.Now()), public: newChannel(push.PublicKey),
		catchUps: make(chan struct{}, cfg.CatchUps), leaving: make(chan struct{}), served: make(chan struct{}),
		begun: make(chan struct{}, 1),
	}
	n.limits.Store(&cfg.Limits)
	n.began = sync.OnceFunc(func() { close(n.served) })
	n.met = newMetrics(deps.Metrics, n)
	n.life, n.stop = context.WithCancel(context.Background())
	return n, nil
}

// SetLimits takes other limits over; they must be valid. They hold for whoever comes from
// now on: no connection is closed for them.
func (n *Node) SetLimits(l Limits) { n.limits.Store(&l) }

// Run campaigns, serves clients until ctx ends, then drains: operations in
// flight are finished and clients are told to move. It returns when everything
// it started has ended.
func (n *Node) Run(ctx context.Context, l Listeners) error {
	var own sync.WaitGroup
	runCtx, cancel := context.WithCancel(ctx)
	own.Go(func() { n.campaign(runCtx) })
	own.Go(func() { n.followPublic(runCtx) })
	own.Go(func() { n.followRing(runCtx) })
	if n.deps.Tokens != nil {
		own.Go(func() { n.followTokens(runCtx) })
	}
	err := n.listen(runCtx, l)
	n.drain()
	cancel()
	n.stop()
	own.Wait()
	return err
}

// Ready is closed once the node serves for the first time.
func (n *Node) Ready() <-chan struct{} { return n.served }

// Serving is nil while the node serves its group; the error says why it does not.
func (n *Node) Serving() error {
	if !n.service().takes() {
		return errMoving()
	}
	return nil
}

// campaign serves one term after the other.
func (n *Node) campaign(ctx context.Context) {
	for ctx.Err() == nil {
		term, err := n.deps.Membership.Campaign(ctx, n.cfg.Member)
		if err != nil {
			if ctx.Err() == nil {
				n.met.elections.Inc()
				n.log.ErrorContext(ctx, "election failed", slog.Any("error", err))
				pause(ctx, time.Second)
			}
			continue
		}
		n.fence(ctx, term)
		n.table.forget()
		srv := newService(term, n.deps.Now, n.cfg.IDLease)
		n.serving.Store(srv)
		n.met.won.Inc()
		n.began()
		select {
		case n.begun <- struct{}{}:
		default:
		}
		n.log.InfoContext(ctx, "serving", slog.Int64("epoch", term.Epoch()))
		srv.keep(ctx, func(err error) { n.log.WarnContext(ctx, "could not raise the id ceiling", slog.Any("error", err)) })
		switch {
		case ctx.Err() != nil:
			n.met.ended.WithLabelValues(endStopped).Inc()
			return // an orderly stop; drain resigns
		case srv.valid():
			n.met.ended.WithLabelValues(endHandedOver).Inc()
			n.handOver(ctx, srv)
		default:
			n.met.ended.WithLabelValues(endLost).Inc()
			n.lost(ctx, srv)
		}
	}
}

// fence makes sure that nothing of an earlier term is acknowledged once this one serves.
// Usually nothing could be: a session ends later than its lease. But a session can end
// before its time, and its holder hears of it late.
func (n *Node) fence(ctx context.Context, term coord.Term) {
	lease := term.Lease()
	if lease == 0 {
		return // nobody else can hold one
	}
	ctx, cancel := context.WithTimeout(ctx, lease)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-term.Done():
			cancel() // somebody else may serve: there is nothing to begin
		case <-ctx.Done():
		}
	})
	err := n.deps.Messages.Fence(ctx, rpc.Fence{Group: n.cfg.Member.Group, Epoch: term.Epoch()})
	if err == nil {
		return
	}
	// Whoever served before holds no lease any more when the time is over.
	<-ctx.Done()
	n.log.WarnContext(ctx, "not all message nodes know of the term; it begins when no earlier one can be valid",
		slog.Int64("epoch", term.Epoch()), slog.Any("error", err))
}

// resign gives the term back, once nothing is in flight any more. Clients have not
// been told to move yet: a successor must be there when they do.
func (n *Node) resign() {
	srv := n.service()
	if srv == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Drain/2)
	defer cancel()
	srv.leaving.Store(true)
	n.quiesce(ctx, nil, everyKey)
	n.serving.CompareAndSwap(srv, nil)
	if err := srv.term.Resign(ctx); err != nil {
		n.log.Warn("could not resign in order", slog.Any("error", err))
	}
}

// handOver resigns on an operator's wish; the node goes on as an alternate.
func (n *Node) handOver(ctx context.Context, srv *service) {
	if !n.enter() {
		return // the node stops, and resigns by itself
	}
	defer n.leave(1)
	n.log.InfoContext(ctx, "handing over", slog.Int64("epoch", srv.epoch()))
	n.resign()
	n.moveAll(closeDraining, everyKey)
}

// lost ends a service that was taken away; clients have to look the node up again.
// The term is given back, so that the next one has a higher epoch.
func (n *Node) lost(ctx context.Context, srv *service) {
	srv.end()
	n.serving.CompareAndSwap(srv, nil)
	n.log.WarnContext(ctx, "ownership lost", slog.Int64("epoch", srv.epoch()))
	n.moveAll(func(time.Duration) ending { return closeLost }, everyKey)
	if err := srv.term.Resign(ctx); err != nil {
		n.log.WarnContext(ctx, "could not resign", slog.Any("error", err))
	}
}

func (n *Node) service() *service { return n.serving.Load() }

// owns reports whether this node serves key right now; the error says what the
// caller should do instead.
func (n *Node) owns(key push.Key) error {
	v := n.deps.Directory.View()
	if g := v.Ring.Owner(string(key)); g != n.cfg.Member.Group {
		return push.E(push.KindWrongNode, "the key belongs to another node; look the node up again")
	}
	if v.Moving(key) || !n.service().takes() {
		return errMoving()
	}
	return nil
}

// enter counts an operation or a connection in; false once the node stops.
func (n *Node) enter() bool {
	n.gate.RLock()
	defer n.gate.RUnlock()
	if n.closed {
		return false
	}
	n.work.Add(1)
	return true
}

func (n *Node) leave(k int) { n.work.Add(-k) }

// spawn runs f in a goroutine that the node waits for. Only what has entered may
// spawn.
func (n *Node) spawn(f func()) { n.work.Go(f) }

// drain closes the gate, finishes what is in flight and hands over; then it moves the
// clients away at a jittered pace. After cfg.Drain it ends what is left.
func (n *Node) drain() {
	n.gate.Lock()
	if !n.closed {
		n.closed = true
		close(n.leaving)
	}
	n.gate.Unlock()
	n.resign()
	n.moveAll(closeDraining, everyKey)
	done := make(chan struct{})
	go func() { n.work.Wait(); close(done) }()
	timer := time.NewTimer(n.cfg.Drain)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		n.stop()
		for _, s := range n.table.subscribers() {
			s.die()
		}
		<-done
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
