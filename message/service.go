package message

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/internal/trace"
)

// Config sets a Service up. Zero values mean the default that each field names.
type Config struct {
	// Concurrency bounds the calls of the store at a time; default 256. Beyond
	// it, up to Waiting calls wait, and the others are refused as busy. To a
	// Store that is Apart each write of a frame is a call, and calls for a server
	// that is away last long; so the default there is 16,384.
	Concurrency int
	// Waiting bounds the calls that wait; default 1,024.
	Waiting int
	// Timeout bounds a call that came without a deadline; default 5 s.
	Timeout time.Duration
	// Epoch is the epoch of a group as far as this node was told; 0: not at all. It
	// is asked for each write and must be quick. nil: only writes tell.
	Epoch func(group string) int64
	// Traces gets a span for each call of the store in a trace that is recorded; nil:
	// none.
	Traces trace.Provider
	// Metrics is where the node's metrics are registered; nil: nowhere.
	Metrics prometheus.Registerer
	// Log gets a debug line for each write; nil: nobody.
	Log *slog.Logger
}

// Validate fills in the defaults and reports fields out of range.
func (c *Config) Validate() error {
	if c.Concurrency == 0 {
		c.Concurrency = 256
	}
	if c.Waiting == 0 {
		c.Waiting = 1024
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Concurrency < 1 || c.Waiting < 0 || c.Timeout < 0 {
		return fmt.Errorf("message: Concurrency %d, Waiting %d and Timeout %s must not be negative", c.Concurrency, c.Waiting, c.Timeout)
	}
	return nil
}

// Service is a message node: it answers comet and web nodes from a Store. It
// holds nothing that another message node would need, except the highest epoch it
// has seen of each group.
type Service struct {
	cfg   Config        // immutable
	store *measured     // immutable
	met   *metrics      // immutable
	apart bool          // immutable; the store takes writes apart
	slots chan struct{} // calls of the store under way
	queue chan struct{} // those, and the ones that wait

	fences fences
}

var _ rpc.MessageService = (*Service)(nil)

// NewService answers from store, which stays the caller's to close.
func NewService(cfg Config, store Store) (*Service, error) {
	_, apart := store.(Apart)
	if apart && cfg.Concurrency == 0 {
		cfg.Concurrency = 16384
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, apart: apart, fences: fences{told: cfg.Epoch, groups: make(map[string]*fenced)},
		slots: make(chan struct{}, cfg.Concurrency), queue: make(chan struct{}, cfg.Concurrency+cfg.Waiting),
	}
	var err error
	if s.met, err = newMetrics(cfg.Metrics, s); err != nil {
		return nil, err
	}
	s.store = &measured{store, s.met, trace.New(cfg.Traces, "gopush/message")}
	return s, nil
}

// enter takes a slot; what comes back gives it up.
func (s *Service) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.queue <- struct{}{}:
	default:
		s.met.refused(refusedBusy)
		return nil, &push.Error{Kind: push.KindBusy, Detail: "the message node has too many calls waiting; try again", RetryAfter: time.Second}
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots; <-s.queue }, nil
	case <-ctx.Done():
		<-s.queue
		s.met.refused(refusedLate)
		return nil, push.Wrap(push.KindBusy, ctx.Err(), "the call waited for its turn until its deadline; nothing was done")
	}
}

// admit refuses changes of an epoch that is over. Who is let in must leave its fence.
func (s *Service) admit(fence rpc.Fence) error {
	err := s.fences.enter(fence)
	if err != nil {
		s.met.refused(refusedFenced)
	}
	return err
}

// bounded gives ctx a deadline, if it has none.
func (s *Service) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// change is call for a writer, whose epoch counts once it has its turn.
func (s *Service) change(ctx context.Context, fence rpc.Fence, f func(context.Context) error) error {
	return s.call(ctx, func(ctx context.Context) error {
		if err := s.admit(fence); err != nil {
			return err
		}
		defer s.fences.leave(fence)
		return f(ctx)
	})
}

// call runs f with a slot and a deadline.
func (s *Service) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return f(ctx)
}

// Read answers from the store.
func (s *Service) Read(ctx context.Context, key push.Key, span push.Span) (page push.Page, err error) {
	if span.Limit < 1 {
		return page, push.E(push.KindBadRequest, "the limit is %d; it must be positive", span.Limit)
	}
	err = s.call(ctx, func(ctx context.Context) error {
		page, err = s.store.Read(ctx, key, span)
		return err
	})
	return page, err
}

// Newest answers from the store.
func (s *Service) Newest(ctx context.Context, key push.Key) (id push.ID, err error) {
	err = s.call(ctx, func(ctx context.Context) error {
		id, err = s.store.Newest(ctx, key)
		return err
	})
	return id, err
}

// Recall withdraws one message.
func (s *Service) Recall(ctx context.Context, key push.Key, id push.ID, fence rpc.Fence) error {
	return s.change(ctx, fence, func(ctx context.Context) error { return s.store.Recall(ctx, key, id) })
}

// Delete withdraws everything up to an id.
func (s *Service) Delete(ctx context.Context, key push.Key, upTo push.ID, fence rpc.Fence) error {
	return s.change(ctx, fence, func(ctx context.Context) error { return s.store.Delete(ctx, key, upTo) })
}

// Counts are what the metrics have counted.
func (s *Service) Counts() push.Counts {
	var c push.Counts
	c.Saves, c.SaveTime = s.met.done("save")
	c.Reads, c.ReadTime = s.met.done("read")
	return c
}
