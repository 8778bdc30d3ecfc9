package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"gopush/internal/push"
)

// linesAhead is how many lines are read before the pipeline takes them.
const linesAhead = 16

// lastRead is how long the rest of a body that is not wanted may take.
const lastRead = time.Second

// line is one line of a batch, read: a push, or why it is none.
type line struct {
	push push.Push
	err  error
}

// lineReader reads the lines of a batch in a goroutine of its own (run), which
// its batch waits for. A last line with an error tells why reading ended before
// the end of the body; then lines is closed.
type lineReader struct {
	s         *Server
	most      int64 // bytes of a line
	body      io.ReadCloser
	requestID string
	ctl       *http.ResponseController
	lines     chan line
	stopping  context.Context // ends with stop: read no more
	cancel    context.CancelFunc
	taken     context.Context // ends with abandon: nobody takes lines any more
	leave     context.CancelFunc
	ended     chan struct{} // closed when run has read its last
}

// newLineReader reads nothing before run. Its end does not depend on the
// request's context, which net/http ends when the client has sent everything and
// gone: what was read until then still counts.
func newLineReader(s *Server, w http.ResponseWriter, r *http.Request) *lineReader {
	l := &lineReader{
		s: s, most: s.limits.Load().MaxBody, body: r.Body, requestID: w.Header().Get(requestIDHeader),
		ctl: http.NewResponseController(w), lines: make(chan line, linesAhead), ended: make(chan struct{}),
	}
	l.taken, l.leave = context.WithCancel(context.WithoutCancel(r.Context()))
	l.stopping, l.cancel = context.WithCancel(l.taken)
	return l
}

// stopped says that no more lines are wanted.
func (l *lineReader) stopped() bool { return l.stopping.Err() != nil }

// stop makes run end soon. What it has read is still delivered, with the reason.
func (l *lineReader) stop() {
	l.cancel()
	select {
	case <-l.ended:
		// After the body net/http watches the connection: leave it alone.
	default:
		_ = l.ctl.SetReadDeadline(time.Unix(1, 0))
	}
}

// abandon makes run end at once.
func (l *lineReader) abandon() {
	l.leave()
	l.stop()
}

// Read reads from the body, with a deadline for each piece.
func (l *lineReader) Read(p []byte) (int, error) {
	_ = l.ctl.SetReadDeadline(time.Now().Add(l.s.cfg.BatchIdle))
	// stop sets its deadline after it has cancelled: either this sees the
	// cancellation or stop's deadline comes last.
	if l.stopped() {
		return 0, errStopping()
	}
	return l.body.Read(p)
}

// run reads line by line into one buffer. The buffer's size is the bound of a
// line: what does not fit cannot be skipped without reading it all, so it ends
// the batch.
func (l *lineReader) run() {
	defer close(l.lines)
	defer close(l.ended)
	size := int(l.most) + len("\r\n")
	in := bufio.NewReaderSize(l, size)
	for {
		text, err := in.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			// net/http goes on reading for a while, to keep the connection.
			_ = l.ctl.SetReadDeadline(time.Now().Add(lastRead))
			l.deliver(line{err: l.fault(err)})
			return
		}
		if text = bytes.TrimSpace(text); len(text) > 0 && !l.deliver(l.parse(text)) {
			return
		}
		if last {
			return
		}
	}
}

// deliver hands a line over; it reports false when nobody takes it any more.
func (l *lineReader) deliver(n line) bool {
	select {
	case l.lines <- n:
		return true
	case <-l.taken.Done():
		return false
	}
}

// parse reads one line; the reader's buffer is reused, so its bytes are copied.
func (l *lineReader) parse(text []byte) line {
	if int64(len(text)) > l.most {
		return line{err: errTooLarge(l.most)}
	}
	p, err := l.s.parsePush(slices.Clone(text))
	p.RequestID = l.requestID
	return line{push: p, err: err}
}

// fault says why the lines have ended: they cannot be told apart any more, or no
// more of them come.
func (l *lineReader) fault(err error) error {
	switch {
	case l.stopped():
		return errStopping()
	case errors.Is(err, bufio.ErrBufferFull):
		return push.E(push.KindTooLarge, "the line is longer than %d bytes; the batch ends here, nothing after it was read", l.most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return push.E(push.KindBadRequest, "no line came for %s; the batch ends here", l.s.cfg.BatchIdle)
	default:
		return push.Wrap(push.KindBadRequest, err, "the body ended within a line; the batch ends here")
	}
}
