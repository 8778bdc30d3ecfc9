package daemon

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestUntilSignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			hurried := make(chan os.Signal, 1)
			ctx, release := UntilSignal(t.Context(), func(s os.Signal) { hurried <- s })
			defer release()
			raise(t, s)
			<-ctx.Done()
			stopped, ok := errors.AsType[*Stopped](context.Cause(ctx))
			if !ok || stopped.Signal != s {
				t.Errorf("cause %v", context.Cause(ctx))
			}
			if len(hurried) > 0 {
				t.Error("one signal counts as two")
			}
			raise(t, syscall.SIGTERM)
			if got := <-hurried; got != syscall.SIGTERM {
				t.Errorf("the second signal came as %v", got)
			}
		})
	}
}

func TestUntilSignalReleased(t *testing.T) {
	ctx, release := UntilSignal(t.Context(), func(os.Signal) { t.Error("hurried") })
	release()
	release()
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("cause %v", context.Cause(ctx))
	}
	parent, cancel := context.WithCancel(t.Context())
	ctx, release = UntilSignal(parent, func(os.Signal) { t.Error("hurried") })
	defer release()
	cancel()
	<-ctx.Done()
}

// raise sends the signal to this process.
func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}
