package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// V1Message is one message as a v1 client with a version sees it.
type V1Message struct {
	Msg json.RawMessage `json:"msg"`
	Mid int64           `json:"mid"`
	GID int             `json:"gid"`
}

// V1Conn is a v1 subscription, over TCP or websocket.
type V1Conn interface {
	// Next reads the next reply ("+h") or message, as its JSON text, waiting at
	// most the time given.
	Next(wait time.Duration) (string, error)
	// Heartbeat sends the one byte that keeps the connection.
	Heartbeat() error
	Close() error
	NetConn() net.Conn
}

// V1Command frames arguments as a v1 client does.
func V1Command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// V1Subscribe is the whole first packet of a versioned subscription.
func V1Subscribe(key string) string { return V1Command("sub", key, "30", "", "1.0") }

type tcpV1 struct {
	net.Conn
	in *bufio.Reader
}

// DialTCP connects to a v1 TCP listener and writes first, if there is any.
func DialTCP(ctx context.Context, addr, first string) (V1Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, first); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &tcpV1{Conn: conn, in: bufio.NewReader(conn)}, nil
}

func (c *tcpV1) NetConn() net.Conn { return c.Conn }

func (c *tcpV1) Heartbeat() error { return writeAll(c.Conn, "h") }

// Next reads "+h" or "-x", or a message in its frame.
func (c *tcpV1) Next(wait time.Duration) (string, error) {
	if err := awaitByte(c.Conn, c.in, wait); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return line, cutOff(err)
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	length, isMessage := strings.CutPrefix(line, "$")
	if !ok || !isMessage {
		return line, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxServerFrame {
		return "", fmt.Errorf("the server announced a message of %q bytes", length)
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return "", cutOff(err)
	}
	if !bytes.HasSuffix(body, []byte("\r\n")) {
		return "", fmt.Errorf("a message of %d bytes does not end where it should: %.200q", n, body)
	}
	return string(body[:n]), nil
}

type wsV1 struct{ *Websocket }

// DialSub connects to the v1 websocket at addr; query is that of GET /sub.
func DialSub(ctx context.Context, addr string, query url.Values, header http.Header) (V1Conn, error) {
	w, err := DialWebsocket(ctx, addr, "/sub?"+query.Encode(), header)
	if err != nil {
		return nil, err
	}
	if w.Response.StatusCode != http.StatusSwitchingProtocols {
		_ = w.Close()
		return nil, &StatusError{Status: w.Response.StatusCode}
	}
	return wsV1{w}, nil
}

func (c wsV1) NetConn() net.Conn { return c.Conn }

func (c wsV1) Heartbeat() error { return c.Send(OpText, "h") }

func (c wsV1) Next(wait time.Duration) (string, error) {
	text, err := c.nextText(wait)
	return strings.TrimSuffix(string(text), "\r\n"), err
}

// ReadAll reads what the server sends until it closes. How it closes (FIN or
// RST) is told by reset: a reset may cost a real client the last bytes.
func ReadAll(conn net.Conn, wait time.Duration) (got []byte, reset bool, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, false, err
	}
	got, err = io.ReadAll(conn)
	if err != nil && !Timeout(err) && !errors.Is(err, net.ErrClosed) {
		return got, true, nil
	}
	return got, false, err
}

func writeAll(conn net.Conn, s string) error {
	if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := io.WriteString(conn, s)
	return err
}

// ParseV1 reads a versioned message.
func ParseV1(text string) (V1Message, error) {
	var m V1Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("the server sent %.200q: %w", text, err)
	}
	return m, nil
}

// V1Query is the query of GET /sub; without a version when it is empty.
func V1Query(key, version string) url.Values {
	q := url.Values{"key": {key}, "heartbeat": {"30"}}
	if version != "" {
		q.Set("ver", version)
	}
	return q
}
