package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// beatEvery is how often something is pushed to a healthy client, if the last message has
// come.
const beatEvery = 100 * time.Millisecond

// served is within what time a healthy client has to be served, whatever others do.
const served = 2 * time.Second

// healthy is a client that does nothing wrong while others do: a device that listens by
// protocol v2 over websocket and by v1 over TCP, and a backend that pushes to it, all from
// an address of their own. Each message has to come on both, once and in order.
type healthy struct {
	c        *Cluster // immutable
	key      string   // immutable
	from     net.IP   // immutable
	client   *http.Client
	v2       Stream
	v1       V1Conn
	stop     context.CancelFunc
	work     sync.WaitGroup
	onRefuse func(Answer) error // judges a refusal of a push; nil: there may be none

	mu      sync.Mutex
	beats   []beat      // guarded by mu
	refused map[int]int // guarded by mu; answers by status
	err     error       // guarded by mu; why it ended
}

// beat is one push to a healthy client, from the try that was taken to the delivery that
// came last.
type beat struct{ from, to time.Time }

func (b beat) took() time.Duration { return b.to.Sub(b.from) }

// startHealthy connects it and begins to push.
func startHealthy(t *testing.T, c *Cluster, address string, roots *x509.CertPool, onRefuse func(Answer) error) *healthy {
	t.Helper()
	h := &healthy{c: c, key: "healthy", from: net.ParseIP(address), onRefuse: onRefuse, refused: make(map[int]int)}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: h.from}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}
	h.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	conn, err := reach(h.from, c.Addrs().HTTP, roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w, err := upgrade(t.Context(), conn, c.Addrs().HTTP, "/v2/stream?public=0&key="+h.key, http.Header{"Sec-Websocket-Protocol": {"gopush.v2"}})
	if err != nil {
		t.Fatal(err)
	}
	h.v2 = wsStream{w}
	if _, err := ReadUntil(h.v2, "live", time.Minute); err != nil {
		t.Fatal(err)
	}
	if conn, err = reach(h.from, c.Addrs().TCP, roots); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := writeAll(conn, V1Command("sub", h.key, "3600", "", "1.0")); err != nil {
		t.Fatal(err)
	}
	h.v1 = &tcpV1{Conn: conn, in: newReader(conn)}
	if got, err := h.v1.Next(time.Minute); err != nil || got != "+h" {
		t.Fatalf("the v1 client got %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	h.work.Go(func() { h.live(ctx) })
	t.Cleanup(func() { h.end(t) })
	return h
}

// reach connects to addr from an address, over TLS if there are roots.
func reach(from net.IP, addr string, roots *x509.CertPool) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: time.Minute}
	if roots == nil {
		return dialer.Dial("tcp", addr)
	}
	return tls.DialWithDialer(dialer, "tcp", addr, &tls.Config{RootCAs: roots})
}

// end lets the last message come and ends the client; whatever went wrong fails the test.
func (h *healthy) end(t *testing.T) {
	t.Helper()
	h.stop()
	h.work.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		t.Errorf("the healthy client of %s: %v", h.from, h.err)
		h.err = nil
	}
}

func (h *healthy) live(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := h.beat(ctx, n); err != nil {
			h.mu.Lock()
			h.err = err
			h.mu.Unlock()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// beat pushes one message and waits until it is everywhere.
func (h *healthy) beat(ctx context.Context, n int) error {
	from, err := h.push(ctx, n)
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`{"n":%d}`, n)
	f, err := h.v2.Next(time.Minute)
	if err != nil || string(f.Data) != want {
		return fmt.Errorf("v2 got %.200s, %v; want %s", f.Raw, err, want)
	}
	text, err := h.v1.Next(time.Minute)
	if err != nil {
		return fmt.Errorf("v1 waits for %s: %w", want, err)
	}
	m, err := ParseV1(text)
	if err != nil || string(m.Msg) != want {
		return fmt.Errorf("v1 got %.200s, %v; want %s", text, err, want)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats = append(h.beats, beat{from, time.Now()})
	return nil
}

// push insists until its message is taken, and tells when the try began that was.
func (h *healthy) push(ctx context.Context, n int) (from time.Time, err error) {
	at := h.c.Addrs()
	// What has begun is seen through when the client is to end.
	ctx = context.WithoutCancel(ctx)
	for {
		from = time.Now()
		body := lasting(h.key, fmt.Sprintf(`{"n":%d}`, n)).JSON()
		res, err := call(ctx, h.client, http.MethodPost, at.api()+at.Admin+"/v2/messages", body, "Authorization", "Bearer "+at.Token,
			"Content-Type", "application/json", "Idempotency-Key", fmt.Sprint(h.from, "/", n))
		if err != nil || res.Status == http.StatusCreated || res.Status == http.StatusOK {
			return from, err
		}
		if h.onRefuse == nil {
			return from, fmt.Errorf("a push to a healthy client was answered %s", res)
		}
		if err := h.onRefuse(res); err != nil {
			return from, err
		}
		h.mu.Lock()
		h.refused[res.Status]++
		h.mu.Unlock()
		Pause(ctx, beatEvery)
	}
}

// count is how many messages have come, and why no more will.
func (h *healthy) count() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.beats), h.err
}

