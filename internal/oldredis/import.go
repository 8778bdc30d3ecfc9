package oldredis

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/internal/push"
)

// Store is what an import asks of the store; every message.Store is one.
type Store interface {
	Save(ctx context.Context, writes []push.Write) []error
	Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error)
	Newest(ctx context.Context, key push.Key) (push.ID, error)
}

// Config says what to import. Zero values mean the default that each field names.
type Config struct {
	// Servers are all of the old system's Redis servers, host:port. Required.
	Servers []string
	// Password is that of each; empty: none.
	Password string
	// Database is the number of Redis's database.
	Database int
	// Prefix is what names of sorted sets begin with and subscription keys do not.
	Prefix string
	// Match is a pattern of Redis that names must match; default: those with the Prefix.
	Match string
	// Rate bounds the messages that are stored per second; 0: no bound.
	Rate int
	// MaxBytes bounds a body; required.
	MaxBytes int
	// DryRun stores nothing.
	DryRun bool
	// Checkpoint is the file that remembers how far it came; empty: none.
	Checkpoint string
	// Target names the store, for the checkpoint.
	Target string
	// Ring are the old system's comet nodes, NAME=WEIGHT each, and Groups those of them whose
	// keys are meant. Both empty: all keys.
	Ring, Groups []string
}

// Importer is one import. It is used once.
type Importer struct {
	cfg   Config           // immutable
	part  Part             // immutable
	store Store            // immutable
	now   func() time.Time // immutable
	pace  pace

	seen, stored atomic.Int64
}

// New checks the configuration.
func New(cfg Config, store Store, now func() time.Time) (*Importer, error) {
	if cfg.MaxBytes <= 0 {
		return nil, errors.New("oldredis: Config.MaxBytes is not set")
	}
	part, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if cfg.Match == "" {
		cfg.Match = literal.Replace(cfg.Prefix) + "*"
	}
	return &Importer{cfg: cfg, part: part, store: store, now: now, pace: newPace(cfg.Rate)}, nil
}

// Validate says what no run could do with.
func (c *Config) Validate() error {
	_, err := c.check()
	return err
}

// check is Validate, and says which keys are meant.
func (c *Config) check() (Part, error) {
	switch {
	case len(c.Servers) == 0:
		return Part{}, errors.New("no Redis server is named")
	case c.Rate < 0 || c.Database < 0:
		return Part{}, errors.New("neither the rate nor the number of the database may be negative")
	}
	return NewPart(c.Ring, c.Groups)
}

// origin is what a checkpoint of these settings is of.
func (c *Config) origin(export bool) origin {
	return origin{c.Servers, c.Database, c.Prefix, c.Match, c.Target, c.DryRun, c.Ring, c.Groups, export}
}

// literal takes the meaning from characters that have one in a pattern.
var literal = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

// Progress is how many messages this run has looked at, and how many it has stored.
func (i *Importer) Progress() (seen, stored int64) { return i.seen.Load(), i.stored.Load() }

// Run imports everything that was there when it began, and perhaps more. It goes on from the
// checkpoint of a run that was ended, and then looks at everything, as messages may have come
// since to sets that lie before. With an error the report goes up to the checkpoint.
func (i *Importer) Run(ctx context.Context) (Report, error) {
	c, found, err := loadCheckpoint(i.cfg.Checkpoint, i.cfg.origin(false))
	if err != nil {
		return Report{}, err
	}
	for {
		for ; c.Server < len(i.cfg.Servers); c.Server++ {
			if err := i.server(ctx, c); err != nil {
				return c.Report, err
			}
			c.Run, c.Cursor, c.Begun = "", 0, c.Report
		}
		if err := c.done(i.cfg.Checkpoint); err != nil || !found {
			return c.Report, err
		}
		c, found = c.again(), false
	}
}

// keyOf is the subscription key of a sorted set, which may be none.
func (i *Importer) keyOf(name string) push.Key {
	return push.Key(strings.TrimPrefix(name, i.cfg.Prefix))
}

