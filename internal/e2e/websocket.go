package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// Websocket opcodes, RFC 6455 section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// maxServerFrame bounds what a test reads as one frame.
const maxServerFrame = 16 << 20

// Websocket is a raw websocket client connection. It does what it is told, also
// what no honest client would do. Reading and writing may happen at once, each by
// one goroutine.
type Websocket struct {
	net.Conn
	in *bufio.Reader
	// Response is the server's answer to the upgrade.
	Response *http.Response
}

// Frame is one websocket frame as it came.
type Frame struct {
	Final   bool
	Opcode  byte
	Payload []byte
}

// String shows a frame in test failures.
func (f Frame) String() string {
	if f.Opcode == OpClose {
		code, text := f.CloseCode()
		return fmt.Sprintf("close %d %q", code, text)
	}
	return fmt.Sprintf("op=%d fin=%v %.300q", f.Opcode, f.Final, f.Payload)
}

// CloseCode is the code and text of a close frame; 1005 when it has none.
func (f Frame) CloseCode() (int, string) {
	if len(f.Payload) < 2 {
		return 1005, ""
	}
	return int(binary.BigEndian.Uint16(f.Payload)), string(f.Payload[2:])
}

// DialWebsocket connects to addr (host:port) and asks for an upgrade at target,
// a path with its query. header adds to the request. A refused upgrade is a
// connection whose Response says so, not an error.
func DialWebsocket(ctx context.Context, addr, target string, header http.Header) (*Websocket, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	w, err := upgrade(ctx, conn, addr, target, header)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("upgrade at %s: %w", target, err)
	}
	return w, nil
}

func upgrade(ctx context.Context, conn net.Conn, addr, target string, header http.Header) (*Websocket, error) {
	if err := conn.SetDeadline(deadline(ctx, 10*time.Second)); err != nil {
		return nil, err
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	key := base64.StdEncoding.EncodeToString(nonce)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+target, nil)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key},
	}
	maps.Copy(req.Header, header)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	w := &Websocket{Conn: conn, in: bufio.NewReader(conn)}
	if w.Response, err = http.ReadResponse(w.in, req); err != nil {
		return nil, err
	}
	if w.Response.StatusCode == http.StatusSwitchingProtocols && w.Response.Header.Get("Sec-Websocket-Accept") != acceptOf(key) {
		return nil, errors.New("the server's Sec-WebSocket-Accept does not fit the key")
	}
	return w, conn.SetDeadline(time.Time{})
}

// readHandshake reads the answer to an upgrade that was asked for by hand.
func (w *Websocket) readHandshake() (err error) {
	if err := w.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
		return err
	}
	if w.Response, err = http.ReadResponse(w.in, nil); err != nil {
		return err
	}
	if w.Response.StatusCode != http.StatusSwitchingProtocols {
		return &StatusError{Status: w.Response.StatusCode}
	}
	return nil
}

// newReader is how every client here reads.
func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// acceptOf is the proof of RFC 6455 section 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// deadline is the end of ctx, or most from now.
func deadline(ctx context.Context, most time.Duration) time.Time {
	end := time.Now().Add(most)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		return d
	}
	return end
}

// AppendFrame appends a frame as an honest client sends it: final, and masked.
func AppendFrame(dst []byte, opcode byte, payload []byte) []byte {
	return AppendRawFrame(dst, 0x80|opcode, true, payload)
}

// AppendRawFrame appends a frame with any first byte (FIN, RSV bits and opcode),
// masked or not.
func AppendRawFrame(dst []byte, first byte, masked bool, payload []byte) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, mask|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, mask|127), uint64(n))
	}
	if !masked {
		return append(dst, payload...)
	}
	key := [4]byte{0x5a, 0x17, 0xc3, 0x8e}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// Send writes one honest frame.
func (w *Websocket) Send(opcode byte, payload string) error {
	return w.SendRaw(AppendFrame(nil, opcode, []byte(payload)))
}

// SendRaw writes bytes as they are.
func (w *Websocket) SendRaw(b []byte) error {
	if err := w.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// ReadFrame reads one frame, whichever it is, until the deadline that was set.
func (w *Websocket) ReadFrame() (Frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return Frame{}, err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return Frame{}, fmt.Errorf("the server sent a frame with reserved bits or a mask: % x", head)
	}
	n, err := w.readLength(head[1])
	if err != nil {
		return Frame{}, err
	}
	if n > maxServerFrame {
		return Frame{}, fmt.Errorf("the server sent a frame of %d bytes", n)
	}
	f := Frame{Final: head[0]&0x80 != 0, Opcode: head[0] & 0x0f, Payload: make([]byte, n)}
	_, err = io.ReadFull(w.in, f.Payload)
	return f, err
}

func (w *Websocket) readLength(second byte) (uint64, error) {
	var b [8]byte
	switch n := second & 0x7f; n {
	case 126:
		_, err := io.ReadFull(w.in, b[6:])
		return binary.BigEndian.Uint64(b[:]), err
	case 127:
		_, err := io.ReadFull(w.in, b[:])
		return binary.BigEndian.Uint64(b[:]), err
	default:
		return uint64(n), nil
	}
}

// CloseError is a connection that the server ended with a close frame.
type CloseError struct {
	Code int
	Text string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed by the server: %d %q", e.Code, e.Text)
}

// nextText waits for the next text frame, and reads it. Pings that come first are
// answered.
func (w *Websocket) nextText(wait time.Duration) ([]byte, error) {
	for end := time.Now().Add(wait); ; {
		if err := awaitByte(w.Conn, w.in, time.Until(end)); err != nil {
			return nil, err
		}
		text, err := w.readOne()
		if text != nil || err != nil {
			return text, cutOff(err)
		}
	}
}

// ReadText reads the next text frame; it answers pings on the way. A close frame
// is answered and returned as a *CloseError.
func (w *Websocket) ReadText() ([]byte, error) {
	for {
		if text, err := w.readOne(); text != nil || err != nil {
			return text, err
		}
	}
}

// readOne reads one frame; nil: it was no text, and has been dealt with.
func (w *Websocket) readOne() ([]byte, error) {
	f, err := w.ReadFrame()
	if err != nil {
		return nil, err
	}
	switch {
	case f.Opcode == OpText && f.Final:
		return f.Payload, nil // never nil, even if empty
	case f.Opcode == OpPing:
		return nil, w.Send(OpPong, string(f.Payload))
	case f.Opcode == OpPong:
		return nil, nil
	case f.Opcode == OpClose:
		code, text := f.CloseCode()
		_ = w.Send(OpClose, string(f.Payload[:min(2, len(f.Payload))])) // the server may be gone
		return nil, &CloseError{Code: code, Text: text}
	default:
		return nil, fmt.Errorf("unexpected frame: %s", f)
	}
}
