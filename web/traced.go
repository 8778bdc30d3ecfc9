package web

import (
	"context"
	"net/http"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// begin begins the span of a request, which goes on with the trace of its caller. On the
// public listener that is anybody, who does not decide what is recorded here.
func (s *Server) begin(listener string, r *http.Request) (*http.Request, trace.Span) {
	if s.tracer == nil {
		return r, trace.Span{}
	}
	parent := ""
	if listener == "admin" {
		parent = r.Header.Get("Traceparent")
	}
	span := s.tracer.Begin(parent, "http", trace.Server)
	if !span.Recorded() {
		return r, span
	}
	return r.WithContext(span.In(r.Context())), span
}

// end ends it. As in the log line, of the path there is only the pattern.
func (rec *recorder) end(span trace.Span, listener string, r *http.Request) {
	if !span.Recorded() {
		return
	}
	method, route := methodOf(r), routeOf(r)
	span.Name(method + " " + route)
	span.Text("gopush.listener", listener)
	span.Text("http.request.method", method)
	span.Text("http.route", route)
	span.Number("http.response.status_code", int64(rec.status))
	span.Text("gopush.request_id", rec.Header().Get(requestIDHeader))
	span.Cause(rec.err)
	if rec.status >= http.StatusInternalServerError {
		span.Fail(string(push.KindOf(rec.err)))
	}
	span.End(nil)
}

// methodOf keeps what a client may call a method out of the traces.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "_OTHER"
	}
}

// traceOf is the span of a request, as it is carried with its pushes.
func (s *Server) traceOf(ctx context.Context) string {
	if s.tracer == nil {
		return ""
	}
	return trace.From(ctx).Carry("")
}

// linesTraced is how many pushes of one request are followed beyond this node.
const linesTraced = 32
