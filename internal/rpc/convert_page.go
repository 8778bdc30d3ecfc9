package rpc

import (
	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// Bits of a message's flags in a page.
const (
	flagTransient = 1 << iota
	flagRecalled
)

// pageToPB gives an answer that shares no memory with p.
func pageToPB(p *push.Page) *pb.ReadAnswer {
	out := &pb.ReadAnswer{Next: int64(p.Next), More: p.More}
	for _, g := range p.Gaps {
		out.Gaps = append(out.Gaps, &pb.Gap{After: int64(g.After), Until: int64(g.Until), Reason: some(string(g.Reason))})
	}
	n := len(p.Messages)
	if n == 0 {
		return out
	}
	numbers := make([]int64, 3*n) // one block for all
	out.Ids, out.Prevs, out.ExpiresAt = numbers[:n:n], numbers[n:2*n:2*n], numbers[2*n:]
	out.Sizes = make([]uint32, n)
	total := 0
	for i := range p.Messages {
		m := &p.Messages[i]
		out.Ids[i], out.Prevs[i], out.ExpiresAt[i] = int64(m.ID), int64(m.Prev), m.ExpiresAt
		out.Sizes[i] = uint32(len(m.Body))
		total += len(m.Body)
	}
	out.Bodies = make([]byte, 0, total)
	for i := range p.Messages {
		m := &p.Messages[i]
		out.Bodies = append(out.Bodies, m.Body...)
		if m.Transient || m.Recalled {
			out.Flags = extended(out.Flags, n)
			out.Flags[i] = flagsOf(m)
		}
		if m.IdempotencyKey != "" {
			out.KeySizes = extended(out.KeySizes, n)
			out.KeySizes[i] = uint32(len(m.IdempotencyKey))
			out.IdempotencyKeys = append(out.IdempotencyKeys, m.IdempotencyKey...)
		}
	}
	return out
}

// extended is s with n elements; it has as many or none.
func extended(s []uint32, n int) []uint32 {
	if s == nil {
		return make([]uint32, n)
	}
	return s
}

func flagsOf(m *push.Message) (f uint32) {
	if m.Transient {
		f |= flagTransient
	}
	if m.Recalled {
		f |= flagRecalled
	}
	return f
}

// pageFromPB refuses an answer whose lists do not match: half a page could be
// taken for a whole one. The bodies share their memory.
func pageFromPB(a *pb.ReadAnswer) (push.Page, error) {
	out := push.Page{Next: push.ID(a.GetNext()), More: a.GetMore()}
	for _, g := range a.GetGaps() {
		out.Gaps = append(out.Gaps, push.Gap{
			After: push.ID(g.GetAfter()), Until: push.ID(g.GetUntil()), Reason: push.GapReason(g.GetReason()),
		})
	}
	if !matches(a) {
		return push.Page{}, push.E(push.KindInternal, "the message node answered a page whose lists do not match")
	}
	if n := len(a.GetIds()); n > 0 {
		out.Messages = make([]push.Message, n)
	}
	rest, keys := a.GetBodies(), string(a.GetIdempotencyKeys())
	for i := range out.Messages {
		m := &out.Messages[i]
		m.ID, m.Prev, m.ExpiresAt = push.ID(a.Ids[i]), push.ID(a.Prevs[i]), a.ExpiresAt[i]
		if size := a.Sizes[i]; size > 0 {
			m.Body, rest = rest[:size:size], rest[size:]
		}
		if len(a.Flags) > 0 {
			m.Transient, m.Recalled = a.Flags[i]&flagTransient != 0, a.Flags[i]&flagRecalled != 0
		}
		if len(a.KeySizes) > 0 {
			m.IdempotencyKey, keys = keys[:a.KeySizes[i]], keys[a.KeySizes[i]:]
		}
	}
	return out, nil
}

// matches reports whether the lists of a have one length, and its texts theirs.
func matches(a *pb.ReadAnswer) bool {
	n := len(a.GetIds())
	return len(a.GetPrevs()) == n && len(a.GetExpiresAt()) == n &&
		len(a.GetSizes()) == n && addsUp(a.GetSizes(), a.GetBodies()) &&
		(len(a.GetFlags()) == 0 || len(a.GetFlags()) == n) &&
		(len(a.GetKeySizes()) == 0 || len(a.GetKeySizes()) == n) && addsUp(a.GetKeySizes(), a.GetIdempotencyKeys())
}

func addsUp(sizes []uint32, texts []byte) bool {
	sum := uint64(0)
	for _, size := range sizes {
		sum += uint64(size)
	}
	return sum == uint64(len(texts))
}

// answerSize is at least what a takes on the wire, and about what in memory.
func answerSize(a *pb.ReadAnswer) int {
	n := messageOverhead + len(a.GetBodies()) + len(a.GetIdempotencyKeys()) + messageOverhead*(len(a.GetIds())+len(a.GetGaps()))
	for _, g := range a.GetGaps() {
		n += len(g.GetReason())
	}
	if e := a.GetError(); e != nil {
		n += messageOverhead + len(e.GetKind()) + len(e.GetDetail())
	}
	return n
}
