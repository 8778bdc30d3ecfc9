package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// CometClient calls the comet at one address. It needs no closing.
type CometClient struct {
	pool *CometPool
	addr string
}

// Push sends p and calls done exactly once, perhaps before Push returns; done
// must not block, nor close the pool. The pushes of one address are given to
// its service in the order of these calls, for as long as the stream holds.
// KindNoNode, KindBusy and KindTooLarge say that nothing has happened or will;
// after KindOutcomeUnknown the message may appear.
func (c *CometClient) Push(ctx context.Context, p push.Push, done func(push.Receipt, error)) {
	if span := c.pool.tracer.Continue(p.Trace, pushVerb, trace.Client); span.Recorded() {
		span.Text(peerAttr, c.addr)
		p.Trace = span.Carry("")
		c.push(ctx, &p, func(r push.Receipt, err error) {
			span.End(err)
			done(r, err)
		})
		return
	}
	c.push(ctx, &p, done)
}

func (c *CometClient) push(ctx context.Context, p *push.Push, done func(push.Receipt, error)) {
	to, err := c.pool.acquire(c.addr)
	if err != nil {
		done(push.Receipt{}, err)
		return
	}
	defer c.pool.release(to)
	to.pushes.call(ctx, pushToPB(p), pushSize(p), func(a *pb.PushAnswer, err error) {
		if err != nil {
			done(push.Receipt{}, err)
			return
		}
		done(receiptFromPB(a))
	})
}

// call makes one unary call.
func (c *CometClient) call(ctx context.Context, v verb, do func(context.Context, pb.CometClient, ...grpc.CallOption) error) error {
	to, err := c.pool.acquire(c.addr)
	if err != nil {
		return err
	}
	defer c.pool.release(to)
	_, err = unary(ctx, &to.remote, v, func(ctx context.Context, o ...grpc.CallOption) (struct{}, error) {
		return struct{}{}, do(ctx, to.client, o...)
	})
	return err
}

// Recall withdraws one message. KindOutcomeUnknown: it may have happened.
func (c *CometClient) Recall(ctx context.Context, key push.Key, id push.ID) error {
	return c.call(ctx, cometChange, func(ctx context.Context, to pb.CometClient, o ...grpc.CallOption) error {
		_, err := to.Recall(ctx, &pb.RecallRequest{Key: []byte(key), Id: int64(id)}, o...)
		return err
	})
}

// Delete withdraws everything that the key has. KindOutcomeUnknown: it may have
// happened.
func (c *CometClient) Delete(ctx context.Context, key push.Key) error {
	return c.call(ctx, cometChange, func(ctx context.Context, to pb.CometClient, o ...grpc.CallOption) error {
		_, err := to.Delete(ctx, &pb.DeleteRequest{Key: []byte(key)}, o...)
		return err
	})
}

// Describe says what the comet knows of key, and how its cursors stand to about.
func (c *CometClient) Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error) {
	var info push.KeyInfo
	err := c.call(ctx, cometRead, func(ctx context.Context, to pb.CometClient, o ...grpc.CallOption) error {
		a, err := to.Describe(ctx, &pb.DescribeRequest{Key: []byte(key), About: int64(about)}, o...)
		info = infoFromPB(a)
		return err
	})
	return info, err
}

// Time returns an id below every id that the comet will give from now on.
func (c *CometClient) Time(ctx context.Context) (push.ID, error) {
	var id push.ID
	err := c.call(ctx, cometRead, func(ctx context.Context, to pb.CometClient, o ...grpc.CallOption) error {
		a, err := to.Time(ctx, &pb.TimeRequest{}, o...)
		id = push.ID(a.GetId())
		return err
	})
	return id, err
}

// Status is what the node says of itself, whether or not it serves its group.
func (c *CometClient) Status(ctx context.Context) (push.NodeStatus, error) {
	to, err := c.pool.acquire(c.addr)
	if err != nil {
		return push.NodeStatus{}, err
	}
	defer c.pool.release(to)
	return statusFrom(ctx, &to.remote, cometRead, to.client.Status)
}

// Top are the keys that the node is pushed to most, the busiest first; none from a node
// that is too old to know.
func (c *CometClient) Top(ctx context.Context, limit int) ([]push.BusyKey, error) {
	to, err := c.pool.acquire(c.addr)
	if err != nil {
		return nil, err
	}
	defer c.pool.release(to)
	a, err := unary(ctx, &to.remote, cometRead, func(ctx context.Context, o ...grpc.CallOption) (*pb.TopReply, error) {
		a, err := to.client.Top(ctx, &pb.TopRequest{Limit: clamp32(limit)}, o...)
		if status.Code(err) == codes.Unimplemented {
			return &pb.TopReply{}, nil
		}
		return a, err
	})
	return topFromPB(a), err
}

// Follow gives the events of the public stream to send, in order, until the
// stream ends; it has no deadline of its own. It returns nil when the service
// ended it, the error of send, the cause of ctx, or what broke the stream. A
// send that blocks holds the stream back, and nothing else.
func (c *CometClient) Follow(ctx context.Context, send func(Event) error) error {
	to, err := c.pool.acquire(c.addr)
	if err != nil {
		return err
	}
	defer c.pool.release(to)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := to.client.Follow(inner, &pb.FollowRequest{})
	for err == nil {
		var frame *pb.EventFrame
		if frame, err = stream.Recv(); err != nil {
			break
		}
		if err := deliver(frame, send); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("follow %s: %w", c.addr, context.Cause(ctx))
	}
	return cometRead.failure(err, c.addr, true)
}

func deliver(frame *pb.EventFrame, send func(Event) error) error {
	for _, e := range frame.GetEvents() {
		event, ok := eventFromPB(e)
		if !ok {
			continue
		}
		if err := send(event); err != nil {
			return err
		}
	}
	return nil
}
