package hbase

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"

	"gopush/hbase/hbasetest"
	"gopush/internal/push"
	"gopush/message"
)

// The benchmarks run on a real HBase (see hbasetest.Shared).

// benchBody is an ordinary message's.
const benchBody = 200

// cpu is the time that this process has spent on processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// callers runs f n times, by k goroutines, and reports the processor time, and how long
// half of the calls took.
func callers(b *testing.B, k int, f func(caller, i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	took := make([]time.Duration, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for c := range k {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
				began := time.Now()
				if err := f(c, i); err != nil {
					b.Error(err)
					return
				}
				took[i-1] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-us")
}

// benchIDs gives ids that go on where the last benchmark ended.
var benchIDs atomic.Int64

func benchMessage(idem string) push.Message {
	benchIDs.CompareAndSwap(0, int64(push.IDAt(time.Now())))
	id := push.ID(benchIDs.Add(int64(push.Step)))
	return push.Message{ID: id, Prev: id - push.Step, Body: make([]byte, benchBody), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: idem}
}

func benchKey(caller int) push.Key { return push.Key(fmt.Sprintf("key%03d", caller)) }

func rawClient(b *testing.B) gohbase.Client {
	b.Helper()
	silence()
	client := gohbase.NewClient(hbasetest.Shared(b), gohbase.FlushInterval(0), gohbase.RpcQueueSize(100))
	b.Cleanup(client.Close)
	return client
}

// rawPut writes what Save would, by gohbase's own client.
func rawPut(b *testing.B, client gohbase.Client, table string, caller int) error {
	m := benchMessage("")
	put, err := hrpc.NewPut(b.Context(), []byte(table), messageRow(benchKey(caller), m.ID), map[string]map[string][]byte{
		family: {messageQualifier(m.ID): message.AppendEnvelope(nil, &m)},
	}, hrpc.TimestampUint64(stamp(m.ID)), hrpc.TTL(time.Hour), hrpc.Durability(hrpc.FsyncWal))
	if err != nil {
		return err
	}
	_, err = client.Put(put)
	return err
}

// BenchmarkSave measures durable saves of one message each, beside bare puts of
// as many bytes, what an idempotency key costs, and the same through a message node.
func BenchmarkSave(b *testing.B) {
	table := realTable(b)
	client, s := rawClient(b), openReal(b, table, time.Now)
	save := func(idem bool) func(int, int) error {
		return func(c, _ int) error {
			m := benchMessage("")
			if idem {
				m.IdempotencyKey = m.ID.String()
			}
			return s.Save(b.Context(), []push.Write{{Key: benchKey(c), Messages: []push.Message{m}}})[0]
		}
	}
	for _, k := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d/gohbase", k), func(b *testing.B) {
			callers(b, k, func(c, _ int) error { return rawPut(b, client, table, c) })
		})
		b.Run(fmt.Sprintf("callers=%d/store", k), func(b *testing.B) { callers(b, k, save(false)) })
		b.Run(fmt.Sprintf("callers=%d/idempotent", k), func(b *testing.B) { callers(b, k, save(true)) })
		b.Run(fmt.Sprintf("callers=%d/rpc", k), func(b *testing.B) { callers(b, k, saveOverRPC(b, s)) })
	}
}

// BenchmarkSaveFrame measures saves of 64 keys at once, as they come in frames.
func BenchmarkSaveFrame(b *testing.B) {
	s := openReal(b, realTable(b), time.Now)
	callers(b, 8, func(c, _ int) error {
		writes := make([]push.Write, 64)
		for i := range writes {
			writes[i] = push.Write{Key: benchKey(c*64 + i), Messages: []push.Message{benchMessage("")}}
		}
		return errors.Join(s.Save(b.Context(), writes)...)
	})
}

// BenchmarkHotKey measures one key that is written to serially, in bursts.
func BenchmarkHotKey(b *testing.B) {
	s := openReal(b, realTable(b), time.Now)
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("burst=%d", n), func(b *testing.B) {
			callers(b, 1, func(int, int) error {
				w := push.Write{Key: "hot"}
				for range n {
					w.Messages = append(w.Messages, benchMessage(""))
				}
				return s.Save(b.Context(), []push.Write{w})[0]
			})
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// fillKey stores n messages under one key, a row each, and returns the ids.
func fillKey(b *testing.B, s *Store, key push.Key, n int) []push.ID {
	b.Helper()
	ids := make([]push.ID, n)
	writes := make([]push.Write, n)
	for i := range writes {
		m := benchMessage("")
		if m.Prev = 0; i > 0 {
			m.Prev = ids[i-1]
		}
		ids[i], writes[i] = m.ID, push.Write{Key: key, Messages: []push.Message{m}}
	}
	if err := errors.Join(s.Save(b.Context(), writes)...); err != nil {
		b.Fatal(err)
	}
	return ids
}

// rawScan reads n rows from the newest on, by gohbase's own client.
func rawScan(b *testing.B, client gohbase.Client, table string, key push.Key, n int) error {
	from, to := message.RowRange(key, 0, 0)
	scan, err := hrpc.NewScanRange(b.Context(), []byte(table), from, to, hrpc.NumberOfRows(uint32(n+1)), hrpc.CloseScanner())
	if err != nil {
		return err
	}
	scanner, got := client.Scan(scan), 0
	for ; ; got++ {
		row, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		id, err := rowID(row.Cells[0].Row, len(key)+1)
		if err != nil {
			return err
		}
		if _, err := message.ParseEnvelope(row.Cells[0].Value, id); err != nil {
			return err
		}
	}
	if got != n {
		return fmt.Errorf("a scan gave %d rows", got)
	}
	return nil
}

// BenchmarkRead measures pages beside bare scans of as many rows, and a page of
// a reader that is far behind.
func BenchmarkRead(b *testing.B) {
	table := realTable(b)
	client, s := rawClient(b), openReal(b, table, time.Now)
	fillKey(b, s, "fifty", 50)
	many := fillKey(b, s, "many", 5000)
	read := func(b *testing.B, key push.Key, after push.ID, want int) func(int, int) error {
		return func(int, int) error {
			page, err := s.Read(b.Context(), key, push.Span{After: after, Limit: 50, Bytes: 1 << 20})
			if err == nil && len(page.Messages) != want {
				err = fmt.Errorf("a page of %d messages", len(page.Messages))
			}
			return err
		}
	}
	for _, k := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d/gohbase", k), func(b *testing.B) {
			callers(b, k, func(int, int) error { return rawScan(b, client, table, "fifty", 50) })
		})
		b.Run(fmt.Sprintf("callers=%d/store", k), func(b *testing.B) { callers(b, k, read(b, "fifty", 0, 50)) })
		b.Run(fmt.Sprintf("callers=%d/empty", k), func(b *testing.B) { callers(b, k, read(b, "many", many[len(many)-1], 0)) })
		b.Run(fmt.Sprintf("callers=%d/behind", k), func(b *testing.B) { callers(b, k, read(b, "many", many[1000], 50)) })
		b.Run(fmt.Sprintf("callers=%d/newest", k), func(b *testing.B) {
			callers(b, k, func(int, int) error {
				id, err := s.Newest(b.Context(), "many")
				if err == nil && id != many[len(many)-1] {
					err = fmt.Errorf("newest is %d", id)
				}
				return err
			})
		})
	}
}
