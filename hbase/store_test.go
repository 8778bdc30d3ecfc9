package hbase

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"

	"gopush/internal/push"
	"gopush/message/storetest"
)

func TestConfig(t *testing.T) {
	cfg := Config{ZooKeeper: "a:1"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		ZooKeeper: "a:1", Root: "/hbase", Table: "gopush:messages", Durability: Fsync, Keep: 720 * time.Hour, IdempotencyLife: 24 * time.Hour,
		Timeout: 10 * time.Second, Stall: 3 * time.Second, Concurrency: 1024, Batch: 100,
	}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []Config{
		{},
		{ZooKeeper: " "},
		{ZooKeeper: "a:1", Durability: "none"},
		{ZooKeeper: "a:1", Keep: time.Hour},
		{ZooKeeper: "a:1", Timeout: -1},
		{ZooKeeper: "a:1", Concurrency: -1},
	} {
		if s, err := Open(bad, quiet, time.Now, nil); err == nil {
			t.Errorf("%+v was accepted", bad)
			_ = s.Close()
		}
	}
}

// puts records the writes that reach a cluster.
func puts(c *fakeCluster) *[]*pb.MutationProto {
	all := new([]*pb.MutationProto)
	c.set(func(c *fakeCluster) {
		c.before = func(_ string, call hrpc.Call) error {
			if m, ok := call.ToProto().(*pb.MutateRequest); ok {
				c.set(func(*fakeCluster) { *all = append(*all, m.GetMutation()) })
			}
			return nil
		}
	})
	return all
}

// Every write is as durable as was asked for.
func TestDurability(t *testing.T) {
	for d, want := range map[Durability]pb.MutationProto_Durability{
		"": pb.MutationProto_FSYNC_WAL, Fsync: pb.MutationProto_FSYNC_WAL, Sync: pb.MutationProto_SYNC_WAL, Async: pb.MutationProto_ASYNC_WAL,
	} {
		clock := storetest.NewClock()
		c := newFakeCluster(clock.Now)
		s := openFake(t, c, func(cfg *Config) { cfg.Durability = d })
		all := puts(c)
		m := push.Message{ID: push.IDAt(clock.Now()), ExpiresAt: clock.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: "i"}
		err := errors.Join(s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})...)
		err = errors.Join(err, s.Recall(t.Context(), "k", m.ID), s.Discard(t.Context(), "k", m.ID), s.Delete(t.Context(), "k", m.ID))
		if err != nil || len(*all) != 5 {
			t.Fatalf("%d writes, %v", len(*all), err)
		}
		for _, m := range *all {
			if m.GetDurability() != want {
				t.Errorf("with %q a write to %q had the durability %s", d, m.GetRow(), m.GetDurability())
			}
		}
	}
}

// The idempotency key is durable before its message is sent; if it is not, no
// message is.
func TestClaimFirst(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, func(cfg *Config) { cfg.Timeout = 100 * time.Millisecond })
	var rows []string
	fail := false
	c.before = func(_ string, call hrpc.Call) error {
		if _, ok := call.(*hrpc.Mutate); ok {
			rows = append(rows, string(call.Key()))
			if fail {
				return errors.New("planted")
			}
		}
		return nil
	}
	m := push.Message{ID: push.IDAt(clock.Now()), ExpiresAt: clock.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: "i"}
	write := []push.Write{{Key: "k", Messages: []push.Message{m}}}
	if err := s.Save(t.Context(), write)[0]; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{string(claimRow("k", "i")), string(messageRow("k", m.ID))}, rows); diff != "" {
		t.Error(diff)
	}
	rows, fail = nil, true
	err := s.Save(t.Context(), write)[0]
	if !push.Is(err, push.KindStoreUnavailable) || len(rows) == 0 || strings.Contains(fmt.Sprint(rows), string(messageRow("k", m.ID))) {
		t.Errorf("writes to %q, %v", rows, err)
	}
}

