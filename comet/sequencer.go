package comet

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/internal/trace"
)

const (
	firstRetry = 10 * time.Millisecond
	lastRetry  = 500 * time.Millisecond
)

// batch is one write in flight: operations of one key that become one row. It
// keeps its ids through every retry, so a repeat cannot become a second message.
type batch struct {
	ch       *channel
	ops      []*operation
	write    push.Write
	srv      *service // the term under which the ids were given
	deadline time.Time
	enough   time.Duration // what the last retry has to have left
	wait     time.Duration // before the next retry
	unknown  bool          // some attempt may have been stored
	attempts int64
	span     trace.Span // of the write, with all its attempts
}

// answer tells the caller of an operation what became of it.
func (n *Node) answer(op *operation, r push.Receipt, err error) {
	n.met.finished(op, err)
	n.note(op, r.ID, err)
	op.line.End(err) // if it has got no id
	op.done(r, err)
}

// note writes the debug line of an operation. Of what it carries only the request id is
// in it: keys and bodies may say who somebody is.
func (n *Node) note(op *operation, id push.ID, err error) {
	if !n.log.Enabled(op.ctx, slog.LevelDebug) {
		return
	}
	attrs := make([]slog.Attr, 0, 5)
	attrs = append(attrs, slog.String("kind", opNames[op.kind]), slog.String("request_id", op.push.RequestID),
		slog.Int64("id", int64(id)), slog.Duration("duration", time.Since(op.since)))
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	n.log.LogAttrs(op.ctx, slog.LevelDebug, "operation", attrs...)
}

// release gives back what k answered operations held. It comes last, so that a
// channel outlives the delivery of what it acknowledged.
func (n *Node) release(ch *channel, k int) {
	n.table.release(ch, k)
	n.leave(k)
}

// advance starts what is next on a busy channel, until something is in flight
// or nothing is left.
func (n *Node) advance(ch *channel) {
	for {
		unit := ch.take()
		n.met.waiting.Add(-int64(len(unit)))
		if len(unit) == 0 {
			n.met.writing.Add(-1)
			return
		}
		switch unit[0].kind {
		case opStore:
			if n.store(ch, unit) {
				return
			}
		case opTransient:
			defer n.release(ch, 1)
			n.transient(ch, unit[0])
		case opBarrier:
			// It was not counted in as work: who waits for it is.
			defer n.table.release(ch, 1)
			unit[0].done(push.Receipt{}, nil)
		case opRecall, opDelete:
			n.spawn(func() {
				n.withdraw(ch, unit[0])
				n.advance(ch)
				n.release(ch, 1)
			})
			return
		}
	}
}

// transient delivers an online-only push at once; nothing is stored.
func (n *Node) transient(ch *channel, op *operation) {
	srv := n.service()
	id, err := srv.reserve(op.ctx, 1)
	if err == nil && !srv.valid() {
		err = errMoving()
	}
	if err != nil {
		n.answer(op, push.Receipt{}, err)
		return
	}
	op.numbered(id)
	prev, _ := ch.newest()
	n.publish(ch, &event{kind: evTransient, public: ch.key.Public(), since: op.since, trace: op.push.Trace, msg: push.Message{
		ID: id, Prev: max(prev, 0), Body: op.push.Body, Transient: true,
	}})
	n.answer(op, push.Receipt{ID: id}, nil)
}

// store begins the write of a burst; false means that nothing is in flight.
func (n *Node) store(ch *channel, ops []*operation) bool {
	live := ops[:0]
	for _, op := range ops {
		if op.ctx.Err() != nil {
			n.answer(op, push.Receipt{}, push.E(push.KindBusy, "the push waited for its key until its deadline; nothing was stored, try again"))
			defer n.release(ch, 1)
			continue
		}
		live = append(live, op)
	}
	if len(live) == 0 {
		return false
	}
	b := &batch{ch: ch, ops: live, wait: firstRetry}
	for _, op := range live {
		if op.deadline.After(b.deadline) {
			b.deadline = op.deadline
		}
	}
	b.enough = push.Enough(time.Until(b.deadline))
	srv := n.service()
	if first, ok := srv.tryReserve(len(live)); ok {
		n.number(b, srv, first)
		n.attempt(b)
		return true
	}
	n.spawn(func() { n.storeAfterRaise(b) })
	return true
}

// storeAfterRaise is the slow way to ids: the ceiling has to be raised first.
func (n *Node) storeAfterRaise(b *batch) {
	srv := n.service()
	ctx, cancel := context.WithDeadline(context.Background(), b.deadline)
	defer cancel()
	first, err := srv.reserve(ctx, len(b.ops))
	if err != nil {
		n.refuse(b, err)
		return
	}
	n.number(b, srv, first)
	n.attempt(b)
}

// number gives the burst its ids, in the order of its operations.
func (n *Node) number(b *batch, srv *service, first push.ID) {
	prev, _ := b.ch.newest()
	b.srv = srv
	b.write = push.Write{
		Key: b.ch.key, Prev: prev, Group: n.cfg.Member.Group, Epoch: srv.epoch(),
		Messages: make([]push.Message, len(b.ops)),
	}
	for i, op := range b.ops {
		b.write.Messages[i] = push.Message{
			ID: first + push.ID(i)*push.Step, ExpiresAt: op.push.ExpiresAt,
			Body: op.push.Body, IdempotencyKey: op.push.IdempotencyKey,
		}
	}
	b.write.Requests = requests(b.ops)
	n.trace(b)
}

