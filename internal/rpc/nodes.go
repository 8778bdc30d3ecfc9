package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/connectivity"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// node is one message node.
type node struct {
	remote
	client pb.MessageClient
	saves  *pipe[*pb.SaveItem, *pb.SaveAnswer]
	// Small pages do not wait behind large ones: each have their own stream.
	small, large *readPipe
	// avoid is until when others are preferred, in ns since the set was made.
	avoid atomic.Int64
}

type readPipe = pipe[*pb.ReadItem, *pb.ReadAnswer]

// reachable reports whether a call made now would be put on a stream.
func (n *node) reachable() bool {
	return n.saves.reachable() && n.small.reachable() && n.large.reachable()
}

// nodeSet follows the list of message nodes and chooses among them.
type nodeSet struct {
	// immutable
	cfg    MessageClientConfig // filled
	list   func() []string
	log    *slog.Logger
	tracer *trace.Tracer
	begun  time.Time // its monotonic clock counts
	ctx    context.Context
	stop   context.CancelFunc

	turn   atomic.Uint32
	budget budget
	route  atomic.Pointer[route] // nil: none yet, or closed
	wg     sync.WaitGroup        // nodes that retire

	mu     sync.Mutex // for changes of route
	closed bool
}

// route is the nodes of one list. It is immutable.
type route struct {
	addrs []string // as listed
	nodes []*node
}

func newNodeSet(cfg MessageClientConfig, list func() []string, log *slog.Logger) *nodeSet {
	s := &nodeSet{cfg: cfg, list: list, log: log, tracer: tracerOf(cfg.Client.Traces), begun: time.Now()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Ranks of a node, best first.
const (
	rankReady    = iota // connected, has not failed lately
	rankOpen            // not connected yet
	rankAvoided         // failed lately, drains, or cannot be connected to
	rankExcluded        // the caller has just tried it
	rankNone
)

// pick chooses a node, in turns among the best; not is the last choice. The
// error is of KindStoreUnavailable: there is no node.
func (s *nodeSet) pick(not *node) (*node, error) {
	r, err := s.current()
	if err != nil {
		return nil, err
	}
	var best *node
	rank := rankNone
	// The sum may overflow; as uint32 it stays an index.
	first := s.turn.Add(1)
	for i := range uint32(len(r.nodes)) {
		n := r.nodes[(first+i)%uint32(len(r.nodes))]
		if k := s.rank(n, not); k < rank {
			best, rank = n, k
		}
		if rank == rankReady {
			break
		}
	}
	if best == nil {
		return nil, push.E(push.KindStoreUnavailable, "no message node is known")
	}
	return best, nil
}

func (s *nodeSet) rank(n, not *node) int {
	state := n.conn.GetState()
	if state == connectivity.Idle {
		n.conn.Connect() // it lost its connection; have one when it is needed
	}
	switch {
	case n == not:
		return rankExcluded
	case state == connectivity.TransientFailure, n.avoid.Load() > int64(time.Since(s.begun)), !n.reachable():
		return rankAvoided
	case state == connectivity.Ready:
		return rankReady
	}
	return rankOpen
}

// blame makes others preferred for a while. What the caller did to itself, by
// giving up or by asking for too much, is not the node's fault.
func (s *nodeSet) blame(n *node, err error) {
	if push.Is(err, push.KindTooLarge) || errors.Is(err, context.Canceled) {
		return
	}
	n.avoid.Store(int64(time.Since(s.begun) + s.cfg.AvoidFor))
}

func (s *nodeSet) size() int {
	if r := s.route.Load(); r != nil {
		return len(r.nodes)
	}
	return 0
}

// current is the route of the current list.
func (s *nodeSet) current() (*route, error) {
	addrs := s.list()
	if r := s.route.Load(); r != nil && slices.Equal(r.addrs, addrs) {
		return r, nil
	}
	return s.reroute(addrs)
}

// reroute keeps the nodes that are still listed, adds new and retires others.
func (s *nodeSet) reroute(addrs []string) (*route, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, push.E(push.KindStoreUnavailable, "the client is closed")
	}
	old := make(map[string]*node)
	if r := s.route.Load(); r != nil {
		for _, n := range r.nodes {
			old[n.addr] = n
		}
	}
	next := &route{addrs: slices.Clone(addrs)}
	for _, addr := range slices.Compact(slices.Sorted(slices.Values(addrs))) {
		n := old[addr]
		delete(old, addr)
		if n == nil {
			var err error
			if n, err = s.open(addr); err != nil {
				s.log.Error("message node left out", slog.String("peer", addr), slog.Any("error", err))
				continue
			}
		}
		next.nodes = append(next.nodes, n)
	}
	s.route.Store(next)
	for _, n := range old {
		s.wg.Go(func() { s.retire(n) })
	}
	return next, nil
}

func (s *nodeSet) open(addr string) (*node, error) {
	conn, err := s.cfg.Client.connect(addr)
	if err != nil {
		return nil, err
	}
	return &node{
		remote: remote{addr: addr, conn: conn, timeout: s.cfg.Client.CallTimeout},
		client: pb.NewMessageClient(conn),
		saves:  newPipe(saveLine(addr, conn), s.cfg.Client.Window, s.log),
		small:  newPipe(readLine(addr, conn), s.cfg.Client.Window, s.log),
		large:  newPipe(readLine(addr, conn), s.cfg.Client.Window, s.log),
	}, nil
}

// retire lets n answer what it was sent, within bounds, and closes it.
func (s *nodeSet) retire(n *node) {
	limit := time.NewTimer(s.cfg.RetireAfter)
	defer limit.Stop()
	for _, idle := range []<-chan struct{}{n.saves.shut(), n.small.shut(), n.large.shut()} {
		select {
		case <-idle:
			continue
		case <-limit.C:
		case <-s.ctx.Done():
		}
		break
	}
	if err := n.close(); err != nil {
		s.log.Warn("closing a message node failed", slog.String("peer", n.addr), slog.Any("error", err))
	}
}

func (n *node) close() error {
	n.saves.close()
	n.small.close()
	n.large.close()
	if err := n.conn.Close(); err != nil {
		return fmt.Errorf("close %s: %w", n.addr, err)
	}
	return nil
}

func (s *nodeSet) pending() int {
	sum := 0
	if r := s.route.Load(); r != nil {
		for _, n := range r.nodes {
			sum += n.saves.outstanding()
		}
	}
	return sum
}

// close closes all nodes and waits for those that retire.
func (s *nodeSet) close() error {
	s.mu.Lock()
	s.closed = true
	r := s.route.Swap(nil)
	s.mu.Unlock()
	s.stop()
	var errs []error
	if r != nil {
		for _, n := range r.nodes {
			errs = append(errs, n.close())
		}
	}
	s.wg.Wait()
	return errors.Join(errs...)
}
