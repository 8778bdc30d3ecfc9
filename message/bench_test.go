package message_test

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/message"
	"gopush/message/embedded"
)

// BenchmarkServiceSave measures a message's way through the node to the disk:
// frames of one write each, by as many callers.
func BenchmarkServiceSave(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for name, idem := range map[string]bool{"plain": false, "idempotent": true} {
			b.Run(fmt.Sprintf("callers=%d/%s", callers, name), func(b *testing.B) {
				store, err := embedded.Open(embedded.Config{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), time.Now)
				if err != nil {
					b.Fatal(err)
				}
				svc, err := message.NewService(message.Config{}, store)
				if err != nil {
					b.Fatal(err)
				}
				saveAll(b, svc, callers, idem)
				if err := store.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func saveAll(b *testing.B, svc *message.Service, callers int, idem bool) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			w := push.Write{Key: push.Key(fmt.Sprintf("key%d", c)), Group: "g", Epoch: 1}
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				m := msg(push.ID(i)*push.Step, string(make([]byte, 200)))
				if idem {
					m.IdempotencyKey = fmt.Sprint(i)
				}
				w.Messages = []push.Message{m}
				svc.Save(b.Context(), []push.Write{w}, func(_ int, _ push.Written, err error) {
					if err != nil {
						b.Error(err)
					}
				})
				w.Prev = m.ID
			}
		})
	}
	wg.Wait()
}
