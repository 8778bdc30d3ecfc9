package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// queue takes spans as they end, and sends them in batches from one goroutine. It never
// makes whoever ends a span wait: what has no room is dropped.
type queue struct {
	// immutable
	cfg     *Config
	to      sdk.SpanExporter
	log     *slog.Logger
	waiting chan sdk.ReadOnlySpan
	stop    chan struct{} // closed by Shutdown
	closed  func()        // closes stop, once
	done    chan struct{} // closed when run has returned

	// life ends Timeout after stop: it bounds every request.
	life context.Context
	cut  context.CancelFunc

	sent             prometheus.Counter
	noRoom, notTaken prometheus.Counter // dropped, by reason

	failing bool // owned by run: the last batch was not taken
}

var _ sdk.SpanProcessor = (*queue)(nil)

func newQueue(cfg *Config, to sdk.SpanExporter, reg prometheus.Registerer, log *slog.Logger) (*queue, error) {
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gopush_trace_spans_dropped_total",
		Help: "Spans that were not sent, by reason: queue, as too many waited, or collector, as it did not take them.",
	}, []string{"reason"})
	q := &queue{
		cfg: cfg, to: to, log: log, waiting: make(chan sdk.ReadOnlySpan, cfg.Queue),
		stop: make(chan struct{}), done: make(chan struct{}),
		sent:   prometheus.NewCounter(prometheus.CounterOpts{Name: "gopush_trace_spans_sent_total", Help: "Spans that the collector has taken."}),
		noRoom: drops.WithLabelValues("queue"), notTaken: drops.WithLabelValues("collector"),
	}
	if reg != nil {
		if err := errors.Join(reg.Register(drops), reg.Register(q.sent)); err != nil {
			return nil, fmt.Errorf("traces: register metrics: %w", err)
		}
	}
	q.closed = sync.OnceFunc(func() { close(q.stop) })
	q.life, q.cut = context.WithCancel(context.Background())
	go q.run()
	return q, nil
}

// OnStart implements sdk.SpanProcessor.
func (q *queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd takes a span.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case <-q.stop: // nobody would take it out any more
		q.noRoom.Inc()
		return
	default:
	}
	select {
	case q.waiting <- s:
	default:
		q.noRoom.Inc()
	}
}

// ForceFlush implements sdk.SpanProcessor. Nobody here asks for it: Shutdown flushes.
func (q *queue) ForceFlush(context.Context) error { return nil }

// Shutdown sends what waits, for Timeout at the most, and waits for the goroutine.
func (q *queue) Shutdown(ctx context.Context) error {
	limit := time.AfterFunc(q.cfg.Timeout, q.cut)
	defer limit.Stop()
	q.closed()
	<-q.done
	q.cut()
	return q.to.Shutdown(ctx)
}

// run sends until the end.
func (q *queue) run() {
	defer close(q.done)
	pause := time.NewTimer(q.cfg.Every)
	defer pause.Stop()
	batch := make([]sdk.ReadOnlySpan, 0, q.cfg.Batch)
	for {
		select {
		case s := <-q.waiting:
			batch = append(batch, s)
			if len(batch) < q.cfg.Batch {
				continue
			}
		case <-pause.C:
		case <-q.stop:
			q.rest(batch)
			return
		}
		batch = q.send(batch)
		pause.Reset(q.cfg.Every)
	}
}

// rest sends what is left; it comes from those who ended a span while the queue was
// being stopped, too.
func (q *queue) rest(batch []sdk.ReadOnlySpan) {
	for {
		select {
		case s := <-q.waiting:
			if batch = append(batch, s); len(batch) == cap(batch) {
				batch = q.send(batch)
			}
		default:
			q.send(batch)
			return
		}
	}
}

// send makes one request, and gives the batch back empty.
func (q *queue) send(batch []sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	if len(batch) == 0 {
		return batch
	}
	ctx, cancel := context.WithTimeout(q.life, q.cfg.Timeout)
	defer cancel()
	err := q.to.ExportSpans(ctx, batch)
	if err != nil {
		q.notTaken.Add(float64(len(batch)))
	} else {
		q.sent.Add(float64(len(batch)))
	}
	q.tell(err)
	clear(batch)
	return batch[:0]
}

// tell says when the collector stops taking spans, and when it takes them again.
func (q *queue) tell(err error) {
	switch failed := err != nil; {
	case failed == q.failing:
	case failed:
		q.log.Warn("the collector does not take traces; they are dropped until it does", slog.Any("error", err))
	default:
		q.log.Info("the collector takes traces again")
	}
	q.failing = err != nil
}
