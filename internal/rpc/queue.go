package rpc

import "time"

// queue holds the calls of a pipe that no frame has taken yet, oldest first.
type queue[Q, A any] struct {
	calls []*call[Q, A]
	head  int // calls before it are gone
}

func (q *queue[Q, A]) push(c *call[Q, A]) {
	if q.head > 0 && len(q.calls) == cap(q.calls) {
		// Reuse the front rather than grow: a queue that is never quite empty
		// would creep through memory.
		n := copy(q.calls, q.calls[q.head:])
		clear(q.calls[n:])
		q.calls, q.head = q.calls[:n], 0
	}
	q.calls = append(q.calls, c)
}

// peek is the oldest call; nil when the queue is empty.
func (q *queue[Q, A]) peek() *call[Q, A] {
	if q.head == len(q.calls) {
		return nil
	}
	return q.calls[q.head]
}

// drop removes the oldest call.
func (q *queue[Q, A]) drop() {
	q.calls[q.head] = nil
	q.head++
	if q.head == len(q.calls) {
		q.calls, q.head = q.calls[:0], 0
	}
}

// Bounds of the wait before a stream that could not be opened is tried again.
const (
	backoffFirst = 25 * time.Millisecond
	backoffMost  = time.Second
)

// pacing spaces the attempts to open a stream. The zero value allows one now.
type pacing struct {
	failures int
	until    time.Time
	cause    error
}

// wait is how long no attempt may be made.
func (b *pacing) wait(now time.Time) time.Duration { return b.until.Sub(now) }

// fail records a stream that ended without a single answer.
func (b *pacing) fail(now time.Time, cause error) {
	delay := min(backoffFirst<<min(b.failures, 10), backoffMost)
	b.failures++
	b.until, b.cause = now.Add(delay), cause
}

// pause allows no attempt for d, without counting a failure.
func (b *pacing) pause(now time.Time, d time.Duration, cause error) {
	b.until, b.cause = now.Add(d), cause
}

// reset allows an attempt at once: the peer has answered.
func (b *pacing) reset() { *b = pacing{} }
