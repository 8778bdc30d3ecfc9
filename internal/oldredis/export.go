package oldredis

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"gopush/internal/push"
)

// Source is what an export asks of the store.
type Source interface {
	Store
	// NextKey is the first key behind after; "" at the end, and to begin.
	NextKey(ctx context.Context, after push.Key) (push.Key, error)
}

// Exporter brings what keys have in a store back into Redis, for the way back. It changes
// nothing in the store. It is used once.
//
// Nothing may be pushed to these keys meanwhile, neither here nor there.
type Exporter struct {
	cfg    Config           // immutable
	part   Part             // immutable
	spread *spread          // immutable
	store  Source           // immutable
	now    func() time.Time // immutable
	pace   pace

	servers []*server // of a run, as in Config.Servers

	seen, stored atomic.Int64
}

// NewExporter checks the configuration. Its Match does not count, and there is no MaxBytes.
func NewExporter(cfg Config, store Source, now func() time.Time) (*Exporter, error) {
	part, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if cfg.Match != "" {
		return nil, errors.New("oldredis: an export takes no Match")
	}
	s, err := newSpread(cfg.Servers)
	if err != nil {
		return nil, err
	}
	return &Exporter{cfg: cfg, part: part, spread: s, store: store, now: now, pace: newPace(cfg.Rate)}, nil
}

// Progress is how many messages this run has looked at, and how many it has written to Redis.
func (e *Exporter) Progress() (seen, stored int64) { return e.seen.Load(), e.stored.Load() }

// Run exports everything that was there when it began. It goes on from the checkpoint of a run that
// was ended, and then looks at everything, as messages may have come since to keys that lie
// before. With an error what it returns goes up to the checkpoint.
func (e *Exporter) Run(ctx context.Context) (Exported, error) {
	c, found, err := loadCheckpoint(e.cfg.Checkpoint, e.cfg.origin(true))
	if err != nil {
		return Exported{}, err
	}
	for _, addr := range e.spread.all {
		s := connect(addr, e.cfg.Password, e.cfg.Database)
		defer func() { _ = s.client.Close() }() // what was written was answered
		e.servers = append(e.servers, s)
	}
	for {
		if err := e.pass(ctx, c); err != nil {
			return c.Exported, err
		}
		if err := c.done(e.cfg.Checkpoint); err != nil || !found {
			return c.Exported, err
		}
		c, found = c.again(), false
	}
}

// pass exports the keys behind the checkpoint's.
func (e *Exporter) pass(ctx context.Context, c *checkpoint) error {
	for last := c.Key; ; {
		some, next, err := e.keys(ctx, last)
		if err != nil {
			return err
		}
		done, err := e.export(ctx, some)
		if err != nil {
			return err
		}
		c.Exported.add(done)
		if next == "" {
			return nil
		}
		last, c.Key = next, next
		if len(some) == 0 {
			continue // nothing to remember of a part that is not meant
		}
		if err := c.save(e.cfg.Checkpoint); err != nil {
			return err
		}
	}
}

// keys are some of those that are meant, behind the key after; and up to which key they were
// looked for, "" at the end.
func (e *Exporter) keys(ctx context.Context, after push.Key) (some []push.Key, last push.Key, err error) {
	for range scanNames {
		if after, err = e.store.NextKey(ctx, after); err != nil || after == "" {
			return some, "", err
		}
		if e.part.Has(after) {
			some = append(some, after)
		}
	}
	return some, after, nil
}

