package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/push"
)

const (
	// settleStep is how often it is looked at whether readers have it all.
	settleStep = 20 * time.Millisecond
	// sideConnections carry broadcasts, and delete keys at the end.
	sideConnections = 8
	// removeWithin bounds the deletion of all keys.
	removeWithin = time.Minute
)

// bench is one run.
type bench struct {
	cfg   Config
	deps  Deps
	api   *api
	meter *meter
	found *findings

	keys       []*stream
	broadcasts *stream
	main, side *lane // of the keys, and of broadcasts
	// began is when the schedule begins. It is set before anything is pushed.
	began time.Time

	ended, lostConnections, deliveries, fetched, left atomic.Int64
}

// Run puts load on the servers and returns what came of it. It ends early, with a
// result, when ctx ends. An error is of the settings, a *SetupError, or ctx's own if
// nothing was pushed yet.
func Run(ctx context.Context, cfg Config, deps Deps) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.HTTP == nil {
		t := cfg.transport()
		defer t.CloseIdleConnections()
		deps.HTTP = t
	}
	if deps.Listen == nil {
		deps.Listen = listenReal
	}
	return newBench(cfg, deps).run(ctx)
}

func newBench(cfg Config, deps Deps) *bench {
	b := &bench{cfg: cfg, deps: deps, meter: newMeter(), found: newFindings(), keys: make([]*stream, cfg.Keys)}
	b.api = &api{cfg: &b.cfg, http: &http.Client{Transport: deps.HTTP}}
	for i := range b.keys {
		b.keys[i] = &stream{number: i, key: push.Key(cfg.prefix() + strconv.Itoa(i)), found: b.found}
	}
	b.main = newLane(cfg.Rate, cfg.InFlight, b.keys...)
	if cfg.Public > 0 {
		b.broadcasts = &stream{number: -1, found: b.found}
		b.side = newLane(cfg.Public, cfg.InFlight, b.broadcasts)
	}
	return b
}

// run does the parts of a run one after the other.
func (b *bench) run(ctx context.Context) (*Result, error) {
	machine := thisMachine()
	// Who has begun something ends it in order, interrupted or not.
	free := context.WithoutCancel(ctx)
	reading, hangUp := context.WithCancel(free)
	defer hangUp()
	connected := context.AfterFunc(ctx, hangUp)
	wait, err := b.listen(reading)
	connected()
	defer wait()
	defer hangUp()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	b.began = time.Now()
	polled := b.poll(reading)
	defer polled()
	use := b.load(ctx, free)
	late := b.settle()
	hangUp()
	wait()
	polled()
	if late {
		b.fetchRest(free)
	}
	b.judge()
	if !b.cfg.Keep {
		b.removeKeys(free)
	}
	return b.result(ctx.Err() != nil, use, machine), nil
}

// poll starts the readers that fetch. They end with ctx; wait waits for them.
func (b *bench) poll(ctx context.Context) (wait func()) {
	var all sync.WaitGroup
	for i := range b.cfg.Fetchers {
		s := b.keys[i]
		p := poller{b, s.follow(fmt.Sprintf("fetch %d", i), 0)}
		all.Go(func() { p.poll(ctx) })
	}
	return all.Wait
}

// load pushes until every push has an outcome.
func (b *bench) load(ctx, free context.Context) *use {
	u := &use{bench: b}
	over, done := context.WithCancel(free)
	defer done()
	warming, warm := context.WithCancel(free)
	defer warm()
	var pushing, beginning, beside sync.WaitGroup
	beginning.Go(func() { u.begin(warming) })
	beside.Go(func() { b.report(over) })
	b.startLane(ctx, free, &pushing, b.main, b.cfg.Connections, b.cfg.Batch)
	if b.side != nil {
		b.startLane(ctx, free, &pushing, b.side, sideConnections, false)
	}
	pushing.Wait()
	warm()
	beginning.Wait()
	u.end(free)
	done()
	beside.Wait()
	return u
}

// startLane starts what pushes at one rate.
func (b *bench) startLane(ctx, free context.Context, all *sync.WaitGroup, l *lane, workers int, batch bool) {
	all.Go(func() { b.dispatch(ctx, l, b.began) })
	if !batch {
		for range workers {
			all.Go(func() { b.singles(free, l) })
		}
		return
	}
	retry := make(chan *job, l.inFlight)
	var uploads sync.WaitGroup
	for range workers {
		uploads.Go(func() { b.batches(free, l, retry) })
	}
	for range retriers {
		all.Go(func() { b.retries(free, l, retry) })
	}
	all.Go(func() {
		uploads.Wait()
		close(retry)
	})
}

// settle waits until every reader has what it is owed, and reports whether some do
// not in time.
func (b *bench) settle() (late bool) {
	for end := time.Now().Add(b.cfg.Settle); b.found.owed.Load() > 0; {
		if time.Now().After(end) {
			return true
		}
		<-time.After(settleStep)
	}
	return false
}

// fetchRest reads, from the cursor of each reader that misses something, what is stored
// above it: late is not lost.
func (b *bench) fetchRest(ctx context.Context) {
	for _, s := range b.streams() {
		for _, f := range s.followers {
			if !f.misses() {
				continue
			}
			before := b.found.received.Load()
			if err := (poller{b, f}).toTheEnd(ctx, time.Time{}); err != nil {
				b.meter.failed("fetch")
			}
			b.fetched.Add(b.found.received.Load() - before)
		}
	}
}

func (b *bench) streams() []*stream {
	if b.broadcasts == nil {
		return b.keys
	}
	return append(append([]*stream(nil), b.keys...), b.broadcasts)
}

// judge counts what is lost.
func (b *bench) judge() {
	for _, s := range b.streams() {
		s.close()
	}
}

// removeKeys deletes what was pushed to keys; what cannot be deleted expires. Public
// messages expire too: to delete those of everybody else with them is not ours.
func (b *bench) removeKeys(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removeWithin)
	defer cancel()
	var next atomic.Int64
	var all sync.WaitGroup
	for range sideConnections {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(b.keys); i = int(next.Add(1)) - 1 {
				if err := b.api.remove(ctx, b.keys[i].key); err != nil {
					b.left.Add(1)
				}
			}
		})
	}
	all.Wait()
}

// report tells how it goes until ctx ends: after a second, so that one sees that it
// does, and then as often as was asked for.
func (b *bench) report(ctx context.Context) {
	if b.cfg.Progress == nil {
		return
	}
	var before int64
	last := b.began
	for wait := min(time.Second, b.cfg.ProgressEvery); pause(ctx, wait); wait = b.cfg.ProgressEvery {
		all, _, _, _ := b.meter.look()
		now := time.Now()
		p := Progress{
			Phase: "measuring", Since: now.Sub(b.began), AckP99: b.meter.recent.take(),
			RatePerS:    float64(all.Acknowledged-before) / now.Sub(last).Seconds(),
			Undelivered: b.found.owed.Load(), Broken: b.found.total(), NotSent: all.NotSent,
		}
		switch {
		case p.Since < b.cfg.Warmup:
			p.Phase = "warmup"
		case p.Since > b.cfg.Warmup+b.cfg.Duration:
			p.Phase = "settling"
		}
		before, last = all.Acknowledged, now
		b.cfg.Progress(p)
	}
}

// errNoMetric: nothing of the name was counted, or it is not a gopush that answers.
var errNoMetric = errors.New("there is no such metric")
