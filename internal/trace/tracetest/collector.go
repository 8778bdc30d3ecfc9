// Package tracetest is a collector for tests, which takes OTLP over HTTP and keeps it. It
// belongs to no binary.
package tracetest

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one that has come, with what tests ask for.
type Span struct {
	Trace, ID, Parent string   // hexadecimal; Parent is empty for the first of a trace
	Links             []string // ids of spans
	Name              string
	Service           string // service.name of the process
	Failed            string // what it failed with; empty: it did not
	Kind              string // server, client, consumer, internal
	Attrs             map[string]string
	Start, End        time.Time
}

// Collector is a server that takes spans until the test ends.
type Collector struct {
	URL string

	mu    sync.Mutex
	raw   bytes.Buffer // guarded by mu; all bodies, not compressed
	spans []Span       // guarded by mu
	asked int          // guarded by mu; requests
	wrong []string     // guarded by mu
	more  chan struct{}
}

// Start starts one.
func Start(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{more: make(chan struct{})}
	srv := httptest.NewServer(http.HandlerFunc(c.take))
	c.URL = srv.URL
	tb.Cleanup(func() {
		srv.Close()
		for _, w := range c.wrong {
			tb.Error(w)
		}
	})
	return c
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if err != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
		c.wrong = append(c.wrong, fmt.Sprintf("%s %s: %v", r.Method, r.URL, err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.raw.Write(body)
	for _, res := range req.GetResourceSpans() {
		service := attributes(res.GetResource().GetAttributes())["service.name"]
		for _, scope := range res.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(s, service))
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

func read(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func spanOf(s *pb.Span, service string) Span {
	out := Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: s.GetName(), Service: service, Kind: strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_")), Attrs: attributes(s.GetAttributes()),
		Start: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
	}
	if s.GetStatus().GetCode() == pb.Status_STATUS_CODE_ERROR {
		out.Failed = s.GetStatus().GetMessage()
	}
	for _, l := range s.GetLinks() {
		out.Links = append(out.Links, hex.EncodeToString(l.GetSpanId()))
	}
	return out
}

func attributes(all []*common.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, a := range all {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			m[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			m[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		default:
			m[a.GetKey()] = fmt.Sprint(v)
		}
	}
	return m
}

// Spans are all that have come.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Raw is every byte that has come.
func (c *Collector) Raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

// Requests is how many there were.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Await waits until what has come is as wanted, and returns it.
func (c *Collector) Await(tb testing.TB, wanted func([]Span) bool) []Span {
	tb.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		c.mu.Lock()
		spans, more := slices.Clone(c.spans), c.more
		c.mu.Unlock()
		if wanted(spans) {
			return spans
		}
		select {
		case <-more:
		case <-limit.C:
			tb.Fatalf("not what was waited for has come:\n%s", Tree(spans))
		}
	}
}

// Tree shows each span below its parent, as text, those of one parent by name.
func Tree(spans []Span) string {
	below := make(map[string][]Span)
	known := make(map[string]bool)
	for _, s := range spans {
		known[s.ID] = true
	}
	for _, s := range spans {
		parent := s.Parent
		if !known[parent] {
			parent = ""
		}
		below[parent] = append(below[parent], s)
	}
	var b strings.Builder
	var show func(parent, indent string)
	show = func(parent, indent string) {
		children := below[parent]
		slices.SortStableFunc(children, func(a, b Span) int { return strings.Compare(a.Name, b.Name) })
		for _, s := range children {
			b.WriteString(indent + s.Name + "\n")
			show(s.ID, indent+"  ")
		}
	}
	show("", "")
	return b.String()
}
