package e2e

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/serve"
)

// Balancer is what stands before the web nodes of a fleet. It does what load balancers
// do, and relies on nothing else: it asks each node's /readyz again and again, sends
// requests in turn to those that were ready the last time, and tries another one if a
// connection is refused. A request that a node has received is never sent to another.
type Balancer struct {
	fleet *Fleet
	to    *http.Transport
	probe *http.Client

	mu      sync.Mutex
	ready   map[*Part]Addrs // guarded by mu; those that were, and where
	turn    int             // guarded by mu
	refused int             // guarded by mu; connections, not requests
	changed chan struct{}   // guarded by mu; closed when ready changes
}

// The names by which a client asks a balancer for one of the listeners.
const (
	anyPublic = "any.public"
	anyAdmin  = "any.admin"
)

// probeEvery is how often a balancer asks for readiness, and probeTime how long an answer
// may take.
const (
	probeEvery = 50 * time.Millisecond
	probeTime  = time.Second
)

// Balance puts a balancer before the fleet's web nodes: from now on, the API of the fleet
// goes through it. It ends with the test.
func (f *Fleet) Balance() *Balancer {
	b := &Balancer{
		fleet: f, to: &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 30 * time.Second},
		probe: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: probeTime},
		ready: make(map[*Part]Addrs), changed: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watchers sync.WaitGroup
	for _, w := range f.Parts(serve.Web, "") {
		watchers.Go(func() { b.watch(ctx, w) })
	}
	f.API = &API{
		where:  func() Addrs { return Addrs{Public: anyPublic, Admin: anyAdmin, Token: fleetToken} },
		client: &http.Client{Transport: b, Timeout: 30 * time.Second},
	}
	f.tb.Cleanup(func() {
		cancel()
		watchers.Wait()
		b.to.CloseIdleConnections()
	})
	return b
}

// watch keeps what is known of one node.
func (b *Balancer) watch(ctx context.Context, w *Part) {
	for {
		at := w.Addrs() // as discovery would have it
		res, err := call(ctx, b.probe, http.MethodGet, "http://"+at.Ops+"/readyz", "")
		b.note(w, at, err == nil && res.Status == http.StatusOK)
		if !Pause(ctx, probeEvery) {
			return
		}
	}
}

func (b *Balancer) note(w *Part, at Addrs, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was, known := b.ready[w]
	if known == ready && (!ready || was.Admin == at.Admin) {
		return
	}
	delete(b.ready, w)
	if ready {
		b.ready[w] = at
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Sends reports whether requests go to the node.
func (b *Balancer) Sends(w *Part) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.ready[w]
	return ok
}

// Await waits until requests go to the node.
func (b *Balancer) Await(tb testing.TB, w *Part) {
	tb.Helper()
	Until(tb, fleetPatience, "requests to go to "+w.Name, func() (bool, string) { return b.Sends(w), "left out" })
}

// next is a ready node that is none of those, or what to wait for.
func (b *Balancer) next(not []*Part) (*Part, Addrs, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []*Part
	for _, w := range b.fleet.Parts(serve.Web, "") {
		if _, ok := b.ready[w]; ok && !slices.Contains(not, w) {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		return nil, Addrs{}, b.changed
	}
	b.turn++
	w := found[b.turn%len(found)]
	return w, b.ready[w], nil
}

// RoundTrip sends one request. Those that name no listener of the balancer go where they say.
func (b *Balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	listener := req.URL.Host
	if listener != anyPublic && listener != anyAdmin {
		return b.to.RoundTrip(req)
	}
	var refused []*Part
	for {
		w, at, changed := b.next(refused)
		if w == nil {
			select {
			case <-changed:
				refused = nil
				continue
			case <-req.Context().Done():
				return nil, errors.Join(errors.New("no web node is ready"), req.Context().Err())
			}
		}
		again := req.Clone(req.Context())
		if again.URL.Host = at.Public; listener == anyAdmin {
			again.URL.Host = at.Admin
		}
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			again.Body = body
		}
		res, err := b.to.RoundTrip(again)
		if err == nil || !neverSent(err) {
			return res, err
		}
		refused = append(refused, w)
		b.mu.Lock()
		b.refused++
		b.mu.Unlock()
	}
}

// Refused is how many connections nodes have refused that were ready just before.
func (b *Balancer) Refused() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}
