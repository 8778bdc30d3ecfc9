package rpc

import (
	"context"
	"time"

	"gopush/internal/rpc/pb"
)

// A call that may be repeated asks every node in turn, in so many rounds: enough
// to outlast the moment in which one node goes and another takes over.
const (
	rounds     = 6
	pauseFirst = 25 * time.Millisecond
	pauseMost  = 400 * time.Millisecond
)

func (n *node) readsSmall() *readPipe { return n.small }
func (n *node) readsLarge() *readPipe { return n.large }

// ask makes a call that changes nothing until it gets an answer. Each attempt
// has an item of its own: a stream that was given up may still be sending it.
func (s *nodeSet) ask(ctx context.Context, pipeOf func(*node) *readPipe, item func() *pb.ReadItem) (*pb.ReadAnswer, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(s.cfg.Client.CallTimeout)
	}
	s.budget.earn()
	var last *node
	for i := 1; ; i++ {
		n, err := s.pick(last)
		if err != nil {
			return nil, err
		}
		a, err := s.once(ctx, n, pipeOf, item, end)
		size := max(1, s.size())
		if !atFault(err) || i >= rounds*size || ctx.Err() != nil || time.Until(end) <= 0 {
			return a, err
		}
		s.blame(n, err)
		if i%size == 0 {
			rest(ctx, min(pauseFirst<<(i/size-1), pauseMost, time.Until(end)))
		}
		last = n
	}
}

// once gives one node no more than half of what is left, if there is another to
// ask: a node that hangs must not use up the whole deadline.
func (s *nodeSet) once(ctx context.Context, n *node, pipeOf func(*node) *readPipe, item func() *pb.ReadItem, end time.Time) (*pb.ReadAnswer, error) {
	if s.size() > 1 {
		end = end.Add(-time.Until(end) / 2)
	}
	if s.size() < 2 || s.cfg.HedgeAfter < 0 || time.Until(end) <= s.cfg.HedgeAfter {
		i := item()
		a, err := pipeOf(n).wait(ctx, i, messageOverhead+len(i.GetKey()), end)
		return answered(a, err, n)
	}
	h := &hedge{s: s, pipeOf: pipeOf, item: item, end: end, got: make(chan heard, 2)}
	return h.run(ctx, n)
}

// answered finds the error that a node gave as its answer.
func answered(a *pb.ReadAnswer, err error, n *node) (*pb.ReadAnswer, error) {
	if err != nil {
		return nil, err
	}
	if a.GetError() != nil {
		return nil, messageRead.answered(a.GetError(), n.addr)
	}
	return a, nil
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
