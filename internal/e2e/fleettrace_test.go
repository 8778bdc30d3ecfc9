package e2e

import (
	"net/http"
	"strings"
	"testing"

	"gopush/internal/config"
	"gopush/internal/trace/tracetest"
)

// A push through processes of their own is one trace, to which each of them has added its
// part.
//
// Broken once by a message node without tracing.
func TestFleetTrace(t *testing.T) {
	to := tracetest.Start(t)
	f := NewFleet(t, Topology{Groups: 1, Comets: 1, Messages: 1, Webs: 1, Store: func(*config.Store) {}})
	for _, p := range f.Parts(0, "") {
		p.Tune(func(s *config.Serve) { s.Tracing.Endpoint, s.Tracing.Sample = to.URL, 0 })
	}
	f.ZooKeeper.Start()
	f.StartAll()
	f.Settle()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.front().Admin+"/v2/messages", strings.NewReader(`{"key":"k","data":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+fleetToken)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("the push was answered with %d", resp.StatusCode)
	}
	spans := to.Await(t, func(all []tracetest.Span) bool { return tracetest.Tree(all) == tracedPush })
	for _, s := range spans {
		of := map[string]string{"server /gopush.v1.Comet/Push": "gopush-comet", "client /gopush.v1.Message/Save": "gopush-comet", "server /gopush.v1.Message/Save": "gopush-message"}
		if want := of[s.Kind+" "+s.Name]; s.Trace != trace || want != "" && s.Service != want {
			t.Errorf("%s %s is of %s, in the trace %s", s.Kind, s.Name, s.Service, s.Trace)
		}
	}
}

const tracedPush = `POST /v2/messages
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
