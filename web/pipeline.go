package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// Bounds of a pipeline.
const (
	window      = 1024    // pushes outstanding
	windowBytes = 2 << 20 // their bodies
	// laneWindow is how many pushes of one key are on their way at once: enough
	// for two bursts of its owner, and well below the owner's queue.
	laneWindow = 2 * push.MaxBurstMessages
)

// pipeline sends many pushes at once and hands them back in the order in which
// they came. Pushes of one key stay in that order too, also when some of them
// are refused and sent again. It is for one goroutine; only the callbacks of
// the comet clients come from others, and all they do is fill results.
type pipeline struct {
	s       *Server
	ctx     context.Context // over the pushes
	cancel  context.CancelFunc
	results chan result // a place for each push on its way, so no callback blocks
	order   []*item     // outstanding, oldest first
	bytes   int         // of the bodies in order
	seq     int         // the next item's
	lanes   map[push.Key]*lane
	parked  []*lane         // lanes that wait for their next try
	timer   *time.Timer     // the earliest of them
	deposed *time.Timer     // runs while tries are out at a node that has a successor
	changed <-chan struct{} // the view that tries were last compared with is old
	shared  sharedContext
	timeout time.Duration // of each push
	trace   string        // of the request, for its first pushes
}

// item is one push of a pipeline.
type item struct {
	push     push.Push
	seq      int
	deadline time.Time
	latest   time.Time // when a try may begin that is not the first
	tried    bool
	doubted  bool               // a try may have been stored
	cancel   context.CancelFunc // of the try in flight, if it has its own context
	changed  func()             // to be called when the change of its key that it is has ended; nil: it is none
	owner    coord.Group        // whom the try in flight went to
	done     bool
	receipt  push.Receipt
	err      error
}

// end is when the item keeps its last refusal.
func (it *item) end() time.Time {
	if it.tried {
		return it.latest
	}
	return it.deadline
}

type result struct {
	it      *item
	lane    *lane
	receipt push.Receipt
	err     error
}

