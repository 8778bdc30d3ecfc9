package message_test

import (
	"context"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/message"
)

// held is a store that keeps a write until it is let go.
type held struct {
	message.Store
	came, free chan struct{}
}

func (h held) Save(ctx context.Context, writes []push.Write) []error {
	if string(writes[0].Messages[0].Body) == "held" {
		close(h.came)
		<-h.free
	}
	return h.Store.Save(ctx, writes)
}

// P6: a fence is confirmed when nothing of earlier epochs is being written any more.
//
// Broken once by confirming at once, and once by letting a write of an earlier epoch in
// afterwards.
func TestFenceWaitsForEarlierWrites(t *testing.T) {
	came, free := make(chan struct{}), make(chan struct{})
	n := newNode(t, func(s message.Store) message.Store { return held{s, came, free} })
	save := func(epoch int64, id push.ID, body string) error {
		answer := make(chan error, 1)
		w := push.Write{Key: "k", Prev: push.PrevUnknown, Group: "g", Epoch: epoch, Messages: []push.Message{msg(id, body)}}
		go n.Save(t.Context(), []push.Write{w}, func(_ int, _ push.Written, err error) { answer <- err })
		if body == "held" {
			<-came
			return nil
		}
		return <-answer
	}
	if err := save(1, 16, "held"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := n.Fence(short, rpc.Fence{Group: "g", Epoch: 2}); !push.Is(err, push.KindBusy) {
		t.Errorf("with a write under way: %v", err)
	}
	if err := n.Fence(t.Context(), rpc.Fence{Group: "another", Epoch: 2}); err != nil {
		t.Errorf("another group's fence: %v", err)
	}
	if err := save(1, 32, "1"); !push.Is(err, push.KindFenced) {
		t.Errorf("a write behind the fence: %v", err)
	}
	confirmed := make(chan error, 1)
	go func() { confirmed <- n.Fence(t.Context(), rpc.Fence{Group: "g", Epoch: 2}) }()
	close(free)
	if err := <-confirmed; err != nil {
		t.Error(err)
	}
	n.want("0<16") // it was there when the fence was confirmed
	if err := save(2, 48, "2"); err != nil {
		t.Errorf("the new epoch: %v", err)
	}
	if err := n.Fence(t.Context(), rpc.Fence{Group: "g", Epoch: 2}); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := n.Fence(t.Context(), rpc.Fence{Group: "g", Epoch: 1}); !push.Is(err, push.KindFenced) {
		t.Errorf("of a deposed one: %v", err)
	}
	if err := n.Fence(t.Context(), rpc.Fence{Epoch: 1}); !push.Is(err, push.KindBadRequest) {
		t.Errorf("of no group: %v", err)
	}
}
