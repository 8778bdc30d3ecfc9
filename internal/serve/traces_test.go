package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/internal/trace/tracetest"
)

// traced starts a system whose spans go to a collector of the test's.
func traced(t *testing.T, sample float64) (*cluster, *tracetest.Collector) {
	t.Helper()
	to := tracetest.Start(t)
	s := settings(t, t.TempDir())
	s.Tracing.Endpoint, s.Tracing.Sample = to.URL, sample
	return start(t, Config{Settings: s}), to
}

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
	recorded     = "00-" + callersTrace + "-" + callersSpan + "-01"
	notRecorded  = "00-" + callersTrace + "-" + callersSpan + "-00"
)

// sent makes an admin request with a traceparent and a request id.
func (c *cluster) sent(method, path, body, parent string) {
	c.t.Helper()
	kind := "application/json"
	if strings.Contains(path, "batch") {
		kind = "application/x-ndjson"
	}
	c.ask(method, "http://"+c.sys.Addrs().Admin+path, body, "Authorization", "Bearer "+c.sys.Token(), "Content-Type", kind,
		"Traceparent", parent, "X-Request-Id", "request-7")
}

// ask makes a request and reads the whole answer.
func (c *cluster) ask(method, url, body string, header ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		c.t.Fatal(err)
	}
}

// of is those of the spans that belong to a trace.
func of(trace string) func([]tracetest.Span) []tracetest.Span {
	return func(all []tracetest.Span) (found []tracetest.Span) {
		for _, s := range all {
			if s.Trace == trace {
				found = append(found, s)
			}
		}
		return found
	}
}

// awaitTree waits until the spans of the caller's trace are as wanted.
func awaitTree(t *testing.T, to *tracetest.Collector, want string) []tracetest.Span {
	t.Helper()
	mine := of(callersTrace)
	want = strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\t", "  ")
	return mine(to.Await(t, func(all []tracetest.Span) bool { return tracetest.Tree(mine(all)) == want }))
}

func named(t *testing.T, spans []tracetest.Span, name string) tracetest.Span {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no span %s", name)
	return tracetest.Span{}
}

const pushTree = `
POST /v2/messages
	/gopush.v1.Comet/Push
		/gopush.v1.Comet/Push
			comet deliver
			comet line
			comet write
				/gopush.v1.Message/Save
					/gopush.v1.Message/Save
						store newest
						store save
`

// A push is one trace, which goes on with that of its caller, through every hop to the
// store and to the connections; so are a read and a deletion.
//
// Broken once by not carrying the trace with a write, once by not passing the caller's
// traceparent on, and once by an event without the trace of its push.
func TestTraceOfAPush(t *testing.T) {
	c, to := traced(t, 0)
	events := c.listen("k")
	if _, ok := events.next("live"); !ok {
		t.Fatal("not live")
	}
	c.sent(http.MethodPost, "/v2/messages", `{"key":"k","data":1}`, recorded)
	spans := awaitTree(t, to, pushTree)
	web := named(t, spans, "POST /v2/messages")
	if web.Parent != callersSpan {
		t.Errorf("the parent of the request is %s", web.Parent)
	}
	want := map[string]string{
		"http.route": "/v2/messages", "http.request.method": "POST", "http.response.status_code": "201",
		"gopush.listener": "admin", "gopush.request_id": "request-7",
	}
	if fmt.Sprint(web.Attrs) != fmt.Sprint(want) {
		t.Errorf("the request has %v, want %v", web.Attrs, want)
	}
	if n := named(t, spans, "comet deliver").Attrs["gopush.connections"]; n != "1" {
		t.Errorf("delivered to %q connections", n)
	}
	if id := named(t, spans, "comet line").Attrs["gopush.message_id"]; len(id) < 10 {
		t.Errorf("the id that was given is %q", id)
	}
	for _, s := range spans {
		if s.Failed != "" || s.End.Before(s.Start) || s.Service != "gopush" {
			t.Errorf("%+v", s)
		}
	}
}

// Broken once by not handing the context of a read on.
func TestTraceOfReads(t *testing.T) {
	c, to := traced(t, 1)
	public := "http://" + c.sys.Addrs().Public
	c.ask(http.MethodGet, public+"/v2/messages?key=k", "")
	c.ask(http.MethodGet, public+"/1/msg/get?k=k&m=0", "")
	want := strings.ReplaceAll(`GET /1/msg/get
	/gopush.v1.Message/Read
		/gopush.v1.Message/Read
			store read
GET /v2/messages
	/gopush.v1.Message/Read
		/gopush.v1.Message/Read
			store read
`, "\t", "  ")
	spans := to.Await(t, func(all []tracetest.Span) bool { return tracetest.Tree(all) == want })
	for _, s := range spans {
		if s.Name == "/gopush.v1.Message/Read" && s.Kind == "client" && s.Attrs["gopush.attempts"] != "1" {
			t.Errorf("a read has %v", s.Attrs)
		}
	}
}

// Broken once by a recall without a trace.
func TestTraceOfAChange(t *testing.T) {
	c, to := traced(t, 0)
	id := c.push("k", `"old"`)
	c.sent(http.MethodDelete, "/v2/messages/"+id+"?key=k", "", recorded)
	awaitTree(t, to, `
DELETE /v2/messages/{id}
	/gopush.v1.Comet/Recall
		/gopush.v1.Comet/Recall
			/gopush.v1.Message/Recall
				/gopush.v1.Message/Recall
					store recall
`)
}