// export brings several keys back at the same time.
func (e *Exporter) export(ctx context.Context, keys []push.Key) (*Exported, error) {
	var mu sync.Mutex
	all := new(Exported)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for _, key := range keys {
		g.Go(func() error {
			done, err := e.key(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			all.add(done)
			return err
		})
	}
	err := g.Wait()
	return all, err
}

// key brings one key back, in the order of its messages: what is in Redis has no hole,
// wherever an export ends.
func (e *Exporter) key(ctx context.Context, key push.Key) (*Exported, error) {
	done := &Exported{Keys: 1}
	s, err := e.server(ctx, key)
	if err != nil {
		return done, err
	}
	k := &exportKey{Exporter: e, server: s, name: e.cfg.Prefix + string(key), done: done, there: make(map[push.ID]kept)}
	if err := k.look(ctx); err != nil {
		return done, err
	}
	if done.Newest, err = e.store.Newest(ctx, key); err != nil {
		return done, err
	}
	var after push.ID
	for more := true; more; {
		page, err := e.store.Read(ctx, key, push.Span{After: after, Limit: pageMembers, Bytes: 1 << 20})
		if err != nil {
			return done, err
		}
		for i := range page.Messages {
			if err := k.message(ctx, &page.Messages[i]); err != nil {
				return done, err
			}
		}
		after, more = page.Next, page.More
	}
	done.Largest = len(k.there)
	return done, nil
}

// server is the one that the old system looks for the key on. If another one has it, the
// servers were named in another way than they are there.
func (e *Exporter) server(ctx context.Context, key push.Key) (*server, error) {
	own := e.servers[e.spread.of(key)]
	for _, s := range e.servers {
		if s == own {
			continue
		}
		n, err := s.client.Exists(ctx, e.cfg.Prefix+string(key)).Result()
		if err != nil {
			return nil, s.failed(err)
		}
		if n > 0 {
			return nil, push.E(push.KindConflict, "the key %q is on the Redis at %s, and by the names and weights that were given it belongs on %s; give them as under redis.source in message.conf", key, s.addr, own.addr)
		}
	}
	return own, nil
}

// exportKey is a key under way. It is used by one goroutine.
type exportKey struct {
	*Exporter
	server *server
	name   string // of the sorted set
	done   *Exported
	there  map[push.ID]kept // what Redis has, by the id that an import gives it
}

// kept is a member of the set.
type kept struct {
	member string
	body   [sha256.Size]byte
}

// look finds out what Redis has of the key. What cannot be read is not touched.
func (k *exportKey) look(ctx context.Context) error {
	var p places
	err := k.server.members(ctx, k.name, func(z redis.Z) error {
		member := fmt.Sprint(z.Member)
		id, _, err := p.of(z, push.ID(maxScore).Time())
		if err != nil {
			return nil //nolint:nilerr // it is none of ours
		}
		if m, err := parse(member, len(member)); err == nil {
			k.there[id] = kept{member, sha256.Sum256(m.Body)}
		}
		return nil
	})
	if reason, ok := reasonOf(err); ok {
		return push.E(push.KindConflict, "%q in the Redis at %s is %s; remove it", k.name, k.server.addr, reason)
	}
	return err
}

// message brings one message back, or removes one that was withdrawn here.
func (k *exportKey) message(ctx context.Context, m *push.Message) error {
	k.done.Messages++
	k.seen.Add(1)
	is, ok := k.there[m.ID]
	switch {
	case m.Recalled && !ok:
		return nil
	case m.Recalled:
		k.done.Withdrawn++
		delete(k.there, m.ID)
		return k.write(ctx, func() error { return k.server.client.ZRem(ctx, k.name, is.member).Err() })
	case ok && is.body == sha256.Sum256(m.Body):
		k.done.Present++
		return nil
	}
	k.done.Exported++
	k.there[m.ID] = kept{}
	z := redis.Z{Score: float64(m.ID), Member: compose(m)}
	return k.write(ctx, func() error { return k.server.client.ZAdd(ctx, k.name, z).Err() })
}

// write makes one change of the set.
func (k *exportKey) write(ctx context.Context, change func() error) error {
	if k.cfg.DryRun {
		return nil
	}
	if err := k.pace.wait(ctx); err != nil {
		return err
	}
	if err := change(); err != nil {
		return k.server.failed(err)
	}
	k.stored.Add(1)
	return nil
}
