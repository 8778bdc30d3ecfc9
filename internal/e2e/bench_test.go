package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	vocab "gopush/internal/push"
	"gopush/message/embedded"
)

// The value that benchmarks push: 100 bytes of JSON, as an app's notification.
var benchData = Text(strings.Repeat("x", 98))

// meter measures what one operation costs whom: the server (or, for a floor that
// has no server, this process), and the load generator.
type meter struct {
	b            *testing.B
	pid          int // 0: no server
	server, here time.Duration
	began        time.Time
}

func startMeter(b *testing.B, c *Cluster) *meter {
	b.Helper()
	m := &meter{b: b}
	if c != nil {
		m.pid = c.Pid()
	}
	m.server, m.here = m.read()
	m.began = time.Now()
	b.ResetTimer()
	return m
}

func (m *meter) read() (server, here time.Duration) {
	m.b.Helper()
	here, err := cpuHere()
	if err != nil {
		m.b.Fatal(err)
	}
	if m.pid != 0 {
		if server, err = cpuOf(m.pid); err != nil {
			m.b.Fatal(err)
		}
	}
	return server, here
}

// stop reports n operations.
func (m *meter) stop(n int) {
	m.b.Helper()
	m.b.StopTimer()
	took := time.Since(m.began)
	server, here := m.read()
	perOp := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	if m.pid != 0 {
		m.b.ReportMetric(perOp(server-m.server), "server-cpu-us/op")
		m.b.ReportMetric(perOp(here-m.here), "load-cpu-us/op")
	} else {
		m.b.ReportMetric(perOp(here-m.here), "cpu-us/op")
	}
	m.b.ReportMetric(float64(n)/took.Seconds(), "op/s")
}

