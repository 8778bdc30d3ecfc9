package trace

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	otel "go.opentelemetry.io/otel/trace"

	"gopush/internal/push"
)

// Provider makes tracers; nil: there is no tracing.
type Provider = otel.TracerProvider

// Kind is the side of a call that a span tells of.
type Kind = otel.SpanKind

// The kinds of spans.
const (
	Internal = otel.SpanKindInternal
	Server   = otel.SpanKindServer
	Client   = otel.SpanKindClient
	Consumer = otel.SpanKindConsumer
)

// Tracer begins the spans of one part of the program. All methods of nil do
// nothing, at the cost of a comparison, and so do those of the spans that it gives.
type Tracer struct{ otel otel.Tracer }

// New makes the tracer of a part such as "gopush/web"; nil without a provider.
func New(p Provider, part string) *Tracer {
	if p == nil {
		return nil
	}
	return &Tracer{p.Tracer(part)}
}

// Begin begins a span that may be the first of a trace. parent is a W3C traceparent;
// empty or malformed: there is none. Whether the trace is recorded is decided by the
// parent, or else by the provider's share.
func (t *Tracer) Begin(parent, name string, kind Kind) Span {
	if t == nil {
		return Span{}
	}
	ctx := context.Background()
	if parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, traceparent(parent))
	}
	return t.start(ctx, name, kind)
}

// traceparent is the one header that is read. What comes with it as tracestate is
// text of any kind, and would be in every span.
type traceparent string

func (t traceparent) Get(name string) string {
	if name == "traceparent" {
		return string(t)
	}
	return ""
}

func (traceparent) Set(string, string) {}
func (traceparent) Keys() []string     { return []string{"traceparent"} }

// Start begins a span below that of ctx, and puts it in its place. Without one that
// is recorded it does nothing.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	if t == nil || !otel.SpanContextFromContext(ctx).IsSampled() {
		return ctx, Span{}
	}
	s := t.start(ctx, name, kind)
	return s.In(ctx), s
}

// Continue begins a span below the one that was carried here; see Span.Carry.
func (t *Tracer) Continue(carried, name string, kind Kind) Span {
	parent, ok := t.parse(carried)
	if !ok {
		return Span{}
	}
	return t.start(otel.ContextWithRemoteSpanContext(context.Background(), parent), name, kind)
}

// Under puts the span that was carried here into ctx, for Start.
func (t *Tracer) Under(ctx context.Context, carried string) context.Context {
	if parent, ok := t.parse(carried); ok {
		return otel.ContextWithRemoteSpanContext(ctx, parent)
	}
	return ctx
}

// maxLinks bounds the links of a span that does the work of many.
const maxLinks = 32

// Join begins a span for all who were carried here: below the first of them, and
// linked to others.
func (t *Tracer) Join(carried []string, name string, kind Kind) Span {
	if len(carried) == 0 {
		return Span{}
	}
	s := t.Continue(carried[0], name, kind)
	for _, other := range carried[1:min(len(carried), maxLinks+1)] {
		if to, ok := t.parse(other); ok && s.Recorded() {
			s.otel.AddLink(otel.Link{SpanContext: to})
		}
	}
	return s
}

// start begins a span below that of ctx. One that is not recorded is none.
func (t *Tracer) start(ctx context.Context, name string, kind Kind) Span {
	_, s := t.otel.Start(ctx, name, otel.WithSpanKind(kind))
	if !s.SpanContext().IsSampled() {
		return Span{}
	}
	return Span{s}
}

// Below begins a span below that of ctx with the tracer of the same provider, for
// parts that nobody gave a provider. Without a span that is recorded it does nothing.
func Below(ctx context.Context, part, name string, kind Kind) (context.Context, Span) {
	s := otel.SpanFromContext(ctx)
	if !s.IsRecording() {
		return ctx, Span{}
	}
	return New(s.TracerProvider(), part).Start(ctx, name, kind)
}

// CarriedSize is the size of what is carried: the id of the trace and of the span.
const CarriedSize = 16 + 8

func (t *Tracer) parse(carried string) (otel.SpanContext, bool) {
	if t == nil || len(carried) != CarriedSize {
		return otel.SpanContext{}, false
	}
	cfg := otel.SpanContextConfig{TraceFlags: otel.FlagsSampled, Remote: true}
	copy(cfg.TraceID[:], carried)
	copy(cfg.SpanID[:], carried[len(cfg.TraceID):])
	sc := otel.NewSpanContext(cfg)
	return sc, sc.IsValid()
}

// Span is one step of a trace that is recorded; the zero value is none, and does
// nothing.
type Span struct{ otel otel.Span }

// Recorded reports whether there is a span.
func (s Span) Recorded() bool { return s.otel != nil }

// From is the span of ctx, if it is recorded.
func From(ctx context.Context) Span {
	if s := otel.SpanFromContext(ctx); s.IsRecording() {
		return Span{s}
	}
	return Span{}
}

// In is ctx with the span in it.
func (s Span) In(ctx context.Context) context.Context {
	if s.otel == nil {
		return ctx
	}
	return otel.ContextWithSpan(ctx, s.otel)
}

// Carry is the span as it is handed to where Continue takes it up: CarriedSize bytes.
// Without a span it is what came here, so that a trace passes through who records
// nothing.
func (s Span) Carry(came string) string {
	if s.otel == nil {
		return came
	}
	sc := s.otel.SpanContext()
	var b [CarriedSize]byte
	trace, span := sc.TraceID(), sc.SpanID()
	copy(b[copy(b[:], trace[:]):], span[:])
	return string(b[:])
}

// Link says that the work of s was done by another span.
func (s Span) Link(to Span) {
	if s.otel != nil && to.otel != nil {
		s.otel.AddLink(otel.Link{SpanContext: to.otel.SpanContext()})
	}
}

// Text notes a fact. It must not be somebody's own, see the package.
func (s Span) Text(name, value string) {
	if s.otel != nil {
		s.otel.SetAttributes(attribute.String(name, value))
	}
}

// Number notes a fact.
func (s Span) Number(name string, value int64) {
	if s.otel != nil {
		s.otel.SetAttributes(attribute.Int64(name, value))
	}
}

// Name gives the span another name.
func (s Span) Name(name string) {
	if s.otel != nil {
		s.otel.SetName(name)
	}
}

// Fail marks the span as failed, with the kind of the error.
func (s Span) Fail(kind string) {
	if s.otel != nil {
		s.otel.SetStatus(codes.Error, kind)
	}
}

// Kind of an error, as an attribute.
const errorType = "error.type"

// Cause notes the kind of err, if there is one.
func (s Span) Cause(err error) {
	if s.otel != nil && err != nil {
		s.Text(errorType, string(push.KindOf(err)))
	}
}

// End ends the span; err is what it ended with. Only the first call counts.
func (s Span) End(err error) {
	if s.otel == nil {
		return
	}
	if err != nil {
		s.Cause(err)
		s.Fail(string(push.KindOf(err)))
	}
	s.otel.End()
}
