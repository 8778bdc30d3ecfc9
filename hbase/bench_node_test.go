package hbase

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/message"
)

// saveOverRPC saves through a message node on loopback, as a comet does: one message, one
// call. Both ends are in this process, and so is their processor time.
func saveOverRPC(b *testing.B, s *Store) func(caller, i int) error {
	b.Helper()
	svc, err := message.NewService(message.Config{}, s)
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := rpc.NewServer(rpc.ServerConfig{}, nil)
	rpc.RegisterMessage(server, svc, rpc.Handlers{})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	client, err := rpc.NewMessageClient(rpc.MessageClientConfig{}, func() []string { return []string{l.Addr().String()} }, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		err := client.Close()
		server.Stop()
		if err := errors.Join(err, <-ended); err != nil {
			b.Error(err)
		}
	})
	return func(c, _ int) error {
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		defer cancel()
		saved := make(chan error, 1)
		w := push.Write{Key: benchKey(c), Group: "bench", Epoch: 1, Messages: []push.Message{benchMessage("")}}
		client.Save(ctx, w, func(_ push.Written, err error) { saved <- err })
		return <-saved
	}
}

// fillKeys stores n messages under each of so many keys, a row each.
func fillKeys(b *testing.B, s *Store, name string, keys, n int) (newest push.ID) {
	b.Helper()
	const frame = 5000
	var writes []push.Write
	for i := range keys * n {
		m := benchMessage("")
		newest = m.ID
		writes = append(writes, push.Write{Key: push.Key(fmt.Sprintf("%s-%d", name, i%keys)), Messages: []push.Message{m}})
		if len(writes) == frame || i == keys*n-1 {
			if err := errors.Join(s.Save(b.Context(), writes)...); err != nil {
				b.Fatal(err)
			}
			writes = nil
		}
	}
	return newest
}

// BenchmarkReadFlat measures a page of the 20 messages above a cursor against how many lie
// below it, and against how many keys the table holds: neither may matter.
func BenchmarkReadFlat(b *testing.B) {
	const page = 20
	s := openReal(b, realTable(b), time.Now)
	fetch := func(b *testing.B, name string, keys int, after push.ID) {
		callers(b, 16, func(_, i int) error {
			got, err := s.Read(b.Context(), push.Key(fmt.Sprintf("%s-%d", name, i%keys)), push.Span{After: after, Limit: page, Bytes: 1 << 20})
			if err == nil && len(got.Messages) != page {
				err = fmt.Errorf("a page of %d messages", len(got.Messages))
			}
			return err
		})
	}
	for _, below := range []int{20, 1_000, 50_000} {
		name := fmt.Sprintf("below=%d", below)
		cursor := fillKeys(b, s, name, 1, below)
		fillKeys(b, s, name, 1, page)
		b.Run(name, func(b *testing.B) { fetch(b, name, 1, cursor) })
	}
	for _, keys := range []int{100, 2_000, 5_000} {
		s = openReal(b, realTable(b), time.Now)
		name := fmt.Sprintf("keys=%d", keys)
		fillKeys(b, s, name, keys, page)
		b.Run(name, func(b *testing.B) { fetch(b, name, keys, 0) })
	}
}
