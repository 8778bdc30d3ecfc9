package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// StreamFrame is one frame of protocol v2, read without help of the server's own
// code. Ids stay the text that came.
type StreamFrame struct {
	Type         string          `json:"type"`
	Key          string          `json:"key"`
	Node         string          `json:"node"`
	Cursor       string          `json:"cursor"`
	PublicCursor string          `json:"public_cursor"`
	Resumed      bool            `json:"resumed"`
	HeartbeatS   int             `json:"heartbeat_s"`
	ID           string          `json:"id"`
	Prev         string          `json:"prev"`
	Data         json.RawMessage `json:"data"`
	ExpiresAt    int64           `json:"expires_at"`
	Public       bool            `json:"public"`
	Transient    bool            `json:"transient"`
	After        string          `json:"after"`
	Until        string          `json:"until"`
	Reason       string          `json:"reason"`
	RetryAfterMS int64           `json:"retry_after_ms"`
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	Retryable    bool            `json:"retryable"`

	// Raw is the JSON as it came; EventID the id: line of an SSE event.
	Raw     string `json:"-"`
	EventID string `json:"-"`
}

// Stream is a v2 subscription, whichever the transport.
type Stream interface {
	// Next reads the next frame, waiting at most the time given.
	Next(wait time.Duration) (StreamFrame, error)
	Close() error
	NetConn() net.Conn
}

// Cursors are where a stream begins; an empty one is left out.
type Cursors struct {
	After, Public string
}

// Query is the query string of a stream of the key.
func (c Cursors) Query(key string) string {
	q := url.Values{"key": {key}}
	if c.After != "" {
		q.Set("after", c.After)
	}
	if c.Public != "" {
		q.Set("public_after", c.Public)
	}
	return q.Encode()
}

// wsStream is protocol v2 over websocket.
type wsStream struct{ *Websocket }

// DialStream opens a v2 websocket stream at addr; target is "/v2/stream" with its
// query. The caller reads the frames, ready first.
func DialStream(ctx context.Context, addr, query string) (Stream, error) {
	w, err := DialWebsocket(ctx, addr, "/v2/stream?"+query, http.Header{"Sec-Websocket-Protocol": {"gopush.v2"}})
	if err != nil {
		return nil, err
	}
	if w.Response.StatusCode != http.StatusSwitchingProtocols {
		_ = w.Close()
		return nil, fmt.Errorf("the upgrade was refused: %s", w.Response.Status)
	}
	return wsStream{w}, nil
}

func (s wsStream) NetConn() net.Conn { return s.Conn }

func (s wsStream) Next(wait time.Duration) (StreamFrame, error) {
	text, err := s.nextText(wait)
	if err != nil {
		return StreamFrame{}, err
	}
	return parseFrame(text)
}

func parseFrame(text []byte) (StreamFrame, error) {
	f := StreamFrame{Raw: string(text)}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("the server sent %.200q: %w", text, err)
	}
	return f, nil
}

// sseStream is protocol v2 as server-sent events.
type sseStream struct {
	net.Conn
	in *bufio.Reader
}

// StatusError is an HTTP answer that was not the one hoped for.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %.300s", e.Status, e.Body) }

// DialEvents opens an SSE stream at addr. lastEventID is left out when empty. An
// answer other than 200 is a *StatusError.
func DialEvents(ctx context.Context, addr, query, lastEventID string) (Stream, error) {
	header := http.Header{}
	if lastEventID != "" {
		header.Set("Last-Event-ID", lastEventID)
	}
	return dialEvents(ctx, addr, query, header)
}

func dialEvents(ctx context.Context, addr, query string, header http.Header) (Stream, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s, err := openEvents(ctx, conn, addr, query, header)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func openEvents(ctx context.Context, conn net.Conn, addr, query string, header http.Header) (Stream, error) {
	if err := conn.SetDeadline(deadline(ctx, 10*time.Second)); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v2/events?"+query, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return nil, &StatusError{Status: res.StatusCode, Body: string(body)}
	}
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		return nil, fmt.Errorf("the event stream has the type %q", got)
	}
	// The body is read through res, in case the server chunks it.
	return &sseStream{Conn: conn, in: bufio.NewReader(res.Body)}, conn.SetDeadline(time.Time{})
}

func (s *sseStream) NetConn() net.Conn { return s.Conn }

// Next reads one event as a browser does; comments are passed over.
func (s *sseStream) Next(wait time.Duration) (StreamFrame, error) {
	var event, id string
	var data []string
	for end := time.Now().Add(wait); ; {
		if data == nil && event == "" {
			if err := awaitByte(s.Conn, s.in, time.Until(end)); err != nil {
				return StreamFrame{}, err
			}
		}
		line, err := s.in.ReadString('\n')
		if err != nil {
			return StreamFrame{}, cutOff(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if data == nil {
				event, id = "", ""
				continue
			}
			f, err := parseFrame([]byte(strings.Join(data, "\n")))
			if err == nil && f.Type != event {
				err = fmt.Errorf("the event %q holds the frame %.200s", event, f.Raw)
			}
			f.EventID = id
			return f, err
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			event = value
		case "data":
			data = append(data, value)
		case "id":
			id = value
		case "":
		default:
			return StreamFrame{}, fmt.Errorf("the event stream holds the line %q", line)
		}
	}
}

// frameTime is how long the rest of something that has begun may take.
const frameTime = 20 * time.Second

// awaitByte waits for the next byte without taking it, so that a wait that ends
// for want of one leaves the stream whole; what follows has frameTime.
func awaitByte(conn net.Conn, in *bufio.Reader, wait time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := in.Peek(1); err != nil {
		return err
	}
	return conn.SetReadDeadline(time.Now().Add(frameTime))
}

// cutOff makes an error of the middle of a frame, which is no Timeout any more:
// the stream cannot be gone on with.
func cutOff(err error) error {
	if Timeout(err) {
		return fmt.Errorf("cut off in the middle: %v", err)
	}
	return err
}

// ReadUntil reads frames up to and including the first of the type.
func ReadUntil(s Stream, kind string, wait time.Duration) ([]StreamFrame, error) {
	end := time.Now().Add(wait)
	var frames []StreamFrame
	for {
		f, err := s.Next(time.Until(end))
		if err != nil {
			return frames, fmt.Errorf("after %d frames, waiting for %s: %w", len(frames), kind, err)
		}
		frames = append(frames, f)
		if f.Type == kind {
			return frames, nil
		}
	}
}

// Timeout reports whether err says that nothing came in time.
func Timeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// hostOf is the host:port of a URL.
func hostOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if u.Host == "" {
		return "", fmt.Errorf("the URL %q names no host", raw)
	}
	return u.Host, nil
}
