package web

import (
	"context"
	"net/http"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// push has one message stored by the owner of its key, within PushTimeout.
func (s *Server) push(ctx context.Context, p push.Push) (push.Receipt, error) {
	end, err := s.startHere(p.Key)
	if err == nil {
		defer end()
		err = s.mayPush(ctx)
	}
	if err != nil {
		s.metrics.push(err)
		return push.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Load().PushTimeout)
	defer cancel()
	var got push.Receipt
	// With an idempotency key a try whose outcome is unknown may be repeated.
	err = s.onOwner(ctx, p.Key, p.IdempotencyKey != "", func(ctx context.Context, _ coord.Group, c Comet) (err error) {
		got, err = await(ctx, c, p)
		return err
	})
	s.metrics.push(err)
	return got, err
}

// await makes one try. It does not wait beyond ctx, whatever the node does; an
// answer that comes with ctx's end still counts.
func await(ctx context.Context, c Comet, p push.Push) (push.Receipt, error) {
	type answer struct {
		receipt push.Receipt
		err     error
	}
	ch := make(chan answer, 1)
	c.Push(ctx, p, func(r push.Receipt, err error) { ch <- answer{r, err} })
	select {
	case a := <-ch:
		return a.receipt, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-ch:
		return a.receipt, a.err
	default:
		return push.Receipt{}, push.Wrap(push.KindOutcomeUnknown, ctx.Err(), "no answer came in time; retry with the same Idempotency-Key")
	}
}

// readBody takes a request's body, at most Limits.MaxBody bytes of it. Nothing
// is allocated for bytes that were only announced beyond that.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	most := s.limits.Load().MaxBody
	if r.ContentLength > most {
		// The body is not read, so the connection cannot be used again.
		w.Header().Set("Connection", "close")
		return nil, errTooLarge(most)
	}
	body := http.MaxBytesReader(w, r.Body, most)
	return readAll(body, max(r.ContentLength, 0), most)
}
