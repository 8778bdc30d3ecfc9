package storetest

import (
	"sync"
	"time"
)

// Clock is the time that a store under test goes by. It stands still until it is
// moved, and only moves forward. It begins now, as a store may tell the age of
// a message from its id.
type Clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

// NewClock returns a clock that stands at the present.
func NewClock() *Clock { return &Clock{now: time.Now().Truncate(time.Millisecond)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
}

// millis is the clock's time in milliseconds since the Unix epoch.
func (c *Clock) millis() int64 { return c.Now().UnixMilli() }
