package message

import (
	"context"
	"sync"

	"gopush/internal/push"
	"gopush/internal/rpc"
)

// fences are the newest epochs of groups, and what is being written under each. What is
// of no group is of no interest to them.
type fences struct {
	told func(group string) int64 // immutable; nil: only writers tell

	mu     sync.Mutex
	groups map[string]*fenced // guarded by mu
}

// fenced is one group. It is guarded by the mutex of its fences.
type fenced struct {
	epoch int64         // the highest that was heard of
	under map[int64]int // changes under way, by their epoch; none is 0
	ended chan struct{} // closed when one ends; nil: nobody waits for that
}

// enter refuses changes of an epoch that is over. Who is let in must leave.
func (f *fences) enter(fence rpc.Fence) error {
	if fence.Group == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g, err := f.raise(fence)
	if err == nil {
		g.under[fence.Epoch]++
	}
	return err
}

func (f *fences) leave(fence rpc.Fence) {
	if fence.Group == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.groups[fence.Group]
	if g.under[fence.Epoch]--; g.under[fence.Epoch] == 0 {
		delete(g.under, fence.Epoch)
	}
	if g.ended != nil {
		close(g.ended)
		g.ended = nil
	}
}

// raise notes the epoch, unless a higher one was heard of. Guarded by mu.
func (f *fences) raise(fence rpc.Fence) (*fenced, error) {
	g := f.groups[fence.Group]
	if g == nil {
		g = &fenced{under: make(map[int64]int)}
		f.groups[fence.Group] = g
	}
	known := g.epoch
	if f.told != nil {
		known = max(known, f.told(fence.Group))
	}
	if fence.Epoch < known {
		return nil, push.E(push.KindFenced, "epoch %d of group %s is over; epoch %d writes now", fence.Epoch, fence.Group, known)
	}
	g.epoch = fence.Epoch
	return g, nil
}

// earlier raises the epoch, and is nil when nothing of an earlier one is under way; else it
// is closed when that may have changed.
func (f *fences) earlier(fence rpc.Fence) (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, err := f.raise(fence)
	if err != nil {
		return nil, err
	}
	for epoch := range g.under {
		if epoch < fence.Epoch {
			if g.ended == nil {
				g.ended = make(chan struct{})
			}
			return g.ended, nil
		}
	}
	return nil, nil
}

// Fence ends the earlier epochs of a group here: when it returns without an error, nothing of
// them is being written by this node any more, nor will be.
func (s *Service) Fence(ctx context.Context, fence rpc.Fence) error {
	if fence.Group == "" {
		return push.E(push.KindBadRequest, "a fence without a group")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	for {
		ended, err := s.fences.earlier(fence)
		if err != nil || ended == nil {
			return err
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return push.Wrap(push.KindBusy, ctx.Err(), "writes of an earlier epoch of %s are still under way", fence.Group)
		}
	}
}
