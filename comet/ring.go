package comet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
)

// A change of the ring takes keys from this node in two steps. While it is pending
// nothing new is taken on for keys that go (owns refuses them), what is in flight is
// finished, and that is confirmed. Once it is active, the clients of those keys are
// told to look their node up again.

func everyKey(push.Key) bool { return true }

// followRing acts on changes of the ring until ctx ends.
func (n *Node) followRing(ctx context.Context) {
	var ringVersion int64
	var confirmed confirmation
	for ctx.Err() == nil {
		changed := n.deps.Directory.Changed()
		v := n.deps.Directory.View()
		if v.RingVersion != ringVersion {
			n.adopt()
			n.moveStrays(v, v.RingVersion == ringVersion+1)
			ringVersion = v.RingVersion
		}
		var again <-chan time.Time
		// A term that begins while a change is pending has to confirm it, too.
		if now := (confirmation{n.service(), v.PendingVersion}); now != confirmed {
			if n.confirm(ctx, now.srv, v, changed) {
				confirmed = now
			} else {
				again = time.After(firstRetry)
			}
		}
		select {
		case <-changed:
		case <-n.begun:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// confirmation is which term has confirmed which pending version of the ring.
type confirmation struct {
	srv     *service
	version int64
}

// adopt makes sure that what the table remembers is of the present ring: under
// another one, a key may have been written to elsewhere.
func (n *Node) adopt() {
	if n.adopted.Load() == n.deps.Directory.View().RingVersion {
		return
	}
	n.turn.Lock()
	defer n.turn.Unlock()
	if v := n.deps.Directory.View(); v.RingVersion != n.adopted.Load() {
		n.table.forget()
		n.adopted.Store(v.RingVersion)
	}
}

// moveStrays sends the clients of keys away that are not of this node. If a version
// of the ring was missed, a key may have gone and come back meanwhile: then all go.
func (n *Node) moveStrays(v *coord.View, next bool) {
	if n.service() == nil {
		return // there are none
	}
	n.moveAll(closeMoved, func(key push.Key) bool {
		return !next || v.Ring.Owner(string(key)) != n.cfg.Member.Group
	})
}

// confirm finishes what is in flight for keys that move under the pending version,
// and says so. False: it has to be tried again. A node that does not serve has nothing
// in flight; a term that begins later is another confirmation.
func (n *Node) confirm(ctx context.Context, srv *service, v *coord.View, changed <-chan struct{}) bool {
	if v.PendingVersion == 0 || srv == nil || !n.enter() {
		return true
	}
	defer n.leave(1)
	if !srv.valid() || !n.quiesce(ctx, changed, v.Moving) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.PushTimeout)
	defer cancel()
	if err := srv.term.Confirm(ctx, v.PendingVersion); err != nil {
		n.log.WarnContext(ctx, "could not confirm a change of the ring", slog.Int64("version", v.PendingVersion), slog.Any("error", err))
		return false
	}
	return true
}

// quiesce waits until every operation of the selected keys that was in line when it
// was called has ended. The caller has made sure that nothing more gets in line, and
// that the node does not end meanwhile. False: ctx or given ended before.
func (n *Node) quiesce(ctx context.Context, given <-chan struct{}, selected func(push.Key) bool) bool {
	n.turn.Lock()   // whoever decided before has put its operation in line
	n.turn.Unlock() //nolint:staticcheck // it is a barrier
	var ended sync.WaitGroup
	for _, ch := range n.table.busy(selected) {
		ended.Add(1)
		op := &operation{kind: opBarrier, ctx: ctx, done: func(push.Receipt, error) { ended.Done() }}
		if start, _ := n.enqueue(ch, op, 1<<30, 1<<30); start {
			n.advance(ch)
		}
	}
	done := make(chan struct{})
	n.spawn(func() { ended.Wait(); close(done) })
	select {
	case <-done:
		return true
	case <-given:
		return false
	case <-ctx.Done():
		return false
	}
}

// moveAll ends the connections of the selected keys, and who follows the public stream
// if that is one of them. Those who are to come back, and not at once, are spread over
// a span of time; clients of v1 cannot be told to wait, so they are kept that long.
func (n *Node) moveAll(why func(time.Duration) ending, selected func(push.Key) bool) {
	if selected(push.PublicKey) {
		n.table.peek(push.PublicKey, (*channel).moveFollowers)
	}
	subs := n.table.subscribers()
	spread := min(time.Duration(len(subs))*time.Millisecond, n.cfg.Drain/2)
	for _, s := range subs {
		if !selected(s.private.ch.key) {
			continue
		}
		wait := time.Duration(rand.Int64N(int64(spread) + 1))
		e := why(wait)
		if e.move > 0 && !s.form.v2() {
			time.AfterFunc(wait, func() { s.shut(e) })
			continue
		}
		s.shut(e)
	}
}

// moveFollowers ends those who follow the stream from here.
func (ch *channel) moveFollowers() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, m := range ch.members {
		if f, ok := m.(*follower); ok && !f.gone {
			f.gone = true
			close(f.moved)
		}
	}
}
