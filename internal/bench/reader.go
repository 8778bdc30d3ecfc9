package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gopush/comet/client"
	"gopush/internal/push"
)

// connecting is how many readers connect at once, and connectWithin how long one may
// take.
const (
	connecting    = 64
	connectWithin = 30 * time.Second
)

// pollEvery is how often a reader that fetches asks, as an app that wakes up would.
const pollEvery = time.Second

// SetupError says that the load could not begin, as a reader could not connect.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return "a reader cannot connect: " + e.Err.Error() }
func (e *SetupError) Unwrap() error { return e.Err }

// reader is one websocket reader of one key.
type reader struct {
	*bench
	own    *follower
	public *follower // nil: it leaves public messages out

	live    chan struct{} // closed when it is live for the first time
	once    sync.Once
	refused atomic.Pointer[error] // why the last attempt to connect failed
	began   bool                  // owned by the stream: it was ready once
}

// listen connects the readers, a few at a time, and returns when all are live. They
// end with ctx; wait waits for them.
func (b *bench) listen(ctx context.Context) (wait func(), err error) {
	var all sync.WaitGroup
	turn := make(chan struct{}, connecting)
	failed := make(chan error, b.cfg.Keys*b.cfg.Readers)
	for i := range b.cfg.Keys * b.cfg.Readers {
		r, stream, err := b.reader(i)
		if err != nil {
			return all.Wait, &SetupError{err}
		}
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return all.Wait, ctx.Err()
		}
		ended := make(chan struct{})
		all.Go(func() {
			defer close(ended)
			if err := stream.Run(ctx); ctx.Err() == nil {
				r.refused.Store(&err)
				b.ended.Add(1)
			}
		})
		all.Go(func() {
			failed <- r.await(ctx, ended)
			<-turn
		})
	}
	for range b.cfg.Keys * b.cfg.Readers {
		if err := <-failed; err != nil {
			return all.Wait, &SetupError{err}
		}
	}
	return all.Wait, nil
}

// reader makes reader number i, and its follower of each stream.
func (b *bench) reader(i int) (*reader, Stream, error) {
	s := b.keys[i%len(b.keys)]
	name := fmt.Sprintf("websocket %d", i)
	r := &reader{bench: b, own: s.follow(name, 0), live: make(chan struct{})}
	if b.cfg.Public > 0 {
		r.public = b.broadcasts.follow(name, 0)
	}
	start := push.ID(0)
	stream, err := b.deps.Listen(client.Config{
		NodeURL: b.cfg.Web, Key: s.key, After: &start, NoPublic: r.public == nil, Repeats: true,
		OnEvent: r.event, MaxBackoff: 2 * time.Second, TLS: b.cfg.TLS,
	})
	return r, stream, err
}

