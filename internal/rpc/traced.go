package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"gopush/internal/rpc/pb"
	"gopush/internal/trace"
)

// Names of spans: those of the items of streams are as those of unary calls.
const (
	pushVerb = pb.Comet_Push_FullMethodName
	saveVerb = pb.Message_Save_FullMethodName
	readVerb = pb.Message_Read_FullMethodName
)

// Attributes of spans.
const (
	peerAttr     = "server.address"
	attemptsAttr = "gopush.attempts"
)

// traceKey is the metadata that carries the span of a unary call.
const traceKey = "gopush-trace-bin"

func tracerOf(p trace.Provider) *trace.Tracer { return trace.New(p, "gopush/rpc") }

// callTraced makes the span of each unary call to addr.
func callTraced(t *trace.Tracer, addr string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, span := t.Start(ctx, method, trace.Client)
		if span.Recorded() {
			span.Text(peerAttr, addr)
			ctx = metadata.AppendToOutgoingContext(ctx, traceKey, span.Carry(""))
		}
		err := call(ctx, method, req, reply, conn, opts...)
		span.End(plain(err))
		return err
	}
}

// plain is the error that a peer put into a status, so that its kind is known.
func plain(err error) error {
	if e, ok := kinded(err); ok {
		return e
	}
	return err
}

// continued begins the span of a unary call, as its server.
func continued(ctx context.Context, t *trace.Tracer, method string) (context.Context, trace.Span) {
	if t == nil {
		return ctx, trace.Span{}
	}
	carried := metadata.ValueFromIncomingContext(ctx, traceKey)
	if len(carried) != 1 {
		return ctx, trace.Span{}
	}
	span := t.Continue(carried[0], method, trace.Server)
	return span.In(ctx), span
}
