package comet

import (
	"context"
	"log/slog"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
)

// followQueue is how many public events may wait for a following node before it
// has to start again, and read what it missed from the store.
const followQueue = 1024

// follower is a following node, on the side of the public stream's owner.
type follower struct {
	events chan *event
	index  int           // guarded by the channel's mu
	over   chan struct{} // closed when an event had to be dropped
	full   bool          // guarded by the channel's mu
	moved  chan struct{} // closed when this node is not the stream's owner any more
	gone   bool          // guarded by the channel's mu; moved is closed
}

func (f *follower) setSlot(i int) { f.index = i }
func (f *follower) slot() int     { return f.index }

func (f *follower) deliver(ev *event) {
	if f.full {
		return
	}
	select {
	case f.events <- ev:
	default:
		f.full = true
		close(f.over)
	}
}

// run sends until ctx or the node ends, the queue ran over, or send fails.
func (f *follower) run(ctx context.Context, leaving <-chan struct{}, send func(rpc.Event) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-leaving:
			return errMoving()
		case <-f.moved:
			return errMoving()
		case <-f.over:
			return push.E(push.KindBusy, "the follower is too slow; follow again")
		case ev := <-f.events:
			if err := send(toRPC(ev)); err != nil {
				return err
			}
		}
	}
}

func toRPC(ev *event) rpc.Event {
	switch ev.kind {
	case evRecall:
		return rpc.Event{Kind: rpc.EventRecall, ID: ev.msg.ID}
	case evDelete:
		return rpc.Event{Kind: rpc.EventDelete, ID: ev.msg.ID}
	default:
		return rpc.Event{Kind: rpc.EventMessage, Message: ev.msg, Trace: ev.trace}
	}
}

// followPublic keeps this node's copy of the public stream going, whoever owns
// it, until ctx ends.
func (n *Node) followPublic(ctx context.Context) {
	for ctx.Err() == nil {
		changed := n.deps.Directory.Changed()
		owner, ok := n.deps.Directory.View().Owner(push.PublicKey)
		if !ok {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		err := n.deps.Peer(owner.RPC).Follow(ctx, func(ev rpc.Event) error { return n.onPublic(ctx, ev) })
		if ctx.Err() == nil {
			level := slog.LevelInfo
			if push.Is(err, push.KindMoving) {
				level = slog.LevelDebug // the owner is about to serve, or to leave
			}
			n.log.Log(ctx, level, "public stream interrupted", slog.String("owner", owner.Group), slog.Any("error", err))
			pause(ctx, 100*time.Millisecond)
		}
	}
}

// onPublic takes one event of the public stream in.
func (n *Node) onPublic(ctx context.Context, ev rpc.Event) error {
	switch ev.Kind {
	case rpc.EventReady:
		return n.rejoin(ctx, ev.ID)
	case rpc.EventMessage:
		if ev.Message.Transient {
			n.publish(n.public, &event{kind: evTransient, public: true, trace: ev.Trace, msg: ev.Message})
		} else if last, _ := n.public.newest(); ev.Message.ID > last {
			n.publish(n.public, &event{kind: evMessage, public: true, trace: ev.Trace, msg: ev.Message})
		}
	case rpc.EventRecall:
		n.publish(n.public, &event{kind: evRecall, public: true, msg: push.Message{ID: ev.ID}})
	case rpc.EventDelete:
		n.publish(n.public, &event{kind: evDelete, public: true, msg: push.Message{ID: ev.ID}})
	}
	return nil
}

// rejoin begins at the owner's newest id. What this node missed meanwhile is
// read once from the store, for all of its connections.
func (n *Node) rejoin(ctx context.Context, newest push.ID) error {
	last, known := n.public.newest()
	if !known {
		n.public.start(newest)
		return nil
	}
	for last < newest {
		page, err := n.deps.Messages.Read(ctx, push.PublicKey, push.Span{
			After: last, Until: newest, Limit: n.cfg.PageMessages, Bytes: pageBytes, Newest: n.limits.Load().Newest,
		})
		if err != nil {
			return err
		}
		for i := range page.Messages {
			kind := evMessage
			if page.Messages[i].Recalled {
				kind = evRecall
			}
			n.publish(n.public, &event{kind: kind, public: true, msg: page.Messages[i]})
		}
		if !page.More {
			break
		}
		last = page.Next
	}
	return nil
}

// start sets where the stream stands, and sends whoever is below to the store.
func (ch *channel) start(newest push.ID) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.last = newest
	for _, m := range ch.members {
		if f, ok := m.(*feed); ok {
			f.recheck(newest)
		}
	}
}

// overdue sends whoever is below an acknowledged message to the store: it was stored by a
// write that had been given up, and nobody was told of it.
func (ch *channel) overdue(id push.ID) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, m := range ch.members {
		if f, ok := m.(*feed); ok {
			f.recheck(id)
		}
	}
}

// recheck is called when the channel's newest id became known.
func (f *feed) recheck(newest push.ID) {
	s := f.sub
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.state == feedLive && f.cursor < newest && !s.closing {
		f.turn(feedBehind)
		s.kick()
	}
}
