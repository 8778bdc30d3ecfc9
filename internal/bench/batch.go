package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"gopush/internal/push"
)

// chunk is how many bytes of lines are written at once, unless nothing else is due.
const chunk = 16 << 10

// retriers try again, one by one, what a batch did not get acknowledged.
const retriers = 8

// batches sends what is due as lines of a batch that goes on until there is nothing
// more. What fails of them goes to retry, which has room for all in flight.
func (b *bench) batches(ctx context.Context, l *lane, retry chan<- *job) {
	for j := range l.due {
		newUpload(b, l, retry).run(ctx, j)
	}
}

// retries ends when retry is closed.
func (b *bench) retries(ctx context.Context, l *lane, retry <-chan *job) {
	for j := range retry {
		b.finish(l, j, b.insist(ctx, j))
	}
}

// upload is one request of a batch.
type upload struct {
	*bench
	lane  *lane
	retry chan<- *job
	sent  chan *job // in the order of the lines; closed by write
	in    *io.PipeWriter
	out   *io.PipeReader
	watch *time.Timer // ends the request when a reply does not come
}

func newUpload(b *bench, l *lane, retry chan<- *job) *upload {
	out, in := io.Pipe()
	return &upload{bench: b, lane: l, retry: retry, sent: make(chan *job, l.inFlight), in: in, out: out}
}

// run writes lines, the given one first, and reads their replies, until nothing is
// due any more or the request breaks.
func (u *upload) run(ctx context.Context, first *job) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u.watch = time.AfterFunc(u.cfg.Timeout, cancel)
	defer u.watch.Stop()
	var writer sync.WaitGroup
	writer.Go(func() { u.write(ctx, first) })
	code := u.read(ctx)
	if ctx.Err() != nil {
		code = "timeout"
	}
	cancel()
	_ = u.out.CloseWithError(io.ErrClosedPipe)
	writer.Wait()
	for j := range u.sent {
		u.replied(j, outcome{state: unknown, code: code, retryable: true})
	}
}

// write sends lines until nothing is due any more, or ctx ends.
func (u *upload) write(ctx context.Context, first *job) {
	defer close(u.sent)
	defer func() { _ = u.in.Close() }()
	buf := u.line(make([]byte, 0, 2*chunk), first)
	for {
		if len(buf) < chunk {
			select {
			case j, more := <-u.lane.due:
				if more {
					buf = u.line(buf, j)
					continue
				}
			default:
			}
		}
		if len(buf) > 0 {
			if _, err := u.in.Write(buf); err != nil {
				return
			}
		}
		select {
		case j, more := <-u.lane.due:
			if !more {
				return
			}
			buf = u.line(buf[:0], j)
		case <-ctx.Done():
			return
		}
	}
}

// line appends a push, unless it is too late for it.
func (u *upload) line(buf []byte, j *job) []byte {
	if !u.sending(j) {
		u.giveUp(u.lane, j)
		return buf
	}
	if len(u.sent) == 0 {
		u.watch.Reset(u.cfg.Timeout) // from here on a reply is waited for
	}
	u.sent <- j // there is room for all in flight
	return append(append(buf, u.message(j, true)...), '\n')
}

// read takes replies in until they end, and returns the code of what has none.
func (u *upload) read(ctx context.Context) (code string) {
	resp, err := u.api.request(ctx, http.MethodPost, "/v2/messages/batch", "application/x-ndjson", u.out)
	if err != nil {
		return broken(err).code
	}
	defer resp.Body.Close() // only read
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply)) // what cannot be read tells nothing
		return outcomeOf(resp.StatusCode, b).code
	}
	dec := json.NewDecoder(resp.Body)
	for {
		var reply struct {
			ID    string
			Error *problem
		}
		err := dec.Decode(&reply)
		if errors.Is(err, io.EOF) {
			return "batch_cut"
		}
		if err != nil {
			return broken(err).code
		}
		j, ok := <-u.sent
		if !ok {
			return "batch_replies" // more replies than lines
		}
		u.keepWatch()
		u.replied(j, lineOutcome(reply.ID, reply.Error))
	}
}

// keepWatch: the next reply has its time from now on, if one is waited for.
func (u *upload) keepWatch() {
	if len(u.sent) == 0 {
		u.watch.Stop()
		return
	}
	u.watch.Reset(u.cfg.Timeout)
}

func lineOutcome(text string, p *problem) outcome {
	if p != nil {
		return p.outcome()
	}
	id, err := push.ParseID(text)
	if err != nil {
		return outcome{state: unknown, code: "no_receipt"}
	}
	return outcome{state: acked, id: id}
}

// replied ends a push, or hands it to those who try again.
func (u *upload) replied(j *job, o outcome) {
	if u.again(j, o) {
		u.retry <- j // there is room for all in flight
		return
	}
	u.finish(u.lane, j, o)
}
