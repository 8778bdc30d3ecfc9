package comet

import (
	"bufio"
	"errors"
	"net"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// grace is how much longer than its heartbeat a v1 client may be silent.
const grace = 5 * time.Second

var tcpHeartbeat = []byte(wire.ReplyHeartbeat)

// serveTCP is the handshake of a v1 TCP connection, which it owns.
func (n *Node) serveTCP(conn net.Conn) {
	if !n.secured(conn) {
		_ = conn.Close()
		n.dismiss(conn)
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(n.cfg.Handshake))
	in := bufio.NewReaderSize(conn, tcpBuffer)
	sub, err := wire.ReadSubscribe(in)
	var grant *push.Grant
	var no *v1No
	switch {
	case errors.Is(err, wire.ErrParameter):
		no = v1Refused(wire.ReplyParam)
	case err != nil:
		no = &v1No{"", "handshake"}
	default:
		grant, no = n.v1Check(sub)
	}
	if no != nil {
		n.refuseTCP(conn, no)
		return
	}
	f := formTCPPlain
	if sub.Versioned {
		f = formTCP
	}
	s := newSubscriber(n, conn, f, "tcp")
	leave, no := n.joinV1(s, sub.Key, grant)
	if no != nil {
		n.refuseTCP(conn, no)
		return
	}
	s.begin(&event{kind: evRaw, raw: tcpHeartbeat})
	r := &reader{s: s, in: in, silence: sub.Heartbeat + grace, leave: leave, ended: s.noteEnd}
	r.step = func() bool { return s.readByte(in) }
	r.start(conn)
}

// tcpBuffer is the size of a TCP client's read buffer.
const tcpBuffer = 256

// readByte answers a heartbeat; anything else ends the connection.
func (s *subscriber) readByte(in *bufio.Reader) bool {
	b, err := in.ReadByte()
	switch {
	case err != nil:
		s.noteEnd(err)
		return false
	case b != wire.HeartbeatByte:
		s.node.met.closed("bad frame")
		return false
	}
	s.reply(tcpHeartbeat)
	return true
}

func (s *subscriber) noteEnd(err error) { s.node.met.closed(closeReason(err)) }

// refuseTCP ends a connection that is not subscribed, with a reply if there is
// one for the case.
func (n *Node) refuseTCP(conn net.Conn, no *v1No) {
	defer n.dismiss(conn)
	defer func() { _ = conn.Close() }()
	n.met.refused(no.reason)
	if no.reply == "" {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(n.cfg.Handshake))
	_, _ = conn.Write([]byte(no.reply))
}

// closeReason is the metrics label for a read that ended a connection.
func closeReason(err error) string {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return closeHeartbeat.reason
	}
	return closeClient.reason
}
