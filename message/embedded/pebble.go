package embedded

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// openPebble opens the folder. A panic over a damaged file is an error like any
// other.
func openPebble(cfg Config, f *fault, fs vfs.FS) (db *pebble.DB, err error) {
	cache := pebble.NewCache(cfg.CacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                 fs,
		Cache:              cache,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             f,
		MemTableSize:       16 << 20,
		// One damaged block costs the keys in it, not the store.
		EventListener: &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.log.Error("the store is damaged", slog.String("text", info.String()))
		}},
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
		}
	}()
	return pebble.Open(cfg.Dir, opts)
}

// commit makes b durable.
func (s *Store) commit(b *pebble.Batch) error {
	if err := s.apply(b, pebble.Sync); err != nil {
		return err
	}
	return s.synced(b)
}

// apply hands b to the log and makes it visible. With pebble.Sync, synced must
// follow; it may be called without a lock that orders the changes.
func (s *Store) apply(b *pebble.Batch, opts *pebble.WriteOptions) (err error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.fault.refusal(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			s.fault.stuck.Store(true)
			s.fault.set(fmt.Errorf("pebble: %v", r))
			err = unknown(s.fault.get())
		}
	}()
	if opts.Sync {
		err = s.db.ApplyNoSyncWait(b, opts)
	} else {
		err = s.db.Apply(b, opts)
	}
	if err == nil {
		err = s.fault.get()
	}
	if err != nil {
		// The batch is in Pebble's queue for good, and nothing gets past it.
		s.fault.stuck.Store(true)
		return unknown(err)
	}
	return nil
}

// synced waits until an applied batch is on disk.
func (s *Store) synced(b *pebble.Batch) error {
	err := b.SyncWait()
	if err != nil {
		s.fault.set(err)
	}
	if err = s.fault.get(); err != nil {
		return unknown(err)
	}
	return nil
}
