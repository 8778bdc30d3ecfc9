package oldredis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"gopush/internal/oldredis/redistest"
	"gopush/internal/push"
	"gopush/message/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// old is a Redis of the old system.
type old struct {
	t      *testing.T
	addr   string
	client *redis.Client
}

func startOld(t *testing.T) *old {
	t.Helper()
	addr := redistest.Start(t, "")
	o := &old{t, addr, redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})}
	t.Cleanup(func() { _ = o.client.Close() })
	return o
}

// member is what gopush-cluster 1.0 stores.
func member(msg string, expires time.Time) string {
	return fmt.Sprintf(`{"msg":%s,"expire":%d}`, msg, expires.Unix())
}

// push stores one message as the old system does.
func (o *old) push(name string, mid int64, member string) {
	o.t.Helper()
	if err := o.client.ZAdd(o.t.Context(), name, redis.Z{Score: float64(mid), Member: member}).Err(); err != nil {
		o.t.Fatal(err)
	}
}

func newStore(t *testing.T) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(embedded.Config{Dir: filepath.Join(t.TempDir(), "store")}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func importer(t *testing.T, cfg Config, s Store) *Importer {
	t.Helper()
	cfg.MaxBytes = 1000
	i, err := New(cfg, s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func run(t *testing.T, cfg Config, s Store) Report {
	t.Helper()
	r, err := importer(t, cfg, s).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bodies are the messages of a key, in order; the chain must be whole.
func bodies(t *testing.T, s Store, key push.Key, after push.ID) (all []string, ids []push.ID) {
	t.Helper()
	prev := push.ID(0)
	for more := true; more; {
		page, err := s.Read(t.Context(), key, push.Span{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.ID%push.Step != 0 || m.ID <= prev || len(ids) > 0 && m.Prev != prev {
				t.Errorf("%s: %d comes after %d, and says %d", key, m.ID, prev, m.Prev)
			}
			prev = m.ID
			all, ids = append(all, string(m.Body)), append(ids, m.ID)
		}
		after, more = page.Next, page.More
	}
	return all, ids
}

var (
	hence = time.Now().Add(time.Hour)
	begin = int64(push.IDAt(time.Now().Add(-time.Hour))) + 7
)

// Everything from several servers, once, in order, with its end; what is over stays behind; the
// second pass takes what has come since.
//
// Broken once by ids from the score as it is; by importing what has expired; and by a store
// that is not asked for what it has.
func TestImport(t *testing.T) {
	a, b, s := startOld(t), startOld(t), newStore(t)
	for i := range int64(5) {
		a.push("k1", begin+i*1000, member(fmt.Sprintf(`{"n": %d}`, i), hence))
		b.push("k2", begin+i*1000, member(strconv.FormatInt(i, 10), hence))
	}
	a.push("k1", begin+2500, member(`"over"`, time.Now().Add(-time.Second)))
	cfg := Config{Servers: []string{a.addr, b.addr}}
	dry := cfg
	dry.DryRun = true
	want := Report{Sets: 2, Messages: 11, Imported: 10, Expired: 1, Failed: map[Reason]int{}}
	for _, cfg := range []Config{dry, cfg} {
		if diff := cmp.Diff(want, run(t, cfg, s)); diff != "" {
			t.Error(diff)
		}
	}
	got, ids := bodies(t, s, "k1", 0)
	if diff := cmp.Diff([]string{`{"n": 0}`, `{"n": 1}`, `{"n": 2}`, `{"n": 3}`, `{"n": 4}`}, got); diff != "" {
		t.Error(diff)
	}
	page, err := s.Read(t.Context(), "k2", push.Span{Limit: 1})
	if err != nil || page.Messages[0].ExpiresAt != hence.Unix()*1000 {
		t.Errorf("%+v %v", page, err)
	}
	// A client that had the third message, by its exact id or by the score, gets the rest.
	for _, cursor := range []int64{begin + 2000, int64(float64(begin + 2000)), begin + 2002} {
		if rest, _ := bodies(t, s, "k1", push.ID(cursor)); len(rest) != 2 {
			t.Errorf("behind the cursor %d lie %v; the ids are %d", cursor, rest, ids)
		}
	}
	a.push("k1", begin+9000, member(`"new"`, hence))
	want = Report{Sets: 2, Messages: 12, Imported: 1, Present: 10, Expired: 1, Failed: map[Reason]int{}}
	if diff := cmp.Diff(want, run(t, cfg, s)); diff != "" {
		t.Error(diff)
	}
	if got, _ = bodies(t, s, "k1", 0); len(got) != 6 || got[5] != `"new"` {
		t.Error(got)
	}
}

// TestImportRefuses: each for its reason, and everything else is imported.
func TestImportRefuses(t *testing.T) {
	o, s := startOld(t), newStore(t)
	o.push("p:k", begin, member(`1`, hence))
	for i, bad := range []string{"", "1", `{"msg":1}`, `{"expire":1}`, `{"msg":1,"expire":"1"}`, `{"msg":1,"expire":-1}`, `{"msg":{,"expire":1}`} {
		o.push("p:k", begin+int64(i+1)*1000, bad)
	}
	o.push("p:k", begin+10_000, member(strconv.Quote(strings.Repeat("x", 1000)), hence))
	o.push("p:k", int64(push.IDAt(time.Now().Add(time.Hour))), member(`2`, hence))
	o.push("p:k", 5, member(`3`, hence))
	o.push("p:k", begin+20_000, member(`4`, hence))
	o.push("p:\x01public", begin, member(`5`, hence))
	o.push("p:", begin, member(`6`, hence))
	o.push("other", begin, member(`7`, hence))
	if err := o.client.Set(t.Context(), "p:text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r := run(t, Config{Servers: []string{o.addr}, Prefix: "p:"}, s)
	want := map[Reason]int{WrongType: 1, BadKey: 2, BadMember: 7, BadScore: 1, TooLarge: 1, Future: 1}
	if diff := cmp.Diff(want, r.Failed); diff != "" || r.Imported != 2 || r.Failures() != 13 || len(r.Examples) != 13 {
		t.Errorf("%s %+v", diff, r)
	}
	if got, _ := bodies(t, s, "k", 0); !cmp.Equal(got, []string{"1", "4"}) {
		t.Error(got)
	}
	r = run(t, Config{Servers: []string{o.addr}, Prefix: "p:", Match: "*"}, s)
	if r.Failed[BadKey] != 3 { // "other" has no prefix
		t.Errorf("%+v", r)
	}
}

// TestImportLate: once the key has a newer message here, nothing may come up below it.
//
// Broken once by storing it all the same.
func TestImportLate(t *testing.T) {
	o, s := startOld(t), newStore(t)
	o.push("k", begin, member(`"early"`, hence))
	cfg := Config{Servers: []string{o.addr}}
	run(t, cfg, s)
	_, ids := bodies(t, s, "k", 0)
	id := push.IDAt(time.Now())
	m := push.Message{ID: id, Prev: ids[0], Body: []byte(`"here"`), ExpiresAt: hence.UnixMilli()}
	if err := errors.Join(s.Save(t.Context(), []push.Write{{Key: "k", Prev: ids[0], Messages: []push.Message{m}}})...); err != nil {
		t.Fatal(err)
	}
	o.push("k", begin+1000, member(`"late"`, hence))
	r := run(t, cfg, s)
	if r.Present != 1 || r.Imported != 0 || r.Failed[Late] != 1 || r.Examples[0].Name != "k" {
		t.Errorf("%+v", r)
	}
	if got, _ := bodies(t, s, "k", 0); !cmp.Equal(got, []string{`"early"`, `"here"`}) {
		t.Error(got)
	}
}

// TestImportHuge: many pages of one set, and many members of one score.
func TestImportHuge(t *testing.T) {
	o, s := startOld(t), newStore(t)
	zs := make([]redis.Z, 0, 10_000)
	for i := range 10_000 {
		at := begin + int64(i)*500
		if i < 1100 { // more of one score than two pages hold
			at = begin
		}
		zs = append(zs, redis.Z{Score: float64(at), Member: member(fmt.Sprintf(`"%05d"`, i), hence)})
	}
	if err := o.client.ZAdd(t.Context(), "k", zs...).Err(); err != nil {
		t.Fatal(err)
	}
	r := run(t, Config{Servers: []string{o.addr}}, s)
	if r.Messages != 10_000 || r.Imported != 10_000 || r.Failures() != 0 {
		t.Errorf("%+v", r)
	}
	got, _ := bodies(t, s, "k", 0)
	for i, body := range got {
		if body != fmt.Sprintf(`"%05d"`, i) {
			t.Fatalf("message %d is %s", i, body)
		}
	}
	if len(got) != 10_000 {
		t.Error(len(got))
	}
	if r = run(t, Config{Servers: []string{o.addr}}, s); r.Present != 10_000 {
		t.Errorf("once more: %+v", r)
	}
}

// failing is a store that fails after some writes, or has something else happen then.
type failing struct {
	*embedded.Store
	left atomic.Int64
	then func() // nil: it fails
}

func (f *failing) Save(ctx context.Context, writes []push.Write) []error {
	switch left := f.left.Add(-1); {
	case left < 0 && f.then == nil:
		return []error{push.E(push.KindStoreUnavailable, "away")}
	case left == 0 && f.then != nil:
		f.then()
	}
	return f.Store.Save(ctx, writes)
}

// broken is an import of many sets that ends after some, with a checkpoint.
func broken(t *testing.T) (o *old, s *embedded.Store, cfg Config, seen int64) {
	t.Helper()
	o, s = startOld(t), newStore(t)
	for i := range int64(manySets) {
		o.push(fmt.Sprintf("k%d", i), begin+i*1000, member(strconv.FormatInt(i, 10), hence))
	}
	cfg = Config{Servers: []string{o.addr}, Checkpoint: filepath.Join(t.TempDir(), "c.json")}
	f := &failing{Store: s}
	f.left.Store(1400)
	i := importer(t, cfg, f)
	if _, err := i.Run(t.Context()); !push.Is(err, push.KindStoreUnavailable) {
		t.Fatal(err)
	}
	seen, _ = i.Progress()
	return o, s, cfg, seen
}

const manySets = 2000 // several parts of a SCAN

// TestImportGoesOn: after an end at any write the next run completes it, what has come since to sets before
// the checkpoint included.
//
// Broken once by a run that ends where the pass from the checkpoint does, by a checkpoint that is never
// saved, and by one that is saved before its part is done.
func TestImportGoesOn(t *testing.T) {
	o, s, cfg, before := broken(t)
	other := cfg
	other.Prefix = "x"
	if _, err := importer(t, other, s).Run(t.Context()); !push.Is(err, push.KindConflict) {
		t.Error(err)
	}
	for i := range manySets {
		o.push(fmt.Sprintf("k%d", i), begin+1e9+int64(i), member(`"since"`, hence))
	}
	i := importer(t, cfg, s)
	r, err := i.Run(t.Context())
	if err != nil || r.Messages != 2*manySets || r.Imported+r.Present != r.Messages || r.Imported == 0 || r.Before < 1400 || r.Failures() != 0 {
		t.Errorf("%+v %v", r, err)
	}
	if seen, _ := i.Progress(); seen < 2*manySets || seen > 4*manySets-400 {
		t.Errorf("the second run looked at %d of %d messages, the first at %d", seen, 2*manySets, before)
	}
	for i := range manySets {
		if got, _ := bodies(t, s, push.Key(fmt.Sprintf("k%d", i)), 0); !cmp.Equal(got, []string{strconv.Itoa(i), `"since"`}) {
			t.Errorf("k%d has %v", i, got)
		}
	}
	// It is done, so the next one begins anew.
	if r := run(t, cfg, s); r.Present != 2*manySets || r.Before != 0 {
		t.Errorf("%+v", r)
	}
}

// A cursor counts for the process of Redis that gave it.
//
// Broken once by one that is taken all the same.
func TestImportAfterRestart(t *testing.T) {
	_, s, cfg, _ := broken(t)
	text, err := os.ReadFile(cfg.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`"run":"[0-9a-f]{40}"`).ReplaceAll(text, []byte(`"run":"another"`))
	if err := os.WriteFile(cfg.Checkpoint, text, 0o600); err != nil || !strings.Contains(string(text), "another") {
		t.Fatalf("%v %s", err, text)
	}
	i := importer(t, cfg, s)
	r, err := i.Run(t.Context())
	if seen, _ := i.Progress(); err != nil || r.Present != manySets || r.Before != manySets-1400 || seen != 2*manySets {
		t.Errorf("%+v %v, %d seen", r, err, seen)
	}
}

// A Redis that is started anew in the middle may have sets that were not seen: its order is another one.
//
// Broken once by an import that does not ask who answers.
func TestImportOfRestarted(t *testing.T) {
	first, second, s := startOld(t), startOld(t), newStore(t)
	for i := range int64(manySets) {
		for _, o := range []*old{first, second} {
			o.push(fmt.Sprintf("k%d", i), begin+i*1000, member("1", hence))
		}
	}
	relay := newRelay(t, first.addr)
	f := &failing{Store: s, then: func() { relay.lead(second.addr) }}
	f.left.Store(700)
	i := importer(t, Config{Servers: []string{relay.addr}}, f)
	if r, err := i.Run(t.Context()); !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "started anew") {
		t.Errorf("%+v %v", r, err)
	}
}

// relay leads to one Redis, and later to another.
type relay struct {
	addr  string
	conns sync.WaitGroup

	mu   sync.Mutex
	to   string     // guarded by mu
	open []net.Conn // guarded by mu
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), to: to}
	r.conns.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			r.conns.Go(func() { r.pass(in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.lead("")
		r.conns.Wait()
	})
	return r
}

func (r *relay) pass(in net.Conn) {
	r.mu.Lock()
	out, err := net.Dial("tcp", r.to)
	if err == nil {
		r.open = append(r.open, in, out)
	}
	r.mu.Unlock()
	if err != nil {
		_ = in.Close()
		return
	}
	r.conns.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
	_, _ = io.Copy(in, out)
	_ = in.Close()
}

// lead ends all connections; new ones lead to another address.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

func TestImportPassword(t *testing.T) {
	addr, s := redistest.Start(t, "secret"), newStore(t)
	for _, password := range []string{"", "wrong"} {
		_, err := importer(t, Config{Servers: []string{addr}, Password: password}, s).Run(t.Context())
		if !push.Is(err, push.KindUnauthenticated) || !strings.Contains(err.Error(), "GOPUSH_REDIS_PASSWORD") || strings.Contains(err.Error(), `"wrong"`) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if r := run(t, Config{Servers: []string{addr}, Password: "secret", Database: 1}, s); r.Sets != 0 {
		t.Errorf("%+v", r)
	}
	_, err := importer(t, Config{Servers: []string{"127.0.0.1:1"}}, s).Run(t.Context())
	if !push.Is(err, push.KindStoreUnavailable) {
		t.Error(err)
	}
}

// TestPlace: whatever id a message had, its place is at or below that and below no id of
// the message before.
func TestPlace(t *testing.T) {
	now := push.ID(maxScore).Time()
	for _, base := range []int64{begin, 1<<54 - 40, 1<<54 + 1001, maxScore - 1000} {
		for mid := base; mid < base+64; mid++ {
			id, err := idOf(float64(mid), now)
			if err != nil || int64(id) > mid || float64(id) > float64(mid) || mid-int64(id) > 20 || id%push.Step != 0 {
				t.Fatalf("%d has its place at %d, %v", mid, id, err)
			}
		}
	}
	for _, bad := range []float64{0, -5, 1.5, 17, maxScore} {
		if _, err := idOf(bad, now); err == nil {
			t.Errorf("%v passes", bad)
		}
	}
	if _, err := idOf(float64(push.IDAt(time.Now()))+1e7, time.Now()); err == nil {
		t.Error("a place in the future")
	}
}

func FuzzMember(f *testing.F) {
	f.Add(`{"msg":{"a":1},"expire":5}`)
	f.Add(`{"msg":null,"expire":1e3}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse(text, 100)
		if err == nil && (!json.Valid(m.Body) || len(m.Body) > 100 || m.ExpiresAt < 0) {
			t.Errorf("%q gives %+v", text, m)
		}
	})
}