// newPipeline sends under ctx, which should outlive the request: a push that was
// sent is better answered than abandoned.
func newPipeline(ctx context.Context, s *Server) *pipeline {
	p := &pipeline{s: s, results: make(chan result, window), lanes: make(map[push.Key]*lane), timer: time.NewTimer(time.Hour), deposed: time.NewTimer(time.Hour)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.timer.Stop()
	p.deposed.Stop()
	p.changed = s.deps.Directory.Changed()
	p.timeout = s.limits.Load().PushTimeout
	p.trace = s.traceOf(ctx)
	p.shared = sharedContext{parent: p.ctx, life: p.timeout}
	return p
}

// close gives up what is still on its way. Its callbacks still find room.
func (p *pipeline) close() {
	for _, it := range p.order {
		it.over()
	}
	p.timer.Stop()
	p.deposed.Stop()
	p.cancel()
	p.shared.close()
}

// empty says that everything was handed back.
func (p *pipeline) empty() bool { return len(p.order) == 0 }

// full says that next must give something back before add may be called.
func (p *pipeline) full() bool { return len(p.order) >= window || p.bytes >= windowBytes }

// over is called when nobody waits for the push any more.
func (it *item) over() {
	if it.changed != nil {
		it.changed()
		it.changed = nil
	}
}

// add takes one push. The pipeline must not be full.
func (p *pipeline) add(m push.Push) {
	end, err := p.s.startHere(m.Key)
	deadline := time.Now().Add(p.timeout)
	it := p.append(&item{push: m, deadline: deadline, latest: deadline.Add(-push.Enough(p.timeout)), changed: end})
	if err == nil {
		err = p.s.mayPush(p.ctx)
	}
	if err != nil {
		p.finish(it, err)
		return
	}
	if it.seq < linesTraced {
		it.push.Trace = p.trace
	}
	l := p.lanes[m.Key]
	if l == nil {
		l = &lane{key: m.Key, accepted: -1, doubted: -1}
		p.lanes[m.Key] = l
	}
	l.waiting = append(l.waiting, it)
	p.pump(l)
}

// addError takes what is no push: its place in the order is kept.
func (p *pipeline) addError(err error) { p.append(&item{done: true, err: err}) }

// append gives it its place in the order of the answers.
func (p *pipeline) append(it *item) *item {
	it.seq = p.seq
	p.seq++
	p.bytes += len(it.push.Body)
	p.order = append(p.order, it)
	return it
}

// next returns the oldest item once it is done, else nil.
func (p *pipeline) next() *item {
	if len(p.order) == 0 || !p.order[0].done {
		return nil
	}
	it := p.order[0]
	p.order[0] = nil
	p.order = p.order[1:]
	p.bytes -= len(it.push.Body)
	return it
}

// wait blocks until something has happened; false: the node stops, and waits no longer.
func (p *pipeline) wait() bool {
	select {
	case r := <-p.results:
		p.settle(r)
	case <-p.timer.C:
		p.resume()
	case <-p.changed:
		p.compare()
	case <-p.deposed.C:
		p.abandon()
	case <-p.s.over:
		return false
	}
	return true
}

// pump sends what waits in l as far as it may, and parks or drops the lane when
// nothing of it is on its way.
func (p *pipeline) pump(l *lane) {
	if l.parked {
		return
	}
	for len(l.waiting) > 0 && l.flying < laneWindow && !l.stopped {
		owner, comet, err := p.s.owner(l.key)
		if err == nil && l.elsewhere(owner) {
			return // until they have come back
		}
		l.owner = owner
		it := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		if err != nil {
			p.judge(l, it, push.Receipt{}, err)
			continue
		}
		p.send(l, it, comet)
	}
	if l.flying > 0 {
		return
	}
	if l.stopped {
		p.regroup(l)
	}
	switch {
	case len(l.waiting) == 0:
		delete(p.lanes, l.key)
	default:
		p.park(l)
	}
}

// send makes one try.
func (p *pipeline) send(l *lane, it *item, c Comet) {
	// Only first tries share a context; a later one has less time left. What may be
	// given up alone has one of its own below it.
	ctx := p.shared.get()
	switch {
	case it.tried:
		ctx, it.cancel = context.WithDeadline(p.ctx, it.deadline)
	case it.push.IdempotencyKey != "":
		ctx, it.cancel = context.WithCancel(ctx)
	}
	it.tried, it.owner = true, l.owner
	l.flying++
	c.Push(ctx, it.push, func(r push.Receipt, err error) { p.results <- result{it, l, r, err} })
}

// settle takes the answer to a try. It must be called by the pipeline's own
// goroutine, for every result.
func (p *pipeline) settle(r result) {
	r.lane.flying--
	if r.it.cancel != nil {
		r.it.cancel()
		r.it.cancel = nil
	}
	p.judge(r.lane, r.it, r.receipt, r.err)
	p.pump(r.lane)
}

// judge decides what the answer to a try means for its item and its lane.
func (p *pipeline) judge(l *lane, it *item, receipt push.Receipt, err error) {
	unknown := push.Is(err, push.KindOutcomeUnknown) || push.Is(err, push.KindFenced)
	switch {
	case err == nil:
		l.accepted = max(l.accepted, it.seq)
		l.pause = backoff{}
	case unknown:
		l.doubted, it.doubted = max(l.doubted, it.seq), true
	}
	it.receipt, it.err = receipt, err
	// When there is no time for a try, a line keeps its refusal, which says that nothing
	// happened.
	if err != nil && again(err, it.push.IdempotencyKey != "") && time.Now().Before(it.end()) {
		l.refused = append(l.refused, it)
		l.stopped = true
		return
	}
	p.finish(it, err)
}

// finish makes it ready for next. Its metrics are counted here, so that a line
// that was tried five times is one push.
func (p *pipeline) finish(it *item, err error) {
	if it.doubted {
		err = inDoubt(err)
	}
	it.over()
	it.err, it.done = err, true
	p.s.metrics.push(err)
}

// regroup puts what was refused back in front of what waits. What stands before
// a push that was accepted, or may have been, keeps its refusal: sent now, it would come
// after it. If both may have been they go again together: their node takes pushes of a
// key in order, so what it has stored of them is the first ones.
func (p *pipeline) regroup(l *lane) {
	slices.SortFunc(l.refused, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	var retry []*item
	for _, it := range l.refused {
		if it.seq < l.accepted || it.seq < l.doubted && !it.doubted {
			p.finish(it, it.err)
			continue
		}
		p.s.metrics.retry(it.err)
		l.reason = it.err
		retry = append(retry, it)
	}
	l.waiting = append(retry, l.waiting...)
	l.refused = nil
	l.stopped = false
}

// park lets a lane wait for its next try.
func (p *pipeline) park(l *lane) {
	l.parked = true
	l.due = time.Now().Add(l.pause.next(l.reason))
	p.parked = append(p.parked, l)
	p.rearm()
}

// rearm sets the one timer to the lane that is due first. There are as many
// parked lanes as keys that are refused right now: few, or the node is lost and
// the scan is the least of the troubles.
func (p *pipeline) rearm() {
	if len(p.parked) == 0 {
		p.timer.Stop()
		return
	}
	first := slices.MinFunc(p.parked, func(a, b *lane) int { return a.due.Compare(b.due) })
	p.timer.Reset(time.Until(first.due))
}

// resume tries the lanes that have waited long enough, without the items whose
// time is over: those were refused, hence have not happened.
func (p *pipeline) resume() {
	now := time.Now()
	var due []*lane
	p.parked = slices.DeleteFunc(p.parked, func(l *lane) bool {
		ready := !l.due.After(now)
		if ready {
			due = append(due, l)
		}
		return ready
	})
	for _, l := range due {
		l.parked = false
		l.waiting = slices.DeleteFunc(l.waiting, func(it *item) bool {
			over := now.After(it.end())
			if over {
				p.finish(it, cmp.Or(it.err, l.reason))
			}
			return over
		})
		p.pump(l)
	}
	p.rearm()
}
