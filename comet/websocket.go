package comet

import (
	"errors"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"gopush/comet/wire"
	"gopush/internal/push"
)

var wsHeartbeat = textFrame([]byte(wire.ReplyHeartbeat))

// serveV1 is GET /sub. Errors in the parameters are told after the upgrade.
func (n *Node) serveV1(w http.ResponseWriter, r *http.Request) {
	sub, err := wire.ParseSubscribeQuery(r.URL.Query())
	n.upgrade(w, r, nil, func(c *socket) {
		grant, no := (*push.Grant)(nil), v1Refused(wire.ReplyParam)
		if err == nil {
			grant, no = n.v1Check(sub)
		}
		if no != nil {
			n.refuseV1(c, no)
			n.dismiss(c.NetConn())
			return
		}
		n.runV1(c, sub, grant)
	})
}

// refuseV1 sends a reply (the original sends none to one connection too many)
// and a Close frame to a client that is not subscribed, and closes.
func (n *Node) refuseV1(c *socket, no *v1No) {
	n.met.refused(no.reason)
	var b []byte
	if no.reply != "" {
		b = textFrame([]byte(no.reply))
	}
	b = append(b, closeFrame(websocket.ClosePolicyViolation, "refused")...)
	_ = c.NetConn().SetWriteDeadline(time.Now().Add(n.cfg.Handshake))
	if _, err := c.NetConn().Write(b); err == nil {
		awaitClose(c)
	}
	_ = c.Close()
}

// awaitClose reads until the client has answered a Close frame, for a while.
func awaitClose(c *socket) {
	c.SetReadLimit(wire.MaxClientFrame)
	c.SetCloseHandler(func(int, string) error { return nil })
	_ = c.SetReadDeadline(time.Now().Add(closeWait))
	for {
		if _, _, err := c.NextReader(); err != nil {
			return
		}
	}
}

// runV1 begins the life of a v1 websocket connection.
func (n *Node) runV1(c *socket, sub wire.Subscribe, grant *push.Grant) {
	f := formWSPlain
	if sub.Versioned {
		f = formWS
	}
	s := newSubscriber(n, c.NetConn(), f, "ws")
	leave, no := n.joinV1(s, sub.Key, grant)
	if no != nil {
		n.refuseV1(c, no)
		n.dismiss(c.NetConn())
		return
	}
	s.begin(&event{kind: evRaw, raw: wsHeartbeat})
	s.readFrames(c, sub.Heartbeat+grace, leave, func(_ int, data []byte) {
		if len(data) == 1 && data[0] == wire.HeartbeatByte {
			s.reply(wsHeartbeat)
			return
		}
		s.shut(ending{reason: "bad frame", v1: websocket.CloseUnsupportedData})
	})
}

// readFrames reads a websocket connection: it hands frames on until the
// connection ends, or nothing is heard for silence.
func (s *subscriber) readFrames(c *socket, silence time.Duration, leave func(), handle func(kind int, data []byte)) {
	r := &reader{s: s, in: c.in, silence: silence, leave: leave, ended: s.readEnded}
	r.step = func() bool { return s.readFrame(c, handle) }
	c.SetReadLimit(wire.MaxClientFrame)
	c.SetPingHandler(func(data string) error {
		r.heard()
		s.reply(frame(opcodePong, []byte(data)))
		return nil
	})
	c.SetPongHandler(func(string) error { r.heard(); return nil })
	c.SetCloseHandler(func(code int, _ string) error {
		s.echoClose(code, c.lib.heard.half)
		return nil
	})
	r.start(s.conn)
}

// readFrame reads one message; false: the connection has ended.
func (s *subscriber) readFrame(c *socket, handle func(kind int, data []byte)) bool {
	kind, data, err := c.ReadMessage()
	switch {
	case err != nil:
		if code := c.broken(err); code != 0 {
			s.shut(ending{reason: "bad frame", code: wire.CloseCode(code), v1: code})
		}
		s.readEnded(err)
		return false
	case kind == websocket.TextMessage && !utf8.Valid(data):
		s.shut(ending{reason: "invalid UTF-8", code: websocket.CloseInvalidFramePayloadData, v1: websocket.CloseInvalidFramePayloadData})
	default:
		handle(kind, data)
	}
	return true
}

// echoClose answers the client's Close frame with its own code, unless that is broken: half
// of it came.
func (s *subscriber) echoClose(code int, half bool) {
	reason := closeClient.reason
	switch {
	case half:
		code, reason = websocket.CloseProtocolError, "bad frame"
	case code == websocket.CloseNoStatusReceived:
		code = websocket.CloseNormalClosure
	}
	s.shut(ending{reason: reason, code: wire.CloseCode(code), v1: code})
}

// readEnded decides what a failed read means for the client.
func (s *subscriber) readEnded(err error) {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		s.shut(closeHeartbeat)
	}
}
