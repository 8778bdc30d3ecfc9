package rpc

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// CometPoolConfig shapes a CometPool. The zero value works.
type CometPoolConfig struct {
	Client ClientConfig
	// IdleAfter is when the connection to a comet that nobody calls is dropped.
	// 0: 5 minutes.
	IdleAfter time.Duration
	// MaxComets bounds the open connections; a comet beyond it takes the place of
	// an idle one, or is refused with KindBusy. 0: 1024.
	MaxComets int
}

// Validate reports the first field that makes no sense.
func (c *CometPoolConfig) Validate() error {
	if c.IdleAfter < 0 || c.MaxComets < 0 {
		return fmt.Errorf("idle after %v, max comets %d: must not be negative", c.IdleAfter, c.MaxComets)
	}
	return c.Client.Validate()
}

// CometPool keeps one connection to each comet that is called.
type CometPool struct {
	// immutable
	cfg    CometPoolConfig // filled
	log    *slog.Logger
	tracer *trace.Tracer
	stop   chan struct{}
	wg     sync.WaitGroup // the sweeper, and comets that close

	mu     sync.Mutex
	comets map[string]*comet
	closed bool
}

// comet is one connection.
type comet struct {
	remote
	client pb.CometClient
	pushes *pipe[*pb.PushItem, *pb.PushAnswer]

	// guarded by the pool's mu
	users int // calls that hold it
	used  time.Time
}

// NewCometPool makes an empty pool; it connects to whom it is asked for.
func NewCometPool(cfg CometPoolConfig, log *slog.Logger) (*CometPool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("comet pool: %w", err)
	}
	cfg.Client = cfg.Client.filled()
	cfg.IdleAfter = cmp.Or(cfg.IdleAfter, 5*time.Minute)
	cfg.MaxComets = cmp.Or(cfg.MaxComets, 1024)
	p := &CometPool{cfg: cfg, log: given(log), tracer: tracerOf(cfg.Client.Traces), stop: make(chan struct{}), comets: make(map[string]*comet)}
	p.wg.Go(p.sweepUntilStopped)
	return p, nil
}

// At is the client of the comet at addr, host:port. It costs nothing, may be
// kept, and is never nil; a comet that cannot be reached is an error of its
// calls.
func (p *CometPool) At(addr string) *CometClient { return &CometClient{pool: p, addr: addr} }

// acquire connects to addr if need be, and keeps it from being dropped until
// release.
func (p *CometPool) acquire(addr string) (*comet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, push.E(push.KindNoNode, "the client is closed")
	}
	c, ok := p.comets[addr]
	if !ok {
		if err := p.makeRoom(); err != nil {
			return nil, err
		}
		var err error
		if c, err = p.open(addr); err != nil {
			return nil, push.Wrap(push.KindNoNode, err, "the comet node %s cannot be reached", addr)
		}
		p.comets[addr] = c
	}
	c.users++
	return c, nil
}

func (p *CometPool) release(c *comet) {
	p.mu.Lock()
	c.users--
	c.used = time.Now()
	p.mu.Unlock()
}

func (p *CometPool) open(addr string) (*comet, error) {
	conn, err := p.cfg.Client.connect(addr)
	if err != nil {
		return nil, err
	}
	return &comet{
		remote: remote{addr: addr, conn: conn, timeout: p.cfg.Client.CallTimeout},
		client: pb.NewCometClient(conn),
		pushes: newPipe(pushLine(addr, conn), p.cfg.Client.Window, p.log),
	}, nil
}

// makeRoom drops the comet that has been idle longest if the pool is full.
// Under mu.
func (p *CometPool) makeRoom() error {
	if len(p.comets) < p.cfg.MaxComets {
		return nil
	}
	var oldest *comet
	for _, c := range p.comets {
		if c.idle() && (oldest == nil || c.used.Before(oldest.used)) {
			oldest = c
		}
	}
	if oldest == nil {
		return push.E(push.KindBusy, "calls to %d comet nodes are in progress", len(p.comets))
	}
	p.drop(oldest)
	return nil
}

// idle reports whether nobody would miss c. Under the pool's mu.
func (c *comet) idle() bool { return c.users == 0 && c.pushes.outstanding() == 0 }

// drop forgets c, and closes it in the background. Under mu.
func (p *CometPool) drop(c *comet) {
	delete(p.comets, c.addr)
	p.wg.Go(func() {
		if err := c.close(); err != nil {
			p.log.Warn("closing a comet failed", slog.String("peer", c.addr), slog.Any("error", err))
		}
	})
}

func (c *comet) close() error {
	c.pushes.close()
	if err := c.conn.Close(); err != nil {
		return fmt.Errorf("close %s: %w", c.addr, err)
	}
	return nil
}

func (p *CometPool) sweepUntilStopped() {
	t := time.NewTicker(max(p.cfg.IdleAfter/2, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			p.sweep(now)
		case <-p.stop:
			return
		}
	}
}

// sweep drops the comets that were idle for long at now.
func (p *CometPool) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.comets {
		if c.idle() && now.Sub(c.used) >= p.cfg.IdleAfter {
			p.drop(c)
		}
	}
}

// Pending is the number of pushes without an answer.
func (p *CometPool) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := 0
	for _, c := range p.comets {
		sum += c.pushes.outstanding()
	}
	return sum
}

// Close ends what is pending, with KindOutcomeUnknown if it may have been sent,
// and waits for all goroutines of the pool. Later calls fail.
func (p *CometPool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	comets := p.comets
	p.comets = nil
	p.mu.Unlock()
	close(p.stop)
	var errs []error
	for _, c := range comets {
		errs = append(errs, c.close())
	}
	p.wg.Wait()
	return errors.Join(errs...)
}
