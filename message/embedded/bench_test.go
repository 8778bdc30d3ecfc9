package embedded

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
	"gopush/message"
)

// bodySize is that of an ordinary message.
const bodySize = 200

func benchMessage(id push.ID, idem string) push.Message {
	return push.Message{ID: id, Prev: id - push.Step, Body: make([]byte, bodySize), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: idem}
}

// callers runs f n times, by k goroutines.
func callers(b *testing.B, k int, f func(caller, i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for c := range k {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
				if err := f(c, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSave measures durable saves of one message each, beside bare synced
// commits of as many bytes.
func BenchmarkSave(b *testing.B) {
	for _, k := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d/pebble", k), func(b *testing.B) {
			s := openAt(b, b.TempDir(), time.Now)
			m := benchMessage(16, "")
			value := message.AppendEnvelope(nil, &m)
			callers(b, k, func(c, i int) error {
				row := rowKey(push.Key(fmt.Sprintf("key%d", c)), push.ID(i)*push.Step)
				return s.db.Set(row, value, pebble.Sync)
			})
		})
		for name, idem := range map[string]bool{"store": false, "idempotent": true} {
			b.Run(fmt.Sprintf("callers=%d/%s", k, name), func(b *testing.B) {
				s := openAt(b, b.TempDir(), time.Now)
				callers(b, k, func(c, i int) error {
					m := benchMessage(push.ID(i)*push.Step, "")
					if idem {
						m.IdempotencyKey = fmt.Sprint(i)
					}
					w := []push.Write{{Key: push.Key(fmt.Sprintf("key%d", c)), Messages: []push.Message{m}}}
					return s.Save(b.Context(), w)[0]
				})
			})
		}
	}
}

// fillKey stores n messages under one key, in bursts.
func fillKey(b *testing.B, s *Store, key push.Key, n int) {
	b.Helper()
	for from := 1; from <= n; from += push.MaxBurstMessages {
		w := push.Write{Key: key}
		for i := from; i < from+push.MaxBurstMessages && i <= n; i++ {
			w.Messages = append(w.Messages, benchMessage(push.ID(i)*push.Step, ""))
		}
		if err := s.Save(b.Context(), []push.Write{w})[0]; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead measures a page of the newest messages, with more and more that
// lie below the cursor: that must not matter.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ page, below int }{{1, 100}, {20, 0}, {100, 0}, {20, 100}, {20, 10_000}, {20, 100_000}} {
		b.Run(fmt.Sprintf("page=%d/below=%d", c.page, c.below), func(b *testing.B) {
			s := openAt(b, b.TempDir(), time.Now)
			fillKey(b, s, "k", c.below+c.page)
			span := push.Span{After: push.ID(c.below) * push.Step, Limit: c.page}
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.Read(b.Context(), "k", span)
				if err != nil || len(page.Messages) != c.page {
					b.Fatal(len(page.Messages), err)
				}
			}
		})
	}
}

// BenchmarkReadEmpty measures what a reader that is up to date costs.
func BenchmarkReadEmpty(b *testing.B) {
	s := openAt(b, b.TempDir(), time.Now)
	fillKey(b, s, "k", 1000)
	b.ReportAllocs()
	for b.Loop() {
		if page, err := s.Read(b.Context(), "k", push.Span{After: 1000 * push.Step, Limit: 20}); err != nil || len(page.Messages) > 0 {
			b.Fatal(page, err)
		}
	}
}

func BenchmarkNewest(b *testing.B) {
	s := openAt(b, b.TempDir(), time.Now)
	fillKey(b, s, "k", 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if id, err := s.Newest(b.Context(), "k"); err != nil || id != 10_000*push.Step {
			b.Fatal(id, err)
		}
	}
}
