package hbase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/region"

	"gopush/internal/push"
)

// Two keys with a server each; hbase:meta is with the first one.
const (
	calm push.Key = "calm" // on rs1
	hit  push.Key = "hit"  // on rs2
)

// bubble runs f on a cluster in a time of its own.
func bubble(t *testing.T, change func(*Config), f func(t *testing.T, c *fakeCluster, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(time.Now)
		c.split([]byte("h"))
		c.move([]byte("calm"), "rs1:1")
		s := openFake(t, c, change)
		for _, key := range []push.Key{calm, hit} {
			if err := saveOne(t.Context(), s, key); err != nil {
				t.Fatal(err)
			}
		}
		f(t, c, s)
	})
}

func saveOne(ctx context.Context, s *Store, key push.Key) error {
	m := push.Message{ID: push.IDAt(time.Now()), Body: []byte("1"), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	return s.Save(ctx, []push.Write{{Key: key, Messages: []push.Message{m}}})[0]
}

// timed runs f and tells how long it took.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// A server that takes calls and answers none is given up; its rows are back as
// soon as HBase has moved them, and nobody else notices.
func TestHungServer(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		const recovery = 7 * time.Second
		c.set(func(c *fakeCluster) { c.servers["rs2:1"].hung = true })
		heal := time.AfterFunc(recovery, func() { c.move([]byte("hit"), "rs1:1") })
		defer heal.Stop()
		done := make(chan time.Duration)
		for range 3 {
			go func() {
				took, err := timed(func() error { return saveOne(t.Context(), s, hit) })
				if err != nil {
					t.Error(err)
				}
				done <- took
			}()
		}
		for range 20 {
			if took, err := timed(func() error { return saveOne(t.Context(), s, calm) }); err != nil || took > 0 {
				t.Fatalf("a save on another server took %s, %v", took, err)
			}
			<-time.After(recovery / 20)
		}
		for range 3 {
			if took := <-done; took < recovery || took > recovery+1500*time.Millisecond {
				t.Errorf("a save took %s with a recovery of %s", took, recovery)
			}
		}
		if n := testutil.ToFloat64(s.router.metrics.dropped.WithLabelValues("silent")); n < 2 {
			t.Errorf("%v silent connections were given up", n)
		}
	})
}

// So it is when nobody waits for as long as the watchdog does.
func TestHungServerShortCalls(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Second }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) { c.servers["rs2:1"].hung = true })
		heal := time.AfterFunc(7*time.Second, func() { c.move([]byte("hit"), "rs1:1") })
		defer heal.Stop()
		took, err := timed(func() error {
			for range 20 {
				if err := saveOne(t.Context(), s, hit); err == nil {
					return nil
				}
			}
			return errors.New("it never came back")
		})
		if err != nil || took > 9*time.Second {
			t.Errorf("it took %s, %v", took, err)
		}
	})
}

// One that wakes up before HBase has moved anything goes on as if nothing had
// been.
func TestHungServerWakes(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) { c.servers["rs2:1"].hung = true })
		wake := time.AfterFunc(10*time.Second, func() { c.wake("rs2:1") })
		defer wake.Stop()
		took, err := timed(func() error { return saveOne(t.Context(), s, hit) })
		if err != nil || took > 12*time.Second {
			t.Errorf("a save took %s, %v", took, err)
		}
	})
}

// A server that answers one thing slowly, and others at once, is not given up.
func TestSlowServer(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) {
			c.before = func(_ string, call hrpc.Call) error {
				if call.Name() == "Scan" && string(call.Table()) != string(metaTable) {
					<-time.After(10 * time.Second)
				}
				return nil
			}
		})
		took, err := timed(func() error {
			_, err := s.Newest(t.Context(), hit)
			return err
		})
		if err != nil || took != 10*time.Second {
			t.Errorf("it took %s, %v", took, err)
		}
		if n := testutil.ToFloat64(s.router.metrics.dropped.WithLabelValues("silent")); n != 0 {
			t.Errorf("%v connections were given up", n)
		}
	})
}

// The server of hbase:meta hangs: what is known already goes on.
func TestMetaHangs(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) { c.servers["rs1:1"].hung = true })
		failed := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		go func() { failed <- saveOne(ctx, s, calm) }()
		for range 10 {
			if took, err := timed(func() error { return saveOne(t.Context(), s, hit) }); err != nil || took > 0 {
				t.Fatalf("a save on another server took %s, %v", took, err)
			}
			<-time.After(time.Second)
		}
		c.set(func(c *fakeCluster) { c.meta = "rs2:1" })
		c.move([]byte("calm"), "rs2:1")
		if err := <-failed; err != nil {
			t.Error(err)
		}
	})
}

