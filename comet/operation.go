package comet

import (
	"context"
	"time"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// operation is one thing asked of a stream. Operations of a stream happen one
// after the other, in the order in which they came.
type operation struct {
	kind     opKind
	ctx      context.Context
	deadline time.Time
	since    time.Time  // when it was taken on
	push     push.Push  // opStore, opTransient
	id       push.ID    // opRecall
	line     trace.Span // from taking it on until it has its id
	// done is called exactly once, outside all locks, and must not block.
	done func(push.Receipt, error)
}

type opKind uint8

const (
	opStore opKind = iota
	opTransient
	opRecall
	opDelete
	// opBarrier does nothing; when its turn comes, all before it has ended.
	opBarrier
)

// operationCost is what an operation counts for beyond its body.
const operationCost = 128

func (op *operation) size() int { return operationCost + len(op.push.Body) }

// pushed reports whether it is a pusher's own message for the key. Revoked tokens are none.
func (op *operation) pushed(key push.Key) bool {
	return (op.kind == opStore || op.kind == opTransient) && key != push.RevokedKey
}

// enqueue adds op and reports whether the caller must start the channel, or
// that the queue is full.
func (ch *channel) enqueue(op *operation, maxOps, maxBytes int) (start, full bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.queue) >= maxOps || (len(ch.queue) > 0 && ch.queueBytes+op.size() > maxBytes) {
		return false, true
	}
	ch.queue = append(ch.queue, op)
	ch.queueBytes += op.size()
	start = !ch.busy
	ch.busy = true
	return start, false
}

// take removes what goes next: one operation, or as many stores as one row may
// hold (a burst). Empty: the channel is not busy any more.
func (ch *channel) take() []*operation {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	n, bytes := 0, 0
	for n < len(ch.queue) && n < push.MaxBurstMessages {
		op := ch.queue[n]
		if n > 0 && (op.kind != opStore || bytes+len(op.push.Body) > push.MaxBurstBytes) {
			break
		}
		n++
		bytes += len(op.push.Body)
		ch.queueBytes -= op.size()
		if op.kind != opStore {
			break
		}
	}
	unit := ch.queue[:n:n]
	ch.queue = ch.queue[n:]
	if len(ch.queue) == 0 {
		ch.queue = nil
	}
	ch.busy = n > 0
	return unit
}
