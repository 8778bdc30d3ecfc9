package comet

import (
	"hash/maphash"
	"sync"

	"gopush/internal/push"
)

const shardCount = 256

// table finds the channel of a key. A channel is in it while it is referred to:
// once by each subscriber and once by each operation.
type table struct {
	seed   maphash.Seed // immutable
	shards [shardCount]shard
}

type shard struct {
	mu       sync.Mutex
	channels map[push.Key]*channel // guarded by mu
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].channels = make(map[push.Key]*channel)
	}
	return t
}

func (t *table) shard(key push.Key) *shard {
	return &t.shards[maphash.String(t.seed, string(key))%shardCount]
}

// acquire returns the key's channel, making it on first need, and takes a
// reference that release gives back.
func (t *table) acquire(key push.Key) *channel {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channels[key]
	if ch == nil {
		ch = newChannel(key)
		s.channels[key] = ch
	}
	ch.refs++
	return ch
}

// release gives n references back; the last one forgets the channel.
func (t *table) release(ch *channel, n int) {
	s := t.shard(ch.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.refs -= n
	if ch.refs == 0 {
		delete(s.channels, ch.key)
	}
}

// peek calls f with the key's channel if there is one.
func (t *table) peek(key push.Key, f func(*channel)) {
	s := t.shard(key)
	s.mu.Lock()
	ch := s.channels[key]
	if ch != nil {
		ch.refs++
	}
	s.mu.Unlock()
	if ch != nil {
		f(ch)
		t.release(ch, 1)
	}
}

// size counts the channels.
func (t *table) size() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.channels)
		s.mu.Unlock()
	}
	return n
}

// subscribers lists all connections of the node, shard by shard, so that no
// lock is held for long.
func (t *table) subscribers() []*subscriber {
	var subs []*subscriber
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		chs := make([]*channel, 0, len(s.channels))
		for _, ch := range s.channels {
			chs = append(chs, ch)
		}
		s.mu.Unlock()
		for _, ch := range chs {
			subs = ch.appendSubscribers(subs)
		}
	}
	return subs
}
