package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/push"
	"gopush/message"
)

// Config opens a store. Zero values mean the default that each field names.
type Config struct {
	// Dir is the folder; it is made if it is missing. Required.
	Dir string
	// CacheBytes is the size of the block cache; default 64 MiB.
	CacheBytes int64
	// MemTableBytes is how much is kept in memory, besides the log, before it is
	// written as a table; two of that size may be held. Default 16 MiB.
	MemTableBytes uint64
	// OpenFiles is how many tables are kept open; default and maximum 1,000.
	OpenFiles int
	// SweepEvery is how often expired rows are removed; default 1 minute.
	SweepEvery time.Duration
	// IdempotencyLife is how long an idempotency key is kept at the least;
	// default 24 h. It is kept as long as its message if that lives longer.
	IdempotencyLife time.Duration
	// MinFree is how many bytes of the disk stay free: below that no message is stored.
	// 0: nothing is watched, and a full disk ends the process.
	MinFree int64
}

func (c *Config) validate() error {
	if c.CacheBytes == 0 {
		c.CacheBytes = 64 << 20
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = 16 << 20
	}
	if c.OpenFiles == 0 || c.OpenFiles > 1000 {
		c.OpenFiles = 1000
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
	if c.CacheBytes < 0 || c.SweepEvery < 0 || c.IdempotencyLife < 0 || c.MinFree < 0 || c.OpenFiles < 0 {
		return errors.New("embedded: CacheBytes, OpenFiles, SweepEvery, IdempotencyLife and MinFree must not be negative")
	}
	return nil
}

// Store keeps messages in one folder.
type Store struct {
	cfg Config           // immutable
	db  *pebble.DB       // immutable
	now func() time.Time // immutable
	log *slog.Logger     // immutable

	flights *flights // what is visible, but may not be on disk yet
	reserve reserve  // has its own lock

	// marking orders what reads a row before it writes it: watermarks, markers,
	// and the index of idempotency keys. Plain saves take no part in it. It is
	// held until a change is visible, not until it is on disk.
	marking sync.Mutex

	gate   sync.RWMutex // held shared by every call
	closed bool         // guarded by gate
	stop   context.CancelFunc
	loops  sync.WaitGroup
}

var _ message.Store = (*Store)(nil)

// Open opens the folder's store, or makes a new one, and starts its sweep. It
// fails when the folder is open already, corrupt, or of another version.
func Open(cfg Config, log *slog.Logger, now func() time.Time) (*Store, error) {
	return open(cfg, vfs.Default, log, now)
}

// open is Open on a file system of the caller's.
func open(cfg Config, fs vfs.FS, log *slog.Logger, now func() time.Time) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	db, err := openPebble(cfg, fs, log)
	if err != nil {
		return nil, fmt.Errorf("embedded: the store in %s cannot be opened; is another process using it, or is it damaged? %w", cfg.Dir, err)
	}
	if err := checkVersion(db, cfg.Dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{cfg: cfg, db: db, now: now, log: log, flights: newFlights()}
	s.reserve.least, s.reserve.log = cfg.MinFree, log
	s.reserve.ask = func() (uint64, error) {
		usage, err := fs.GetDiskUsage(cfg.Dir)
		return usage.AvailBytes, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.loops.Go(func() { s.sweepLoop(ctx) })
	if cfg.MinFree > 0 {
		s.reserve.look()
		s.loops.Go(func() { s.reserve.run(ctx) })
	}
	return s, nil
}

// checkVersion refuses a folder that something else wrote; a new one is marked.
func checkVersion(db *pebble.DB, dir string) error {
	value, closer, err := db.Get([]byte{tableVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return claim(db, dir)
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

// claim marks an empty database as this program's.
func claim(db *pebble.DB, dir string) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	used := it.First()
	if err := it.Close(); err != nil {
		return err
	}
	if used {
		return fmt.Errorf("embedded: %s holds a database of something else; give another folder", dir)
	}
	return db.Set([]byte{tableVersion}, []byte(formatVersion), pebble.Sync)
}

// Close stops the loops, waits for the calls under way and closes the folder.
func (s *Store) Close() error {
	s.stop()
	s.loops.Wait()
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
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

// broken is an error on reading.
func broken(err error) error {
	return push.Wrap(push.KindStoreUnavailable, err, "the store cannot be read")
}

// unknown is an error on writing.
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
	if err := closer.Close(); err != nil {
		return nil, broken(err)
	}
	return value, nil
}
