package comet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a websocket connection of which the library only reads.
type socket struct {
	*websocket.Conn
	in  *bufio.Reader // the connection's only reader
	lib *quietConn    // what the library has for a connection
}

// NetConn is the connection itself, to write to; the library's own NetConn is what it has.
func (c *socket) NetConn() net.Conn { return c.lib.Conn }

// broken is the close code for a frame that broke the protocol or was too long; 0: err is
// about the connection. Whatever comes in is not to be read any more.
func (c *socket) broken(err error) int {
	switch {
	case c.lib.code != 0:
		return c.lib.code
	case errors.Is(err, websocket.ErrReadLimit):
		return websocket.CloseMessageTooBig
	default:
		return 0
	}
}

// quietConn keeps the library from writing once the handshake is over. It would answer a
// broken frame by itself, before what is queued for the client, or in the middle of it.
// Owned by whoever reads.
type quietConn struct {
	net.Conn
	quiet bool
	code  int // of the Close frame that the library would have sent; 0: none
	heard closeWatch
}

// Read notes how the client closes.
func (c *quietConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.heard.see(b[:n])
	return n, err
}

// Write passes the handshake on, and notes the code of a Close frame after it.
func (c *quietConn) Write(b []byte) (int, error) {
	if !c.quiet {
		return c.Conn.Write(b)
	}
	if len(b) >= 4 && b[0] == finBit|opcodeClose {
		c.code = int(binary.BigEndian.Uint16(b[2:]))
	}
	return len(b), nil
}

// SetWriteDeadline is the library's for what it does not write: the deadline is the
// flusher's.
func (c *quietConn) SetWriteDeadline(t time.Time) error {
	if c.quiet {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// closeWatch looks for a client's Close frame, and whether that has half a code, which breaks
// the protocol: the library takes it for none.
type closeWatch struct {
	seen, half bool // of the first Close frame
	begun      bool // the next byte is the second of a frame
	close      bool // that frame is a Close frame
	extended   int8 // bytes of a longer length that are to come
	length     uint64
	skip       uint64 // bytes of mask and payload that are to come
}

// see takes the next bytes from the client, which are whole frames in the end.
func (w *closeWatch) see(b []byte) {
	for len(b) > 0 && !w.seen {
		if w.skip > 0 {
			n := min(w.skip, uint64(len(b)))
			w.skip, b = w.skip-n, b[n:]
			continue
		}
		w.header(b[0])
		b = b[1:]
	}
}

const maskBytes = 4

// header takes a byte of a frame that is neither mask nor payload.
func (w *closeWatch) header(c byte) {
	if w.extended > 0 {
		w.length = w.length<<8 | uint64(c)
		if w.extended--; w.extended == 0 {
			w.skip = w.length + maskBytes
		}
		return
	}
	if !w.begun {
		w.begun, w.close = true, c&0x0f == opcodeClose
		return
	}
	w.begun, w.length = false, 0
	switch n := c & 0x7f; {
	case w.close:
		w.seen, w.half = true, n == 1
	case n == 126:
		w.extended = 2
	case n == 127:
		w.extended = 8
	default:
		w.skip = uint64(n) + maskBytes
	}
}

// readBuffer is the size of a websocket's read buffer. Clients say little; the
// library takes a buffer over only if it is larger than 256 bytes.
const readBuffer = 264

// hijacker gives the websocket library a connection and a read buffer of ours.
type hijacker struct {
	http.ResponseWriter
	in    *bufio.Reader
	lib   *quietConn
	taken net.Conn // the connection, once it is no longer net/http's
}

// Hijack takes the connection over. A client that has sent frames before it knew
// that the upgrade was accepted is the library's to refuse.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		h.taken = conn
	}
	if err != nil || rw.Reader.Buffered() > 0 {
		return conn, rw, err
	}
	h.lib = &quietConn{Conn: conn}
	h.in = bufio.NewReaderSize(h.lib, readBuffer)
	return h.lib, bufio.NewReadWriter(h.in, rw.Writer), nil
}
