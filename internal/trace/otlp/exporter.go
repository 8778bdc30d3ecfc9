package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"gopush/internal/trace"
)

// Config says where spans go. Zero values mean the default that each field names.
type Config struct {
	// Endpoint is the collector's URL, http or https, without the path /v1/traces,
	// which is added. Required.
	Endpoint string
	// Sample is the share of the traces that begin here which is recorded, 0 to 1. What
	// a caller records is recorded here too, whatever the share; what it does not is not.
	Sample float64
	// Resource describes this process, such as service.name; by name of the attribute.
	Resource map[string]string
	// Queue bounds the spans that wait to be sent, Batch those of one request; defaults
	// 4,096 and 512.
	Queue, Batch int
	// Every is how long a span waits for others at the most; default 1 s.
	Every time.Duration
	// Timeout bounds one request, and the last ones together when it is closed; default 3 s.
	Timeout time.Duration
}

// Validate fills in the defaults and reports fields out of range.
func (c *Config) Validate() error {
	c.Queue, c.Batch = cmp.Or(c.Queue, 4096), cmp.Or(c.Batch, 512)
	c.Every, c.Timeout = cmp.Or(c.Every, time.Second), cmp.Or(c.Timeout, 3*time.Second)
	if min(c.Queue, c.Batch) < 0 || min(c.Every, c.Timeout) < 0 {
		return errors.New("traces: Queue, Batch, Every and Timeout must not be negative")
	}
	if c.Sample < 0 || c.Sample > 1 {
		return fmt.Errorf("traces: Sample is %v; it must be 0 to 1", c.Sample)
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("traces: %q is not the URL of a collector; write http://host:port", c.Endpoint)
	}
	return nil
}

// Exporter is the way of spans out of this process.
type Exporter struct {
	provider *sdk.TracerProvider
	queue    *queue
	client   *http.Client
}

// Open makes an exporter and connects to nothing yet. The caller must Close it. reg and
// log are where drops are counted, and told once when they begin and end.
func Open(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: time.Minute},
		// Whoever redirects is no collector, and must not get what was meant for one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	to, err := otlptrace.New(context.Background(), otlptracehttp.NewClient(options(&cfg, client)...))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	q, err := newQueue(&cfg, to, reg, log)
	if err != nil {
		return nil, err
	}
	return &Exporter{
		provider: sdk.NewTracerProvider(
			sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.Sample))),
			sdk.WithResource(describe(cfg.Resource)), sdk.WithSpanProcessor(q),
		),
		queue: q, client: client,
	}, nil
}

// options turns a valid cfg into the client's. What is not tried again is lost, and
// counted: a retry would hold up what comes after it.
func options(cfg *Config, client *http.Client) []otlptracehttp.Option {
	u, _ := url.Parse(cfg.Endpoint)
	all := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(u.Host), otlptracehttp.WithURLPath(strings.TrimSuffix(u.Path, "/") + "/v1/traces"),
		otlptracehttp.WithHTTPClient(client), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithMaxResponseSize(64 << 10),
	}
	if u.Scheme == "http" {
		all = append(all, otlptracehttp.WithInsecure())
	}
	return all
}

func describe(facts map[string]string) *resource.Resource {
	all := make([]attribute.KeyValue, 0, len(facts))
	for name, value := range facts {
		all = append(all, attribute.String(name, value))
	}
	slices.SortFunc(all, func(a, b attribute.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
	return resource.NewSchemaless(all...)
}

// Provider is what tracers are made from.
func (e *Exporter) Provider() trace.Provider { return e.provider }

// Close sends what waits, for Timeout at the most, and ends everything. Spans that end
// after it are dropped. That the collector did not take the last ones is no error.
func (e *Exporter) Close() error {
	err := e.provider.Shutdown(context.Background())
	e.client.CloseIdleConnections()
	return err
}