// await waits until the reader is live.
func (r *reader) await(ctx context.Context, ended <-chan struct{}) error {
	limit := time.NewTimer(connectWithin)
	defer limit.Stop()
	select {
	case <-r.live:
		return nil
	case <-ended:
	case <-limit.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if why := r.refused.Load(); why != nil {
		return *why
	}
	return fmt.Errorf("it was not live within %s", connectWithin)
}

// event takes one event of the stream in.
func (r *reader) event(_ context.Context, ev client.Event) error {
	switch ev.Kind {
	case client.KindReady:
		if r.public != nil && !r.began {
			r.public.begin(ev.PublicCursor)
		}
		r.began = true
	case client.KindLive:
		r.once.Do(func() { close(r.live) })
	case client.KindMessage, client.KindRepeat:
		r.message(ev)
	case client.KindGap:
		if f := r.follower(ev.Public); f != nil {
			f.gone(ev.Gap, ev.Gap.Reason != client.GapUnexplained)
		}
	case client.KindRecall:
		if f := r.follower(ev.Public); f != nil {
			f.recalled()
		}
	case client.KindDisconnected:
		r.refused.Store(&ev.Err)
		r.disconnected(ev.Err)
	default:
	}
	return nil
}

func (r *reader) follower(public bool) *follower {
	if public {
		return r.public
	}
	return r.own
}

// disconnected counts a lost connection, and a hole that a resume may yet mend.
func (r *reader) disconnected(err error) {
	r.lostConnections.Add(1)
	if e, ok := errors.AsType[*client.ChainError](err); ok {
		s := r.follower(e.Public).stream
		r.found.add(Gap, s, r.own.reader, "the message %d follows %d, but the cursor was %d", e.ID, e.Prev, e.Cursor)
	}
}

// message takes a delivery in, and its time.
func (r *reader) message(ev client.Event) {
	now := time.Now()
	f := r.follower(ev.Public)
	if f == nil {
		return
	}
	n, ok := r.number(f, ev.Data, ev.ID)
	if ok && f.see(received{id: ev.ID, prev: ev.Prev, repeated: ev.Kind == client.KindRepeat, n: n}) {
		r.delivered(f.stream, n, now)
	}
}

// number tells which push of the follower's stream a message is. Public messages may be
// of others, but they move the cursor like any.
func (b *bench) number(f *follower, data []byte, id push.ID) (int, bool) {
	s, n, ok := parseBody(data, b.cfg.Run)
	switch {
	case ok && s == f.stream.number:
		return n, true
	case !ok && f.stream.key == "":
		f.foreign(id)
	default:
		b.found.add(Phantom, f.stream, f.reader, "the message %d is of another key, or of nobody: %.100s", id, data)
	}
	return 0, false
}

// delivered notes when a message came, if it is measured.
func (b *bench) delivered(s *stream, n int, now time.Time) {
	l, place := b.main, n*len(b.keys)+s.number
	if s.key == "" {
		l, place = b.side, n
	}
	if due := l.after(place); due >= b.cfg.Warmup {
		b.meter.delivery.add(now.Sub(b.began.Add(due)))
		b.deliveries.Add(1)
	}
}

// discard is where the readers' own log goes: what they have to say is counted.
var discard = slog.DiscardHandler

func listenReal(cfg client.Config) (Stream, error) {
	return client.New(cfg, client.Deps{Log: slog.New(discard)})
}

// poller reads one stream by pages.
type poller struct {
	*bench
	f *follower
}

// poll reads a page or more each second, until ctx ends. The time of a page counts
// from when it was to be asked for.
func (p poller) poll(ctx context.Context) {
	for at := p.began; ; at = at.Add(pollEvery) {
		if !pause(ctx, time.Until(at)) {
			return
		}
		if err := p.toTheEnd(ctx, at); err != nil && ctx.Err() == nil {
			p.meter.failed("fetch")
		}
	}
}

// toTheEnd reads all that is stored above the cursor; at is when it was to begin.
func (p poller) toTheEnd(ctx context.Context, at time.Time) error {
	measured := at.Sub(p.began) >= p.cfg.Warmup
	for more := true; more; {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
		reply, err := p.api.read(ctx, p.f.stream.key, p.f.place())
		cancel()
		if err != nil {
			return err
		}
		if measured {
			p.meter.fetch.add(time.Since(at))
		}
		if err := p.take(reply); err != nil {
			return err
		}
		more, at = reply.More, time.Now()
	}
	return nil
}

// take takes a page in. Its gap lies somewhere among its messages.
func (p poller) take(reply page) error {
	gap, err := gapOf(reply)
	if err != nil {
		return err
	}
	for _, m := range reply.Messages {
		id, err := push.ParseID(m.ID)
		if err != nil {
			return err
		}
		prev, err := push.ParseID(m.Prev)
		if err != nil {
			return err
		}
		if gap != nil && gap.Until < id {
			p.f.gone(*gap, true)
			gap = nil
		}
		if n, ok := p.number(p.f, m.Data, id); ok {
			p.f.see(received{id: id, prev: prev, n: n})
		}
	}
	if gap != nil {
		p.f.gone(*gap, true)
	}
	next, err := push.ParseID(reply.Next)
	if err != nil {
		return err
	}
	if reply.More && next <= p.f.place() && len(reply.Messages) == 0 && reply.Gap == nil {
		return errors.New("there is said to be more, but nothing is given")
	}
	return nil
}

func gapOf(reply page) (*push.Gap, error) {
	if reply.Gap == nil {
		return nil, nil
	}
	after, err := push.ParseID(reply.Gap.After)
	if err != nil {
		return nil, err
	}
	until, err := push.ParseID(reply.Gap.Until)
	if err != nil {
		return nil, err
	}
	return &push.Gap{After: after, Until: until, Reason: push.GapReason(reply.Gap.Reason)}, nil
}
