package comet

import (
	"bufio"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// socket is a websocket connection whose read buffer is known here.
type socket struct {
	*websocket.Conn
	in *bufio.Reader // the connection's only reader
}

// readBuffer is the size of a websocket's read buffer. Clients say little; the
// library takes a buffer over only if it is larger than 256 bytes.
const readBuffer = 264

// hijacker gives the websocket library a read buffer of ours.
type hijacker struct {
	http.ResponseWriter
	in *bufio.Reader
}

// Hijack takes the connection over. A client that has sent frames before it knew
// that the upgrade was accepted is the library's to refuse.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil || rw.Reader.Buffered() > 0 {
		return conn, rw, err
	}
	h.in = bufio.NewReaderSize(conn, readBuffer)
	return conn, bufio.NewReadWriter(h.in, rw.Writer), nil
}
