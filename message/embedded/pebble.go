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
func openPebble(cfg Config, fs vfs.FS, log *slog.Logger) (*pebble.DB, error) {
	return openWith(cfg, fs, log, func(*pebble.Options) {})
}

// openWith lets the caller change how.
func openWith(cfg Config, fs vfs.FS, log *slog.Logger, change func(*pebble.Options)) (db *pebble.DB, err error) {
	cache := pebble.NewCache(cfg.CacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                 fs,
		Cache:              cache,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             logger{log},
		MemTableSize:       cfg.MemTableBytes,
		MaxOpenFiles:       cfg.OpenFiles,
		EventListener:      listener(log),
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	change(opts)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
		}
	}()
	return pebble.Open(cfg.Dir, opts)
}

// listener logs what Pebble itself says unclearly, or would end the process for.
func listener(log *slog.Logger) *pebble.EventListener {
	return &pebble.EventListener{
		// One damaged block costs the keys in it, not the store.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("the store is damaged", slog.String("text", info.String()))
		},
		// The process ends right after this, by a panic that does not say why.
		WALCreated: func(info pebble.WALCreateInfo) {
			if info.Err != nil {
				log.Error("the store cannot go on; free or replace the disk, then start again", slog.Any("error", info.Err))
			}
		},
	}
}

// logger routes Pebble's words: its chatter is dropped, its errors are kept.
type logger struct{ log *slog.Logger }

func (l logger) Infof(string, ...any) {}

// Errorf keeps what went wrong in the background and will be tried again.
func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble", slog.String("text", fmt.Sprintf(format, args...)))
}

// Fatalf is called when the write-ahead log cannot be written any more, because
// the disk is full or broken. Going on could acknowledge what is not on disk, so
// the process ends; what was acknowledged is there when it starts again. The
// panic has a goroutine of its own, so that nobody can recover from it.
func (l logger) Fatalf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.log.Error("the store cannot go on; free or replace the disk, then start again", slog.String("text", text))
	go panic("embedded: " + text)
	select {}
}

// apply hands b to the log and makes it visible; synced must follow, and may be
// called without a lock that orders the changes.
func (s *Store) apply(b *pebble.Batch, opts *pebble.WriteOptions) error {
	defer func() {
		// Pebble panics without a word of what to do about it, and with its locks
		// held: there is no going on.
		if r := recover(); r != nil {
			logger{s.log}.Fatalf("%v", r)
		}
	}()
	var err error
	if opts.Sync {
		err = s.db.ApplyNoSyncWait(b, opts)
	} else {
		err = s.db.Apply(b, opts)
	}
	if err != nil {
		return unknown(err)
	}
	return nil
}

// synced waits until an applied batch is on disk. Pebble leaves it to whoever
// waits so to end the process.
func (s *Store) synced(b *pebble.Batch) {
	if err := b.SyncWait(); err != nil {
		logger{s.log}.Fatalf("the log cannot be synced: %v", err)
	}
}
