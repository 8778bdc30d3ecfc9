package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

const (
	// readLeast is what a read occupies of its stream's budget at the least,
	// for its goroutine: so at most some 4,000 of a stream are in progress.
	readLeast = 16 << 10
	// readsBudget bounds what the reads of all streams occupy; more are refused
	// rather than kept waiting, as a client that takes no answers may be the
	// reason, and others must not wait for it.
	readsBudget = 8 * streamBudget
	readsRetry  = 100 * time.Millisecond
)

// readCost is a guess, until the page is there.
func readCost(r *pb.ReadItem, _ int) int64 {
	if r.GetWhat() != readPage {
		return readLeast
	}
	return max(readLeast, int64(pageGuess(spanFromPB(r))))
}

// Read serves one stream.
func (m *messageServer) Read(stream grpc.BidiStreamingServer[pb.ReadFrame, pb.ReadAnswers]) error {
	return m.reads.serve(stream.Context(), readInflow{stream})
}

type readInflow struct {
	stream grpc.BidiStreamingServer[pb.ReadFrame, pb.ReadAnswers]
}

func (f readInflow) greet() error { return f.stream.SendHeader(metadata.MD{}) }

func (f readInflow) recv() ([]*pb.ReadItem, error) {
	frame, err := f.stream.Recv()
	return frame.GetItems(), err
}

func (f readInflow) send(answers []*pb.ReadAnswer, draining bool) error {
	return f.stream.Send(&pb.ReadAnswers{Items: answers, Draining: draining})
}

// reading is one accepted read: its context, and the way of its answer. It is
// owned by its goroutine.
type reading struct {
	itemContext
	m    *messageServer
	out  *outbox[*pb.ReadAnswer]
	item *pb.ReadItem
	cost int64
}

func (m *messageServer) acceptRead(ctx context.Context, items []*pb.ReadItem, cost int64, out *outbox[*pb.ReadAnswer]) {
	now := time.Now()
	for _, item := range items {
		r := &reading{m: m, out: out, item: item, cost: cost}
		if m.reads.used.Load() > readsBudget {
			r.put(refusal(&push.Error{Kind: push.KindBusy, Detail: "the node has too many reads in progress", RetryAfter: readsRetry}))
			continue
		}
		r.bind(ctx, item.GetTimeoutMs(), now)
		out.wg.Go(r.run)
	}
}

// run sees to it that the read is answered, whatever the service does.
func (r *reading) run() {
	var a *pb.ReadAnswer
	defer func() {
		if a == nil {
			a = refusal(push.E(push.KindInternal, "the service returned without an answer"))
		}
		r.end()
		r.put(a)
	}()
	defer r.m.h.recovered("read", func(err error) { a = refusal(err) })
	a = r.answer()
}

func (r *reading) answer() *pb.ReadAnswer {
	a, err := r.perform()
	if err == nil {
		err = r.unfit(a)
	}
	if err != nil {
		r.m.h.note("read", err)
		return refusal(err)
	}
	return a
}

func (r *reading) perform() (a *pb.ReadAnswer, err error) {
	key, err := keyFromPB(r.item.GetKey())
	if err != nil {
		return nil, err
	}
	span := r.m.h.tracer.Continue(traceFromPB(r.item.GetTrace()), readVerb, trace.Server)
	defer func() { span.End(err) }()
	ctx := span.In(r)
	switch r.item.GetWhat() {
	case readPage:
		page, err := r.m.svc.Read(ctx, key, fitted(spanFromPB(r.item)))
		if err != nil {
			return nil, err
		}
		return pageToPB(&page), nil
	case readNewest:
		id, err := r.m.svc.Newest(ctx, key)
		return &pb.ReadAnswer{Next: int64(id)}, err
	}
	return nil, push.E(push.KindBadRequest, "this node does not know how to read %d", r.item.GetWhat())
}

// unfit says why a must not be sent: it would break the stream for all others,
// or its caller is gone.
func (r *reading) unfit(a *pb.ReadAnswer) error {
	if n := answerSize(a); n > maxItem {
		return push.E(push.KindTooLarge, "the page of %d bytes is over the limit of %d", n, maxItem)
	}
	return r.Err()
}

func (r *reading) put(a *pb.ReadAnswer) {
	a.Tag = r.item.GetTag()
	r.out.put(a, r.cost)
}

func refusal(err error) *pb.ReadAnswer { return &pb.ReadAnswer{Error: errorToPB(err)} }
