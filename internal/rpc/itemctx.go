package rpc

import (
	"context"
	"sync"
	"time"
)

// itemContext is the context of one item: its stream's, with a deadline. Most
// services read the deadline and never wait on Done, so the timer, and all else
// that context.WithDeadline costs, is made only when Done is called.
type itemContext struct {
	context.Context // of the stream
	deadline        time.Time

	mu     sync.Mutex
	inner  context.Context // made by Done
	cancel context.CancelFunc
	over   bool // the item is answered
}

// bind begins the context, for an item with timeoutMillis left at now; 0: no
// deadline.
func (c *itemContext) bind(ctx context.Context, timeoutMillis uint32, now time.Time) {
	c.Context = ctx
	if timeoutMillis > 0 {
		c.deadline = now.Add(time.Duration(timeoutMillis) * time.Millisecond)
	}
}

// Deadline is the item's; a stream has none.
func (c *itemContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done is closed at the deadline, at the end of the stream, and once the item
// has been answered.
func (c *itemContext) Done() <-chan struct{} {
	if c.deadline.IsZero() {
		return c.Context.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithDeadline(c.Context, c.deadline)
		if c.over {
			c.cancel()
		}
	}
	return c.inner.Done()
}

// Err is what ended the context, nil before.
func (c *itemContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.Context.Err() != nil:
		return c.Context.Err()
	case c.over && !c.deadline.IsZero():
		return context.Canceled
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the inner context once there is one: so the context package finds
// the canceler that belongs to Done, and derived contexts need no goroutine.
func (c *itemContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.Context.Value(key)
}

// end frees the timer; the item is answered.
func (c *itemContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}
