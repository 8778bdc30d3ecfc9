package rpc

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// Handlers are the dependencies of a registered service that are not the
// service itself.
type Handlers struct {
	// Drain asks, once it is closed, the clients of all streams to finish them
	// and go elsewhere; what they have sent is still answered. Only then can
	// grpc.Server.GracefulStop come to its end. nil: never.
	Drain <-chan struct{}
	// Log gets errors of KindInternal with their cause, and panics. nil: none.
	Log *slog.Logger
	// Version is what the node calls its build when it is asked.
	Version string
	// Traces gets a span for each item of a trace that is recorded; nil: none.
	Traces trace.Provider

	tracer *trace.Tracer
}

func (h Handlers) filled() Handlers {
	h.Log = given(h.Log)
	h.tracer = tracerOf(h.Traces)
	return h
}

// given is log, or one that drops everything.
func given(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// RegisterComet makes s answer the calls of comets with svc. Items of a Push
// stream are given to svc.Push in order, from one goroutine per stream; their
// context has the caller's deadline. A panic of svc is answered as KindInternal.
func RegisterComet(s grpc.ServiceRegistrar, svc CometService, h Handlers) {
	c := &cometServer{svc: svc, h: h.filled()}
	c.pushes = hall[*pb.PushItem, *pb.PushAnswer]{drain: h.Drain, cost: pushCost, accept: c.accept}
	pb.RegisterCometServer(s, c)
}

type cometServer struct {
	pb.UnimplementedCometServer
	svc    CometService
	h      Handlers
	pushes hall[*pb.PushItem, *pb.PushAnswer]
}

func pushCost(p *pb.PushItem, _ int) int64 { return max(itemCost, int64(len(p.GetBody()))) }

// Push serves one stream.
func (c *cometServer) Push(stream grpc.BidiStreamingServer[pb.PushFrame, pb.PushAnswers]) error {
	return c.pushes.serve(stream.Context(), pushInflow{stream})
}

type pushInflow struct {
	stream grpc.BidiStreamingServer[pb.PushFrame, pb.PushAnswers]
}

func (f pushInflow) greet() error { return f.stream.SendHeader(metadata.MD{}) }

func (f pushInflow) recv() ([]*pb.PushItem, error) {
	frame, err := f.stream.Recv()
	return frame.GetItems(), err
}

func (f pushInflow) send(answers []*pb.PushAnswer, draining bool) error {
	return f.stream.Send(&pb.PushAnswers{Items: answers, Draining: draining})
}

// pushed is one accepted push: its context, and the way of its answer.
type pushed struct {
	itemContext
	c        *cometServer
	out      *outbox[*pb.PushAnswer]
	tag      uint64
	cost     int64
	answered atomic.Bool
	span     trace.Span
}

func (c *cometServer) accept(ctx context.Context, items []*pb.PushItem, cost int64, out *outbox[*pb.PushAnswer]) {
	now := time.Now()
	for _, item := range items {
		p := &pushed{c: c, out: out, tag: item.GetTag(), cost: cost}
		p.bind(ctx, item.GetTimeoutMs(), now)
		c.give(p, item)
	}
}

func (c *cometServer) give(p *pushed, item *pb.PushItem) {
	defer c.h.recovered("push", func(err error) { p.answer(push.Receipt{}, err) })
	what, err := pushFromPB(item)
	if err != nil {
		p.answer(push.Receipt{}, err)
		return
	}
	p.span = c.h.tracer.Continue(what.Trace, pushVerb, trace.Server)
	what.Trace = p.span.Carry(what.Trace)
	c.svc.Push(p, what, p.done)
}

// done is what the service calls.
func (p *pushed) done(r push.Receipt, err error) {
	p.c.h.note("push", err)
	p.answer(r, err)
}

// answer answers the push. A second answer has nowhere to go.
func (p *pushed) answer(r push.Receipt, err error) {
	if p.answered.Swap(true) {
		return
	}
	p.end()
	p.span.End(err)
	p.out.put(receiptToPB(p.tag, r, err), p.cost)
}

// Recall answers the unary call.
func (c *cometServer) Recall(ctx context.Context, r *pb.RecallRequest) (*pb.RecallReply, error) {
	key, err := keyFromPB(r.GetKey())
	if err != nil {
		return nil, err
	}
	return &pb.RecallReply{}, c.svc.Recall(ctx, key, push.ID(r.GetId()))
}

// Delete answers the unary call.
func (c *cometServer) Delete(ctx context.Context, r *pb.DeleteRequest) (*pb.DeleteReply, error) {
	key, err := keyFromPB(r.GetKey())
	if err != nil {
		return nil, err
	}
	return &pb.DeleteReply{}, c.svc.Delete(ctx, key)
}

// Describe answers the unary call.
func (c *cometServer) Describe(ctx context.Context, r *pb.DescribeRequest) (*pb.DescribeReply, error) {
	key, err := keyFromPB(r.GetKey())
	if err != nil {
		return nil, err
	}
	info, err := c.svc.Describe(ctx, key, push.ID(r.GetAbout()))
	return infoToPB(info), err
}

// Time answers the unary call.
func (c *cometServer) Time(ctx context.Context, _ *pb.TimeRequest) (*pb.TimeReply, error) {
	id, err := c.svc.Time(ctx)
	return &pb.TimeReply{Id: int64(id)}, err
}

// Status answers the unary call.
func (c *cometServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusReply, error) {
	return &pb.StatusReply{
		Version: []byte(c.h.Version), Connections: c.svc.Connections(), InFlight: c.pushes.open.Load(),
		Counts: countsToPB(c.svc.Counts()),
	}, nil
}

// Top answers the unary call.
func (c *cometServer) Top(_ context.Context, r *pb.TopRequest) (*pb.TopReply, error) {
	return topToPB(c.svc.Top(int(max(0, r.GetLimit())))), nil
}

// Follow sends events until the client or the service ends, or the node drains.
func (c *cometServer) Follow(_ *pb.FollowRequest, stream grpc.ServerStreamingServer[pb.EventFrame]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	stop := onClose(c.h.Drain, cancel)
	defer stop()
	err := c.svc.Follow(ctx, func(e Event) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return stream.Send(&pb.EventFrame{Events: []*pb.Event{eventToPB(&e)}})
	})
	if ended(c.h.Drain) {
		return push.E(push.KindNoNode, "the node is draining")
	}
	return err
}

// onClose calls f once c is closed, unless stop comes first; stop waits.
func onClose(c <-chan struct{}, f func()) (stop func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-c:
			f()
		case <-over:
		}
	})
	return func() {
		close(over)
		wg.Wait()
	}
}
