package serve

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gopush/internal/trace/tracetest"
)

// BenchmarkTracing is what a push costs all roles and its client together, in time of the
// processor: without tracing, with it but not for this push, and with all of it sent to a
// collector, whose work counts as well.
func BenchmarkTracing(b *testing.B) {
	for _, share := range []float64{-1, 0, 0.01, 1} {
		name := fmt.Sprintf("sample=%v", share)
		if share < 0 {
			name = "off"
		}
		b.Run(name, func(b *testing.B) {
			s := settings(b, b.TempDir())
			if share >= 0 {
				s.Tracing.Endpoint, s.Tracing.Sample = tracetest.Start(b).URL, share
			}
			c := start(b, Config{Settings: s})
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			url, auth := "http://"+c.sys.Addrs().Admin+"/v2/messages", "Bearer "+c.sys.Token()
			var next atomic.Int64
			b.SetParallelism(8)
			b.ReportAllocs()
			b.ResetTimer()
			before := used(b)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					body := fmt.Sprintf(`{"key":"user%d","data":{"text":"hello"}}`, next.Add(1)%1000)
					req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("Authorization", auth)
					req.Header.Set("Content-Type", "application/json")
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusCreated {
						b.Errorf("status %d", resp.StatusCode)
					}
				}
			})
			b.ReportMetric(float64(used(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// used is the time of the processor that this process has had.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
