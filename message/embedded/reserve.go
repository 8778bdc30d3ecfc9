package embedded

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/push"
)

// lookEvery is how often the disk is asked for its room.
const lookEvery = time.Second

// reserve keeps some room of the disk free, as Pebble ends the process when it cannot
// write its log. What removes messages, and what readers ask for, goes on: it makes room,
// or takes none.
type reserve struct {
	least int64                   // immutable: the bytes that stay free; 0: nothing is watched
	ask   func() (uint64, error)  // immutable: the bytes that are free
	log   *slog.Logger            // immutable
	mu    sync.Mutex              // held while the disk is asked
	free  atomic.Uint64           // as it was last
	low   atomic.Bool             // messages are refused
	spent atomic.Int64            // bytes that were written since the disk was asked
	fails atomic.Pointer[failure] // why it could not be asked last; nil: it could
}

type failure struct{ text string }

// run looks until ctx ends.
func (r *reserve) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look()
		}
	}
}

// look asks the disk. Messages are taken again only once there is an eighth more room
// than has to be, so that the two do not alternate. Changes are worth a line in the log.
func (r *reserve) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent.Store(0)
	free, err := r.ask()
	if err != nil {
		if before := r.fails.Swap(&failure{err.Error()}); before == nil || before.text != err.Error() {
			r.log.Warn("the room on the disk of the data folder cannot be read", slog.Any("error", err))
		}
		return
	}
	r.fails.Store(nil)
	r.free.Store(free)
	least := uint64(r.least) //nolint:gosec // not negative: see Config.validate
	switch low := r.low.Load(); {
	case !low && free < least:
		r.low.Store(true)
		r.log.Error("the disk of the data folder is almost full: no message is stored until there is room; free some, or give it another disk",
			slog.Uint64("free_bytes", free), slog.Uint64("min_free_bytes", least))
	case low && free >= least+least/8:
		r.low.Store(false)
		r.log.Info("the disk of the data folder has room again: messages are stored", slog.Uint64("free_bytes", free))
	}
}

// take asks to store so many bytes. Who writes fast has the disk asked more often.
func (r *reserve) take(bytes int) error {
	if r.least == 0 {
		return nil
	}
	if r.spent.Add(int64(bytes)) >= r.least/4 {
		r.look()
	}
	if r.low.Load() {
		return push.E(push.KindStoreUnavailable, "the disk of the store is almost full; nothing is stored until there is room")
	}
	return nil
}

// Room is how many bytes of the disk were free when it was last asked, and whether
// messages are refused because those are too few. Without Config.MinFree it is not asked.
func (s *Store) Room() (free uint64, full bool) { return s.reserve.free.Load(), s.reserve.low.Load() }
