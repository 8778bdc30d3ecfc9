package e2e

import (
	"context"
	"testing"
	"time"
)

// pollEvery is how often a condition that nobody announces is looked at.
const pollEvery = 5 * time.Millisecond

// Until waits for a condition. what says what was waited for, in the failure;
// cond says what it sees instead while it does not hold.
func Until(tb testing.TB, most time.Duration, what string, cond func() (ok bool, sees string)) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), most)
	defer cancel()
	ok, sees := cond()
	for !ok {
		if !Pause(ctx, pollEvery) {
			tb.Fatalf("waited %s for %s; it is %s", most, what, sees)
		}
		ok, sees = cond()
	}
}

// Pause waits for d; false when ctx ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
