package hbase

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// take takes the lock; it ends with the test at the latest.
func take(t *testing.T, a *Admin) (context.Context, *schemaLock) {
	t.Helper()
	held, l, err := a.lockSchema(t.Context(), messages, lockLease, nil)
	if err != nil {
		t.Fatal(err)
	}
	return held, l
}

// TestLockExcludes: a second one waits, is told for whom, and has the lock right
// after it was given back. While it is renewed, it lasts.
func TestLockExcludes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fakeAdmin(nil, nil, newFakeRows())
		held, first := take(t, a)
		waited := ""
		done := make(chan time.Time)
		go func() {
			_, second, err := a.lockSchema(t.Context(), messages, lockLease, func(holder string) { waited = holder })
			if err != nil {
				t.Error(err)
			}
			at := time.Now()
			if err := second.release(t.Context()); err != nil {
				t.Error(err)
			}
			done <- at
		}()
		<-time.After(10 * lockLease.life)
		if held.Err() != nil {
			t.Error("lost:", context.Cause(held))
		}
		released := time.Now()
		if err := first.release(t.Context()); err != nil {
			t.Error(err)
		}
		if took := (<-done).Sub(released); took > lockLease.poll || took < 0 {
			t.Errorf("the second one had it %s after it was given back", took)
		}
		if waited != holderName() {
			t.Errorf("it waited for %q", waited)
		}
		if holder, err := a.LockHolder(t.Context(), messages); holder != "" || err != nil {
			t.Errorf("%q holds it, %v", holder, err)
		}
	})
}

// TestLockOfTheDead: a holder that was killed blocks others for one lease.
func TestLockOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fakeAdmin(nil, nil, newFakeRows())
		_, dead := take(t, a)
		dead.cancel(nil)
		dead.keeper.Wait()
		start := time.Now()
		_, next := take(t, a)
		if took := time.Since(start); took > lockLease.life+lockLease.poll || took < lockLease.lost {
			t.Errorf("the next one had it after %s", took)
		}
		if err := next.release(t.Context()); err != nil {
			t.Error(err)
		}
		// Who comes late gives back nothing that is not his.
		_, third := take(t, a)
		if err := dead.release(t.Context()); err != nil {
			t.Error(err)
		}
		if holder, err := a.LockHolder(t.Context(), messages); holder == "" || err != nil {
			t.Errorf("nobody holds it any more, %v", err)
		}
		if err := third.release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestLockLost: who cannot renew it stops before anybody else can have it.
func TestLockLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRows()
		a := fakeAdmin(nil, nil, f)
		held, l := take(t, a)
		start := time.Now()
		f.fail(errors.New("no route"))
		<-held.Done()
		if took := time.Since(start); took >= lockLease.life || !errors.Is(context.Cause(held), errLockLost) {
			t.Errorf("after %s: %v", took, context.Cause(held))
		}
		if err := l.release(t.Context()); err == nil {
			t.Error("given back, though HBase is away")
		}
	})
}

// TestLockStolen: another value in the cell ends it at the next renewal.
func TestLockStolen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRows()
		held, l := take(t, fakeAdmin(nil, nil, f))
		f.set(messages.String(), rowLock, []byte("somebody else"))
		<-held.Done()
		if !errors.Is(context.Cause(held), errLockLost) {
			t.Error(context.Cause(held))
		}
		if err := l.release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestLockAnswerLost: a write that was repeated, and so found itself, counts.
func TestLockAnswerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRows()
		f.lost = true
		start := time.Now()
		_, l := take(t, fakeAdmin(nil, nil, f))
		if took := time.Since(start); took != 0 {
			t.Errorf("it waited %s for itself", took)
		}
		if err := l.release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestLockWaitEnds with the context of the one who waits.
func TestLockWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fakeAdmin(nil, nil, newFakeRows())
		_, l := take(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := a.lockSchema(ctx, messages, lockLease, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := l.release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
