package hbase

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/testing/protocmp"

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
		{ZooKeeper: "a:1", Root: "hbase"},
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

// Ids that no place is for are refused, rather than written where nobody could
// read them.
func TestImpossibleIDs(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, nil)
	for _, id := range []push.ID{0, -16, push.MaxID} {
		m := push.Message{ID: id, ExpiresAt: clock.Now().Add(time.Hour).UnixMilli()}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; !push.Is(err, push.KindInternal) {
			t.Errorf("a save of id %d: %v", id, err)
		}
	}
	if len(c.keys) > 0 {
		t.Errorf("rows were written: %q", c.keys)
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

// Writing the same again is the same write: neither its place in time nor its end
// move.
func TestRepeatIsNoChange(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	s := openFake(t, c, nil)
	all := puts(c)
	m := push.Message{ID: push.IDAt(clock.Now()), Body: []byte("1"), ExpiresAt: clock.Now().Add(1000 * time.Hour).UnixMilli()}
	for range 2 {
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
	}
	if diff := cmp.Diff((*all)[0], (*all)[1], protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// A message in a row that reaches back behind what was read before is looked at
// once more: it may have been discarded in between.
func TestDiscardedBetweenChunks(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	c.chunk = 1 // a row each
	s := openFake(t, c, nil)
	first := push.IDAt(clock.Now())
	burst := make([]push.Message, 2)
	for i := range burst {
		burst[i] = push.Message{ID: first + push.ID(i)*push.Step, Body: []byte("1"), ExpiresAt: clock.Now().Add(time.Hour).UnixMilli()}
	}
	err := errors.Join(s.Save(t.Context(), []push.Write{{Key: "k", Messages: burst}})[0], s.Recall(t.Context(), "k", first))
	if err != nil {
		t.Fatal(err)
	}
	page := func() []push.Message {
		t.Helper()
		p, err := s.Read(t.Context(), "k", push.Span{After: first - 1, Until: burst[1].ID, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return p.Messages
	}
	if got := page(); len(got) != 2 || !got[0].Recalled {
		t.Fatalf("%+v", got)
	}
	scans := 0
	c.set(func(c *fakeCluster) {
		c.before = func(_ string, call hrpc.Call) error {
			if scan, ok := call.ToProto().(*pb.ScanRequest); ok && scan.GetScan().GetReversed() {
				if scans++; scans == 2 {
					return c.put(&pb.MutationProto{Row: messageRow("k", first), ColumnValue: []*pb.MutationProto_ColumnValue{{
						Family: []byte(family), QualifierValue: []*pb.MutationProto_ColumnValue_QualifierValue{{Qualifier: []byte(markQualifier(first, markDiscarded))}},
					}}})
				}
			}
			return nil
		}
	})
	if got := page(); len(got) != 1 || got[0].ID != burst[1].ID {
		t.Errorf("%+v", got)
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

// A claim ends when it should, though HBase keeps it longer.
func TestClaimEnds(t *testing.T) {
	clock := storetest.NewClock()
	s := openFake(t, newFakeCluster(clock.Now), nil)
	m := push.Message{ID: push.IDAt(clock.Now()), ExpiresAt: clock.Now().Add(time.Second).UnixMilli(), IdempotencyKey: "i"}
	if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		later time.Duration
		want  push.ID
	}{{24*time.Hour - time.Millisecond, m.ID}, {time.Millisecond, 0}} {
		clock.Advance(x.later)
		if found, err := s.Find(t.Context(), "k", "i"); err != nil || found.ID != x.want {
			t.Errorf("found %+v, %v; want id %d", found, err, x.want)
		}
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

// fill stores n messages, a row each, and returns their ids.
func fill(t *testing.T, s *Store, now time.Time, n, size int) []push.ID {
	t.Helper()
	ids := make([]push.ID, n)
	for i := range ids {
		ids[i] = push.IDAt(now) + push.ID(i)*push.Step
		m := push.Message{ID: ids[i], Body: make([]byte, size), ExpiresAt: now.Add(time.Hour).UnixMilli()}
		if i > 0 {
			m.Prev = ids[i-1]
		}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// The first look does not go on when an answer is full: the reader is far behind.
func TestFarBehind(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	c.chunk = 10_000
	s := openFake(t, c, nil)
	ids := fill(t, s, clock.Now(), 100, 1000)
	before := c.servers["rs2:1"].calls
	page, err := s.Read(t.Context(), "k", push.Span{After: ids[0], Limit: 50})
	if err != nil || len(page.Messages) != 50 || page.Messages[0].ID != ids[1] || !page.More {
		t.Fatalf("%d messages, %v", len(page.Messages), err)
	}
	if n := c.servers["rs2:1"].calls - before; n != 1+6 {
		t.Errorf("a page of 50 in chunks of 10 took %d calls", n)
	}
}

// The newest n may be more than is kept in memory.
func TestNewestOfMuch(t *testing.T) {
	clock := storetest.NewClock()
	s := openFake(t, newFakeCluster(clock.Now), nil)
	ids := fill(t, s, clock.Now(), 200, 60<<10)
	page, err := s.Read(t.Context(), "k", push.Span{After: ids[0], Limit: 10, Newest: 150})
	want := []push.Gap{{After: ids[0], Until: ids[49], Reason: push.GapLimit}}
	if err != nil || len(page.Messages) != 10 || page.Messages[0].ID != ids[50] || !page.More {
		t.Fatalf("%d messages, %v", len(page.Messages), err)
	}
	if diff := cmp.Diff(want, page.Gaps); diff != "" {
		t.Error(diff)
	}
}

// The newest id is certain only at its own place.
func TestNewestPastMarkers(t *testing.T) {
	clock := storetest.NewClock()
	c := newFakeCluster(clock.Now)
	c.chunk = 1 // a row each
	s := openFake(t, c, nil)
	first := fill(t, s, clock.Now(), 1, 1)[0]
	burst := make([]push.Message, 3)
	for i := range burst {
		burst[i] = push.Message{ID: first + push.ID(i+1)*push.Step, ExpiresAt: clock.Now().Add(time.Hour).UnixMilli()}
	}
	if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: burst}})[0]; err != nil {
		t.Fatal(err)
	}
	for _, m := range slices.Backward(burst) {
		if err := s.Discard(t.Context(), "k", m.ID); err != nil {
			t.Fatal(err)
		}
		if newest, err := s.Newest(t.Context(), "k"); err != nil || newest != m.ID-push.Step {
			t.Errorf("newest is %d, want %d, %v", newest, m.ID-push.Step, err)
		}
	}
}

// The metrics are well formed, their number does not grow with keys, and they say what is
// known of HBase.
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
	const want = `
# HELP gopush_hbase_connections Connections to region servers, those that are being opened included.
# TYPE gopush_hbase_connections gauge
gopush_hbase_connections 2
# HELP gopush_hbase_regions_known Regions of the table whose server is known.
# TYPE gopush_hbase_regions_known gauge
gopush_hbase_regions_known 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "gopush_hbase_connections", "gopush_hbase_regions_known"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := open(cfg, c.dial, c, quiet, clock.Now, reg); err == nil {
		t.Error("two stores share one registry")
	}
}
