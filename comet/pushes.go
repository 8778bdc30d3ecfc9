package comet

import (
	"context"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/internal/trace"
)

// Push takes one message on. See rpc.CometService.
func (n *Node) Push(ctx context.Context, p push.Push, done func(push.Receipt, error)) {
	op := &operation{kind: opStore, ctx: ctx, push: p, done: done}
	if p.Transient {
		op.kind = opTransient
	}
	op.line = n.tracer.Continue(p.Trace, "comet line", trace.Internal)
	if n.deps.Exhausted() {
		op.since = time.Now()
		n.answer(op, push.Receipt{}, push.E(push.KindBusy, "the node is short of memory; nothing was stored, try again later"))
		return
	}
	n.begin(p.Key, op)
}

// Recall withdraws one message: no reader gets it once Recall has returned nil.
func (n *Node) Recall(ctx context.Context, key push.Key, id push.ID) error {
	return n.change(ctx, key, &operation{kind: opRecall, id: id})
}

// Delete withdraws all that the key has had until now.
func (n *Node) Delete(ctx context.Context, key push.Key) error {
	return n.change(ctx, key, &operation{kind: opDelete})
}

// change runs an operation and waits for it.
func (n *Node) change(ctx context.Context, key push.Key, op *operation) error {
	result := make(chan error, 1)
	op.ctx = ctx
	op.done = func(_ push.Receipt, err error) { result <- err }
	n.begin(key, op)
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return push.Wrap(push.KindOutcomeUnknown, ctx.Err(), "the change may or may not have happened; repeat it")
	}
}

// begin puts an operation in its key's line, if the key is served here.
func (n *Node) begin(key push.Key, op *operation) {
	deadline, ok := op.ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(n.cfg.PushTimeout)
	}
	op.deadline, op.since = deadline, time.Now()
	ch, start, err := n.queue(key, op)
	switch {
	case err != nil:
		n.answer(op, push.Receipt{}, err)
		if ch != nil {
			n.release(ch, 1)
		}
	default:
		if op.pushed(key) {
			n.busiest.count(key, op.since)
		}
		if start {
			n.advance(ch)
		}
	}
}

// queue decides whether the key is served here and puts the operation in its line,
// both in one turn: after pass, nothing gets in that was decided on before. With an
// error and a channel, the caller has to release the channel.
func (n *Node) queue(key push.Key, op *operation) (ch *channel, start bool, err error) {
	n.turn.RLock()
	defer n.turn.RUnlock()
	for n.adopted.Load() != n.deps.Directory.View().RingVersion {
		n.turn.RUnlock()
		n.adopt()
		n.turn.RLock()
	}
	if err := n.owns(key); err != nil {
		return nil, false, err
	}
	if op.pushed(key) && !n.pushPace.Take(key, n.limits.Load().PushesPerKey, op.since) {
		return nil, false, push.E(push.KindRateLimited, "the key is pushed to too fast; push again later, and slower")
	}
	if !n.enter() {
		return nil, false, push.E(push.KindMoving, "this node is leaving; look the node up again")
	}
	ch = n.table.acquire(key)
	start, full := n.enqueue(ch, op, n.cfg.PendingPushes, n.cfg.PendingBytes)
	if full {
		return ch, false, push.E(push.KindBusy, "too many pushes wait for this key; try again")
	}
	return ch, start, nil
}

// enqueue is the channel's, counted.
func (n *Node) enqueue(ch *channel, op *operation, maxOps, maxBytes int) (start, full bool) {
	start, full = ch.enqueue(op, maxOps, maxBytes)
	if start {
		n.met.writing.Add(1)
	}
	if !full {
		n.met.waiting.Add(1)
	}
	return start, full
}

// Time gives a first cursor: every id that is given later is above it.
func (n *Node) Time(context.Context) (push.ID, error) {
	srv := n.service()
	if !srv.valid() {
		return 0, errMoving()
	}
	return srv.ids.Below(n.deps.Now()), nil
}

// Follow sends the public stream to another node. See rpc.CometService.
func (n *Node) Follow(ctx context.Context, send func(rpc.Event) error) error {
	if !n.enter() {
		return errMoving()
	}
	defer n.leave(1)
	n.adopt()
	f := &follower{events: make(chan *event, followQueue), over: make(chan struct{}), moved: make(chan struct{})}
	ch := n.table.acquire(push.PublicKey)
	defer n.table.release(ch, 1)
	ch.join(f, 0)
	defer ch.leave(f)
	// Only now: whoever loses the stream looks for its followers after that.
	if err := n.owns(push.PublicKey); err != nil {
		return err
	}
	newest, err := n.newest(ctx, ch)
	if err != nil {
		return err
	}
	if err := send(rpc.Event{Kind: rpc.EventReady, ID: newest}); err != nil {
		return err
	}
	return f.run(ctx, n.leaving, send)
}