// A claim without its message is in doubt until it is discarded.
func TestInDoubt(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, func(cfg *Config) { cfg.Timeout = 100 * time.Millisecond })
	first := push.IDAt(clock.Now())
	c.before = func(_ string, call hrpc.Call) error {
		if string(call.Key()) == string(messageRow("k", first+push.Step)) {
			return errors.New("planted")
		}
		return nil
	}
	burst := []push.Message{
		{ID: first, ExpiresAt: clock.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: "i"},
		{ID: first + push.Step, ExpiresAt: clock.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: "j"},
	}
	write := []push.Write{{Key: "k", Messages: burst}}
	if err := s.Save(t.Context(), write)[0]; !push.Is(err, push.KindOutcomeUnknown) {
		t.Fatal(err)
	}
	c.set(func(c *fakeCluster) { c.before = nil })
	for idem, id := range map[string]push.ID{"i": first, "j": first + push.Step} {
		found, err := s.Find(t.Context(), "k", idem)
		if err != nil || found.ID != id || !found.InDoubt {
			t.Errorf("%s led to %+v, %v", idem, found, err)
		}
		if err := s.Discard(t.Context(), "k", id); err != nil {
			t.Fatal(err)
		}
		if found, err = s.Find(t.Context(), "k", idem); err != nil || found.ID != 0 {
			t.Errorf("once it was discarded, %s led to %+v, %v", idem, found, err)
		}
	}
	if err := s.Save(t.Context(), write)[0]; err != nil {
		t.Fatal(err)
	}
	page, err := s.Read(t.Context(), "k", push.Span{Limit: 10})
	if err != nil || len(page.Messages) != 0 {
		t.Errorf("what was discarded landed late, and was read: %+v, %v", page, err)
	}
}

