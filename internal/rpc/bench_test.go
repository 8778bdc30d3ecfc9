package rpc

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gopush/internal/push"
)

// cpuTime is what this process has used, in user and kernel mode: the cost of
// both sides together, as they share it.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// pipelined keeps depth calls in flight, each begun by the answer to another.
func pipelined(b *testing.B, depth int, call func(done func(error))) {
	b.ReportAllocs()
	slots := make(chan struct{}, depth)
	before := cpuTime(b)
	for b.Loop() {
		slots <- struct{}{}
		call(func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
		})
	}
	for range depth {
		slots <- struct{}{}
	}
	reportCPU(b, before)
}

func BenchmarkSave(b *testing.B) {
	n := messageNode(b, &fakeMessage{})
	c := messageClient(b, MessageClientConfig{}, n.addr)
	w := write("some-user", 16)
	w.Messages[0].Body = make([]byte, 100)
	for _, depth := range []int{1, 64, 256, 2048} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			pipelined(b, depth, func(done func(error)) {
				c.Save(b.Context(), w, func(_ push.Written, err error) { done(err) })
			})
		})
	}
	b.Run("depth=256/deadline", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		pipelined(b, 256, func(done func(error)) {
			c.Save(ctx, w, func(_ push.Written, err error) { done(err) })
		})
	})
	b.Run("depth=256/own-deadline", func(b *testing.B) {
		pipelined(b, 256, func(done func(error)) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			c.Save(ctx, w, func(_ push.Written, err error) {
				cancel()
				done(err)
			})
		})
	})
}

func BenchmarkPush(b *testing.B) {
	n := cometNode(b, &fakeComet{})
	c := cometPool(b, CometPoolConfig{}).At(n.addr)
	p := push.Push{Key: "some-user", Body: make([]byte, 100), ExpiresAt: 16, RequestID: "0123456789abcdef"}
	for _, depth := range []int{1, 64, 256, 2048} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			pipelined(b, depth, func(done func(error)) {
				c.Push(b.Context(), p, func(_ push.Receipt, err error) { done(err) })
			})
		})
	}
}

// BenchmarkSaveSerial is the latency of one call at a time.
func BenchmarkSaveSerial(b *testing.B) {
	n := messageNode(b, &fakeMessage{})
	c := messageClient(b, MessageClientConfig{}, n.addr)
	w, got := write("some-user", 16), make(chan error, 1)
	before := cpuTime(b)
	for b.Loop() {
		c.Save(b.Context(), w, func(_ push.Written, err error) { got <- err })
		if err := <-got; err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, before)
}

func BenchmarkRead(b *testing.B) {
	page := push.Page{Next: 20 * push.Step}
	for i := range 20 {
		page.Messages = append(page.Messages, push.Message{ID: push.ID(i+1) * push.Step, ExpiresAt: 1 << 40, Body: make([]byte, 100)})
	}
	n := messageNode(b, &fakeMessage{read: func(context.Context, push.Key, push.Span) (push.Page, error) { return page, nil }})
	c := messageClient(b, MessageClientConfig{}, n.addr)
	read := func() {
		got, err := c.Read(b.Context(), "some-user", push.Span{Limit: 20})
		if err != nil || len(got.Messages) != 20 {
			b.Errorf("got %d messages, error %v", len(got.Messages), err)
		}
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			read()
		}
		reportCPU(b, before)
	})
	for _, depth := range []int{64, 256} {
		b.Run(fmt.Sprintf("parallel=%d", depth), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(max(1, depth/runtime.GOMAXPROCS(0)))
			before := cpuTime(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					read()
				}
			})
			reportCPU(b, before)
		})
	}
}
