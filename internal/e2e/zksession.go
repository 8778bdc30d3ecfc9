package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// greeting is the beginning of what a ZooKeeper server sends on a connection: the answer
// to the client's first request.
//
//	length int32 | protocol int32 | timeout int32, ms | session int64 | length int32, password | ...
//
// Whoever knows session and password may take the session over, and close it.
type greeting struct{ seen []byte }

const (
	greetingBytes    = 4 + 4 + 4 + 8 + 4 + passwordBytes
	passwordBytes    = 16
	maxZooKeeperHead = 1024 // an answer without data is far shorter
	closeSession     = -11  // the operation
)

// hear takes what was read.
func (g *greeting) hear(b []byte) {
	g.seen = append(g.seen, b[:min(len(b), greetingBytes-len(g.seen))]...)
}

// request is the first request of a connection that goes on with the same session; nil:
// there is none.
func (g *greeting) request() []byte {
	if len(g.seen) < greetingBytes {
		return nil
	}
	timeout, session := g.seen[8:12], g.seen[12:20]
	if binary.BigEndian.Uint64(session) == 0 { // the server has said that it is over
		return nil
	}
	b := make([]byte, 0, 64)
	b = binary.BigEndian.AppendUint32(b, 0) // protocol
	b = binary.BigEndian.AppendUint64(b, 0) // the newest change that the client knows
	b = append(b, timeout...)
	b = append(b, session...)
	return append(b, g.seen[20:]...) // the password with its length
}

// loseSessions has ZooKeeper end every session that the process has, as if it were its own
// decision. The connections stay; their next request learns of it. A process without
// a session, and without a server to tell, may find both until ctx ends.
func (n *network) loseSessions(ctx context.Context) error {
	err := n.loseThem(ctx)
	for err != nil && Pause(ctx, 50*time.Millisecond) {
		err = n.loseThem(ctx)
	}
	return err
}

func (n *network) loseThem(ctx context.Context) error {
	n.mu.Lock()
	sessions := make(map[string]string) // the address of the server, by what it is to be told
	for c := range n.conns {
		if request := c.session(); request != nil {
			sessions[string(request)] = c.addr
		}
	}
	n.mu.Unlock()
	if len(sessions) == 0 {
		return errors.New("the process has no session with ZooKeeper")
	}
	var errs []error
	for request, addr := range sessions {
		errs = append(errs, endSession(ctx, addr, []byte(request)))
	}
	return errors.Join(errs...)
}

// session is what opens another connection for the session of this one; nil if there is
// none, or no connection any more.
func (c *holeConn) session() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greeting == nil || c.closed || c.end != nil {
		return nil
	}
	return c.greeting.request()
}

// endSession takes a session over and closes it.
func endSession(ctx context.Context, addr string, request []byte) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it has been answered, or not
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // a dead connection says so below
	}
	var again greeting
	answer, err := exchange(conn, request)
	if err != nil {
		return fmt.Errorf("take the session over: %w", err)
	}
	if again.hear(answer); again.request() == nil {
		return nil // it is over already
	}
	var header [8]byte // the number of the request, and the operation
	binary.BigEndian.PutUint32(header[:], 1)
	op := int32(closeSession)
	binary.BigEndian.PutUint32(header[4:], uint32(op))
	if _, err := exchange(conn, header[:]); err != nil {
		return fmt.Errorf("close the session: %w", err)
	}
	return nil
}

// exchange sends a packet and returns the next one, both with their lengths before them.
func exchange(conn net.Conn, request []byte) ([]byte, error) {
	if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, uint32(len(request)))); err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	if _, err := io.CopyN(&answer, conn, 4); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(answer.Bytes())
	if size > maxZooKeeperHead {
		return nil, fmt.Errorf("an answer of %d bytes", size)
	}
	_, err := io.CopyN(&answer, conn, int64(size))
	return answer.Bytes(), err
}

// sessionTime bounds the loss of a session on purpose.
const sessionTime = 10 * time.Second