// A server that dies takes its connections with it.
func TestKilledServer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *fakeCluster, s *Store) {
		for _, dead := range [][2]string{{"rs2:1", "rs1:1"}, {"rs1:1", "rs2:1"}} {
			c.set(func(c *fakeCluster) { c.servers[dead[1]].refuses = false })
			c.kill(dead[0], dead[1])
			for _, key := range []push.Key{calm, hit} {
				if took, err := timed(func() error { return saveOne(t.Context(), s, key) }); err != nil || took > 100*time.Millisecond {
					t.Fatalf("after the end of %s a save of %s took %s, %v", dead[0], key, took, err)
				}
			}
		}
	})
}

// HBase and ZooKeeper may be away for as long as they like.
func TestAwayAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(time.Now)
		away := make(chan struct{})
		c.away = away
		s := openFake(t, c, func(cfg *Config) { cfg.Timeout = 2 * time.Second })
		for range 5 {
			took, err := timed(func() error { return s.Ping(t.Context()) })
			if took != 2*time.Second || !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "ZooKeeper") {
				t.Fatalf("without ZooKeeper a ping took %s, %v", took, err)
			}
		}
		c.set(func(c *fakeCluster) {
			if c.asked != 1 {
				t.Errorf("ZooKeeper was asked %d times at once", c.asked)
			}
			c.away = nil
			c.servers["rs1:1"].refuses, c.servers["rs2:1"].refuses = true, true
		})
		close(away)
		err := saveOne(t.Context(), s, hit)
		if !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), errRefused.Error()) {
			t.Fatalf("without HBase a save gave %v", err)
		}
		<-time.After(24 * time.Hour)
		c.set(func(c *fakeCluster) { c.servers["rs1:1"].refuses, c.servers["rs2:1"].refuses = false, false })
		if took, err := timed(func() error { return saveOne(t.Context(), s, hit) }); err != nil || took > time.Second {
			t.Fatalf("once all was back a save took %s, %v", took, err)
		}
	})
}

// Every call ends when it has to, and says what may have happened.
func TestDeadlines(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = 5 * time.Second }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) { c.servers["rs2:1"].hung = true })
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, x := range []struct {
			what string
			ctx  context.Context
			call func(context.Context) error
			kind push.Kind
			want time.Duration
		}{
			{"read", t.Context(), func(ctx context.Context) error { _, err := s.Read(ctx, hit, push.Span{Limit: 1}); return err }, push.KindStoreUnavailable, 5 * time.Second},
			{"newest", short, func(ctx context.Context) error { _, err := s.Newest(ctx, hit); return err }, push.KindStoreUnavailable, time.Second},
			{"find", t.Context(), func(ctx context.Context) error { _, err := s.Find(ctx, hit, "i"); return err }, push.KindStoreUnavailable, 5 * time.Second},
			{"save", t.Context(), func(ctx context.Context) error { return saveOne(ctx, s, hit) }, push.KindOutcomeUnknown, 5 * time.Second},
			{"delete", t.Context(), func(ctx context.Context) error { return s.Delete(ctx, hit, 16) }, push.KindOutcomeUnknown, 5 * time.Second},
			{"discard", t.Context(), func(ctx context.Context) error { return s.Discard(ctx, hit, 16) }, push.KindOutcomeUnknown, 5 * time.Second},
		} {
			if x.what == "newest" {
				x.ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			took, err := timed(func() error { return x.call(x.ctx) })
			cancel()
			if took != x.want || !push.Is(err, x.kind) {
				t.Errorf("a %s took %s, %v; want %s, %s", x.what, took, err, x.want, x.kind)
			}
		}
	})
}

// A write is in doubt only if it was sent, and not refused.
func TestDoubt(t *testing.T) {
	java := func(class string) error {
		return fmt.Errorf("HBase Java exception org.apache.hadoop.hbase.%s:\nplanted", class)
	}
	for what, x := range map[string]struct {
		before, after error
		kind          push.Kind
		text          string
	}{
		"lost answer":    {after: region.ErrClientClosed, kind: push.KindOutcomeUnknown},
		"strange error":  {before: java("WhateverException"), kind: push.KindOutcomeUnknown},
		"not there":      {before: region.NotServingRegionError{}, kind: push.KindStoreUnavailable},
		"busy":           {before: java("RegionTooBusyException"), kind: push.KindStoreUnavailable},
		"access denied":  {before: java("security.AccessDeniedException"), kind: push.KindStoreUnavailable, text: "AccessDeniedException"},
		"no such family": {before: java("regionserver.NoSuchColumnFamilyException"), kind: push.KindStoreUnavailable, text: "gopush migrate up"},
	} {
		bubble(t, nil, func(t *testing.T, c *fakeCluster, s *Store) {
			data := func(err error) func(string, hrpc.Call) error {
				return func(_ string, call hrpc.Call) error {
					if string(call.Table()) == string(metaTable) {
						return nil
					}
					return err
				}
			}
			c.set(func(c *fakeCluster) { c.before, c.after = data(x.before), data(x.after) })
			err := saveOne(t.Context(), s, hit)
			if !push.Is(err, x.kind) || !strings.Contains(err.Error(), x.text) || strings.Contains(err.Error(), "Trace") {
				t.Errorf("%s: %v, want %s", what, err, x.kind)
			}
		})
	}
}

