package bench

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// The wait before another try: doubled each time, and half of it random.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 500 * time.Millisecond
)

// singles sends what is due, one request after the other.
func (b *bench) singles(ctx context.Context, l *lane) {
	for j := range l.due {
		if !b.sending(j) {
			b.giveUp(l, j)
			continue
		}
		b.finish(l, j, b.insist(ctx, j))
	}
}

// insist tries a push until it has an outcome that stays, or its time is over. ctx is
// the run's: an interrupted run lets pushes that are under way end.
func (b *bench) insist(ctx context.Context, j *job) outcome {
	ctx, cancel := context.WithDeadline(ctx, j.at.Add(b.cfg.Timeout))
	defer cancel()
	path, idempotency := "/v2/messages", b.idempotency(j)
	if j.stream.key == "" {
		path = "/v2/broadcast"
	}
	body := b.message(j, false)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		o := b.api.push(ctx, path, body, idempotency)
		if !b.again(j, o) || !pause(ctx, wait/2+rand.N(wait/2)) {
			return o
		}
	}
}

// again takes in the outcome of a try, and reports whether another one may help and
// is safe: what may be stored is repeated under an idempotency key alone.
func (b *bench) again(j *job, o outcome) bool {
	if o.state == acked {
		return false
	}
	b.meter.failed(o.code)
	j.maybe = j.maybe || o.state == unknown
	if !o.retryable || j.maybe && b.cfg.NoIdempotency || time.Since(j.at) >= b.cfg.Timeout {
		return false
	}
	b.meter.note(j.measured, func(p *Pushes) { p.Retries++ })
	return true
}

// finish notes the outcome of a push, and makes room for another.
func (b *bench) finish(l *lane, j *job, o outcome) {
	defer func() { <-l.slots }()
	if o.state == acked {
		now := time.Now()
		b.meter.recent.add(now.Sub(j.at))
		if j.measured {
			b.meter.ack.add(now.Sub(j.at))
			b.meter.acked(now)
		}
		b.meter.note(j.measured, func(p *Pushes) { p.Acknowledged++ })
		j.stream.settle(j.n, acked, o.id)
		return
	}
	if j.maybe {
		j.stream.settle(j.n, unknown, 0)
		b.meter.note(j.measured, func(p *Pushes) { p.Unknown++ })
		return
	}
	j.stream.settle(j.n, refused, 0)
	b.meter.note(j.measured, func(p *Pushes) { p.Refused++ })
}

// idempotency is the key of a push, the same for all its tries; empty: none.
func (b *bench) idempotency(j *job) string {
	if b.cfg.NoIdempotency {
		return ""
	}
	return b.cfg.Run + "-" + strconv.Itoa(j.n)
}

// message is the JSON of a push; a line of a batch has its idempotency key with it.
func (b *bench) message(j *job, line bool) []byte {
	dst := make([]byte, 0, b.cfg.Size+192)
	dst = append(dst, '{')
	if j.stream.key != "" {
		dst = append(append(append(dst, `"key":"`...), j.stream.key...), `",`...)
	}
	if key := b.idempotency(j); line && key != "" {
		dst = append(append(append(dst, `"idempotency_key":"`...), key...), `",`...)
	}
	dst = append(strconv.AppendInt(append(dst, `"ttl_s":`...), int64(b.cfg.life()), 10), `,"data":`...)
	return append(appendBody(dst, b.cfg.Run, j.stream.number, j.n, b.cfg.Size), '}')
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