// What anybody may ask is not recorded because he says so.
//
// Broken once by taking the header on the public listener as well.
func TestPublicCallersDoNotDecide(t *testing.T) {
	c, to := traced(t, 0)
	c.ask(http.MethodGet, "http://"+c.sys.Addrs().Public+"/v2/messages?key=k", "", "Traceparent", recorded)
	c.sent(http.MethodPost, "/v2/messages", `{"key":"k","data":1}`, recorded)
	awaitTree(t, to, pushTree)
}

// A broadcast goes on in every comet that follows.
//
// Broken once by events of the public stream without a trace.
func TestTraceOfABroadcast(t *testing.T) {
	c, to := traced(t, 0)
	events := c.listen("anybody")
	if _, ok := events.next("live"); !ok {
		t.Fatal("not live")
	}
	c.sent(http.MethodPost, "/v2/broadcast", `{"data":1}`, recorded)
	awaitTree(t, to, strings.Replace(strings.Replace(pushTree, "/v2/messages", "/v2/broadcast", 1),
		"\t\t\tcomet deliver\n", "\t\t\tcomet broadcast\n\t\t\tcomet deliver\n", 1))
}

// Of a long batch the first pushes are followed; pushes that are written together have one
// write, which is linked to all of them.
//
// Broken once by following every line.
func TestTraceOfABatch(t *testing.T) {
	c, to := traced(t, 0)
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, `{"key":"k","data":%d}`+"\n", i)
	}
	c.sent(http.MethodPost, "/v2/messages/batch", lines.String(), recorded)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	count, linked := make(map[string]int), 0
	for _, s := range of(callersTrace)(to.Spans()) {
		count[s.Name]++
		if s.Name == "comet write" {
			linked += 1 + len(s.Links) // the first one is its parent
		}
	}
	if count["POST /v2/messages/batch"] != 1 || count["comet line"] != 32 || count["/gopush.v1.Comet/Push"] != 2*32 || linked != 32 {
		t.Errorf("%d pushes are in writes; there are %v", linked, count)
	}
}

// With a share of 0, and for a caller that does not record, nothing leaves the process;
// what a client resumes is a trace of its own.
//
// Broken once by beginning a trace where there is none, and once by not beginning that of a
// resume.
func TestTraceOfNobody(t *testing.T) {
	c, to := traced(t, 0)
	c.use("k")
	c.sent(http.MethodPost, "/v2/messages", `{"key":"k","data":1}`, notRecorded)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if to.Requests() != 0 {
		t.Errorf("sent:\n%s", tracetest.Tree(to.Spans()))
	}
	c, to = traced(t, 1)
	c.use("k")
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	found := false
	for _, s := range to.Spans() {
		if s.Name == "comet catch-up" && s.Parent == "" && s.Attrs["gopush.messages"] == "1" {
			tree := tracetest.Tree(of(s.Trace)(to.Spans()))
			found = tree == "comet catch-up\n  /gopush.v1.Message/Read\n    /gopush.v1.Message/Read\n      store read\n"
		}
	}
	if !found {
		t.Errorf("no resume among\n%s", tracetest.Tree(to.Spans()))
	}
}

// Nothing that is secret or somebody's own is in what is exported: as for the log.
//
// Broken once by the path in place of the route, once by the method as it came, and once by
// taking a caller's tracestate over.
func TestNoSecretIsTraced(t *testing.T) {
	c, to := traced(t, 1)
	c.use("key-" + canary)
	c.misuse()
	admin := "http://" + c.sys.Addrs().Admin
	c.ask(http.MethodGet, admin+"/v2/keys/"+canary, "", "Authorization", "Bearer "+c.sys.Token(), "Traceparent", recorded, "Tracestate", "x="+canary)
	c.ask(canary, admin+"/v2/messages", "", "Authorization", "Bearer "+canary, "User-Agent", canary, "Baggage", "x="+canary)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	raw := to.Raw()
	for _, secret := range []string{canary, c.sys.Token()} {
		if strings.Contains(raw, secret) {
			t.Errorf("%q was exported", secret)
		}
	}
	names := make(map[string]bool)
	for _, s := range to.Spans() {
		names[s.Name] = true
	}
	for _, must := range []string{"GET /v2/keys/{key}", "_OTHER none", "GET /1/msg/get", "comet deliver", "comet catch-up", "store save", "store find", "store recall", "store delete"} {
		if !names[must] {
			t.Errorf("not everything was traced: there is no %q among %v", must, names)
		}
	}
}

// A collector that is away, or takes a connection and never answers, costs spans and
// nothing else: pushes are taken, and the process ends in time.
//
// Broken once by an end without a limit. That nobody waits for room is tested beside the queue.
func TestCollectorAway(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, endpoint := range map[string]string{"away": "http://127.0.0.1:1", "silent": "http://" + silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			s := settings(t, t.TempDir())
			s.Tracing.Endpoint, s.Tracing.Sample = endpoint, 1
			log, out := debug(t, "text")
			c := startLogging(t, Config{Settings: s}, log)
			c.use("k")
			for i := range 50 {
				c.push("k", fmt.Sprint(i))
			}
			ended := make(chan error, 1)
			go func() { ended <- c.stop() }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-ctx.Done():
				t.Fatal("the process does not end")
			}
			if n := strings.Count(out.String(), "the collector does not take traces"); n != 1 {
				t.Errorf("the log says so %d times", n)
			}
			lost := 0.0
			for _, m := range families(t, c.sys)["gopush_trace_spans_dropped_total"].GetMetric() {
				lost += m.GetCounter().GetValue()
			}
			if lost < 50*8 {
				t.Errorf("%v spans are counted as dropped", lost)
			}
		})
	}
}
