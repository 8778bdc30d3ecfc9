package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"gopush/comet/wire"
)

// link is one websocket connection. The goroutine that made it reads; one more
// writes, and ends before close returns.
type link struct {
	ws     *websocket.Conn
	client *Client
	// silence is how long nothing may be heard. Owned by the reader.
	silence time.Duration
	writer  sync.WaitGroup
	pongs   chan string   // one waits at most: only the newest ping matters
	over    chan struct{} // closed by the reader when it is done
	// farewell is the close code to send, 0 for none. Set before over is closed.
	farewell int
}

// dial connects to the node, with the cursors as they are now.
func (c *Client) dial(ctx context.Context, u *url.URL) (*link, error) {
	select {
	case <-c.tokens.renew: // the header carries the newest token
	default:
	}
	header := http.Header{}
	if token := c.tokens.token(); token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	u.RawQuery = c.query(u.Query()).Encode()
	ws, err := c.handshake(ctx, u.String(), header)
	if err != nil {
		return nil, fmt.Errorf("client: connecting to %s: %w", u.Host, err)
	}
	l := &link{
		ws: ws, client: c, silence: c.cfg.Handshake,
		pongs: make(chan string, 1), over: make(chan struct{}),
	}
	ws.SetReadLimit(c.cfg.MaxFrame)
	ws.SetPingHandler(l.onPing)
	l.writer.Go(func() { l.write(ctx) })
	return l, nil
}

// handshake opens the websocket. The library looks at the deadline of a context
// only, so the end of ctx is made to end the connection.
func (c *Client) handshake(ctx context.Context, target string, header http.Header) (*websocket.Conn, error) {
	var conns sync.WaitGroup
	done := make(chan struct{})
	dialer := websocket.Dialer{
		TLSClientConfig: c.cfg.TLS, HandshakeTimeout: c.cfg.Handshake,
		Subprotocols: []string{wire.Subprotocol}, ReadBufferSize: 4096, WriteBufferSize: 512,
		NetDialContext: func(dialCtx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.deps.Dial(dialCtx, network, addr)
			if err != nil {
				return nil, err
			}
			conns.Go(func() {
				select {
				case <-ctx.Done():
					_ = conn.Close()
				case <-done:
				}
			})
			return conn, nil
		},
	}
	ws, resp, err := dialer.DialContext(ctx, target, header) //nolint:bodyclose // the library hands out a body that is closed
	close(done)
	conns.Wait()
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, fmt.Errorf("the upgrade was answered with status %d", resp.StatusCode)
	}
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != wire.Subprotocol {
		_ = ws.Close()
		return nil, fmt.Errorf("%w: subprotocol %q", ErrProtocol, ws.Subprotocol())
	}
	return ws, nil
}

// query is what to ask the node for.
func (c *Client) query(q url.Values) url.Values {
	q.Set("key", string(c.cfg.Key))
	if c.own.known {
		q.Set("after", c.own.cursor.String())
	}
	if c.public.known && !c.cfg.NoPublic {
		q.Set("public_after", c.public.cursor.String())
	}
	if c.cfg.NoPublic {
		q.Set("public", "0")
	}
	return q
}

// read gives the next frame. The error is a *CloseError when the server closed
// in order.
func (l *link) read() (wire.ServerFrame, error) {
	if err := l.heard(); err != nil {
		return wire.ServerFrame{}, err
	}
	kind, data, err := l.ws.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code != websocket.CloseAbnormalClosure {
		return wire.ServerFrame{}, &CloseError{Code: wire.CloseCode(e.Code), Reason: e.Text}
	}
	if err != nil {
		return wire.ServerFrame{}, fmt.Errorf("client: reading: %w", err)
	}
	if kind != websocket.TextMessage {
		return wire.ServerFrame{}, fmt.Errorf("%w: a binary frame", ErrProtocol)
	}
	f, err := wire.ParseServerFrame(data)
	if err != nil {
		return wire.ServerFrame{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return f, nil
}

func (l *link) heard() error {
	return l.ws.SetReadDeadline(time.Now().Add(l.silence))
}

// onPing runs on the reader.
func (l *link) onPing(data string) error {
	select {
	case l.pongs <- data:
	default:
	}
	return l.heard()
}

// write is the one that writes, until the reader is done or ctx ends. It then
// closes the connection, which also ends a read.
func (l *link) write(ctx context.Context) {
	defer func() { _ = l.ws.Close() }()
	for {
		var err error
		select {
		case <-ctx.Done():
			l.bye(websocket.CloseNormalClosure)
			return
		case <-l.over:
			if l.farewell != 0 {
				l.bye(l.farewell)
			}
			return
		case data := <-l.pongs:
			err = l.send(websocket.PongMessage, []byte(data))
		case <-l.client.tokens.renew:
			err = l.send(websocket.TextMessage, wire.AppendToken(nil, l.client.tokens.token()))
		}
		if err != nil {
			return
		}
	}
}

func (l *link) send(kind int, data []byte) error {
	if err := l.ws.SetWriteDeadline(time.Now().Add(l.client.cfg.WriteTimeout)); err != nil {
		return err
	}
	return l.ws.WriteMessage(kind, data)
}

// bye sends a close frame, if the connection takes one without delay.
func (l *link) bye(code int) {
	const patience = time.Second
	deadline := time.Now().Add(min(patience, l.client.cfg.WriteTimeout))
	_ = l.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
}

// close ends the connection because of err, and waits for the writer.
func (l *link) close(err error) {
	_, theirs := errors.AsType[*CloseError](err)
	switch {
	case theirs: // the library has answered
	case errors.Is(err, ErrProtocol):
		l.farewell = websocket.CloseProtocolError
	default:
		l.farewell = websocket.CloseNormalClosure
	}
	close(l.over)
	l.writer.Wait()
}
