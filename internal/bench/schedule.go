package bench

import (
	"context"
	"time"
)

const (
	// lateAfter is how much later than its time a push may be sent without being
	// counted as late.
	lateAfter = 10 * time.Millisecond
	// patience is how much later it may be sent at all. It bounds what a server that is
	// too slow makes wait: rate times patience beyond those in flight.
	patience = time.Second
)

// job is one push that is due.
type job struct {
	stream   *stream
	n        int // its number in the stream
	at       time.Time
	measured bool
	maybe    bool // a try may have been stored
}

// lane is pushes at one rate, to the streams in turn.
type lane struct {
	rate     int
	streams  []*stream
	inFlight int // pushes that are due and without an outcome, at most

	due   chan *job     // closed by dispatch; has room for all that are in flight
	slots chan struct{} // one for each in flight
}

func newLane(rate, inFlight int, streams ...*stream) *lane {
	return &lane{
		rate: rate, streams: streams, inFlight: inFlight,
		due: make(chan *job, inFlight), slots: make(chan struct{}, inFlight),
	}
}

// after is when push number n is due, from the beginning. It is computed from the
// beginning each time, so that errors do not add up.
func (l *lane) after(n int) time.Duration {
	return time.Duration(n/l.rate)*time.Second + time.Duration(n%l.rate)*time.Second/time.Duration(l.rate)
}

// dispatch makes pushes due at their times until the end of the schedule or of ctx. A
// push whose time has come but for which there is no room waits; who takes it then sees
// whether it is too late.
func (b *bench) dispatch(ctx context.Context, l *lane, began time.Time) {
	defer close(l.due)
	timer := time.NewTimer(0)
	defer timer.Stop()
	end := b.cfg.Warmup + b.cfg.Duration
	for n := 0; l.after(n) < end; n++ {
		at := began.Add(l.after(n))
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		s := l.streams[n%len(l.streams)]
		j := &job{stream: s, n: s.plan(), at: at, measured: l.after(n) >= b.cfg.Warmup}
		b.meter.note(j.measured, func(p *Pushes) { p.Scheduled++ })
		l.due <- j // there is room: a slot stands for it
	}
}

// giveUp is the outcome of a push that could not be sent in time.
func (b *bench) giveUp(l *lane, j *job) {
	j.stream.settle(j.n, unsent, 0)
	b.meter.note(j.measured, func(p *Pushes) { p.NotSent++ })
	<-l.slots
}

// sending notes that a push leaves now; it reports false if that is too late.
func (b *bench) sending(j *job) bool {
	delay := time.Since(j.at)
	if delay > patience {
		return false
	}
	j.stream.try(j.n)
	b.meter.note(j.measured, func(p *Pushes) {
		p.Sent++
		if delay > lateAfter {
			p.Late++
		}
	})
	if j.measured {
		b.meter.delay.add(delay)
	}
	return true
}