// set imports one sorted set, message by message: each row is the same one whenever it is
// written, and what is visible has no hole, wherever an import ends.
func (i *Importer) set(ctx context.Context, s *server, name string) (*Report, error) {
	r := &Report{Sets: 1}
	w := &set{Importer: i, report: r}
	err := w.open(ctx, string(i.keyOf(name)), strings.HasPrefix(name, i.cfg.Prefix))
	if err == nil {
		err = s.members(ctx, name, func(z redis.Z) error {
			err := w.member(ctx, z)
			if reason, ok := reasonOf(err); ok {
				r.fail(Failure{s.addr, name, score(z.Score), reason})
				return nil
			}
			return err
		})
	}
	if reason, ok := reasonOf(err); ok {
		r.fail(Failure{Server: s.addr, Name: name, Reason: reason})
		return r, nil
	}
	return r, err
}

// set is a sorted set under way. It is used by one goroutine.
type set struct {
	*Importer
	report *Report
	key    push.Key
	newest push.ID // that the key has in the store
	places places
	// there is what the store has from the first member on, by id; nil: not read yet.
	there map[push.ID][sha256.Size]byte
}

func (w *set) open(ctx context.Context, key string, prefixed bool) (err error) {
	if w.key, err = push.ParseKey(key); err != nil || !prefixed {
		return reasonError{BadKey}
	}
	w.newest, err = w.store.Newest(ctx, w.key)
	return err
}

// member imports one message, or finds that there is no need to.
func (w *set) member(ctx context.Context, z redis.Z) error {
	w.report.Messages++
	w.seen.Add(1)
	now := w.now()
	id, moved, err := w.places.of(z, now)
	if err != nil {
		return err
	}
	if moved {
		w.report.Moved++
	}
	m, err := parse(fmt.Sprint(z.Member), w.cfg.MaxBytes)
	if err != nil {
		return err
	}
	if m.Expired(now.UnixMilli()) {
		w.report.Expired++
		return nil
	}
	if id <= w.newest {
		return w.compare(ctx, id, m.Body)
	}
	m.ID, m.Prev = id, w.newest
	if err := w.save(ctx, m); err != nil {
		return err
	}
	w.newest = id
	w.report.Imported++
	return nil
}

// compare reports whether an id at or below the newest one has this message.
func (w *set) compare(ctx context.Context, id push.ID, body []byte) error {
	if w.there == nil {
		if err := w.read(ctx, id-1); err != nil {
			return err
		}
	}
	if sum, ok := w.there[id]; !ok || sum != sha256.Sum256(body) && sum != recalled {
		return reasonError{Late}
	}
	w.report.Present++
	return nil
}

// recalled stands for a message that was withdrawn since it was imported.
var recalled [sha256.Size]byte

// read fills there in, from an id on.
func (w *set) read(ctx context.Context, after push.ID) error {
	w.there = make(map[push.ID][sha256.Size]byte)
	for more := true; more; {
		page, err := w.store.Read(ctx, w.key, push.Span{After: after, Limit: pageMembers, Bytes: 1 << 20})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			sum := sha256.Sum256(m.Body)
			if m.Recalled {
				sum = recalled
			}
			w.there[m.ID] = sum
		}
		after, more = page.Next, page.More
	}
	return nil
}

func (w *set) save(ctx context.Context, m push.Message) error {
	if w.cfg.DryRun {
		return nil
	}
	if err := w.pace.wait(ctx); err != nil {
		return err
	}
	if err := errors.Join(w.store.Save(ctx, []push.Write{{Key: w.key, Prev: m.Prev, Messages: []push.Message{m}}})...); err != nil {
		return err
	}
	w.stored.Add(1)
	return nil
}

// pace spaces out what it is asked for.
type pace struct {
	every time.Duration // immutable; 0: not at all

	mu   sync.Mutex
	next time.Time // guarded by mu
}

// newPace allows so many per second; 0: any.
func newPace(rate int) pace {
	if rate == 0 {
		return pace{}
	}
	return pace{every: time.Second / time.Duration(rate)}
}

// wait returns when it is the caller's turn.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
