package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"gopush/internal/serve"
)

// BenchmarkRoles is what a push costs each role as a process of its own, with a
// subscriber of each key and without one: one by one from 64 connections, and in
// batches from 8. Reading is a page of 20 messages.
func BenchmarkRoles(b *testing.B) {
	const keys = 64
	push := func(subscribed bool, send func(b *testing.B, c *Cluster)) func(b *testing.B) {
		return func(b *testing.B) {
			f := StartFleet(b, Topology{Groups: 1, Comets: 1, Webs: 1})
			comet, web := at(f.Parts(serve.Comet, "")[0]), at(f.Parts(serve.Web, "")[0])
			if subscribed {
				// What is acknowledged is owned: the comet has the ring.
				share(b, 1, keys, func(_ int, next func() (int, bool)) error {
					return streamBatch(b.Context(), web, batchLines(keys), next)
				})
				drained(b, comet, keys)
			}
			before := f.cpuOfRoles(b)
			b.ResetTimer()
			send(b, web)
			if subscribed {
				awaitDeliveries(b, comet, b.N)
			}
			b.StopTimer()
			f.reportRoles(b, before)
		}
	}
	single := func(b *testing.B, c *Cluster) { b.Helper(); pushSingly(b, c, 64, keys) }
	batch := func(b *testing.B, c *Cluster) { b.Helper(); pushBatches(b, c, 8, keys) }
	b.Run("single", push(false, single))
	b.Run("single-subscriber", push(true, single))
	b.Run("batch", push(false, batch))
	b.Run("batch-subscriber", push(true, batch))
	b.Run("fetch-20", func(b *testing.B) {
		f := StartFleet(b, Topology{Groups: 1, Comets: 1, Webs: 1})
		web, lines := at(f.Parts(serve.Web, "")[0]), batchLines(keys)
		share(b, 4, keys*20, func(_ int, next func() (int, bool)) error { return streamBatch(b.Context(), web, lines, next) })
		before := f.cpuOfRoles(b)
		b.ResetTimer()
		share(b, 16, b.N, func(_ int, next func() (int, bool)) error {
			w, err := DialWire(web.Addrs().Public)
			if err != nil {
				return err
			}
			defer w.Close()
			for i, ok := next(); ok; i, ok = next() {
				request := fmt.Appendf(nil, "GET /v2/messages?key=bench-%d&after=0 HTTP/1.1\r\nHost: x\r\n\r\n", i%keys)
				if status, body, err := w.Do(request); err != nil || status != http.StatusOK || len(body) < 20*len(benchData) {
					return fmt.Errorf("fetch: %d, %d bytes: %w", status, len(body), err)
				}
			}
			return nil
		})
		b.StopTimer()
		f.reportRoles(b, before)
	})
}

// at is a cluster whose addresses are those of one part.
func at(p *Part) *Cluster {
	return &Cluster{tb: p.fleet.tb, API: p.API(), addrs: p.Addrs()}
}

// cpuOfRoles is what the processes of each role have used.
func (f *Fleet) cpuOfRoles(b *testing.B) map[string]time.Duration {
	b.Helper()
	used := make(map[string]time.Duration)
	for name, role := range map[string]serve.Roles{"web": serve.Web, "comet": serve.Comet, "message": serve.Message} {
		for _, p := range f.Parts(role, "") {
			used[name] += cpuOfPart(b, p)
		}
	}
	return used
}

// reportRoles reports what they have used since then, for each operation.
func (f *Fleet) reportRoles(b *testing.B, before map[string]time.Duration) {
	b.Helper()
	for name, used := range f.cpuOfRoles(b) {
		b.ReportMetric(float64((used-before[name]).Microseconds())/float64(b.N), name+"-cpu-us/op")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}
