package rpc

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// TestStatus: a node tells its version, its clients and what it has not answered yet.
//
// Broken once by not counting an item out when its answer is sent.
func TestStatus(t *testing.T) {
	ofComet, ofMessages := (&fakeComet{}).Counts(), (&fakeMessage{}).Counts()
	held := make(chan func(), 3)
	reading, read := make(chan struct{}), make(chan struct{})
	n := cometNode(t, &fakeComet{push: func(_ context.Context, _ push.Push, done func(push.Receipt, error)) {
		held <- func() { done(push.Receipt{ID: 16}, nil) }
	}})
	m := messageNode(t, &fakeMessage{read: func(_ context.Context, _ push.Key, span push.Span) (push.Page, error) {
		close(reading)
		<-read
		return push.Page{Next: span.After}, nil
	}})
	comet, messages := cometPool(t, CometPoolConfig{}).At(n.addr), messageClient(t, MessageClientConfig{}, m.addr)
	answered := make(chan error, 3)
	for range 3 {
		comet.Push(t.Context(), push.Push{Key: "k", Body: []byte("1")}, func(_ push.Receipt, err error) { answered <- err })
	}
	var all []func()
	for range 3 {
		all = append(all, receive(t, held))
	}
	go func() {
		_, err := messages.Read(t.Context(), "k", push.Span{Limit: 1})
		answered <- err
	}()
	receive(t, reading)
	wantStatus(t, push.NodeStatus{Version: "v9", Connections: 42, InFlight: 3, Counts: ofComet, Counted: true}, comet.Status)
	ofMessage := func(ctx context.Context) (push.NodeStatus, error) { return messages.Status(ctx, m.addr) }
	wantStatus(t, push.NodeStatus{Version: "v9", InFlight: 1, Counts: ofMessages, Counted: true}, ofMessage)
	for _, answer := range all {
		answer()
	}
	close(read)
	for range 4 {
		if err := receive(t, answered); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, push.NodeStatus{Version: "v9", Connections: 42, Counts: ofComet, Counted: true}, comet.Status)
	wantStatus(t, push.NodeStatus{Version: "v9", Counts: ofMessages, Counted: true}, ofMessage)
	_, err := messages.Status(t.Context(), "127.0.0.1:1")
	wantKind(t, err, push.KindNotFound)
}

// wantStatus asks until the answer is right: what is answered is counted out a moment
// later than its caller learns of it.
func wantStatus(t *testing.T, want push.NodeStatus, ask func(context.Context) (push.NodeStatus, error)) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		got, err := ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

// TestStatusOfOlderNode: one that does not know the call is there, and tells nothing.
//
// Broken once by passing the error on.
func TestStatusOfOlderNode(t *testing.T) {
	addr, _ := loggedNode(t, func(s *grpc.Server, _ Handlers) {
		s.RegisterService(older(pb.Comet_ServiceDesc), pb.UnimplementedCometServer{})
		s.RegisterService(older(pb.Message_ServiceDesc), pb.UnimplementedMessageServer{})
	})
	wantStatus(t, push.NodeStatus{}, cometPool(t, CometPoolConfig{}).At(addr).Status)
	if keys, err := cometPool(t, CometPoolConfig{}).At(addr).Top(t.Context(), 3); err != nil || len(keys) != 0 {
		t.Errorf("its busiest keys: %v, %v", keys, err)
	}
	messages := messageClient(t, MessageClientConfig{}, addr)
	wantStatus(t, push.NodeStatus{}, func(ctx context.Context) (push.NodeStatus, error) { return messages.Status(ctx, addr) })
}

// TestTop: keys come over in their order; what no reader could show is left out.
//
// Broken once by passing every rate on.
func TestTop(t *testing.T) {
	busy := []push.BusyKey{{Key: push.PublicKey, Least: 3, Most: 4.5, Connections: 6}, {Key: "k", Least: 1, Most: 1}}
	var asked int
	n := cometNode(t, &fakeComet{top: func(limit int) []push.BusyKey {
		asked = limit
		return append([]push.BusyKey{{Key: "nan", Least: math.NaN()}, {Key: "inf", Most: math.Inf(1)}, {Key: "", Least: 1}}, busy...)
	}})
	got, err := cometPool(t, CometPoolConfig{}).At(n.addr).Top(t.Context(), 7)
	if err != nil || asked != 7 || !slices.Equal(got, busy) {
		t.Errorf("asked for %d, got %+v, %v", asked, got, err)
	}
}

// older is a service without the calls.
func older(d grpc.ServiceDesc) *grpc.ServiceDesc {
	d.Methods = slices.DeleteFunc(slices.Clone(d.Methods), func(m grpc.MethodDesc) bool { return m.MethodName == "Status" || m.MethodName == "Top" })
	return &d
}

// TestStatusOfNobody: a node that is gone, or says nothing, is an error within the
// caller's time.
func TestStatusOfNobody(t *testing.T) {
	n := cometNode(t, &fakeComet{})
	n.stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := cometPool(t, CometPoolConfig{}).At(n.addr).Status(ctx)
	wantKind(t, err, push.KindNoNode)
}