// refusals are how many of its pushes were not taken.
func (h *healthy) refusals() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.refused {
		n += k
	}
	return n
}

// since are the beats that were under way at that time or began later.
func (h *healthy) since(from time.Time) (all []beat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.beats {
		if b.to.After(from) {
			all = append(all, b)
		}
	}
	return all
}

// judge compares the client with one of an idle process that lives beside it on the same
// machine: whatever held up both at the same time was not the attack. So a beat has its own
// time less that of the longest beat of the other that it overlaps, and this has to be
// below served. The other is waited for until it has been through the same time.
func (h *healthy) judge(t *testing.T, control *healthy, from time.Time) {
	t.Helper()
	mine := h.since(from)
	if len(mine) == 0 {
		t.Error("nothing came to the healthy client")
		return
	}
	until := mine[len(mine)-1].to
	Until(t, time.Minute, "the control to be served", func() (bool, string) {
		others := control.since(until)
		return len(others) > 0, fmt.Sprintf("%d beats", len(others))
	})
	raw, excess, excuse := compare(mine, control.since(from))
	t.Logf("healthy: %d messages, the slowest %v, beyond the control %v; the slowest of the control %v; %d pushes refused",
		len(mine), raw.Round(time.Millisecond), excess.Round(time.Millisecond), excuse.Round(time.Millisecond), h.refusals())
	if excess >= served {
		t.Errorf("a healthy client waited %v, %v of it while the control did not; want less than %v", raw, excess, served)
	}
}

// compare returns the longest of the beats, the longest beyond the longest of the others that
// it overlaps, and the longest of those others.
func compare(mine, others []beat) (raw, excess, excuse time.Duration) {
	for _, b := range mine {
		noise := time.Duration(0)
		for _, o := range others {
			if o.from.Before(b.to) && b.from.Before(o.to) {
				noise = max(noise, o.took())
			}
		}
		raw, excess, excuse = max(raw, b.took()), max(excess, b.took()-noise), max(excuse, noise)
	}
	return raw, excess, excuse
}

// TestCompare: what was slow on both sides at one time is no excess, and only then.
//
// Broken once each by taking off the slowest of all times, of none, and one that only touches.
func TestCompare(t *testing.T) {
	zero := time.Now()
	at := func(from, to int) beat {
		return beat{zero.Add(time.Duration(from) * time.Second), zero.Add(time.Duration(to) * time.Second)}
	}
	for name, c := range map[string]struct {
		mine, others        []beat
		raw, excess, excuse time.Duration
	}{
		"nothing":                        {},
		"no control at that time":        {mine: []beat{at(0, 5)}, others: []beat{at(6, 9)}, raw: 5, excess: 5},
		"one ends as the other begins":   {mine: []beat{at(0, 5)}, others: []beat{at(5, 9)}, raw: 5, excess: 5},
		"both were held up":              {mine: []beat{at(0, 5)}, others: []beat{at(1, 5)}, raw: 5, excess: 1, excuse: 4},
		"the longest of two counts":      {mine: []beat{at(0, 9)}, others: []beat{at(0, 1), at(2, 5)}, raw: 9, excess: 6, excuse: 3},
		"the control was slower":         {mine: []beat{at(2, 3)}, others: []beat{at(0, 9)}, raw: 1, excess: 0, excuse: 9},
		"one is excused, another is not": {mine: []beat{at(0, 5), at(10, 13)}, others: []beat{at(0, 5)}, raw: 5, excess: 3, excuse: 5},
	} {
		raw, excess, excuse := compare(c.mine, c.others)
		if raw != c.raw*time.Second || excess != c.excess*time.Second || excuse != c.excuse*time.Second {
			t.Errorf("%s: %v, %v, %v; want %d, %d, %d", name, raw, excess, excuse, c.raw, c.excess, c.excuse)
		}
	}
}

// retryable judges a refusal: nothing was stored, and the pusher is told when to come back.
func retryable(res Answer) error {
	var p struct {
		Code      string
		Retryable bool
	}
	err := json.Unmarshal([]byte(res.Body), &p)
	if err != nil || !p.Retryable || p.Code == "" || res.Header.Get("Retry-After") == "" ||
		res.Status != http.StatusServiceUnavailable && res.Status != http.StatusTooManyRequests {
		return fmt.Errorf("a refusal is %s with Retry-After %q (%v); want 429 or 503, a code, retryable and Retry-After", res, res.Header.Get("Retry-After"), err)
	}
	return nil
}

// retryableOrUnknown is retryable for a store that is away: a refusal that comes too late
// through a busy machine is an unknown outcome, for which there are idempotency keys.
func retryableOrUnknown(res Answer) error {
	if res.Status == http.StatusGatewayTimeout && problemCode(res.Body) == "outcome_unknown" {
		return nil
	}
	return retryable(res)
}

// hungUp reports whether err is the end of a connection that the server closed.
func hungUp(err error) bool {
	return err != nil && !Timeout(err) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err))
}
