package message

import (
	"context"
	"time"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// measured is a store whose calls are counted, timed and traced, whichever it is.
type measured struct {
	Store
	met    *metrics
	tracer *trace.Tracer
}

// began counts a call of the store in, and begins its span; what comes back counts it
// out. ctx is for the store.
func (s *measured) began(ctx context.Context, op string) (inside context.Context, ended func(error)) {
	start := time.Now()
	s.met.inFlight.WithLabelValues(op).Inc()
	ctx, span := s.tracer.Start(ctx, "store", trace.Internal)
	if span.Recorded() {
		span.Name("store " + op)
	}
	return ctx, func(err error) {
		s.met.called(op, start)
		s.met.outcome(op, err)
		span.End(err)
	}
}

// Save is one call, and has one span, whichever traces its writes belong to.
func (s *measured) Save(ctx context.Context, writes []push.Write) []error {
	start := time.Now()
	s.met.inFlight.WithLabelValues("save").Inc()
	span := s.tracer.Join(carried(writes), "store save", trace.Internal) //nolint:contextcheck // where a write comes from is in the write
	span.Number("gopush.rows", int64(len(writes)))
	errs := s.Store.Save(span.In(ctx), writes)
	s.met.called("save", start)
	var failed error
	for _, err := range errs {
		s.met.outcome("save", err)
		if err != nil {
			failed = err
		}
	}
	span.End(failed)
	return errs
}

// carried are the spans that the writes come from.
func carried(writes []push.Write) (all []string) {
	for i := range writes {
		if t := writes[i].Trace; t != "" {
			all = append(all, t)
		}
	}
	return all
}

// of is ctx for what is asked for one write of a frame.
func (s *measured) of(ctx context.Context, w *push.Write) context.Context {
	return s.tracer.Under(ctx, w.Trace)
}

func (s *measured) Read(ctx context.Context, key push.Key, span push.Span) (page push.Page, err error) {
	ctx, ended := s.began(ctx, "read")
	defer func() { ended(err) }()
	return s.Store.Read(ctx, key, span)
}

func (s *measured) Newest(ctx context.Context, key push.Key) (id push.ID, err error) {
	ctx, ended := s.began(ctx, "newest")
	defer func() { ended(err) }()
	return s.Store.Newest(ctx, key)
}

func (s *measured) Find(ctx context.Context, key push.Key, idempotencyKey string) (found Found, err error) {
	ctx, ended := s.began(ctx, "find")
	defer func() { ended(err) }()
	return s.Store.Find(ctx, key, idempotencyKey)
}

func (s *measured) Discard(ctx context.Context, key push.Key, id push.ID) (err error) {
	ctx, ended := s.began(ctx, "discard")
	defer func() { ended(err) }()
	return s.Store.Discard(ctx, key, id)
}

func (s *measured) Recall(ctx context.Context, key push.Key, id push.ID) (err error) {
	ctx, ended := s.began(ctx, "recall")
	defer func() { ended(err) }()
	return s.Store.Recall(ctx, key, id)
}

func (s *measured) Delete(ctx context.Context, key push.Key, upTo push.ID) (err error) {
	ctx, ended := s.began(ctx, "delete")
	defer func() { ended(err) }()
	return s.Store.Delete(ctx, key, upTo)
}
