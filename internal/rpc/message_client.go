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
	"gopush/internal/trace"
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
	// HedgeAfter is when a read that has no answer asks another node as well; at
	// most one read in ten does. 0: 50 ms; below 0: never.
	HedgeAfter time.Duration
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
	cfg.HedgeAfter = cmp.Or(cfg.HedgeAfter, 50*time.Millisecond)
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
	if span := c.nodes.tracer.Continue(w.Trace, saveVerb, trace.Client); span.Recorded() {
		span.Text(peerAttr, n.addr)
		w.Trace = span.Carry("")
		c.save(ctx, n, &w, func(got push.Written, err error) {
			span.End(err)
			done(got, err)
		})
		return
	}
	c.save(ctx, n, &w, done)
}

func (c *MessageClient) save(ctx context.Context, n *node, w *push.Write, done func(push.Written, error)) {
	want := len(w.Messages)
	n.saves.call(ctx, writeToPB(w), writeSize(w), func(a *pb.SaveAnswer, err error) {
		if err != nil {
			c.nodes.blame(n, err)
			done(push.Written{}, err)
			return
		}
		done(writtenFromPB(a, want))
	})
}

// Read returns a page of key; it may end before the span's Limit, with More. If a
// node takes long, another one is asked as well, and the first answer counts. A node
// that cannot be reached, or does not answer in half of the time that is left, is
// replaced by another within the deadline. KindBusy: too many reads are unanswered;
// KindStoreUnavailable: no node answered.
func (c *MessageClient) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	pipeOf := (*node).readsSmall
	if pageGuess(span) > smallPage {
		pipeOf = (*node).readsLarge
	}
	a, err := c.read(ctx, pipeOf, func() *pb.ReadItem { return spanToPB(key, span) })
	if err != nil {
		return push.Page{}, err
	}
	return pageFromPB(a)
}

// read asks a node, in a span of its own with all that is asked again in it.
func (c *MessageClient) read(ctx context.Context, pipeOf func(*node) *readPipe, item func() *pb.ReadItem) (a *pb.ReadAnswer, err error) {
	ctx, span := c.nodes.tracer.Start(ctx, readVerb, trace.Client)
	if !span.Recorded() {
		return c.nodes.ask(ctx, pipeOf, item)
	}
	defer func() { span.End(err) }()
	asked := 0
	return c.nodes.ask(ctx, pipeOf, func() *pb.ReadItem {
		i := item()
		i.Trace = some(span.Carry(""))
		asked++
		span.Number(attemptsAttr, int64(asked))
		return i
	})
}

// Newest returns the highest id that key has had, 0 for none; retried as Read.
func (c *MessageClient) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	a, err := c.read(ctx, (*node).readsSmall, func() *pb.ReadItem {
		return &pb.ReadItem{Key: []byte(key), What: readNewest}
	})
	return push.ID(a.GetNext()), err
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

// Status is what the node at addr says of itself. Only a node of the list is asked.
func (c *MessageClient) Status(ctx context.Context, addr string) (push.NodeStatus, error) {
	r, err := c.nodes.current()
	if err != nil {
		return push.NodeStatus{}, err
	}
	for _, n := range r.nodes {
		if n.addr == addr {
			return statusFrom(ctx, &n.remote, messageRead, n.client.Status)
		}
	}
	return push.NodeStatus{}, push.E(push.KindNotFound, "there is no message node %s", addr)
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
