package hbase

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"google.golang.org/protobuf/proto"

	"gopush/internal/trace"
)

// router sends calls to the region servers that have their rows. It finds them,
// keeps one connection to each, and tries again until a call's deadline: all
// calls are such that doing them twice does no harm.
type router struct {
	cfg     Config           // immutable, valid
	dial    dialer           // immutable
	keeper  keeper           // immutable
	now     func() time.Time // immutable; a clock that does not step
	log     *slog.Logger     // immutable
	metrics *metrics         // immutable

	looks  chan struct{} // look-ups under way
	meta   *metaPlace
	tables *regions // of the one table

	mu       sync.Mutex
	servers  map[string]*server   // guarded by mu; by address
	suspects map[string]time.Time // guarded by mu: servers that hung, and when

	work sync.WaitGroup // goroutines of connections
	stop context.CancelFunc
	done sync.WaitGroup // the watchdog
}

// maxLookUps bounds the calls that ask hbase:meta at a time: a look-up answers
// for all rows of a region, so the next one may find the answer there.
const maxLookUps = 8

func newRouter(cfg Config, d dialer, k keeper, log *slog.Logger, m *metrics) *router {
	r := &router{
		cfg: cfg, dial: d, keeper: k, now: time.Now, log: log, metrics: m,
		looks: make(chan struct{}, maxLookUps),
		meta:  newMetaPlace(), tables: new(regions),
		servers: make(map[string]*server), suspects: make(map[string]time.Time),
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.done.Go(func() { r.watch(ctx) })
	return r
}

// close ends all connections. No call may be under way.
func (r *router) close() {
	r.stop()
	r.done.Wait()
	r.mu.Lock()
	for addr, s := range r.servers {
		s.close()
		delete(r.servers, addr)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// request is a call that can be made anew for each try.
type request struct {
	op    string // for metrics
	table []byte
	row   []byte // it is for the region of this row
	make  func(ctx context.Context) (hrpc.Call, error)
}

// do sends the request until it is answered or its time is over. An error is a
// *failure. region is the one that answered.
func (r *router) do(ctx context.Context, req *request) (msg proto.Message, region hrpc.RegionInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	ctx, span := trace.Below(ctx, "gopush/hbase", "hbase", trace.Client)
	start := r.now()
	t := try{router: r, req: req}
	r.metrics.inFlight.Inc()
	msg, err = t.run(ctx)
	r.metrics.inFlight.Dec()
	t.tell(span, err)
	r.metrics.call(req.op, outcome(err), r.now().Sub(start))
	if err != nil {
		return nil, nil, &failure{err: err, maybe: t.maybe, table: r.cfg.Table}
	}
	return msg, t.at.region, nil
}

// try is a request with what its tries have led to.
type try struct {
	*router
	req   *request
	at    *location // where it was sent last
	maybe bool      // a try may have been carried out
	last  error     // why the try before failed
	count int       // of the tries
}

// tell ends the span of the call. Rows are keys, and in none.
func (t *try) tell(span trace.Span, err error) {
	if !span.Recorded() {
		return
	}
	span.Name("hbase " + t.req.op)
	span.Text("db.system.name", "hbase")
	span.Text("db.operation.name", t.req.op)
	span.Text("db.collection.name", string(t.req.table))
	span.Number("gopush.attempts", int64(t.count))
	if t.at != nil {
		span.Text("server.address", t.at.addr)
	}
	if err != nil {
		span.Text("error.type", outcome(err))
		span.Fail(outcome(err))
	}
	span.End(nil)
}

const (
	firstWait = 10 * time.Millisecond
	maxWait   = 500 * time.Millisecond
)

func (t *try) run(ctx context.Context) (proto.Message, error) {
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		t.count++
		msg, err := t.once(ctx)
		if err == nil {
			return msg, nil
		}
		reaction := react(err)
		if reaction == giveUp {
			return nil, t.over(err)
		}
		if reaction == refuse {
			return nil, err
		}
		first := t.last == nil
		if t.last = err; first && reaction != again {
			continue // most likely it is elsewhere, and serves
		}
		if err := pause(ctx, wait); err != nil {
			return nil, t.over(err)
		}
	}
}

// over is the end of a call's time: what it could not get past comes first.
func (t *try) over(err error) error {
	if t.last == nil {
		return err
	}
	return fmt.Errorf("%w; then its time was over: %w", t.last, err)
}

// pause waits for about d, so that calls that failed together do not come back
// together.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends the call to where its row is.
func (t *try) once(ctx context.Context) (proto.Message, error) {
	at, err := t.locate(ctx, t.req.table, t.req.row)
	if err != nil {
		return nil, err
	}
	t.at = at
	s, err := t.connect(ctx, at.addr)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	call, err := t.req.make(ctx)
	if err != nil {
		return nil, err
	}
	if err := over(ctx); err != nil {
		return nil, err // surely not sent
	}
	call.SetRegion(at.region)
	msg, err := s.send(ctx, call, t.now)
	if err == nil {
		return msg, nil
	}
	t.maybe = t.maybe || doubtful(err)
	t.broke(s, at, err)
	return nil, err
}

// over reports the end of ctx, and that of its time before the timer tells: what one
// call's deadline frees, another with the same deadline must not use.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return nil
}

// broke forgets what the error of a try proves wrong.
func (r *router) broke(s *server, at *location, err error) {
	switch react(err) {
	case lookUp:
		r.tables.forget(at)
		if at.region == r.meta.region {
			r.meta.forget(at.addr)
		}
	case reconnect:
		r.drop(s, "broken")
	default:
		// Nothing was wrong with it.
	}
}

// dialTime bounds connecting to a region server.
const dialTime = 3 * time.Second

// connect returns the connection to a server, dialled.
func (r *router) connect(ctx context.Context, addr string) (*server, error) {
	r.mu.Lock()
	s := r.servers[addr]
	if s == nil {
		s = newServer(addr, r.dial, &r.work, r.cfg.Concurrency)
		r.servers[addr] = s
		r.work.Go(func() { s.dial(dialTime) })
	}
	r.mu.Unlock()
	err := s.ready(ctx)
	if err != nil && react(err) != giveUp {
		r.drop(s, "unreachable")
	}
	return s, err
}

// drop gives a connection up, and what was believed to be behind it.
func (r *router) drop(s *server, reason string) {
	r.mu.Lock()
	mine := r.servers[s.addr] == s
	if mine {
		delete(r.servers, s.addr)
	}
	r.mu.Unlock()
	if !mine {
		return
	}
	s.close()
	r.tables.forgetServer(s.addr)
	r.meta.forget(s.addr)
	r.metrics.dropped.WithLabelValues(reason).Inc()
	r.log.Warn("a connection to a region server was given up", slog.String("server", s.addr), slog.String("reason", reason))
}
