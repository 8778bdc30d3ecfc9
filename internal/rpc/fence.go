package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

const (
	// fenceTry bounds one question to one node: the list may have changed meanwhile.
	fenceTry   = 500 * time.Millisecond
	fencePause = 20 * time.Millisecond
)

// Fence tells every message node of the list that the earlier epochs of a group are over. It
// returns nil once all have confirmed that nothing of them is being written any more, nor
// will be, and goes on trying until ctx ends; the error is then that of the last try.
func (c *MessageClient) Fence(ctx context.Context, fence Fence) error {
	confirmed := make(map[string]bool)
	for {
		err := c.fenceOnce(ctx, fence, confirmed)
		if err == nil {
			return nil
		}
		t := time.NewTimer(fencePause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// fenceOnce asks those of the list that have not confirmed yet, all at once.
func (c *MessageClient) fenceOnce(ctx context.Context, fence Fence, confirmed map[string]bool) error {
	r, err := c.nodes.current()
	if err != nil {
		return err
	}
	if len(r.nodes) == 0 {
		return push.E(push.KindStoreUnavailable, "no message node is known")
	}
	ctx, cancel := context.WithTimeout(ctx, fenceTry)
	defer cancel()
	errs := make([]error, len(r.nodes))
	var all sync.WaitGroup
	for i, n := range r.nodes {
		if !confirmed[n.addr] {
			all.Go(func() { errs[i] = n.fence(ctx, fence) })
		}
	}
	all.Wait()
	for i, n := range r.nodes {
		confirmed[n.addr] = confirmed[n.addr] || errs[i] == nil
	}
	return errors.Join(errs...)
}

func (n *node) fence(ctx context.Context, fence Fence) error {
	_, err := unary(ctx, &n.remote, messageRead, func(ctx context.Context, o ...grpc.CallOption) (*pb.FenceReply, error) {
		return n.client.Fence(ctx, &pb.FenceRequest{Fence: fenceToPB(fence)}, o...)
	})
	return err
}
