package rpc

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// TestFence: every node of the list has to confirm, and one that does not is asked again.
//
// Broken once by being content with one node, and once by not asking again.
func TestFence(t *testing.T) {
	want := Fence{Group: "g", Epoch: 7}
	var well, slow atomic.Int64
	a := messageNode(t, &fakeMessage{fence: func(_ context.Context, f Fence) error {
		if well.Add(1); f != want {
			t.Errorf("the fence is %+v", f)
		}
		return nil
	}})
	b := messageNode(t, &fakeMessage{fence: func(context.Context, Fence) error {
		if slow.Add(1) < 3 {
			return push.E(push.KindBusy, "something is under way")
		}
		return nil
	}})
	c := messageClient(t, MessageClientConfig{}, a.addr, b.addr)
	if err := c.Fence(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if well.Load() != 1 || slow.Load() != 3 {
		t.Errorf("the nodes were asked %d and %d times", well.Load(), slow.Load())
	}
}

// TestFenceUnconfirmed: nodes that are gone, too old to know the call, or none at all, have
// not confirmed.
//
// Broken once by taking no node for all of them, and once by taking an error for an answer.
func TestFenceUnconfirmed(t *testing.T) {
	gone := messageNode(t, &fakeMessage{})
	gone.stop()
	older, _ := loggedNode(t, func(s *grpc.Server, _ Handlers) {
		pb.RegisterMessageServer(s, pb.UnimplementedMessageServer{})
	})
	for name, addrs := range map[string][]string{"gone": {gone.addr}, "older": {older}, "none": nil} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		c := messageClient(t, MessageClientConfig{}, addrs...)
		if err := c.fenceOnce(ctx, Fence{Group: "g", Epoch: 1}, map[string]bool{}); err == nil {
			t.Errorf("%s: confirmed", name)
		}
		go func() { ended <- c.Fence(ctx, Fence{Group: "g", Epoch: 1}) }()
		cancel()
		if err := receive(t, ended); err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
