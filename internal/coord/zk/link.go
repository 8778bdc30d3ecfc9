package zk

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"
)

// The answer to a connection's first request begins with its length, the
// version of the protocol and the session timeout that the server grants.
const (
	headBytes   = 12
	maxGreeting = 1024
)

// link is a connection to a server. The library does not tell which session
// timeout the server has granted, and waits nearly seven of them for a server
// that accepts and says nothing; so the link listens in, and sets a limit.
type link struct {
	net.Conn
	limit   time.Duration       // immutable; for each read
	granted func(time.Duration) // immutable; called once, by the reading goroutine
	heard   func()              // immutable; nil, or called after each read that brought something
	head    []byte              // owned by the reading goroutine
	now     func() time.Time    // immutable
	mu      sync.Mutex          // guards greeted
	greeted bool
}

// Read notes the first bytes.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if n > 0 && l.heard != nil {
		l.heard()
	}
	if len(l.head) < headBytes {
		l.head = append(l.head, b[:min(n, headBytes-len(l.head))]...)
		if bad := l.greet(); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// greet reads what there is of the greeting.
func (l *link) greet() error {
	if len(l.head) >= 4 && binary.BigEndian.Uint32(l.head) > maxGreeting {
		return errors.New("what answers there is not ZooKeeper")
	}
	if len(l.head) == headBytes {
		l.granted(time.Duration(binary.BigEndian.Uint32(l.head[8:])) * time.Millisecond)
		l.mu.Lock()
		l.greeted = true
		l.mu.Unlock()
	}
	return nil
}

// SetReadDeadline keeps a read from waiting longer than the limit. The library
// takes the deadline away while it waits for the rest of the greeting; here it
// stays.
func (l *link) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	greeted := l.greeted
	l.mu.Unlock()
	if latest := l.now().Add(l.limit); t.After(latest) || t.IsZero() && !greeted {
		t = latest
	}
	return l.Conn.SetReadDeadline(t)
}