// share has workers do n operations between them; work gets the worker's number
// and a function that takes the next operation, false when there is none.
func share(b *testing.B, workers, n int, work func(w int, next func() (int, bool)) error) {
	b.Helper()
	var taken atomic.Int64
	next := func() (int, bool) {
		i := int(taken.Add(1)) - 1
		return i, i < n
	}
	errs := make(chan error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { errs <- work(w, next) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// pushRequest is a whole HTTP request that pushes to a key.
func pushRequest(at Addrs, key string) []byte {
	body := Message{Key: key, Data: benchData}.JSON()
	return fmt.Appendf(nil, "POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		at.Token, len(body), body)
}

// BenchmarkPush is acknowledged, durable pushes: over HTTP, one by one and in
// batches, to offline keys and to ones with a subscriber each; and beside them the
// floors: the embedded store called directly, and Pebble's synced writes.
func BenchmarkPush(b *testing.B) {
	for _, conns := range []int{64, 256} {
		b.Run(fmt.Sprintf("pebble/%d", conns), func(b *testing.B) { benchPebble(b, conns) })
		b.Run(fmt.Sprintf("store/%d", conns), func(b *testing.B) { benchStore(b, conns) })
		b.Run(fmt.Sprintf("http/%d", conns), func(b *testing.B) { benchHTTP(b, conns, false) })
		b.Run(fmt.Sprintf("http-subscriber/%d", conns), func(b *testing.B) { benchHTTP(b, conns, true) })
	}
	b.Run("http/1", func(b *testing.B) { benchHTTP(b, 1, false) })
	b.Run("batch/8", func(b *testing.B) { benchBatch(b, 8, 10_000, false) })
	b.Run("batch-subscriber/8", func(b *testing.B) { benchBatch(b, 8, 64, true) })
	b.Run("batch-hot/1", func(b *testing.B) { benchBatch(b, 1, 1, false) })
}

// benchPebble writes values as long as a stored message, each synced.
func benchPebble(b *testing.B, writers int) {
	db, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet{}, MemTableSize: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := []byte(strings.Repeat("v", len(benchData)+20))
	m := startMeter(b, nil)
	share(b, writers, b.N, func(_ int, next func() (int, bool)) error {
		for i, ok := next(); ok; i, ok = next() {
			if err := db.Set(fmt.Appendf(nil, "bench-%d\x00%08d", i%10_000, i), value, pebble.Sync); err != nil {
				return err
			}
		}
		return nil
	})
	m.stop(b.N)
}

// quiet is Pebble's logger: nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, args ...any) {
	panic(fmt.Sprintf(f, args...))
}

// benchStore calls the embedded store, one write per call.
func benchStore(b *testing.B, writers int) {
	store, err := embedded.Open(embedded.Config{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	first := vocab.IDAt(time.Now())
	expires := time.Now().Add(time.Hour).UnixMilli()
	m := startMeter(b, nil)
	share(b, writers, b.N, func(_ int, next func() (int, bool)) error {
		for i, ok := next(); ok; i, ok = next() {
			w := vocab.Write{
				Key: vocab.Key(fmt.Sprintf("bench-%d", i%10_000)), Group: "node1", Epoch: 1,
				Messages: []vocab.Message{{ID: first + vocab.ID(i)*vocab.Step, ExpiresAt: expires, Body: benchData}},
			}
			if err := store.Save(context.Background(), []vocab.Write{w})[0]; err != nil {
				return err
			}
		}
		return nil
	})
	m.stop(b.N)
}

// drained opens a subscriber of each key that only counts bytes.
func drained(b *testing.B, c *Cluster, keys int) {
	b.Helper()
	var all sync.WaitGroup
	b.Cleanup(all.Wait) // after the streams are closed
	for k := range keys {
		s, err := DialStream(b.Context(), c.Addrs().HTTP, fmt.Sprintf("key=bench-%d&public=0", k))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ReadUntil(s, "live", 20*time.Second); err != nil {
			b.Fatal(err)
		}
		_ = s.NetConn().SetReadDeadline(time.Time{})
		all.Go(func() { _, _ = io.Copy(io.Discard, s.NetConn()) })
		b.Cleanup(func() { _ = s.Close() })
	}
}

// awaitDeliveries waits until n more messages were written to subscribers.
func awaitDeliveries(b *testing.B, c *Cluster, n int) {
	b.Helper()
	Until(b, time.Minute, "the deliveries", func() (bool, string) {
		got, err := c.API.Metric(b.Context(), "gopush_comet_deliveries_total")
		return err == nil && int(got) >= n, fmt.Sprint(got, err)
	})
}

func benchHTTP(b *testing.B, conns int, subscribed bool) {
	c := Start(b, Options{Child: true})
	keys := 10_000
	if subscribed {
		keys = conns
		drained(b, c, keys)
	}
	m := startMeter(b, c)
	took := pushSingly(b, c, conns, keys)
	if subscribed {
		awaitDeliveries(b, c, b.N)
	}
	m.stop(b.N)
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-us")
}

// pushSingly makes one request for each push, and returns how long each took.
func pushSingly(b *testing.B, c *Cluster, conns, keys int) []time.Duration {
	b.Helper()
	requests := make([][]byte, keys)
	for k := range requests {
		requests[k] = pushRequest(c.Addrs(), fmt.Sprintf("bench-%d", k))
	}
	took := make([]time.Duration, b.N)
	share(b, conns, b.N, func(_ int, next func() (int, bool)) error {
		w, err := DialWire(c.Addrs().Admin)
		if err != nil {
			return err
		}
		defer w.Close()
		for i, ok := next(); ok; i, ok = next() {
			began := time.Now()
			if status, body, err := w.Do(requests[i%keys]); err != nil || status != http.StatusCreated {
				return fmt.Errorf("push: %d %s: %w", status, body, err)
			}
			took[i] = time.Since(began)
		}
		return nil
	})
	return took
}

// pushBatches pushes through as many batches as there are connections.
func pushBatches(b *testing.B, c *Cluster, conns, keys int) {
	b.Helper()
	lines := batchLines(keys)
	share(b, conns, b.N, func(_ int, next func() (int, bool)) error { return streamBatch(b.Context(), c, lines, next) })
}

// batchLines are the lines of a batch to keys in turn.
func batchLines(keys int) []string {
	lines := make([]string, keys)
	for k := range lines {
		lines[k] = Message{Key: fmt.Sprintf("bench-%d", k), Data: benchData}.JSON() + "\n"
	}
	return lines
}

func benchBatch(b *testing.B, conns, keys int, subscribed bool) {
	c := Start(b, Options{Child: true})
	if subscribed {
		drained(b, c, keys)
	}
	m := startMeter(b, c)
	pushBatches(b, c, conns, keys)
	if subscribed {
		awaitDeliveries(b, c, b.N)
	}
	m.stop(b.N)
}

// streamBatch is one batch that goes on as long as there is something to push; its
// replies are read meanwhile.
func streamBatch(ctx context.Context, c *Cluster, lines []string, next func() (int, bool)) error {
	out, in := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Addrs().Admin+"/v2/messages/batch", out)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Addrs().Token)
	sent := make(chan int, 1)
	go func() {
		n, chunk := 0, make([]byte, 0, 32<<10)
		for i, ok := next(); ok; i, ok = next() {
			n++
			if chunk = append(chunk, lines[i%len(lines)]...); len(chunk) > 16<<10 {
				if _, err := in.Write(chunk); err != nil {
					break
				}
				chunk = chunk[:0]
			}
		}
		_, _ = in.Write(chunk) // a broken pipe shows in the replies
		_ = in.Close()
		sent <- n
	}()
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		_ = out.CloseWithError(err)
		return err
	}
	defer res.Body.Close()
	replies, err := countReplies(res.Body)
	_ = out.CloseWithError(io.ErrClosedPipe)
	if n := <-sent; err != nil || replies != n {
		return fmt.Errorf("%d of %d lines were acknowledged: %w", replies, n, err)
	}
	return nil
}

// countReplies counts the lines with an id, and stops at one without.
func countReplies(r io.Reader) (int, error) {
	dec := json.NewDecoder(r)
	for n := 0; ; n++ {
		var reply struct {
			ID    string
			Error json.RawMessage
		}
		err := dec.Decode(&reply)
		if err == io.EOF {
			return n, nil
		}
		if err != nil || reply.ID == "" {
			return n, fmt.Errorf("reply %d: %s: %w", n, reply.Error, err)
		}
	}
}

// stocked is a cluster with keys that hold messages each.
func stocked(b *testing.B, keys, each int) *Cluster {
	b.Helper()
	c := Start(b, Options{Child: true})
	lines := batchLines(keys)
	share(b, 4, keys*each, func(_ int, next func() (int, bool)) error { return streamBatch(b.Context(), c, lines, next) })
	return c
}

// BenchmarkFetch is reading 20 offline messages over HTTP, in both protocols.
func BenchmarkFetch(b *testing.B) {
	const keys, each, conns = 500, 20, 64
	for name, path := range map[string]string{"v1": "/1/msg/get?k=bench-%d&m=0", "v2": "/v2/messages?key=bench-%d&after=0"} {
		b.Run(name, func(b *testing.B) {
			c := stocked(b, keys, each)
			requests := make([][]byte, keys)
			for k := range requests {
				requests[k] = fmt.Appendf(nil, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", k)
			}
			m := startMeter(b, c)
			share(b, conns, b.N, func(_ int, next func() (int, bool)) error {
				w, err := DialWire(c.Addrs().Public)
				if err != nil {
					return err
				}
				defer w.Close()
				for i, ok := next(); ok; i, ok = next() {
					if status, body, err := w.Do(requests[i%keys]); err != nil || status != http.StatusOK || len(body) < each*len(benchData) {
						return fmt.Errorf("fetch: %d, %d bytes: %w", status, len(body), err)
					}
				}
				return nil
			})
			m.stop(b.N)
		})
	}
}

// BenchmarkResume is connecting with a cursor and getting 100 messages, up to live,
// over each transport of v2.
func BenchmarkResume(b *testing.B) {
	const keys, each, conns = 200, 100, 16
	for name, dial := range transports {
		b.Run(name, func(b *testing.B) {
			c := stocked(b, keys, each)
			m := startMeter(b, c)
			share(b, conns, b.N, func(_ int, next func() (int, bool)) error {
				for i, ok := next(); ok; i, ok = next() {
					s, err := dial(b.Context(), c, fmt.Sprintf("key=bench-%d&after=0&public=0", i%keys))
					if err != nil {
						return err
					}
					frames, err := ReadUntil(s, "live", 20*time.Second)
					_ = s.Close()
					if err != nil || len(frames) != each+2 {
						return fmt.Errorf("resume: %d frames: %w", len(frames), err)
					}
				}
				return nil
			})
			m.stop(b.N)
		})
	}
}
