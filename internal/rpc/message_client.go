package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// MessageClientConfig shapes a MessageClient. The zero value works.
type MessageClientConfig struct {
	Client ClientConfig
	// AvoidFor is how long a node that failed is asked only if there is no
	// other. 0: 1 s.
	AvoidFor time.Duration
	// RetireAfter is how long a node that is no longer listed may take to answer
	// what it was sent. 0: 5 s.
	RetireAfter time.Duration
}

// Validate reports the first field that makes no sense.
func (c *MessageClientConfig) Validate() error {
	if c.AvoidFor < 0 || c.RetireAfter < 0 {
		return fmt.Errorf("avoid for %v, retire after %v: must not be negative", c.AvoidFor, c.RetireAfter)
	}
	return c.Client.Validate()
}

// MessageClient calls whichever message node is well: connected ones first, in
// turns, and one that failed not for a while.
type MessageClient struct {
	nodes *nodeSet
}

// NewMessageClient makes a client of the nodes that nodes returns, as host:port;
// it is asked at every call, must be quick, and its slice must not be changed.
func NewMessageClient(cfg MessageClientConfig, nodes func() []string, log *slog.Logger) (*MessageClient, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("message client: %w", err)
	}
	cfg.Client = cfg.Client.filled()
	cfg.AvoidFor = cmp.Or(cfg.AvoidFor, time.Second)
	cfg.RetireAfter = cmp.Or(cfg.RetireAfter, 5*time.Second)
	return &MessageClient{nodes: newNodeSet(cfg, nodes, given(log))}, nil
}

// Save sends w to one node and calls done exactly once, perhaps before Save
// returns; done must not block, nor close the client. Nothing is retried here:
// KindStoreUnavailable, KindBusy and KindTooLarge say that nothing has happened
// or will; after KindOutcomeUnknown w may be stored now or later.
func (c *MessageClient) Save(ctx context.Context, w push.Write, done func(push.Written, error)) {
	n, err := c.nodes.pick(nil)
	if err != nil {
		done(push.Written{}, err)
		return
	}
	want := len(w.Messages)
	n.saves.call(ctx, writeToPB(&w), writeSize(&w), func(a *pb.SaveAnswer, err error) {
		if err != nil {
			c.nodes.blame(n, err)
			done(push.Written{}, err)
			return
		}
		done(writtenFromPB(a, want))
	})
}

// Read returns a page of key; it may end before the span's Limit, with More. A
// node that cannot be reached is replaced by another within the deadline.
func (c *MessageClient) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	req := spanToPB(key, span)
	a, err := retried(ctx, c.nodes, func(ctx context.Context, n *node) (*pb.ReadReply, error) {
		return unary(ctx, &n.remote, messageRead, func(ctx context.Context, o ...grpc.CallOption) (*pb.ReadReply, error) {
			return n.client.Read(ctx, req, o...)
		})
	})
	if err != nil {
		return push.Page{}, err
	}
	return pageFromPB(a), nil
}

// Newest returns the highest id that key has had, 0 for none; retried as Read.
func (c *MessageClient) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	req := &pb.NewestRequest{Key: []byte(key)}
	a, err := retried(ctx, c.nodes, func(ctx context.Context, n *node) (*pb.NewestReply, error) {
		return unary(ctx, &n.remote, messageRead, func(ctx context.Context, o ...grpc.CallOption) (*pb.NewestReply, error) {
			return n.client.Newest(ctx, req, o...)
		})
	})
	return push.ID(a.GetId()), err
}

// Recall withdraws one message. KindOutcomeUnknown: it may have happened.
func (c *MessageClient) Recall(ctx context.Context, key push.Key, id push.ID, fence Fence) error {
	return c.change(ctx, func(ctx context.Context, n *node, o ...grpc.CallOption) error {
		_, err := n.client.Recall(ctx, &pb.RecallRequest{Key: []byte(key), Id: int64(id), Fence: fenceToPB(fence)}, o...)
		return err
	})
}

// Delete withdraws everything up to and including upTo. KindOutcomeUnknown: it
// may have happened.
func (c *MessageClient) Delete(ctx context.Context, key push.Key, upTo push.ID, fence Fence) error {
	return c.change(ctx, func(ctx context.Context, n *node, o ...grpc.CallOption) error {
		_, err := n.client.Delete(ctx, &pb.DeleteRequest{Key: []byte(key), UpTo: int64(upTo), Fence: fenceToPB(fence)}, o...)
		return err
	})
}

// change makes one attempt.
func (c *MessageClient) change(ctx context.Context, call func(context.Context, *node, ...grpc.CallOption) error) error {
	n, err := c.nodes.pick(nil)
	if err != nil {
		return err
	}
	_, err = unary(ctx, &n.remote, messageChange, func(ctx context.Context, o ...grpc.CallOption) (struct{}, error) {
		return struct{}{}, call(ctx, n, o...)
	})
	if atFault(err) {
		c.nodes.blame(n, err)
	}
	return err
}

// Pending is the number of saves without an answer.
func (c *MessageClient) Pending() int { return c.nodes.pending() }

// Close ends what is pending, with KindOutcomeUnknown if it may have been sent,
// and waits for all goroutines. Later calls fail.
func (c *MessageClient) Close() error { return c.nodes.close() }

// atFault reports whether err comes from the way to the node, not from its
// service: only such an error has a cause on this side.
func atFault(err error) bool {
	e, ok := errors.AsType[*push.Error](err)
	return ok && e.Err != nil && !errors.Is(err, context.Canceled)
}

// Attempts of a call that may be repeated: enough to outlast the moment in which
// one node goes and another takes over.
const (
	attempts   = 6
	pauseFirst = 25 * time.Millisecond
	pauseMost  = 400 * time.Millisecond
)

// retried makes a call that changes nothing until it gets an answer.
func retried[A any](ctx context.Context, set *nodeSet, call func(context.Context, *node) (A, error)) (A, error) {
	ctx, cancel := bounded(ctx, set.cfg.Client.CallTimeout)
	defer cancel()
	var last *node
	for i := 1; ; i++ {
		n, err := set.pick(last)
		if err != nil {
			var none A
			return none, err
		}
		a, err := once(ctx, set, n, call)
		if !atFault(err) || i == attempts || ctx.Err() != nil {
			return a, err
		}
		set.blame(n, err)
		if n == last || set.size() == 1 {
			rest(ctx, min(pauseFirst<<(i-1), pauseMost))
		}
		last = n
	}
}

// once gives one node no more than half of what is left, if there is another to
// ask: a node that hangs must not use up the whole deadline.
func once[A any](ctx context.Context, set *nodeSet, n *node, call func(context.Context, *node) (A, error)) (A, error) {
	if end, ok := ctx.Deadline(); ok && set.size() > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return call(ctx, n)
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
