package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"gopush/internal/rpc/pb"
)

// hedge is one read that asks a second node when the first one does not answer soon. It
// belongs to the goroutine that reads.
type hedge struct {
	s      *nodeSet
	pipeOf func(*node) *readPipe
	item   func() *pb.ReadItem
	end    time.Time
	got    chan heard // has room for what both say
	tries  []try
}

// try is one node that was asked and has not answered yet.
type try struct {
	n *node
	c *call[*pb.ReadItem, *pb.ReadAnswer]
}

// heard is what one of them said.
type heard struct {
	n *node
	outcome[*pb.ReadAnswer]
}

func (h *hedge) run(ctx context.Context, n *node) (*pb.ReadAnswer, error) {
	if err := ctx.Err(); err != nil {
		return nil, h.pipeOf(n).unsent(context.Cause(ctx), "the call ended before it was sent")
	}
	if err := h.ask(n); err != nil {
		return nil, err
	}
	defer h.forget(context.Canceled)
	limit := time.NewTimer(h.s.cfg.HedgeAfter)
	defer limit.Stop()
	for {
		select {
		case o := <-h.got:
			h.drop(o.n)
			// What a node cannot do the other one may.
			if atFault(o.err) && len(h.tries) > 0 {
				h.s.blame(o.n, o.err)
				continue
			}
			if o.n != n && len(h.tries) > 0 {
				h.s.blame(n, nil) // the other one was asked later, and was first
			}
			return answered(o.answer, o.err, o.n)
		case <-ctx.Done():
			return h.ended(context.Cause(ctx))
		case <-limit.C:
		}
		if time.Until(h.end) <= 0 {
			return h.ended(context.DeadlineExceeded)
		}
		h.second(n)
		limit.Reset(time.Until(h.end))
	}
}

// second asks another node as well, if there is one that is well.
func (h *hedge) second(n *node) {
	if !h.s.budget.take() {
		return
	}
	if other, err := h.s.pick(n); err == nil && other != n {
		_ = h.ask(other) // the first one may still answer
	}
}

func (h *hedge) ask(n *node) error {
	i := h.item()
	c, err := h.pipeOf(n).start(i, messageOverhead+len(i.GetKey()), h.end, func(a *pb.ReadAnswer, err error) {
		h.got <- heard{n, outcome[*pb.ReadAnswer]{a, err}}
	})
	if err == nil {
		h.tries = append(h.tries, try{n, c})
	}
	return err
}

func (h *hedge) drop(n *node) {
	for i := range h.tries {
		if h.tries[i].n == n {
			h.tries = append(h.tries[:i], h.tries[i+1:]...)
			return
		}
	}
}

// forget ends what is still out.
func (h *hedge) forget(cause error) {
	for _, t := range h.tries {
		h.pipeOf(t.n).expire(t.c, cause)
	}
}

// ended is what becomes of it when nobody has answered in time.
func (h *hedge) ended(cause error) (*pb.ReadAnswer, error) {
	h.forget(cause)
	h.tries = nil
	o := <-h.got // at once: it is settled, if not by expire, then by an answer
	return answered(o.answer, o.err, o.n)
}

// budget bounds how many reads ask twice: one in ten, and some at once. If the store itself
// is slow, asking it twice would make that worse.
type budget struct{ spent atomic.Int64 } // in tenths of a hedge; 0: all of it is there

const (
	budgetMost = 10 * 128
	hedgeCost  = 10
)

// earn is called for each read.
func (b *budget) earn() {
	if b.spent.Load() > 0 {
		b.spent.Add(-1)
	}
}

func (b *budget) take() bool {
	if b.spent.Add(hedgeCost) <= budgetMost {
		return true
	}
	b.spent.Add(-hedgeCost)
	return false
}
