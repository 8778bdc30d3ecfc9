package tracetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"gopush/internal/trace"
)

// Recorder is a provider that records every span of a trace that is recorded, and every trace
// that begins here; no goroutine and no network are in it.
type Recorder struct {
	trace.Provider

	mu    sync.Mutex
	spans []Span // guarded by mu; those that have ended
}

// Record makes one.
func Record() *Recorder {
	r := new(Recorder)
	r.Provider = sdk.NewTracerProvider(sdk.WithSpanProcessor(r))
	return r
}

// Spans are those that have ended, in the order in which they did.
func (r *Recorder) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// OnStart implements a processor of spans.
func (r *Recorder) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd keeps a span.
func (r *Recorder) OnEnd(s sdk.ReadOnlySpan) {
	out := Span{
		Trace: s.SpanContext().TraceID().String(), ID: s.SpanContext().SpanID().String(),
		Name: s.Name(), Kind: s.SpanKind().String(), Attrs: make(map[string]string), Start: s.StartTime(), End: s.EndTime(),
	}
	if s.Parent().SpanID().IsValid() {
		out.Parent = s.Parent().SpanID().String()
	}
	if s.Status().Code == codes.Error {
		out.Failed = s.Status().Description
	}
	for _, a := range s.Attributes() {
		out.Attrs[string(a.Key)] = fmt.Sprint(a.Value.AsInterface())
	}
	for _, l := range s.Links() {
		out.Links = append(out.Links, l.SpanContext.SpanID().String())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, out)
}

// Shutdown implements a processor of spans.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// ForceFlush implements a processor of spans.
func (r *Recorder) ForceFlush(context.Context) error { return nil }