// Once HBase has forgotten, readers who were away that long are told.
func TestForgotten(t *testing.T) {
	const day = 24 * time.Hour
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, func(cfg *Config) { cfg.Keep = 8 * day })
	var ids []push.ID
	add := func(life time.Duration) {
		t.Helper()
		m := push.Message{ID: push.IDAt(clock.Now()), ExpiresAt: clock.Now().Add(life).UnixMilli()}
		if n := len(ids); n > 0 {
			m.Prev = ids[n-1]
		}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
		clock.Advance(time.Minute)
	}
	read := func(after push.ID) push.Page {
		t.Helper()
		page, err := s.Read(t.Context(), "k", push.Span{After: after, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	add(time.Second)
	add(time.Second)
	// So long their places tell exactly what is gone.
	clock.Advance(8*day - time.Hour)
	if page := read(ids[0]); len(page.Gaps) != 1 || page.Gaps[0] != (push.Gap{After: ids[0], Until: ids[1], Reason: push.GapExpired}) {
		t.Errorf("%+v", page)
	}
	clock.Advance(3 * day)
	if newest, err := s.Newest(t.Context(), "k"); err != nil || newest != 0 {
		t.Fatalf("HBase still has %d, %v", newest, err)
	}
	// Now nobody knows; so the one that had everything is told, too.
	for _, after := range ids {
		page := read(after)
		if len(page.Gaps) != 1 || page.Gaps[0].After != after || page.Gaps[0].Until < ids[1] || page.Next != page.Gaps[0].Until {
			t.Errorf("after %d: %+v", after, page)
		}
		if again := read(page.Next); len(again.Gaps) != 0 {
			t.Errorf("told twice: %+v", again)
		}
	}
	if page := read(0); len(page.Gaps) != 0 || page.Next != 0 {
		t.Errorf("a reader from the beginning is told of %+v", page.Gaps)
	}
	add(time.Hour)
	if page := read(ids[1]); len(page.Messages) != 1 || len(page.Gaps) != 0 {
		t.Errorf("the chain says that nothing was missed, but: %+v", page)
	}
	if page := read(ids[0]); len(page.Messages) != 1 || len(page.Gaps) != 1 {
		t.Errorf("%+v", page)
	}
}

// A marker or a watermark is there for as long as what it hides.
func TestMarkersOutlive(t *testing.T) {
	const day = 24 * time.Hour
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, func(cfg *Config) { cfg.Keep = day })
	id := push.IDAt(clock.Now())
	burst := make([]push.Message, 4)
	for i := range burst {
		burst[i] = push.Message{ID: id + push.ID(i)*push.Step, Body: []byte("1"), ExpiresAt: clock.Now().Add(400 * day).UnixMilli()}
	}
	write := []push.Write{{Key: "k", Messages: burst}}
	err := errors.Join(s.Save(t.Context(), write)[0], s.Recall(t.Context(), "k", burst[2].ID), s.Discard(t.Context(), "k", burst[1].ID), s.Delete(t.Context(), "k", burst[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	for range 400 {
		page, err := s.Read(t.Context(), "k", push.Span{Limit: 10})
		if err != nil || len(page.Messages) != 2 || !page.Messages[0].Recalled || page.Messages[1].ID != burst[3].ID {
			t.Fatalf("at %s: %+v, %v", clock.Now(), page, err)
		}
		clock.Advance(day)
	}
	if page, err := s.Read(t.Context(), "k", push.Span{Limit: 10}); err != nil || len(page.Messages) != 0 {
		t.Errorf("after its life: %+v, %v", page, err)
	}
}

// Two deletions may land in any order, and in the same instant.
func TestWatermarkNeverSinks(t *testing.T) {
	clock := storetest.NewClock()
	s := openFake(t, newFakeCluster(clock.Now), nil)
	id := push.IDAt(clock.Now())
	for _, upTo := range []push.ID{id, id + 16, id - 16, 16, 0, -1} {
		if err := s.Delete(t.Context(), "k", upTo); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(1000 * 24 * time.Hour)
	if newest, err := s.Newest(t.Context(), "k"); err != nil || newest != id+16 {
		t.Errorf("the watermark is %d, want %d, %v", newest, id+16, err)
	}
}

// A page that is up to date, or not far from it, is one call of HBase; so is the
// newest id, and an idempotency key that is not known.
func TestOneCall(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, nil)
	var last push.ID
	for i := range 200 {
		m := push.Message{ID: push.IDAt(clock.Now()) + push.ID(i)*push.Step, Prev: last, Body: []byte("1"), ExpiresAt: clock.Now().Add(time.Hour).UnixMilli()}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
		last = m.ID
	}
	if err := s.Delete(t.Context(), "k", last-100*push.Step); err != nil {
		t.Fatal(err)
	}
	read := func(span push.Span) func() error {
		return func() error { _, err := s.Read(t.Context(), "k", span); return err }
	}
	for what, x := range map[string]struct {
		call func() error
		want int
	}{
		"up to date":       {read(push.Span{After: last, Limit: 50}), 1},
		"fifty":            {read(push.Span{After: last - 50*push.Step, Limit: 50}), 1},
		"all that is left": {read(push.Span{Limit: 100}), 1},
		"newest ten":       {read(push.Span{Limit: 50, Newest: 10}), 1},
		"far behind":       {read(push.Span{After: last - 90*push.Step, Limit: 10}), 2},
		"between":          {read(push.Span{After: last - 90*push.Step, Until: last - 50*push.Step, Limit: 10}), 2},
		"newest":           {func() error { _, err := s.Newest(t.Context(), "k"); return err }, 1},
		"find":             {func() error { _, err := s.Find(t.Context(), "k", "i"); return err }, 1},
	} {
		before := c.servers["rs2:1"].calls
		if err := x.call(); err != nil || c.servers["rs2:1"].calls-before != x.want {
			t.Errorf("%s: %d calls, %v; want %d", what, c.servers["rs2:1"].calls-before, err, x.want)
		}
	}
}

// The metrics are well formed, and their number does not grow with keys.
func TestMetrics(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	reg := prometheus.NewPedanticRegistry()
	cfg := Config{ZooKeeper: "zk:1"}
	s, err := open(cfg, c.dial, c, quiet, clock.Now, reg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	use := func(n int) int {
		for i := range n {
			if err := s.Delete(t.Context(), push.Key(fmt.Sprintf("key %d", i)), 16); err != nil {
				t.Fatal(err)
			}
		}
		count, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	if one, many := use(1), use(100); one != many {
		t.Errorf("%d series for one key, %d for many", one, many)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := open(cfg, c.dial, c, quiet, clock.Now, reg); err == nil {
		t.Error("two stores share one registry")
	}
}
