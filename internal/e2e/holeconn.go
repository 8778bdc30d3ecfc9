package e2e

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// holdBytes is how much a connection takes from its writer while it is cut: about what
// a kernel takes before it lets the writer wait.
const holdBytes = 64 << 10

// holeConn is a connection that can be cut, which neither end is told. What is written
// meanwhile is held, and so is what has arrived, an end or a reset included; after the mend all of it is
// delivered, as TCP would by sending it again. The peer's own writes stay in the kernel.
//
// The hole is at this end, above TCP. So the kernel's own limit on data that nobody confirms, which
// gRPC sets, has no effect, and the end of a connection is found later than between machines. If this process dies while the connection is cut, its
// kernel tells the peer, which a real hole would not let through.
type holeConn struct {
	net.Conn // the real one

	addr     string       // immutable; as it was dialled
	spawn    func(func()) // immutable; runs a function on a goroutine that somebody waits for
	greeting *greeting    // immutable; of a connection to ZooKeeper, else nil; what is in it is guarded by mu

	mu       sync.Mutex
	change   *sync.Cond   // on mu; anything below has changed, or a deadline has passed
	cut      bool         // guarded by mu
	closed   bool         // guarded by mu; by this end
	shut     bool         // guarded by mu; the real one is closed
	flushing bool         // guarded by mu; a goroutine delivers out
	out      []byte       // guarded by mu; written and not sent yet, before anything else
	in       []byte       // guarded by mu; arrived and not read yet
	end      error        // guarded by mu; what the real one's reads ended with, after in
	readBy   holeDeadline // guarded by mu
	writeBy  holeDeadline // guarded by mu
}

// holeDeadline wakes who waits when it passes.
type holeDeadline struct {
	at    time.Time // zero: none
	timer *time.Timer
}

func (d *holeDeadline) set(t time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.at = t; !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), wake)
	}
}

func (d *holeDeadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHoleConn(real net.Conn, addr string, spawn func(func())) *holeConn {
	c := &holeConn{Conn: real, addr: addr, spawn: spawn}
	c.change = sync.NewCond(&c.mu)
	return c
}

// setCut cuts or mends the connection. What it held is on its way when that returns.
func (c *holeConn) setCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if !cut && !c.shut && !c.flushing && (len(c.out) > 0 || c.closed) {
		c.flushing = true
		_ = c.Conn.SetWriteDeadline(c.lastMoment()) // what was taken has no deadline any more
		c.spawn(c.flush)
	}
	c.change.Broadcast()
}

// lingers is how long what was written before a Close may take to go out.
const lingers = 5 * time.Second

// lastMoment bounds a flush after a Close. The caller holds mu.
func (c *holeConn) lastMoment() time.Time {
	if c.closed {
		return time.Now().Add(lingers)
	}
	return time.Time{}
}

// flush sends what was held, until nothing is left or the connection is cut again. It
// ends with the connection at the latest.
func (c *holeConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && !c.cut {
		b := c.out
		c.out = nil
		c.mu.Unlock()
		_, err := c.Conn.Write(b)
		c.mu.Lock()
		c.change.Broadcast()
		if err != nil {
			break // whoever reads or writes next meets it too
		}
	}
	c.flushing = false
	switch {
	case c.closed && !c.cut:
		_ = c.shutDown() // Close has long returned
	case !c.closed:
		_ = c.Conn.SetWriteDeadline(c.writeBy.at)
	}
	c.change.Broadcast()
}

// Read waits while the connection is cut, and hides what arrives meanwhile.
func (c *holeConn) Read(b []byte) (int, error) {
	for {
		if n, ok, err := c.arrived(b); ok {
			return n, err
		}
		n, err := c.Conn.Read(b)
		if c.keep(b[:n], err) {
			continue
		}
		return n, err
	}
}

// arrived waits until the connection may be read from. ok: there is an answer already.
func (c *holeConn) arrived(b []byte) (n int, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.cut && !c.closed && !c.readBy.passed() {
		c.change.Wait()
	}
	switch {
	case c.closed:
		return 0, true, net.ErrClosed
	case c.readBy.passed():
		return 0, true, os.ErrDeadlineExceeded
	case len(c.in) > 0:
		n = copy(b, c.in)
		c.in = c.in[n:]
		return n, true, nil
	}
	return 0, c.end != nil, c.end
}

// keep takes what a read has brought if nobody may see it yet.
func (c *holeConn) keep(b []byte, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greeting != nil {
		c.greeting.hear(b)
	}
	if !c.closed && !c.cut {
		return false
	}
	c.in = append(c.in, b...)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // that is this end's own affair
		c.end = err
	}
	return true
}

// Write takes a little while the connection is cut, and then waits.
func (c *holeConn) Write(b []byte) (int, error) {
	done := 0
	for {
		n, direct, err := c.hold(b[done:])
		done += n
		if direct {
			n, err = c.Conn.Write(b[done:])
			return done + n, err
		}
		if err != nil || done == len(b) {
			return done, err
		}
	}
}

// hold takes what there is room for; direct: everything held has gone, and nothing
// needs to be.
func (c *holeConn) hold(b []byte) (n int, direct bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.cut || c.flushing) && len(c.out) >= holdBytes && !c.closed && !c.writeBy.passed() {
		c.change.Wait()
	}
	switch {
	case c.closed:
		return 0, false, net.ErrClosed
	case c.writeBy.passed():
		return 0, false, os.ErrDeadlineExceeded
	case !c.cut && !c.flushing:
		return 0, true, nil
	}
	n = min(len(b), holdBytes-len(c.out))
	c.out = append(c.out, b[:n]...)
	return n, false, nil
}

// Close ends this end. The peer hears of it when what was written has gone out, so
// after the mend.
func (c *holeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.readBy.set(time.Time{}, nil)
	c.writeBy.set(time.Time{}, nil)
	c.change.Broadcast()
	if !c.cut && !c.flushing {
		return c.shutDown()
	}
	// Whoever reads from the real one comes out of it, and learns of the end.
	return errors.Join(c.Conn.SetReadDeadline(time.Unix(1, 0)), c.Conn.SetWriteDeadline(c.lastMoment()))
}

// shutDown closes the real connection. The caller holds mu.
func (c *holeConn) shutDown() error {
	c.shut = true
	return c.Conn.Close()
}

// drop ends both at once, whatever was held.
func (c *holeConn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.change.Broadcast()
	if !c.shut {
		_ = c.shutDown() // nobody needs it any more
	}
}

// over reports whether the real connection is closed.
func (c *holeConn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut
}

// SetDeadline sets both.
func (c *holeConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline holds whether the connection is cut or not.
func (c *holeConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.readBy.set(t, c.wake)
	c.change.Broadcast()
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline holds whether the connection is cut or not. What was taken from a
// writer is sent without one.
func (c *holeConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.writeBy.set(t, c.wake)
	c.change.Broadcast()
	if c.flushing {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *holeConn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change.Broadcast()
}
