package rpc

import (
	"math"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// keyFromPB checks a key from the wire. Reserved ones are no keys that push.ParseKey
// takes, but roles use them among themselves.
func keyFromPB(b []byte) (push.Key, error) {
	if k := push.Key(b); k.Reserved() {
		return k, nil
	}
	return push.ParseKey(string(b))
}

// some is []byte(s), nil for the empty string, which costs nothing to send.
func some(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// messageToPB fills out, which is empty.
func messageToPB(out *pb.Msg, m *push.Message) *pb.Msg {
	out.Id, out.Prev, out.ExpiresAt = int64(m.ID), int64(m.Prev), m.ExpiresAt
	out.Body, out.IdempotencyKey = m.Body, some(m.IdempotencyKey)
	out.Transient, out.Recalled = m.Transient, m.Recalled
	return out
}

// traceFromPB takes what is carried of a trace; anything else is none.
func traceFromPB(b []byte) string {
	if len(b) != trace.CarriedSize {
		return ""
	}
	return string(b)
}

func messageFromPB(m *pb.Msg) push.Message {
	return push.Message{
		ID: push.ID(m.GetId()), Prev: push.ID(m.GetPrev()), ExpiresAt: m.GetExpiresAt(), Body: m.GetBody(),
		IdempotencyKey: string(m.GetIdempotencyKey()), Transient: m.GetTransient(), Recalled: m.GetRecalled(),
	}
}

func messagesToPB(ms []push.Message) []*pb.Msg {
	if len(ms) == 0 {
		return nil
	}
	out, all := make([]*pb.Msg, len(ms)), make([]pb.Msg, len(ms)) // one block for all
	for i := range ms {
		out[i] = messageToPB(&all[i], &ms[i])
	}
	return out
}

func messagesFromPB(ms []*pb.Msg) []push.Message {
	if len(ms) == 0 {
		return nil
	}
	out := make([]push.Message, len(ms))
	for i, m := range ms {
		out[i] = messageFromPB(m)
	}
	return out
}

func pushToPB(p *push.Push) *pb.PushItem {
	return &pb.PushItem{
		Key: []byte(p.Key), Body: p.Body, ExpiresAt: p.ExpiresAt, Transient: p.Transient,
		IdempotencyKey: some(p.IdempotencyKey), RequestId: some(p.RequestID), Trace: some(p.Trace),
	}
}

func pushFromPB(p *pb.PushItem) (push.Push, error) {
	key, err := keyFromPB(p.GetKey())
	if err != nil {
		return push.Push{}, err
	}
	return push.Push{
		Key: key, Body: p.GetBody(), ExpiresAt: p.GetExpiresAt(), Transient: p.GetTransient(),
		IdempotencyKey: string(p.GetIdempotencyKey()), RequestID: string(p.GetRequestId()),
		Trace: traceFromPB(p.GetTrace()),
	}, nil
}

func writeToPB(w *push.Write) *pb.SaveItem {
	return &pb.SaveItem{
		Key: []byte(w.Key), Prev: int64(w.Prev), Messages: messagesToPB(w.Messages),
		Group: some(w.Group), Epoch: w.Epoch, RequestIds: requestsToPB(w.Requests),
		Trace: some(w.Trace),
	}
}

func requestsToPB(ids []string) [][]byte {
	if len(ids) == 0 {
		return nil
	}
	out := make([][]byte, len(ids))
	for i, id := range ids {
		out[i] = []byte(id)
	}
	return out
}

// requestsFromPB keeps no more of them than a write can have messages.
func requestsFromPB(ids [][]byte) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(ids), push.MaxBurstMessages))
	for _, id := range ids[:cap(out)] {
		out = append(out, string(id))
	}
	return out
}

func writeFromPB(w *pb.SaveItem) (push.Write, error) {
	key, err := keyFromPB(w.GetKey())
	if err != nil {
		return push.Write{}, err
	}
	if n := len(w.GetMessages()); n == 0 || n > push.MaxBurstMessages {
		return push.Write{}, push.E(push.KindBadRequest, "a write has %d messages; 1 to %d are allowed", n, push.MaxBurstMessages)
	}
	return push.Write{
		Key: key, Prev: push.ID(w.GetPrev()), Messages: messagesFromPB(w.GetMessages()),
		Group: string(w.GetGroup()), Epoch: w.GetEpoch(), Requests: requestsFromPB(w.GetRequestIds()),
		Trace: traceFromPB(w.GetTrace()),
	}, nil
}

func receiptFromPB(a *pb.PushAnswer) (push.Receipt, error) {
	if err := errorFromPB(a.GetError()); err != nil {
		return push.Receipt{}, err
	}
	return push.Receipt{ID: push.ID(a.GetId()), Duplicate: a.GetDuplicate()}, nil
}

func receiptToPB(tag uint64, r push.Receipt, err error) *pb.PushAnswer {
	if err != nil {
		return &pb.PushAnswer{Tag: tag, Error: errorToPB(err)}
	}
	return &pb.PushAnswer{Tag: tag, Id: int64(r.ID), Duplicate: r.Duplicate}
}

func writtenToPB(tag uint64, w push.Written, err error) *pb.SaveAnswer {
	if err != nil {
		return &pb.SaveAnswer{Tag: tag, Error: errorToPB(err)}
	}
	a := &pb.SaveAnswer{
		Tag: tag, Prev: int64(w.Prev),
		Status: make([]uint32, len(w.Outcomes)), Ids: make([]int64, len(w.Outcomes)),
	}
	for i, o := range w.Outcomes {
		a.Status[i], a.Ids[i] = uint32(o.Status), int64(o.ID)
	}
	return a
}

// writtenFromPB refuses an answer whose two lists do not match, or that does
// not answer each of the n messages: whatever it means, it is no ack.
func writtenFromPB(a *pb.SaveAnswer, n int) (push.Written, error) {
	if err := errorFromPB(a.GetError()); err != nil {
		return push.Written{}, err
	}
	if len(a.GetStatus()) != n || len(a.GetIds()) != n {
		return push.Written{}, push.E(push.KindOutcomeUnknown,
			"the message node answered %d fates and %d ids for %d messages", len(a.GetStatus()), len(a.GetIds()), n)
	}
	w := push.Written{Prev: push.ID(a.GetPrev()), Outcomes: make([]push.Outcome, n)}
	for i, s := range a.GetStatus() {
		w.Outcomes[i] = push.Outcome{Status: push.Status(min(s, math.MaxUint8)), ID: push.ID(a.GetIds()[i])}
	}
	return w, nil
}
