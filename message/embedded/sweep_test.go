package embedded

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/push"
	"gopush/message/storetest"
)

// entries counts what the folder holds, by table.
func entries(t *testing.T, s *Store) map[string]int {
	t.Helper()
	it, err := s.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := make(map[string]int)
	for ok := it.First(); ok; ok = it.Next() {
		n[string(it.Key()[:1])]++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// A sweep leaves nothing of what has ended but the watermark of its key.
func TestSweepLeavesNothing(t *testing.T) {
	clock := storetest.NewClock()
	s := openAt(t, t.TempDir(), clock.Now)
	end := clock.Now().Add(time.Minute).UnixMilli()
	const n = sweepBatch + 17
	for _, key := range []push.Key{"a", "b"} {
		var w push.Write
		w.Key = key
		for i := range n {
			w.Messages = append(w.Messages, push.Message{ID: push.ID(i+1) * push.Step, ExpiresAt: end, IdempotencyKey: fmt.Sprint(i)})
		}
		if err := s.Save(t.Context(), []push.Write{w})[0]; err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		s.Recall(t.Context(), "a", 16), s.Discard(t.Context(), "a", 32), s.Discard(t.Context(), "b", n*push.Step),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if swept, err := s.Sweep(t.Context()); swept != 0 || err != nil {
		t.Fatalf("%d were removed before their end, %v", swept, err)
	}
	clock.Advance(time.Minute)
	if swept, err := s.Sweep(t.Context()); swept != 2*n || err != nil {
		t.Fatalf("%d entries were removed, want %d, %v", swept, 2*n, err)
	}
	if left := entries(t, s); left["m"] != 0 || left["k"] != 2 || left["i"] != 2*n-2 || left["e"] != 2*n {
		t.Errorf("left are %v", left)
	}
	for key, want := range map[push.Key]push.ID{"a": n * push.Step, "b": (n - 1) * push.Step} {
		if newest, err := s.Newest(t.Context(), key); err != nil || newest != want {
			t.Errorf("newest of %s is %d, want %d, %v", key, newest, want, err)
		}
	}
	clock.Advance(24 * time.Hour)
	if swept, err := s.Sweep(t.Context()); swept != 2*n || err != nil {
		t.Fatalf("%d entries of idempotency keys were removed, want %d, %v", swept, 2*n, err)
	}
	if left := entries(t, s); left["m"]+left["i"]+left["e"] != 0 || left["k"] != 2 {
		t.Errorf("left are %v", left)
	}
}

// A step of a sweep is bounded, and the next one goes on where it ended.
func TestSweepSteps(t *testing.T) {
	clock := storetest.NewClock()
	s := openAt(t, t.TempDir(), clock.Now)
	w := push.Write{Key: "k"}
	for i := range 2*sweepBatch + 5 {
		w.Messages = append(w.Messages, push.Message{ID: push.ID(i+1) * push.Step, ExpiresAt: clock.Now().UnixMilli() + 1})
	}
	if err := s.Save(t.Context(), []push.Write{w})[0]; err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Millisecond)
	from := []byte{tableExpiry}
	for i, want := range []int{sweepBatch, sweepBatch, 5, 0} {
		var n int
		var err error
		if n, from, err = s.sweepStep(t.Context(), from); n != want || err != nil {
			t.Fatalf("step %d removed %d, want %d, %v", i, n, want, err)
		}
		if from == nil {
			from = []byte{tableExpiry}
		}
		// Whoever comes in between is told of everything, swept or not.
		page, err := s.Read(t.Context(), "k", push.Span{After: 16, Limit: 10})
		if last := push.ID(len(w.Messages)) * push.Step; err != nil || len(page.Gaps) != 1 || page.Gaps[0].Until != last {
			t.Fatalf("step %d: %+v, %v", i, page, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx); !push.Is(err, push.KindStoreUnavailable) {
		t.Errorf("a cancelled sweep gave %v", err)
	}
}

// A watermark outlives a restart, and a sweep that was lost is done again.
func TestSweepAfterRestart(t *testing.T) {
	clock := storetest.NewClock()
	dir := t.TempDir()
	s := openAt(t, dir, clock.Now)
	save(t, s, "k", 16)
	save(t, s, "k", 32)
	clock.Advance(2 * time.Hour)
	for range 2 {
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := s.Read(t.Context(), "k", push.Span{After: 16, Limit: 1})
		if err != nil || len(page.Gaps) != 1 || page.Gaps[0] != (push.Gap{After: 16, Until: 32, Reason: push.GapExpired}) {
			t.Fatalf("%+v, %v", page, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, dir, clock.Now)
	}
}

// An idempotency key that was used again stays as long as its new message.
func TestSweepReusedKey(t *testing.T) {
	clock := storetest.NewClock()
	s := openAt(t, t.TempDir(), clock.Now)
	put := func(id push.ID) {
		m := push.Message{ID: id, ExpiresAt: clock.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: "i"}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
	}
	put(16)
	clock.Advance(12 * time.Hour)
	put(32)
	clock.Advance(12 * time.Hour)
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Find(t.Context(), "k", "i"); err != nil || found.ID != 32 {
		t.Fatalf("found %+v, %v", found, err)
	}
}

// The store sweeps by itself, and writers and readers go on meanwhile.
func TestSweepLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := open(Config{Dir: "d", SweepEvery: time.Second}, vfs.NewMem(), quiet, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		m := push.Message{ID: 16, ExpiresAt: time.Now().Add(1500 * time.Millisecond).UnixMilli()}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{1, 0} {
			<-time.After(time.Second + time.Millisecond)
			synctest.Wait()
			if got := entries(t, s)["m"]; got != want {
				t.Errorf("%d rows are left, want %d", got, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Sweeps, writers, deletes and readers at once agree in the end.
func TestSweepConcurrently(t *testing.T) {
	clock := storetest.NewClock()
	s := openAt(t, t.TempDir(), clock.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var sweeper, writers sync.WaitGroup
	sweeper.Go(func() {
		for ctx.Err() == nil {
			clock.Advance(time.Millisecond)
			_, _ = s.Sweep(ctx)
		}
	})
	for i := range 8 {
		writers.Go(func() {
			key := push.Key(fmt.Sprint(i))
			for id := push.Step; id <= 100*push.Step; id += push.Step {
				m := push.Message{ID: id, Prev: id - push.Step, ExpiresAt: clock.Now().UnixMilli() + 3, IdempotencyKey: fmt.Sprint(id % 3)}
				if err := s.Save(ctx, []push.Write{{Key: key, Messages: []push.Message{m}}})[0]; err != nil {
					t.Error(err)
				}
				if id%(16*push.Step) == 0 {
					if err := s.Delete(ctx, key, id/2); err != nil {
						t.Error(err)
					}
				}
				if newest, err := s.Newest(ctx, key); err != nil || newest != id {
					t.Errorf("newest is %d, want %d, %v", newest, id, err)
				}
			}
		})
	}
	writers.Wait()
	cancel()
	sweeper.Wait()
	clock.Advance(48 * time.Hour)
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := entries(t, s); left["m"]+left["i"]+left["e"] != 0 {
		t.Errorf("left are %v", left)
	}
}

// An entry that makes no sense does not keep the others from being swept.
func TestSweepDamagedEntries(t *testing.T) {
	clock := storetest.NewClock()
	s := openAt(t, t.TempDir(), clock.Now)
	for _, entry := range [][]byte{{tableExpiry}, append(appendExpiry(nil, 1), 'm', 'x'), append(appendExpiry(nil, 1), '?')} {
		if err := s.db.Set(entry, nil, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	save(t, s, "k", 16)
	clock.Advance(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 4 || err != nil {
		t.Fatalf("%d entries were removed, %v", n, err)
	}
	if left := entries(t, s); left["m"]+left["e"] != 0 {
		t.Errorf("left are %v", left)
	}
}
