package comet

import (
	"sync/atomic"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// numbered ends the wait of an operation.
func (op *operation) numbered(id push.ID) {
	op.line.Number("gopush.message_id", int64(id))
	op.line.End(nil)
}

// trace begins the span of a write, which belongs to the first of its operations that
// is recorded; the others lead there by links. Their wait ends here.
func (n *Node) trace(b *batch) {
	if n.tracer != nil {
		b.span = n.tracer.Join(traces(b.ops), "comet write", trace.Internal)
		b.span.Number("gopush.messages", int64(len(b.ops)))
	}
	first := ""
	for i, op := range b.ops {
		if first == "" {
			first = op.push.Trace
		}
		op.line.Link(b.span)
		op.numbered(b.write.Messages[i].ID)
	}
	b.write.Trace = b.span.Carry(first)
}

// traces are what the operations carry.
func traces(ops []*operation) (all []string) {
	for _, op := range ops {
		if op.push.Trace != "" {
			all = append(all, op.push.Trace)
		}
	}
	return all
}

// ended ends the span of a write.
func (b *batch) ended(err error) {
	b.span.Number("gopush.attempts", b.attempts)
	b.span.End(err)
}

// fanOut is the delivery of one event to all connections: one span, however many they
// are. It ends when all who were woken for it have had their turn; a connection that is
// behind reads the message later, and is not waited for.
type fanOut struct {
	span trace.Span
	left atomic.Int64
}

// fanOut begins it, for parts that end with one each; nil: it is not recorded.
func (n *Node) fanOut(ch *channel, ev *event, members, parts int) *fanOut {
	span := n.tracer.Continue(ev.trace, "comet deliver", trace.Consumer)
	if !span.Recorded() {
		return nil
	}
	count := "gopush.connections"
	if ch != n.public && ch.key.Public() {
		// The owner of the public stream tells the comets, each of which delivers.
		span.Name("comet broadcast")
		count = "gopush.comets"
	}
	span.Number(count, int64(members))
	if parts == 0 {
		span.End(nil)
		return nil
	}
	f := &fanOut{span: span}
	f.left.Store(int64(parts))
	return f
}

// one ends one part.
func (f *fanOut) one() {
	if f != nil && f.left.Add(-1) == 0 {
		f.span.End(nil)
	}
}
