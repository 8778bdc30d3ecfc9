package comet

import (
	"hash/maphash"
	"sync"

	"gopush/internal/push"
)

const (
	shardCount  = 256
	recentCount = 256 // per shard: 65,536 in all, 1.5 MiB
)

// table finds the channel of a key. A channel is in it while it is referred to:
// once by each subscriber and once by each operation.
//
// Of the channels that it forgets it remembers the newest id for a while, in a
// place of fixed size that does not grow with keys: a key that is pushed to now
// and then need not be looked up in the store each time. What is not remembered,
// or was overwritten, is looked up.
type table struct {
	seed, other maphash.Seed // immutable
	shards      [shardCount]shard
}

type shard struct {
	mu sync.Mutex
	// guarded by mu:
	channels map[push.Key]*channel
	recent   [recentCount]recent
}

// recent is the newest id of a key that has no channel. The key is known by 128
// bits of seeded hashes.
type recent struct {
	hash, check uint64
	id          push.ID // 0: the place is free
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed(), other: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].channels = make(map[push.Key]*channel)
	}
	return t
}

func (t *table) shard(key push.Key) (s *shard, hash uint64) {
	hash = maphash.String(t.seed, string(key))
	return &t.shards[hash%shardCount], hash
}

// place is where the shard keeps the recent id of a hash.
func (s *shard) place(hash uint64) *recent { return &s.recent[hash/shardCount%recentCount] }

// acquire returns the key's channel, making it on first need, and takes a
// reference that release gives back.
func (t *table) acquire(key push.Key) *channel {
	s, hash := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channels[key]
	if ch == nil {
		ch = newChannel(key)
		if r := s.place(hash); r.id != 0 && r.hash == hash && r.check == maphash.String(t.other, string(key)) {
			ch.last = r.id
		}
		s.channels[key] = ch
	}
	ch.refs++
	return ch
}

// release gives n references back; the last one forgets the channel.
func (t *table) release(ch *channel, n int) {
	s, hash := t.shard(ch.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.refs -= n
	if ch.refs > 0 {
		return
	}
	delete(s.channels, ch.key)
	r := s.place(hash)
	if last, known := ch.newest(); known && last > 0 {
		*r = recent{hash: hash, check: maphash.String(t.other, string(ch.key)), id: last}
	} else if r.hash == hash {
		*r = recent{}
	}
}

// forget drops all that is known of newest ids: another node may have written
// since.
func (t *table) forget() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		clear(s.recent[:])
		for _, ch := range s.channels {
			ch.forget()
		}
		s.mu.Unlock()
	}
}

// peek calls f with the key's channel if there is one.
func (t *table) peek(key push.Key, f func(*channel)) {
	s, _ := t.shard(key)
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

// busy lists the channels of the selected keys that have an operation in flight or in
// line, each with a reference that is the caller's to give back.
func (t *table) busy(selected func(push.Key) bool) []*channel {
	var found []*channel
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for key, ch := range s.channels {
			if selected(key) && ch.inFlight() {
				ch.refs++
				found = append(found, ch)
			}
		}
		s.mu.Unlock()
	}
	return found
}

// size counts the channels of users' keys. That of the public stream, on the
// node that owns it, is there for the nodes that follow.
func (t *table) size() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.channels)
		if s.channels[push.PublicKey] != nil {
			n--
		}
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
