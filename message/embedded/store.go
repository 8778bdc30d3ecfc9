package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"gopush/internal/push"
	"gopush/message"
)

// Config opens a store. Zero values mean the default that each field names.
type Config struct {
	// Dir is the folder; it is made if it is missing. Required.
	Dir string
	// CacheBytes is the size of the block cache; default 64 MiB.
	CacheBytes int64
	// SweepEvery is how often expired rows are removed; default 1 minute.
	SweepEvery time.Duration
	// IdempotencyLife is how long an idempotency key is kept at the least;
	// default 24 h. It is kept as long as its message if that lives longer.
	IdempotencyLife time.Duration
}

func (c *Config) validate() error {
	if c.CacheBytes == 0 {
		c.CacheBytes = 64 << 20
	}
	if c.SweepEvery == 0 {
		c.SweepEvery = time.Minute
	}
	if c.IdempotencyLife == 0 {
		c.IdempotencyLife = 24 * time.Hour
	}
	if c.Dir == "" {
		return errors.New("embedded: Config.Dir is empty; give the folder of the store")
	}
	if c.CacheBytes < 0 || c.SweepEvery < 0 || c.IdempotencyLife < 0 {
		return errors.New("embedded: CacheBytes, SweepEvery and IdempotencyLife must not be negative")
	}
	return nil
}

// Store keeps messages in one folder.
type Store struct {
	cfg Config           // immutable
	db  *pebble.DB       // immutable
	now func() time.Time // immutable
	log *slog.Logger     // immutable

	// marking orders what reads a row before it writes it: watermarks, and the
	// index of idempotency keys. Plain saves take no part in it.
	marking sync.Mutex

	gate   sync.RWMutex // held shared by every call
	closed bool         // guarded by gate
	stop   context.CancelFunc
	sweeps sync.WaitGroup
	swept  atomic.Int64
}

var _ message.Store = (*Store)(nil)

// Open opens the folder's store, or makes a new one, and starts its sweep.
func Open(cfg Config, log *slog.Logger, now func() time.Time) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cache := pebble.NewCache(cfg.CacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		Cache:              cache,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             logger{log},
		MemTableSize:       16 << 20,
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(cfg.Dir, opts)
	if err != nil {
		return nil, fmt.Errorf("embedded: the store in %s cannot be opened; is another process using it? %w", cfg.Dir, err)
	}
	if err := checkVersion(db, cfg.Dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{cfg: cfg, db: db, now: now, log: log}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.sweeps.Go(func() { s.sweepLoop(ctx) })
	return s, nil
}

// checkVersion refuses a folder that another version wrote; a new one is marked.
func checkVersion(db *pebble.DB, dir string) error {
	value, closer, err := db.Get([]byte{tableVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return db.Set([]byte{tableVersion}, []byte(formatVersion), pebble.Sync)
	}
	if err != nil {
		return fmt.Errorf("embedded: the version in %s cannot be read: %w", dir, err)
	}
	found := string(value)
	if err := closer.Close(); err != nil {
		return err
	}
	if found != formatVersion {
		return fmt.Errorf("embedded: %s was written as %q; this program reads %q", dir, found, formatVersion)
	}
	return nil
}

// Close waits for the calls under way, stops the sweep and closes the folder.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.stop()
	s.sweeps.Wait()
	return s.db.Close()
}

// enter begins a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return push.Wrap(push.KindStoreUnavailable, err, "the call ended before the store was asked")
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

// broken is an error of Pebble's on reading.
func broken(err error) error {
	return push.Wrap(push.KindStoreUnavailable, err, "the store cannot be read")
}

// unknown is an error of Pebble's on writing.
func unknown(err error) error {
	return push.Wrap(push.KindOutcomeUnknown, err, "the store failed while writing")
}

// get reads one value; nil when there is none.
func (s *Store) get(key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, broken(err)
	}
	value = append(make([]byte, 0, len(value)), value...)
	return value, closeAll(closer)
}

func closeAll(c io.Closer) error {
	if err := c.Close(); err != nil {
		return broken(err)
	}
	return nil
}

// logger routes Pebble's words: its chatter is dropped, its errors are kept.
type logger struct{ log *slog.Logger }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble", slog.String("text", fmt.Sprintf(format, args...)))
}

// Fatalf is called when the write-ahead log cannot be written any more: going on
// would acknowledge what is not on disk.
func (l logger) Fatalf(format string, args ...any) {
	l.log.Error("pebble cannot go on", slog.String("text", fmt.Sprintf(format, args...)))
	panic("embedded: pebble cannot go on: " + fmt.Sprintf(format, args...))
}