// What the end of its time finds right before it is sent is not sent.
func TestNotSent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *fakeCluster, s *Store) {
		before := c.servers["rs2:1"].calls
		ctx, cancel := context.WithCancel(t.Context())
		_, _, err := s.router.do(ctx, &request{op: "save", table: s.table, row: headRow(hit), make: func(ctx context.Context) (hrpc.Call, error) {
			cancel()
			return hrpc.NewPut(ctx, s.table, headRow(hit), nil)
		}})
		if kind := push.KindOf(notWritten(err)); kind != push.KindStoreUnavailable || c.servers["rs2:1"].calls != before {
			t.Errorf("%s, %v", kind, err)
		}
	})
}

// A table that is not there is not waited for.
func TestNoTable(t *testing.T) {
	bubble(t, func(c *Config) { c.Table = "gopush:messages" }, func(t *testing.T, c *fakeCluster, _ *Store) {
		s := openFake(t, c, func(cfg *Config) { cfg.Table = "gopush:others" })
		took, err := timed(func() error { return s.Ping(t.Context()) })
		if took > 0 || !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "gopush:others; run: gopush migrate up") {
			t.Errorf("it took %s, %v", took, err)
		}
	})
}

// What is known of one table's regions says nothing about another's.
func TestOtherTable(t *testing.T) {
	bubble(t, nil, func(t *testing.T, _ *fakeCluster, s *Store) {
		get, err := hrpc.NewGetStr(t.Context(), "gopush:others", string(hit))
		if err != nil {
			t.Fatal(err)
		}
		if took, err := timed(func() error { _, err := s.router.Get(get); return err }); took > 0 || !errors.Is(err, errOtherTable) {
			t.Errorf("it took %s, %v", took, err)
		}
		for _, table := range []string{"gopush:messages", "hbase:meta"} {
			if get, err = hrpc.NewGetStr(t.Context(), table, string(hit)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.router.Get(get); err != nil {
				t.Errorf("%s: %v", table, err)
			}
		}
	})
}

// No more calls are under way at a server than are allowed; the others wait, and
// keep nobody from another server.
func TestConcurrency(t *testing.T) {
	bubble(t, func(c *Config) { c.Concurrency, c.Timeout, c.Stall = 2, 5*time.Second, time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) { c.servers["rs2:1"].hung = true })
		errs := make(chan error, 3)
		for range 3 {
			go func() { errs <- saveOne(t.Context(), s, hit) }()
		}
		synctest.Wait()
		if n := testutil.ToFloat64(s.router.metrics.inFlight); n != 3 {
			t.Errorf("%v calls are not answered", n)
		}
		taken := 0
		for f := range c.servers["rs2:1"].conns {
			taken += len(f.unsent)
		}
		if taken != 2 {
			t.Errorf("%d calls are under way", taken)
		}
		if took, err := timed(func() error { return saveOne(t.Context(), s, calm) }); took > 0 || err != nil {
			t.Errorf("a save on another server took %s, %v", took, err)
		}
		kinds := map[push.Kind]int{}
		for range 3 {
			kinds[push.KindOf(<-errs)]++
		}
		if kinds[push.KindOutcomeUnknown] != 2 || kinds[push.KindStoreUnavailable] != 1 {
			t.Errorf("the three failed as %v", kinds)
		}
	})
}

// Who is called off says nothing about a server that answers others.
func TestCancelledCalls(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *fakeCluster, s *Store) {
		c.set(func(c *fakeCluster) {
			c.before = func(addr string, _ hrpc.Call) error {
				if addr == "rs2:1" {
					<-time.After(time.Second)
				}
				return nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := s.Newest(ctx, hit); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		for _, reason := range []string{"broken", "unreachable", "silent"} {
			if n := testutil.ToFloat64(s.router.metrics.dropped.WithLabelValues(reason)); n != 0 {
				t.Errorf("a connection was given up as %s", reason)
			}
		}
	})
}

// Closed is closed, also for calls that come later.
func TestClose(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *fakeCluster, s *Store) {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := saveOne(t.Context(), s, hit); !push.Is(err, push.KindStoreUnavailable) {
			t.Errorf("a save after the end: %v", err)
		}
		for addr, server := range c.servers {
			if len(server.conns) > 0 {
				t.Errorf("a connection to %s was left open", addr)
			}
		}
	})
}
