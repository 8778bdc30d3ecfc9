package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// smallWindow makes connections whose receive buffer is small, so that a reader
// that stalls fills it soon.
func smallWindow() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		if err != nil {
			return err
		}
		return failed
	}}
}

// StalledReader is a subscription of which nothing has been read yet, in any
// protocol. Read makes a Stream or V1Conn of it.
type StalledReader struct {
	conn      net.Conn
	kind      ReaderKind
	addr, key string
}

// DialStalled subscribes to a key, as v2 from the beginning, and reads nothing,
// not even the server's first answer. A v1 one promises no heartbeat for an hour.
func DialStalled(ctx context.Context, c *Cluster, kind ReaderKind, key string) (*StalledReader, error) {
	r := &StalledReader{kind: kind, key: key, addr: c.Addrs().HTTP}
	first := ""
	escaped := url.QueryEscape(key)
	switch kind {
	case ReadV1TCP:
		r.addr, first = c.Addrs().TCP, V1Command("sub", key, "3600", "", "1.0")
	case ReadV1WS:
		first = upgradeRequest("/sub?heartbeat=3600&ver=1&key="+escaped, "")
	case ReadSSE:
		first = "GET /v2/events?after=0&public=0&key=" + escaped + " HTTP/1.1\r\nHost: x\r\n\r\n"
	case ReadWebsocket:
		first = upgradeRequest("/v2/stream?after=0&public=0&key="+escaped, "gopush.v2")
	default:
		return nil, fmt.Errorf("a %s does not connect", kind)
	}
	var err error
	if r.conn, err = smallWindow().DialContext(ctx, "tcp", r.addr); err != nil {
		return nil, err
	}
	if err := writeAll(r.conn, first); err != nil {
		_ = r.conn.Close()
		return nil, err
	}
	return r, nil
}

// upgradeRequest is a websocket handshake with the key of RFC 6455's example.
func upgradeRequest(target, protocol string) string {
	head := "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if protocol != "" {
		head += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	return head + "\r\n"
}

// Close ends the connection.
func (r *StalledReader) Close() error { return r.conn.Close() }

// V1 reads from now on, as a v1 client; the handshake's answer comes first.
func (r *StalledReader) V1() (V1Conn, error) {
	if r.kind == ReadV1TCP {
		return &tcpV1{Conn: r.conn, in: newReader(r.conn)}, nil
	}
	w := &Websocket{Conn: r.conn, in: newReader(r.conn)}
	return wsV1{w}, w.readHandshake()
}

// V2 reads from now on, as a v2 client.
func (r *StalledReader) V2() (Stream, error) {
	if r.kind == ReadWebsocket {
		w := &Websocket{Conn: r.conn, in: newReader(r.conn)}
		return wsStream{w}, w.readHandshake()
	}
	in := newReader(r.conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, &StatusError{Status: res.StatusCode}
	}
	return &sseStream{Conn: r.conn, in: newReader(res.Body)}, nil
}
