package zk

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// BenchmarkZooKeeperLoad is what groups that serve cost ZooKeeper while nothing happens to
// them, each in a session of its own as in a process of its own: changes of its data, which
// go to its disk, and requests, most of which prove leases and are answered from memory.
// GOPUSH_BENCH_SECONDS is how long is measured; 5 unless given.
func BenchmarkZooKeeperLoad(b *testing.B) {
	seconds := 5
	if text, ok := os.LookupEnv("GOPUSH_BENCH_SECONDS"); ok {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for _, groups := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			server := zktest.Start(b)
			serveGroups(b, server, groups)
			span := time.Duration(seconds) * time.Second
			changes, requests := server.Count()
			began, busy := time.Now(), cpu(b)
			<-time.After(span)
			took := time.Since(began).Seconds()
			changesNow, requestsNow := server.Count()
			per := func(n int64) float64 { return float64(n) / took / float64(groups) }
			b.ReportMetric(float64(changesNow-changes)/took, "writes/s")
			b.ReportMetric(per(changesNow-changes), "writes/s/group")
			b.ReportMetric(per(requestsNow-requests), "requests/s/group")
			b.ReportMetric(per((cpu(b) - busy).Microseconds()), "cpu-us/s/group")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// serveGroups returns once each of so many groups serves and all are in the ring.
func serveGroups(b *testing.B, server *zktest.Server, groups int) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	b.Cleanup(func() {
		cancel()
		all.Wait()
	})
	coordinators := make([]*Coordinator, groups)
	wall := new(clock)
	for i := range coordinators {
		c, err := Open(Config{Servers: []string{server.Addr()}}, slog.New(slog.DiscardHandler), wall.now)
		if err != nil {
			b.Fatal(err)
		}
		coordinators[i] = c
		all.Go(func() {
			defer func() { _ = c.Close() }() // the end of the session is all there is
			like(ctx, c, wall, coord.Member{Group: fmt.Sprintf("node%03d", i), Weight: 1, RPC: fmt.Sprintf("127.0.0.1:%d", i+1)})
		})
	}
	for end := time.Now().Add(5 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		v := coordinators[0].View()
		in := len(v.Ring.Nodes())
		if in == groups && v.PendingVersion == 0 {
			break
		}
		if time.Now().After(end) {
			b.Fatalf("%d of %d groups are in the ring", in, groups)
		}
	}
	// Each group began above the ceilings of those before it, so together they are ahead of
	// the clock, and have no need to raise anything until it has caught up.
	wall.set(time.Duration(groups) * 2 * ahead)
	<-time.After(2 * ahead)
}

// ahead is how far a comet keeps its ceiling ahead of its clock, by default.
const ahead = 5 * time.Second

// like does what a comet does with its term: it keeps the ceiling ahead of the clock and
// confirms each change of the ring.
func like(ctx context.Context, c *Coordinator, wall *clock, m coord.Member) {
	term, err := c.Campaign(ctx, m)
	if err != nil {
		return
	}
	tick := time.NewTicker(ahead / 4)
	defer tick.Stop()
	for ctx.Err() == nil {
		changed := c.Changed()
		if v := c.View().PendingVersion; v != 0 {
			_ = term.Confirm(ctx, v) // it may be another one meanwhile
		}
		select {
		case <-changed:
		case <-tick.C:
			if to := push.IDAt(wall.now().Add(ahead)); term.Ceiling() < to {
				_ = term.Raise(ctx, to) // the next tick tries again
			}
		case <-ctx.Done():
		}
	}
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
