package comet

import (
	"bufio"
	"net"
	"syscall"
	"time"
)

// reader is the reading side of a connection. It alternates between two
// goroutines, one at a time: an idle connection is parked on a fresh goroutine,
// whose stack has the smallest size there is; what reading a frame needs is more
// than that, so it is done on another one, which ends before parking.
type reader struct {
	// immutable
	s       *subscriber
	in      *bufio.Reader
	raw     syscall.RawConn // nil: the connection cannot tell when it is readable
	silence time.Duration   // the longest that the client may say nothing; 0: any
	step    func() bool     // reads one frame; false: the connection has ended
	ended   func(error)     // says why a connection that was parked ended
	leave   func()          // leaves the connection's channels

	err error // owned by the goroutine that reads
}

// start reads frames until the connection ends, and then dismisses it. The caller
// must do nothing more with the connection.
func (r *reader) start(conn net.Conn) {
	r.raw = rawConn(conn)
	r.rest()
}

// rest parks the connection, unless there is something to read already.
func (r *reader) rest() {
	r.heard()
	if r.raw == nil || r.in.Buffered() > 0 {
		r.s.node.spawn(r.read)
		return
	}
	r.s.node.spawn(r.park)
}

// park waits until the connection is readable. Keep it shallow: its stack is what
// an idle connection costs.
func (r *reader) park() {
	r.err = r.raw.Read(readable)
	r.s.node.spawn(r.read)
}

// read reads frames while there are any.
func (r *reader) read() {
	if r.err != nil {
		r.ended(r.err)
		r.end()
		return
	}
	for r.step() {
		if r.raw != nil && r.in.Buffered() == 0 {
			r.rest()
			return
		}
		r.heard()
	}
	r.end()
}

func (r *reader) end() {
	r.s.readerDone()
	r.leave()
	r.s.node.dismiss(r.s.conn)
}

// heard moves the read deadline, except when the connection is being closed.
func (r *reader) heard() {
	if r.silence == 0 {
		return
	}
	r.s.mu.Lock()
	closing := r.s.closing
	r.s.mu.Unlock()
	if !closing {
		_ = r.s.conn.SetReadDeadline(time.Now().Add(r.silence))
	}
}
