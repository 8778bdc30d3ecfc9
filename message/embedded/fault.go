package embedded

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"gopush/internal/push"
)

// fault remembers the first failure after which the store cannot go on. It is
// Pebble's logger too, because that is how Pebble tells of some of them.
type fault struct {
	log    *slog.Logger  // immutable
	ended  chan struct{} // closed when the store is about to close
	broken chan struct{} // closed with the first failure
	first  atomic.Pointer[error]
	armed  atomic.Bool // the store is open: errors are kept from Pebble
}

func newFault(log *slog.Logger) *fault {
	return &fault{log: log, ended: make(chan struct{}), broken: make(chan struct{})}
}

// set records a failure; the first one is logged.
func (f *fault) set(err error) {
	if f.first.CompareAndSwap(nil, &err) {
		close(f.broken)
		f.log.Error("the store cannot go on; free or replace the disk, then restart", slog.Any("error", err))
	}
}

func (f *fault) get() error {
	if p := f.first.Load(); p != nil {
		return *p
	}
	return nil
}

// swallow makes err the fault, and reports whether Pebble is not to hear of it.
func (f *fault) swallow(err error) bool {
	if err == nil || !f.armed.Load() {
		return false
	}
	f.set(err)
	return true
}

// hold stops the background work of Pebble after a fault, which it would try
// again without a pause, until the store ends.
func (f *fault) hold() error {
	err := f.get()
	if err != nil && f.armed.Load() {
		<-f.ended
	}
	return err
}

// refusal answers calls that come after the failure.
func (f *fault) refusal() error {
	if err := f.get(); err != nil {
		return push.Wrap(push.KindStoreUnavailable, err, "the disk of the store failed; free or replace it, then restart the process")
	}
	return nil
}

// Infof drops Pebble's chatter.
func (f *fault) Infof(string, ...any) {}

// Errorf keeps what went wrong in the background and will be tried again.
func (f *fault) Errorf(format string, args ...any) {
	f.log.Error("pebble", slog.String("text", fmt.Sprintf(format, args...)))
}

// Fatalf returns, although Pebble expects the process to end here: what follows
// may claim success, so whoever asked Pebble to write looks at the fault before
// believing it.
func (f *fault) Fatalf(format string, args ...any) {
	f.set(fmt.Errorf("pebble: "+format, args...))
}
