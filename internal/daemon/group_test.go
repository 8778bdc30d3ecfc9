package daemon

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diary keeps what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) check(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Error(diff)
	}
}

// worker is ready after warm, and takes cool to stop.
func (d *diary) worker(name string, warm, cool time.Duration) Component {
	return Component{Name: name, Run: func(ctx context.Context, ready func()) error {
		d.write(name + " starts")
		<-time.After(warm)
		d.write(name + " is ready")
		ready()
		ready() // only the first counts
		<-ctx.Done()
		d.write(name + " stops")
		<-time.After(cool)
		d.write(name + " has ended")
		return nil
	}}
}

func TestGroupOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		err := RunGroup(ctx, GroupConfig{Ready: func() { d.write("all ready"); cancel() }}, quiet,
			d.worker("a", time.Second, time.Second), d.worker("b", time.Second, 2*time.Second), d.worker("c", 0, 0))
		if err != nil {
			t.Error(err)
		}
		d.check(t, "a starts", "a is ready", "b starts", "b is ready", "c starts", "c is ready", "all ready",
			"c stops", "c has ended", "b stops", "b has ended", "a stops", "a has ended")
	})
}

func TestGroupEndsWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := RunGroup(ctx, GroupConfig{Ready: func() { d.write("all ready") }}, quiet,
			d.worker("a", time.Second, 0), d.worker("b", time.Second, 0), d.worker("c", 0, 0))
		if err != nil {
			t.Error(err)
		}
		// b is told to stop before it is ready, and ends when it can.
		d.check(t, "a starts", "a is ready", "b starts", "b is ready", "b stops", "b has ended", "a stops", "a has ended")
	})
}

func TestGroupFailure(t *testing.T) {
	broken := errors.New("broken")
	fails := func(after time.Duration, err error) Component {
		return Component{Name: "f", Run: func(_ context.Context, ready func()) error {
			if after > 0 {
				ready()
				<-time.After(after)
			}
			return err
		}}
	}
	tests := map[string]struct {
		bad  Component
		want string
		is   error
	}{
		"at once":   {fails(0, broken), "f: broken", broken},
		"later":     {fails(time.Minute, broken), "f: broken", broken},
		"by itself": {fails(time.Minute, nil), "f: ended by itself", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				err := RunGroup(t.Context(), GroupConfig{}, quiet, d.worker("a", 0, 0), tt.bad)
				if err == nil || err.Error() != tt.want || (tt.is != nil && !errors.Is(err, tt.is)) {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				d.check(t, "a starts", "a is ready", "a stops", "a has ended")
			})
		})
	}
}

// TestGroupEveryFailureIsTold: one that fails while stopping is not lost behind
// the one that began it.
func TestGroupEveryFailureIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := errors.New("one"), errors.New("two")
		err := RunGroup(t.Context(), GroupConfig{}, quiet,
			Component{Name: "a", Run: func(ctx context.Context, ready func()) error {
				ready()
				<-ctx.Done()
				return one
			}},
			Component{Name: "b", Run: func(context.Context, func()) error { return two }})
		if !errors.Is(err, one) || !errors.Is(err, two) {
			t.Errorf("error %v", err)
		}
	})
}

func TestGroupGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		release := make(chan struct{})
		stuck := Component{Name: "stuck", Run: func(_ context.Context, ready func()) error {
			ready()
			<-release
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		err := RunGroup(ctx, GroupConfig{Grace: 3 * time.Second, Ready: cancel}, quiet,
			d.worker("a", 0, time.Second), stuck, d.worker("c", 0, time.Second))
		if !errors.Is(err, ErrGrace) || !strings.HasPrefix(err.Error(), "a, stuck: ") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		close(release)
		<-time.After(2 * time.Second)
		// a was told to stop all the same, so that it saves what it can.
		d.check(t, "a starts", "a is ready", "c starts", "c is ready", "c stops", "c has ended", "a stops", "a has ended")
	})
}

func TestGroupConfig(t *testing.T) {
	if err := RunGroup(t.Context(), GroupConfig{Grace: -1}, quiet); err == nil {
		t.Error("a negative grace passes")
	}
}

// TestGroupKeepsValues: components see the values of the caller's context.
func TestGroupKeepsValues(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
	err := RunGroup(ctx, GroupConfig{}, quiet, Component{Name: "a", Run: func(ctx context.Context, _ func()) error {
		cancel()
		<-ctx.Done()
		if ctx.Value(key{}) != "v" {
			t.Error("the value is gone")
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}
