package rpc

import (
	"math"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// Bounds of a page on the wire, so that it always fits into one gRPC message.
// A reader that asked for more goes on from the page's Next.
const (
	maxPageMessages = 8192
	maxPageBytes    = 4 << 20
)

// What an item asks for.
const (
	readPage = iota
	readNewest
)

// smallPage is the largest guess for a page that shares its stream with those
// that nobody should wait for. messageGuess is what a message is taken for
// before it is read.
const (
	smallPage    = 128 << 10
	messageGuess = 1 << 10
)

// pageGuess is about how many bytes a page of s will have.
func pageGuess(s push.Span) int {
	s = fitted(s)
	return min(s.Bytes, max(s.Limit, 1)*messageGuess)
}

func spanToPB(key push.Key, s push.Span) *pb.ReadItem {
	return &pb.ReadItem{
		Key: []byte(key), What: readPage, After: int64(s.After), Until: int64(s.Until),
		Limit: clamp32(s.Limit), Bytes: int64(s.Bytes), Newest: clamp32(s.Newest),
	}
}

func spanFromPB(r *pb.ReadItem) push.Span {
	return push.Span{
		After: push.ID(r.GetAfter()), Until: push.ID(r.GetUntil()),
		Limit: int(r.GetLimit()), Bytes: int(r.GetBytes()), Newest: int(r.GetNewest()),
	}
}

// fitted is s with limits that keep its page within one message.
func fitted(s push.Span) push.Span {
	s.Limit = min(s.Limit, maxPageMessages)
	if s.Bytes <= 0 || s.Bytes > maxPageBytes {
		s.Bytes = maxPageBytes
	}
	return s
}

func clamp32(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

func fenceToPB(f Fence) *pb.Fence { return &pb.Fence{Group: some(f.Group), Epoch: f.Epoch} }

func fenceFromPB(f *pb.Fence) Fence { return Fence{Group: string(f.GetGroup()), Epoch: f.GetEpoch()} }

func eventToPB(e *Event) *pb.Event {
	out := &pb.Event{Kind: uint32(e.Kind), Id: int64(e.ID), Trace: some(e.Trace)}
	if e.Kind == EventMessage {
		out.Message = messageToPB(new(pb.Msg), &e.Message)
	}
	return out
}

// eventFromPB reports false for a kind that Event cannot hold; it is a newer
// peer's, and to be ignored like every unknown one.
func eventFromPB(e *pb.Event) (Event, bool) {
	if e.GetKind() > math.MaxUint8 {
		return Event{}, false
	}
	out := Event{Kind: EventKind(e.GetKind()), ID: push.ID(e.GetId()), Trace: traceFromPB(e.GetTrace())}
	if m := e.GetMessage(); m != nil {
		out.Message = messageFromPB(m)
	}
	return out, true
}

// messageOverhead is at least what a message takes on the wire besides its
// texts, and about what it takes in memory.
const messageOverhead = 64

func pushSize(p *push.Push) int {
	return messageOverhead + len(p.Key) + len(p.Body) + len(p.IdempotencyKey) + len(p.RequestID) + len(p.Trace)
}

func writeSize(w *push.Write) int {
	n := messageOverhead + len(w.Key) + len(w.Group) + len(w.Trace)
	for i := range w.Messages {
		n += messageOverhead + len(w.Messages[i].Body) + len(w.Messages[i].IdempotencyKey)
	}
	for _, id := range w.Requests {
		n += len(id) + 6 // its tag and length
	}
	return n
}
