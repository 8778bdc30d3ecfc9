package comet

import (
	"slices"
	"sync"

	"gopush/internal/push"
)

// channel is one stream on this node: the operations that wait for their turn,
// and the members that hear of what was acknowledged. At most one operation is
// in flight (busy), which is what keeps a stream in order.
//
// Lock order: shard.mu, channel.mu, subscriber.mu. No lock is held over I/O.
type channel struct {
	key  push.Key // immutable
	refs int      // guarded by the shard's mu

	mu sync.Mutex
	// guarded by mu:
	last       push.ID // newest stored id known, or PrevUnknown
	rev        uint32  // grows with every recall and delete
	busy       bool    // one operation is in flight, or about to be
	queue      []*operation
	queueBytes int
	members    []member
	woken      []*subscriber // have something to flush since publish began
}

// member hears the events of a channel, in order, under the channel's lock; it
// must not block.
type member interface {
	deliver(ev *event)
	setSlot(i int) // the member's place in the channel, guarded by channel.mu
	slot() int
}

func newChannel(key push.Key) *channel { return &channel{key: key, last: push.PrevUnknown} }

// join adds a member unless there are limit already (0: no limit).
func (ch *channel) join(m member, limit int) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if limit > 0 && len(ch.members) >= limit {
		return false
	}
	m.setSlot(len(ch.members))
	ch.members = append(ch.members, m)
	return true
}

// leave removes a member in constant time: the last one takes its place.
func (ch *channel) leave(m member) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	i, end := m.slot(), len(ch.members)-1
	ch.members[i] = ch.members[end]
	ch.members[i].setSlot(i)
	ch.members[end] = nil
	ch.members = ch.members[:end]
	if cap(ch.members) > 64 && len(ch.members) < cap(ch.members)/4 {
		ch.members = slices.Clone(ch.members)
	}
}

// publish makes an event known to all members; it is the only way to them. It
// returns the subscribers whose flusher the caller has to start, and how many members
// heard of it.
func (ch *channel) publish(ev *event) (woken []*subscriber, members int) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch ev.kind {
	case evMessage:
		ch.last = ev.msg.ID
	case evRecall, evDelete:
		ch.rev++
	default:
	}
	for _, m := range ch.members {
		m.deliver(ev)
	}
	woken = ch.woken
	ch.woken = nil
	return woken, len(ch.members)
}

// forget says that a write's outcome is unknown, so the newest id is too.
func (ch *channel) forget() {
	ch.mu.Lock()
	ch.last = push.PrevUnknown
	ch.mu.Unlock()
}

// newest is the newest id, if it is known here.
func (ch *channel) newest() (push.ID, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.last, ch.last != push.PrevUnknown
}

// inFlight reports whether an operation is in flight or in line.
func (ch *channel) inFlight() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.busy
}

func (ch *channel) connections() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.members)
}

func (ch *channel) appendSubscribers(subs []*subscriber) []*subscriber {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, m := range ch.members {
		if f, ok := m.(*feed); ok {
			subs = append(subs, f.sub)
		}
	}
	return subs
}
