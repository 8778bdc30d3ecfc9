package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// RegisterMessage makes s answer the calls of message nodes with svc. Each
// frame of a Save stream is one svc.Save, in its own goroutine, with the latest
// deadline of its writes; the callers still end each at its own. Each read has a
// goroutine and its caller's deadline. A panic of svc is answered as
// KindInternal.
func RegisterMessage(s grpc.ServiceRegistrar, svc MessageService, h Handlers) {
	m := &messageServer{svc: svc, h: h.filled()}
	m.saves = hall[*pb.SaveItem, *pb.SaveAnswer]{drain: h.Drain, cost: saveCost, accept: m.accept}
	m.reads = hall[*pb.ReadItem, *pb.ReadAnswer]{
		drain: h.Drain, cost: readCost, size: answerSize, apart: true, accept: m.acceptRead,
	}
	pb.RegisterMessageServer(s, m)
}

type messageServer struct {
	pb.UnimplementedMessageServer
	svc   MessageService
	h     Handlers
	saves hall[*pb.SaveItem, *pb.SaveAnswer]
	reads hall[*pb.ReadItem, *pb.ReadAnswer]
}

// saveCost is at least a share of frameCost: each frame is a goroutine, and
// the budget of the stream is what bounds them.
func saveCost(w *pb.SaveItem, n int) int64 {
	size := int64(itemCost)
	for _, m := range w.GetMessages() {
		size += messageOverhead + int64(len(m.GetBody()))
	}
	return max(size, frameCost/int64(n))
}

// Save serves one stream.
func (m *messageServer) Save(stream grpc.BidiStreamingServer[pb.SaveFrame, pb.SaveAnswers]) error {
	return m.saves.serve(stream.Context(), saveInflow{stream})
}

type saveInflow struct {
	stream grpc.BidiStreamingServer[pb.SaveFrame, pb.SaveAnswers]
}

func (f saveInflow) greet() error { return f.stream.SendHeader(metadata.MD{}) }

func (f saveInflow) recv() ([]*pb.SaveItem, error) {
	frame, err := f.stream.Recv()
	return frame.GetItems(), err
}

func (f saveInflow) send(answers []*pb.SaveAnswer, draining bool) error {
	return f.stream.Send(&pb.SaveAnswers{Items: answers, Draining: draining})
}

// saving is one frame of writes.
type saving struct {
	m      *messageServer
	out    *outbox[*pb.SaveAnswer]
	cost   int64
	writes []push.Write
	tags   []uint64
	done   []atomic.Bool
	spans  []trace.Span // of the writes; nil: none is recorded
}

// accept answers the writes that cannot be read, and saves the others.
func (m *messageServer) accept(ctx context.Context, items []*pb.SaveItem, cost int64, out *outbox[*pb.SaveAnswer]) {
	s := &saving{
		m: m, out: out, cost: cost,
		writes: make([]push.Write, 0, len(items)), tags: make([]uint64, 0, len(items)),
	}
	longest, endless := uint32(0), false
	for _, item := range items {
		w, err := writeFromPB(item)
		if err != nil {
			out.put(writtenToPB(item.GetTag(), push.Written{}, err), cost)
			continue
		}
		s.writes, s.tags = append(s.writes, w), append(s.tags, item.GetTag())
		longest = max(longest, item.GetTimeoutMs())
		endless = endless || item.GetTimeoutMs() == 0
	}
	if len(s.writes) == 0 {
		return
	}
	s.done = make([]atomic.Bool, len(s.writes))
	s.begin()
	cancel := func() {}
	if !endless {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(longest)*time.Millisecond)
	}
	out.wg.Go(func() {
		defer cancel()
		s.run(ctx)
	})
}

// run sees to it that each write is answered, whatever the service does.
func (s *saving) run(ctx context.Context) {
	defer s.rest(push.E(push.KindOutcomeUnknown, "the service returned without an answer"))
	defer s.m.h.recovered("save", s.rest)
	s.m.svc.Save(ctx, s.writes, s.answer)
}

func (s *saving) answer(i int, w push.Written, err error) {
	if s.done[i].Swap(true) {
		return
	}
	s.m.h.note("save", err)
	s.put(i, w, err)
}

// begin begins a span for each write of a trace that is recorded.
func (s *saving) begin() {
	for i := range s.writes {
		w := &s.writes[i]
		span := s.m.h.tracer.Continue(w.Trace, saveVerb, trace.Server)
		if !span.Recorded() {
			continue
		}
		if s.spans == nil {
			s.spans = make([]trace.Span, len(s.writes))
		}
		s.spans[i], w.Trace = span, span.Carry("")
	}
}

// put gives the one answer of a write.
func (s *saving) put(i int, w push.Written, err error) {
	if s.spans != nil {
		s.spans[i].End(err)
	}
	s.out.put(writtenToPB(s.tags[i], w, err), s.cost)
}

// rest answers the writes that have no answer yet.
func (s *saving) rest(err error) {
	for i := range s.done {
		if !s.done[i].Swap(true) {
			s.put(i, push.Written{}, err)
		}
	}
}

// Recall answers the unary call.
func (m *messageServer) Recall(ctx context.Context, r *pb.RecallRequest) (*pb.RecallReply, error) {
	key, err := keyFromPB(r.GetKey())
	if err != nil {
		return nil, err
	}
	return &pb.RecallReply{}, m.svc.Recall(ctx, key, push.ID(r.GetId()), fenceFromPB(r.GetFence()))
}

// Delete answers the unary call.
func (m *messageServer) Delete(ctx context.Context, r *pb.DeleteRequest) (*pb.DeleteReply, error) {
	key, err := keyFromPB(r.GetKey())
	if err != nil {
		return nil, err
	}
	return &pb.DeleteReply{}, m.svc.Delete(ctx, key, push.ID(r.GetUpTo()), fenceFromPB(r.GetFence()))
}

// Fence answers the unary call.
func (m *messageServer) Fence(ctx context.Context, r *pb.FenceRequest) (*pb.FenceReply, error) {
	return &pb.FenceReply{}, m.svc.Fence(ctx, fenceFromPB(r.GetFence()))
}

// Status answers the unary call.
func (m *messageServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusReply, error) {
	return &pb.StatusReply{Version: []byte(m.h.Version), InFlight: m.saves.open.Load() + m.reads.open.Load(), Counts: countsToPB(m.svc.Counts())}, nil
}
