package embedded

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// engine is what a store runs on.
type engine struct {
	fs       vfs.FS
	memTable uint64 // bytes that are kept in memory, besides the log
}

// openPebble opens the folder. A panic over a damaged file is an error like any
// other.
func openPebble(cfg Config, on engine, f *fault, b *backlog) (db *pebble.DB, err error) {
	cache := pebble.NewCache(cfg.CacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                 &guard{FS: on.fs, fault: f},
		Cache:              cache,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             f,
		MemTableSize:       on.memTable,
		// Writers wait for the backlog instead.
		MemTableStopWritesThreshold: 1000,
		L0StopWritesThreshold:       50,
		EventListener:               listener(f, b),
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

// listener hears what Pebble has no other way to tell.
func listener(f *fault, b *backlog) *pebble.EventListener {
	return &pebble.EventListener{
		// One damaged block costs the keys in it, not the store.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.log.Error("the store is damaged", slog.String("text", info.String()))
		},
		// Each memory table has a log of its own.
		WALCreated: func(pebble.WALCreateInfo) { b.add(1) },
		FlushEnd: func(info pebble.FlushInfo) {
			if !f.swallow(info.Err) {
				b.add(-info.Input)
			}
		},
	}
}

// apply hands b to the log and makes it visible. With pebble.Sync, synced must
// follow; it may be called without a lock that orders the changes.
func (s *Store) apply(b *pebble.Batch, opts *pebble.WriteOptions) error {
	if err := s.fault.refusal(); err != nil {
		return err
	}
	var err error
	if opts.Sync {
		err = s.db.ApplyNoSyncWait(b, opts)
	} else {
		err = s.db.Apply(b, opts)
	}
	if err != nil {
		s.fault.set(err)
	}
	return s.checked()
}

// synced waits until an applied batch is on disk.
func (s *Store) synced(b *pebble.Batch) error {
	if err := b.SyncWait(); err != nil {
		s.fault.set(err)
	}
	return s.checked()
}

// checked looks whether what Pebble said can be believed.
func (s *Store) checked() error {
	if err := s.fault.get(); err != nil {
		return unknown(err)
	}
	return nil
}
