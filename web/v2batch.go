package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"gopush/internal/push"
)

// postBatch answers POST /v2/messages/batch: NDJSON both ways. Lines are pushed
// as they come, up to a window of them at once, and answered in their order.
func (s *Server) postBatch(w http.ResponseWriter, r *http.Request) error {
	if err := needType(r, "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"); err != nil {
		return err
	}
	if r.Header.Get(idempotencyHeader) != "" {
		return push.E(push.KindBadRequest, "a batch takes no header Idempotency-Key; give each line its idempotency_key")
	}
	ctl := http.NewResponseController(w)
	if err := ctl.EnableFullDuplex(); err != nil {
		return push.Wrap(push.KindInternal, err, "the connection cannot stream both ways")
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	b := newBatch(s, w, r)
	// What was sent on is not called back when the client goes.
	b.line = newPipeline(context.WithoutCancel(r.Context()), s)
	defer b.line.close()
	var wg sync.WaitGroup
	wg.Go(b.input.run)
	defer wg.Wait()
	defer b.input.abandon()
	if r.Header.Get("Expect") == "" {
		// Who waits for a 100 first must not see the 200 before it.
		if err := b.out.Flush(); err != nil {
			return nil
		}
	}
	if err := b.run(); err != nil {
		note(w, err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// batch is one request. Its fields belong to the goroutine of the handler; the
// lines come from the one of input.
type batch struct {
	s         *Server
	requestID string
	input     *lineReader
	line      *pipeline
	out       *chunks
	buf       []byte // replies that are not written yet
	answered  int
	dirty     bool // something was written since the last flush
	over      bool // the server's stop waits no longer
}

// errCutOff ends a batch whose lines have had their time to end.
var errCutOff = errors.New("cut off, as the node stops")

// newBatch prepares the two directions of r; nothing moves yet.
func newBatch(s *Server, w http.ResponseWriter, r *http.Request) *batch {
	return &batch{
		s: s, requestID: w.Header().Get(requestIDHeader),
		input: newLineReader(s, w, r), out: newChunks(w, s.cfg.WriteTimeout),
	}
}

// run answers until the input has ended and every line has its reply. The error
// is that of the client's connection, or errCutOff.
func (b *batch) run() error {
	lines := b.input.lines
	for lines != nil || !b.line.empty() {
		in := lines
		if b.line.full() {
			in = nil
		}
		if len(in) == 0 && len(b.line.results) == 0 {
			// Nothing else to do right now: a good time to send.
			if err := b.flush(); err != nil {
				return err
			}
		}
		if !b.step(in) {
			lines = nil
		}
		if b.over {
			return errCutOff
		}
		if err := b.answer(); err != nil {
			return err
		}
	}
	// net/http still writes the end of the reply, perhaps long after the last line.
	b.out.extend()
	return b.flush()
}

// step waits for one event and handles it. It reports false at the end of the
// input.
func (b *batch) step(in <-chan line) bool {
	stop := b.s.draining
	if b.input.stopped() {
		stop = nil
	}
	select {
	case l, more := <-in:
		if !more {
			return false
		}
		b.take(l)
	case r := <-b.line.results:
		b.line.settle(r)
	case <-b.line.timer.C:
		b.line.resume()
	case <-b.line.changed:
		b.line.compare()
	case <-b.line.deposed.C:
		b.line.abandon()
	case <-stop:
		b.input.stop()
	case <-b.s.over:
		b.over = true
	}
	return true
}

// take gives a line its place, be it a push or a fault.
func (b *batch) take(l line) {
	if l.err != nil {
		b.line.addError(l.err)
		return
	}
	b.line.add(l.push)
}

// answer writes the replies that are due, in the order of the lines.
func (b *batch) answer() error {
	for it := b.line.next(); it != nil; it = b.line.next() {
		b.buf = append(b.buf, `{"i":`...)
		b.buf = strconv.AppendInt(b.buf, int64(b.answered), 10)
		b.answered++
		if it.err != nil {
			p, _ := problemOf(it.err, b.requestID)
			text, _ := json.Marshal(p) // strings and numbers alone: cannot fail
			b.buf = append(append(b.buf, `,"error":`...), text...)
		} else {
			b.buf = appendID(append(b.buf, `,"id":`...), it.receipt.ID)
		}
		b.buf = append(b.buf, '}', '\n')
		if len(b.buf) >= chunkSize {
			if err := b.write(); err != nil {
				return err
			}
		}
	}
	return nil
}

// write hands the replies to net/http, which may hold them back until a flush.
func (b *batch) write() error {
	_, err := b.out.Write(b.buf)
	b.buf = b.buf[:0]
	b.dirty = true
	return err
}

// flush sends what there is: once nothing else is to be done, not per line.
func (b *batch) flush() error {
	if len(b.buf) > 0 {
		if err := b.write(); err != nil {
			return err
		}
	}
	if !b.dirty {
		return nil
	}
	b.dirty = false
	return b.out.Flush()
}
