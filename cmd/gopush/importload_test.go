package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/hbase"
	"gopush/internal/oldredis/redistest"
	"gopush/internal/push"
)

// oldLoad is a Redis of gopush-cluster 1.0 with many keys, and what goes on pushing to it.
type oldLoad struct {
	t      *testing.T
	addr   string
	client *redis.Client // of the tests' own
	keys   int           // that it begins with
	began  time.Time

	// Of the pusher; to be read when that has ended.
	pushed map[string][]oldMessage
	count  int
}

// oldMessage is one message of the old system.
type oldMessage struct {
	mid, expire int64
	body        string
}

func (m oldMessage) z() redis.Z {
	return redis.Z{Score: float64(m.mid), Member: fmt.Sprintf(`{"msg":%s,"expire":%d}`, m.body, m.expire)}
}

// place is the id that docs/migrating.md says the message gets.
func (m oldMessage) place() push.ID { return push.ID((int64(float64(m.mid)) - 2) / 16 * 16) }

// oldKeeps is the old system's setting redis.store: what the fullest keys have, which is more than an
// import reads at a time.
const oldKeeps = 600

// held is how many messages a key begins with: most have one, few have hundreds.
func held(key int) int {
	switch at := key % 1000; {
	case at == 7:
		return oldKeeps
	case at%10 < 5:
		return 1
	case at%10 < 9:
		return 5
	}
	return 20
}

// name spreads the keys over all regions of a table.
func (o *oldLoad) name(key int) string { return fmt.Sprintf("%08x", uint32(key)*2654435761) }

// lives are those of messages; one of a second ago is over.
var lives = []time.Duration{2 * time.Hour, -time.Hour, 24 * time.Hour, 2 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// first is the n-th message that the key begins with. Some are of the same text.
func (o *oldLoad) first(key, n int) oldMessage {
	m := oldMessage{
		mid:    int64(push.IDAt(o.began.Add(-24*time.Hour))) + int64(n)*1_000_003 + int64(key%977),
		expire: o.began.Add(lives[(key+n)%len(lives)]).Unix() + int64(n),
		body:   fmt.Sprintf(`{"of":%d,"n":%d,"text":"%s"}`, key, n, strings.Repeat("x", 160)),
	}
	if (key+n)%4 == 0 {
		m.body = `{"text": "the same again"}`
	}
	return m
}

func startOldLoad(t *testing.T, keys int) *oldLoad {
	t.Helper()
	o := &oldLoad{t: t, addr: redistest.Start(t, ""), keys: keys, began: time.Now(), pushed: make(map[string][]oldMessage)}
	o.client = redis.NewClient(&redis.Options{Addr: o.addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = o.client.Close() })
	for from := 0; from < keys; from += 1000 {
		_, err := o.client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for key := from; key < min(from+1000, keys); key++ {
				all := make([]redis.Z, held(key))
				for n := range all {
					all[n] = o.first(key, n).z()
				}
				p.ZAdd(t.Context(), o.name(key), all...)
				o.count += len(all)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// push goes on as the old system does until ctx ends: to keys that have messages and to new ones, and
// now and then the same once more, which Redis makes one member with the later score.
func (o *oldLoad) push(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2))
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		name := o.name(random.IntN(o.keys + o.keys/10))
		if n%10 == 0 {
			name = o.name(7) // which is full, so the oldest goes
		}
		m := oldMessage{time.Now().UnixNano() / 100, time.Now().Add(lives[0]).Unix(), fmt.Sprintf(`{"later":%d}`, n)}
		if before := o.pushed[name]; n%3 == 0 && len(before) > 0 {
			m.body, m.expire = before[len(before)-1].body, before[len(before)-1].expire
		}
		o.pushed[name] = append(o.pushed[name], m) // before the store, as the import may have it at once
		whole := context.WithoutCancel(ctx)
		_, err := o.client.Pipelined(whole, func(p redis.Pipeliner) error {
			p.ZAdd(whole, name, m.z())
			p.ZRemRangeByRank(whole, name, 0, -oldKeeps-1)
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// all are the names of keys that may have messages.
func (o *oldLoad) all() []string {
	names := make(map[string]bool)
	for key := range o.keys {
		names[o.name(key)] = true
	}
	for name := range o.pushed {
		names[name] = true
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

// tally is what was found in the store.
type tally struct{ keys, stored, over, dropped int }

// proved holds the store to all that was ever pushed: each message that Redis has and that is not
// over is there once, with its body and its end, in the order of the ids; whatever else is there was
// pushed, and Redis has dropped it since.
func (o *oldLoad) proved(store *hbase.Store) (sum tally) {
	o.t.Helper()
	byName := make(map[string]int, o.keys)
	for key := range o.keys {
		byName[o.name(key)] = key
	}
	work := make(chan string)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for name := range work {
				known := slices.Clone(o.pushed[name])
				if key, ok := byName[name]; ok {
					for n := range held(key) {
						known = append(known, o.first(key, n))
					}
				}
				one, err := o.key(store, name, known)
				mu.Lock()
				if err != nil {
					o.t.Errorf("%s: %v", name, err)
				}
				sum = tally{sum.keys + 1, sum.stored + one.stored, sum.over + one.over, sum.dropped + one.dropped}
				mu.Unlock()
			}
		})
	}
	for _, name := range o.all() {
		work <- name
	}
	close(work)
	all.Wait()
	return sum
}

// key is proved for one key; known is all that was ever pushed to it.
func (o *oldLoad) key(store *hbase.Store, name string, known []oldMessage) (sum tally, err error) {
	byPlace := make(map[push.ID]oldMessage, len(known))
	for _, m := range known {
		byPlace[m.place()] = m
	}
	if len(byPlace) != len(known) {
		return sum, fmt.Errorf("two of its %d messages have one place, so this test proves nothing", len(known))
	}
	stored := make(map[push.ID]bool)
	for span, last := (push.Span{Limit: 512}), push.ID(0); ; {
		page, err := store.Read(o.t.Context(), push.Key(name), span)
		if err != nil {
			return sum, err
		}
		for _, m := range page.Messages {
			was, ok := byPlace[m.ID]
			if !ok || string(m.Body) != was.body || m.ExpiresAt != was.expire*1000 || was.expire <= o.began.Unix() || m.ID <= last || last > 0 && m.Prev != last {
				return sum, fmt.Errorf("behind %d comes %d, until %d, after %d: %s; pushed was %+v", last, m.ID, m.ExpiresAt, m.Prev, m.Body, was)
			}
			last, stored[m.ID] = m.ID, true
		}
		if span.After = page.Next; !page.More {
			break
		}
	}
	sum.stored = len(stored)
	there, err := o.client.ZRangeWithScores(o.t.Context(), name, 0, -1).Result()
	if err != nil {
		return sum, err
	}
	for _, z := range there {
		id := oldMessage{mid: int64(z.Score)}.place()
		switch m, ok := byPlace[id]; {
		case !ok || m.z() != z:
			return sum, fmt.Errorf("Redis has %+v, pushed was %+v", z, m)
		case m.expire <= o.began.Unix():
			sum.over++
		case !stored[id]:
			return sum, fmt.Errorf("the message %+v is not there", m)
		default:
			delete(stored, id)
		}
	}
	sum.dropped = len(stored)
	return sum, nil
}