// requests are the ids of the requests that brought the operations, each once: the
// lines of a batch, which have one together, come one after the other.
func requests(ops []*operation) []string {
	var ids []string
	for _, op := range ops {
		if id := op.push.RequestID; id != "" && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// attempt asks a message node once.
func (n *Node) attempt(b *batch) {
	b.attempts++
	left := min(time.Until(b.deadline), n.cfg.AttemptTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), left)
	n.deps.Messages.Save(ctx, b.write, func(w push.Written, err error) {
		cancel()
		switch {
		case err != nil:
			n.failed(b, err)
		case b.ch.connections() > inlineFanOut:
			// Writing to many must not hold up the answers to other keys.
			n.spawn(func() { n.written(b, w) })
		default:
			n.written(b, w)
		}
	})
}

// inlineFanOut is how many subscribers the goroutine that brings the store's
// answers may hand an event to itself.
const inlineFanOut = 16

// failed decides what follows an attempt without success: another one with the
// same ids, or giving up.
func (n *Node) failed(b *batch, err error) {
	kind := push.KindOf(err)
	b.unknown = b.unknown || kind == push.KindOutcomeUnknown
	switch kind {
	case push.KindFenced:
		n.met.fenced.Inc()
		b.srv.end()
		n.refuse(b, errMoving())
		return
	case push.KindOutcomeUnknown, push.KindStoreUnavailable, push.KindBusy:
	default:
		n.refuse(b, err)
		return
	}
	if time.Until(b.deadline) <= b.wait+b.enough || !b.srv.valid() {
		n.refuse(b, push.Wrap(push.KindStoreUnavailable, err, "the store did not take the message in time; nothing was stored, try again%s", because(err)))
		return
	}
	wait := b.wait
	b.wait = min(2*b.wait, lastRetry)
	n.met.retries.Inc()
	time.AfterFunc(wait, func() { n.attempt(b) })
}

// because is the store's own sentence, if it gave one, as the end of another.
func because(err error) string {
	if e, ok := errors.AsType[*push.Error](err); ok && e.Detail != "" {
		return ": " + e.Detail
	}
	return ""
}

// refuse gives a burst up. What may have been stored is not acknowledged any more, unless a
// retry with its idempotency key finds it and the stream has not gone on without it.
func (n *Node) refuse(b *batch, err error) {
	b.ended(err)
	if b.unknown {
		b.ch.forget()
		err = push.Wrap(push.KindOutcomeUnknown, err, "the message may or may not have been stored; retry with the same idempotency key")
	}
	for _, op := range b.ops {
		n.answer(op, push.Receipt{}, err)
	}
	n.advance(b.ch)
	n.release(b.ch, len(b.ops))
}

// written acknowledges a durable burst and delivers it, in that order, and only
// while the lease holds.
func (n *Node) written(b *batch, w push.Written) {
	if !b.srv.valid() || len(w.Outcomes) != len(b.ops) {
		b.unknown = true
		n.refuse(b, errMoving())
		return
	}
	b.ended(nil)
	prev, repeated := w.Prev, push.ID(0)
	events := make([]*event, 0, len(b.ops))
	for i, out := range w.Outcomes {
		if out.Status == push.Duplicate {
			repeated = max(repeated, out.ID)
		}
		if out.Status != push.Stored {
			continue
		}
		m := b.write.Messages[i]
		m.Prev, prev = prev, m.ID
		events = append(events, &event{kind: evMessage, public: b.ch.key.Public(), since: b.ops[i].since, trace: b.ops[i].push.Trace, msg: m})
	}
	for i, op := range b.ops {
		r, err := receipt(w.Outcomes[i])
		n.answer(op, r, err)
	}
	for _, ev := range events {
		n.publish(b.ch, ev)
	}
	if repeated > 0 {
		b.ch.overdue(repeated)
	}
	n.advance(b.ch)
	n.release(b.ch, len(b.ops))
}

func receipt(out push.Outcome) (push.Receipt, error) {
	switch out.Status {
	case push.Stored:
		return push.Receipt{ID: out.ID}, nil
	case push.Duplicate:
		return push.Receipt{ID: out.ID, Duplicate: true}, nil
	default:
		return push.Receipt{}, push.E(push.KindConflict, "the idempotency key was used for message %s with another body; use a new key for a new message", out.ID)
	}
}

// withdraw carries out a recall or a delete and tells the subscribers.
func (n *Node) withdraw(ch *channel, op *operation) {
	ctx, cancel := context.WithDeadline(op.ctx, op.deadline)
	defer cancel()
	srv := n.service()
	fence := rpc.Fence{Group: n.cfg.Member.Group, Epoch: srv.epoch()}
	ev := &event{kind: evRecall, public: ch.key.Public(), msg: push.Message{ID: op.id}}
	err := ctx.Err()
	switch {
	case err != nil:
	case op.kind == opRecall:
		err = n.deps.Messages.Recall(ctx, ch.key, op.id, fence)
	default:
		ev.kind = evDelete
		if ev.msg.ID, err = n.newest(ctx, ch); err == nil && ev.msg.ID > 0 {
			err = n.deps.Messages.Delete(ctx, ch.key, ev.msg.ID, fence)
		}
	}
	if err == nil && !srv.valid() {
		err = errMoving()
	}
	if err == nil {
		n.publish(ch, ev)
	}
	n.answer(op, push.Receipt{}, err)
}

// newest is the key's newest id, from memory or else from the store.
func (n *Node) newest(ctx context.Context, ch *channel) (push.ID, error) {
	if id, ok := ch.newest(); ok {
		return id, nil
	}
	return n.deps.Messages.Newest(ctx, ch.key)
}
