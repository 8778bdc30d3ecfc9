package web

import (
	"net/http"
	"strconv"
	"time"
)

// chunkSize is how much of a long reply is gathered before it is sent.
const chunkSize = 32 << 10

// chunks sends a reply in pieces, each with its own write deadline: a long reply
// is not cut off while its reader makes progress, and a reader that has stopped
// is. Until the first piece is sent the reply can still become another one.
type chunks struct {
	w       http.ResponseWriter
	ctl     *http.ResponseController
	timeout time.Duration
	sent    bool
}

// newChunks sends to w; timeout is what one piece may take.
func newChunks(w http.ResponseWriter, timeout time.Duration) *chunks {
	return &chunks{w: w, ctl: http.NewResponseController(w), timeout: timeout}
}

// Write sends one piece.
func (c *chunks) Write(p []byte) (int, error) {
	c.sent = true
	c.extend()
	return c.w.Write(p)
}

// extend gives what is written next the time of one piece. Only a writer without
// a connection, as in a test, knows no deadlines.
func (c *chunks) extend() { _ = c.ctl.SetWriteDeadline(time.Now().Add(c.timeout)) }

// Flush sends what net/http holds back.
func (c *chunks) Flush() error {
	c.sent = true
	c.extend()
	return c.ctl.Flush()
}

// finish sends the last piece; if it is the only one, with its length.
func (c *chunks) finish(p []byte) error {
	if !c.sent {
		c.w.Header().Set("Content-Length", strconv.Itoa(len(p)))
	}
	_, err := c.Write(p)
	return err
}
