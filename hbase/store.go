package hbase

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/zk"

	"gopush/internal/push"
	"gopush/message"
)

// Store keeps messages in a table of HBase.
type Store struct {
	router     *router             // immutable
	table      []byte              // immutable
	durability hrpc.DurabilityType // immutable
	lives      lives               // immutable
	claimLife  time.Duration       // immutable
	now        func() time.Time    // immutable

	gate   sync.RWMutex // held shared by every call
	closed bool         // guarded by gate
}

var _ message.Apart = (*Store)(nil)

// Open makes a store, and connects to nothing yet: HBase may be away, and come
// later. now is the time by which messages end; reg may be nil.
func Open(cfg Config, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	silence()
	return open(cfg, newDialer(cfg), zk.NewClient(strings.ReplaceAll(cfg.ZooKeeper, " ", ""), keeperSession), log, now, reg)
}

// open is Open with connections of the caller's.
func open(cfg Config, d dialer, k keeper, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	durability, err := cfg.Durability.option()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	r := newRouter(cfg, d, k, log, m)
	if err := r.tell(reg); err != nil {
		r.close()
		return nil, err
	}
	return &Store{
		router: r, table: []byte(cfg.Table), durability: durability,
		lives: lives{cfg.Keep}, claimLife: cfg.IdempotencyLife, now: now,
	}, nil
}

// Close waits for the calls under way, which have deadlines, and ends the
// connections.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.router.close()
	return nil
}

// Ping reads one row, as a test of whether HBase serves the table. The error
// says what is wrong.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	_, err := s.get(ctx, "ping", headRow(push.PublicKey), query{keysOnly: true})
	return err
}

// enter begins a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return push.Wrap(push.KindStoreUnavailable, err, "the call ended before HBase was asked")
	}
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return push.E(push.KindStoreUnavailable, "the store is closed")
	}
	return nil
}

func (s *Store) leave() { s.gate.RUnlock() }

func (s *Store) millis() int64 { return s.now().UnixMilli() }
