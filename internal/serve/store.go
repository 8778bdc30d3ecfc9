package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gopush/internal/daemon"
	"gopush/message"
)

// The kinds of stores.
const hbaseKind = "hbase"

// storeOf opens the store that the settings name. Nothing is made or changed in
// HBase, and nothing asked yet: it may come later.
func (s *System) storeOf() (message.Store, error) {
	c := &s.cfg
	if c.Settings.Store.Kind != hbaseKind {
		store, err := c.OpenStore(c.path(storeFolder))
		if r, ok := store.(roomy); ok && err == nil && c.Settings.Store.MinFree > 0 {
			s.watchRoom(r)
		}
		return store, err
	}
	store, err := c.OpenHBase(c.Settings.Store, s.part("store"), s.metrics)
	if err != nil {
		return nil, err
	}
	if c.clustered() {
		return store, nil // ids are not made from this folder
	}
	// From now on there may be messages, so the files of ids must not be missing
	// at the next start.
	if err := os.WriteFile(c.path(hbaseFile), []byte(c.Settings.Store.Table+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), store.Close())
	}
	return store, nil
}

// roomy is a store that keeps some room of its disk free.
type roomy interface {
	// Room is how many bytes are free, and whether messages are refused as those are too few.
	Room() (free uint64, full bool)
}

func (s *System) watchRoom(r roomy) {
	s.metrics.MustRegister(
		gauge("gopush_store_free_bytes", "Room on the disk of the embedded store.", func() float64 { free, _ := r.Room(); return float64(free) }),
		gauge("gopush_store_full", "1 while no message is stored, as the disk has less room than store.min_free.", func() float64 { _, full := r.Room(); return bit(full) }),
	)
}

// fresh reports whether there can be no message yet whose id this folder gave.
func (c *Config) fresh() (bool, error) {
	if _, err := os.Stat(c.path(hbaseFile)); err == nil {
		return false, nil
	} else if !os.IsNotExist(err) {
		return false, fmt.Errorf("data folder: %w", err)
	}
	return empty(c.path(storeFolder))
}

// checked is a store that cannot always be used: HBase may be away, and its
// table missing or of another schema. The error says what to do.
type checked interface {
	Check(ctx context.Context) error
}

// Times of checks. Two small reads every few seconds cost HBase nothing.
const (
	checkEvery = 2 * time.Second
	checkAgain = time.Second // after one that failed
	checkLimit = 15 * time.Second
)

// storeComponent holds the roles back until the store can be used, and keeps
// readiness informed after that. A store that is always there needs none.
func (s *System) storeComponent() (daemon.Component, bool) {
	store, ok := s.store.(checked)
	if !ok {
		return daemon.Component{}, false
	}
	w := &storeWatch{store: store, log: s.part("store")}
	w.last.Store(&verdict{errors.New("not asked yet")})
	usable := func() error { return w.last.Load().err }
	s.health.Add("store", usable)
	s.metrics.MustRegister(gauge("gopush_store_usable", "1 while the table is there and of a schema that this program can use, as checked every few seconds.",
		func() float64 { return bit(usable() == nil) }))
	return daemon.Component{Name: "store", Run: w.run}, true
}

// storeWatch asks a store again and again.
type storeWatch struct {
	store checked      // immutable
	log   *slog.Logger // immutable

	last atomic.Pointer[verdict]
}

// verdict is what a check found.
type verdict struct{ err error }

// run asks until ctx ends. Only changes are worth a line in the log.
func (w *storeWatch) run(ctx context.Context, ready func()) error {
	for ctx.Err() == nil {
		err := w.ask(ctx)
		pause := checkEvery
		switch before := w.last.Swap(&verdict{err}).err; {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the stop is what made it fail
		case err == nil:
			if before != nil {
				w.log.InfoContext(ctx, "the store can be used")
			}
			ready()
		default:
			pause = checkAgain
			if before == nil || before.Error() != err.Error() {
				w.log.WarnContext(ctx, "the store cannot be used", slog.Any("error", err))
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

func (w *storeWatch) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	return w.store.Check(ctx)
}
