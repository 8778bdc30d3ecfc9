package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gopush/message"
)

// Open gives a store that goes by clock. It may be the same one each time, as
// every check uses keys of its own; it closes it by t.Cleanup.
type Open func(t *testing.T, clock *Clock) message.Store

// Check is one thing that a store has to do.
type Check struct {
	Name string
	Do   func(*Subject) error
}

// checkTimeout bounds one check, on the slowest of stores.
const checkTimeout = 5 * time.Minute

// Run holds a store to all the checks.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
			defer cancel()
			clock := NewClock()
			if err := c.Do(NewSubject(ctx, open(t, clock), clock)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Checks lists them all.
func Checks() []Check {
	return []Check{
		{"order", checkOrder},
		{"exclusive cursor", checkCursor},
		{"limit", checkLimit},
		{"bytes", checkBytes},
		{"paging", checkPaging},
		{"exact ids", checkExactIDs},
		{"bodies", checkBodies},
		{"neighbouring keys", checkNeighbours},
		{"public stream", checkPublic},
		{"unknown key", checkUnknownKey},
		{"several keys in one save", checkManyKeys},
		{"repeated save", checkRepeat},
		{"full burst", checkFullBurst},
		{"torn bursts", checkTorn},
		{"follow", checkFollow},
		{"many writers", checkWriters},
		{"expiry", checkExpiry},
		{"gaps of expired messages", checkExpiredGaps},
		{"no gaps from the beginning", checkQuiet},
		{"given up rows", checkOffChain},
		{"newest n", checkNewestN},
		{"delete", checkDelete},
		{"late save after delete", checkLateDeleted},
		{"recall", checkRecall},
		{"recall of nothing", checkRecallNothing},
		{"late save after recall", checkLateRecalled},
		{"discard", checkDiscard},
		{"late save after discard", checkLateDiscarded},
		{"find", checkFind},
		{"find outlives", checkFindOutlives},
		{"find before visible", checkFindFirst},
		{"discard frees", checkDiscardFrees},
		{"newest", checkNewest},
		{"cancelled", checkCancelled},
		{"model", checkModel},
	}
}

// Subject is a store under one check.
type Subject struct {
	Store message.Store
	Clock *Clock

	ctx context.Context
	tag string // begins the keys of this check
	ids ids
}

// NewSubject puts a store to a check. ctx bounds all of its calls.
func NewSubject(ctx context.Context, store message.Store, clock *Clock) *Subject {
	return &Subject{Store: store, Clock: clock, ctx: ctx, tag: fmt.Sprintf("t%016x", rand.Uint64()), ids: ids{clock: clock}}
}
