package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Stopped is the cause of a context that a signal ended.
type Stopped struct { //nolint:errname // it is the cause of an end, not a failure
	Signal os.Signal
}

func (s *Stopped) Error() string { return fmt.Sprintf("stopped by the signal %q", s.Signal) }

// UntilSignal returns a context that the first SIGINT or SIGTERM ends, with a
// *Stopped as its cause. The second one calls hurry, which should end the
// process: an orderly stop is under way and takes too long for somebody. Call
// release when the stop is over; signals then act as they did before.
func UntilSignal(parent context.Context, hurry func(os.Signal)) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// The runtime drops what does not fit; more than two say nothing new.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for act := func(s os.Signal) { cancel(&Stopped{s}) }; ; act = hurry {
			select {
			case s := <-signals:
				act(s)
			case <-over:
				return
			}
		}
	})
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(over)
		watcher.Wait()
		cancel(nil)
	})
}

// Hangups tells of each SIGHUP, which then no longer ends the process. Those that come
// while nobody takes them count as one. After release the signal acts as before.
func Hangups() (signals <-chan os.Signal, release func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}
