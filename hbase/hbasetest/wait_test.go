package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// answers gives one error after the other, and the last one for ever.
func answers(list ...error) func(context.Context) error {
	return func(context.Context) error {
		err := list[0]
		if len(list) > 1 {
			list = list[1:]
		}
		return err
	}
}

func alive() error { return nil }

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		other := errors.New("refused")
		check := answers(other, notYetError("one"), fmt.Errorf("%w: %w", notYetError("one"), other), notYetError("two"), other, notYetError("one"), nil)
		must(t, wait(t.Context(), check, func(text string) { said = append(said, text) }, alive))
		if want := []string{"one", "two", "one"}; !slices.Equal(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		enough, mute := errors.New("enough"), func(string) {}
		dead := func() error { return errors.New("the master does not run") }
		if err := wait(ctx, answers(notYetError("one")), mute, dead); err == nil || !strings.Contains(err.Error(), "does not run") || !strings.Contains(err.Error(), "one") {
			t.Errorf("a process has ended: %v", err)
		}
		cancel(enough)
		if err := wait(ctx, answers(notYetError("one")), mute, alive); !errors.Is(err, enough) || !errors.Is(err, notYetError("one")) {
			t.Errorf("the context has ended: %v", err)
		}
	})
}
