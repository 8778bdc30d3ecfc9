package oldredis

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"gopush/internal/push"
)

func exporter(t *testing.T, cfg Config, s Source) *Exporter {
	t.Helper()
	e, err := NewExporter(cfg, s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func export(t *testing.T, cfg Config, s Source) Exported {
	t.Helper()
	done, err := exporter(t, cfg, s).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// save has the store take messages as a comet would, above what the key has.
func save(t *testing.T, s Store, key push.Key, bodies ...string) (ids []push.ID) {
	t.Helper()
	for _, body := range bodies {
		newest, err := s.Newest(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		m := push.Message{ID: max(newest+push.Step, push.IDAt(time.Now())), Prev: newest, Body: []byte(body), ExpiresAt: hence.UnixMilli()}
		if err := s.Save(t.Context(), []push.Write{{Key: key, Prev: newest, Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	return ids
}

// offline is what gopush-cluster 1.0 answers behind a cursor.
func (o *old) offline(name string, cursor int64) (bodies []string, mids []int64) {
	o.t.Helper()
	s := connect(o.addr, "", 0)
	defer func() { _ = s.client.Close() }()
	err := s.members(o.t.Context(), name, func(z redis.Z) error {
		m, err := parse(fmt.Sprint(z.Member), math.MaxInt)
		if mid := int64(z.Score); mid > cursor && m.ExpiresAt/1000 >= time.Now().Unix() {
			bodies, mids = append(bodies, string(m.Body)), append(mids, mid)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return bodies, mids
}

// There, back and there again: each message is in either system once, in order, behind each
// cursor; what was withdrawn here is gone there.
//
// Broken once by members that do not note their ids (two of the same text become one); by an import
// that does not look at the noted id (everything is too late); by an export that leaves out the
// comparison (what came from there is there twice); and by one that ignores what was recalled.
func TestExport(t *testing.T) {
	o, s := startOld(t), newStore(t)
	for i := range int64(4) {
		o.push("k", begin+i*1000, member(fmt.Sprintf(`{"n":%d}`, i), hence))
	}
	cfg := Config{Servers: []string{o.addr}}
	run(t, cfg, s)
	_, ids := bodies(t, s, "k", 0)
	if err := s.Recall(t.Context(), "k", ids[1]); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, save(t, s, "k", `"same"`, `"same"`, `{"gopush": 1}`)...)
	only := save(t, s, "only here", `"x"`)
	dry := cfg
	dry.DryRun = true
	want := Exported{Keys: 2, Messages: 8, Exported: 4, Present: 3, Withdrawn: 1, Largest: 6, Newest: only[0]}
	for _, cfg := range []Config{dry, cfg} {
		if diff := cmp.Diff(want, export(t, cfg, s)); diff != "" {
			t.Error(diff)
		}
	}
	again := Exported{Keys: 2, Messages: 8, Present: 7, Largest: 6, Newest: only[0]}
	if diff := cmp.Diff(again, export(t, cfg, s)); diff != "" {
		t.Error(diff)
	}
	got, mids := o.offline("k", 0)
	if diff := cmp.Diff([]string{`{"n":0}`, `{"n":2}`, `{"n":3}`, `"same"`, `"same"`, `{"gopush": 1}`}, got); diff != "" {
		t.Error(diff)
	}
	if mids[0] != int64(float64(begin)) || mids[3] != int64(ids[4]) || mids[5] != int64(ids[6]) {
		t.Errorf("the mids are %d, the ids %d", mids, ids)
	}
	if rest, _ := o.offline("k", int64(ids[4])); len(rest) != 2 {
		t.Errorf("behind %d the old system has %v", ids[4], rest)
	}
	o.push("k", int64(push.IDAt(time.Now()))+35, member(`"old again"`, hence))
	back := run(t, cfg, s)
	if back.Imported != 1 || back.Present != 7 || back.Failures() != 0 {
		t.Errorf("%+v", back)
	}
	all, _ := bodies(t, s, "k", ids[4])
	if diff := cmp.Diff([]string{`"same"`, `{"gopush": 1}`, `"old again"`}, all); diff != "" {
		t.Error(diff)
	}
}

// An end is never later there than here.
func TestExportedEnd(t *testing.T) {
	for _, end := range []int64{5000, 5001, 5999} {
		m, err := parse(compose(&push.Message{ID: 160, Body: []byte("1"), ExpiresAt: end}), 100)
		// The old system shows it as long as that second is not over.
		if over := m.ExpiresAt + 1000; err != nil || over > end || over <= end-1000 {
			t.Errorf("%d ends at %d, %v", end, over, err)
		}
	}
}

// breaking fails the reads after some.
type breaking struct {
	Source
	left atomic.Int64
}

func (b *breaking) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	if b.left.Add(-1) < 0 {
		return push.Page{}, push.E(push.KindStoreUnavailable, "it is away")
	}
	return b.Source.Read(ctx, key, span)
}

// An export that broke goes on where it was, then looks at what has come since before that; and takes the
// keys of its groups alone.
//
// Broken once by a checkpoint that is never saved, by a run that ends where the pass from the checkpoint
// does, and by a Part that has every key.
func TestExportResumes(t *testing.T) {
	o, s := startOld(t), newStore(t)
	const keys = 1200
	for i := range keys {
		save(t, s, push.Key(fmt.Sprintf("user%d", i)), strconv.Itoa(i))
	}
	cfg := Config{Servers: []string{o.addr}, Checkpoint: filepath.Join(t.TempDir(), "c.json"), Ring: []string{"node1=1", "node2"}, Groups: []string{"node2"}}
	part, err := NewPart(cfg.Ring, cfg.Groups)
	if err != nil {
		t.Fatal(err)
	}
	b := &breaking{Source: s}
	b.left.Store(400)
	if _, err := exporter(t, cfg, b).Run(t.Context()); !push.Is(err, push.KindStoreUnavailable) {
		t.Fatal(err)
	}
	if _, err := importer(t, cfg, s).Run(t.Context()); !push.Is(err, push.KindConflict) {
		t.Errorf("an import takes the checkpoint of an export: %v", err)
	}
	for i := range keys {
		save(t, s, push.Key(fmt.Sprintf("user%d", i)), `"since"`)
	}
	e := exporter(t, cfg, s)
	done, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meant := 0
	for i := range keys {
		key := fmt.Sprintf("user%d", i)
		want := []string{}
		if part.Has(push.Key(key)) {
			meant++
			want = append(want, strconv.Itoa(i), `"since"`)
		}
		if got, _ := o.offline(key, 0); !slices.Equal(got, want) {
			t.Errorf("%s has %v, not %v", key, got, want)
		}
	}
	if seen, _ := e.Progress(); meant < 400 || meant > 800 || int(seen) >= 4*meant-200 || int(seen) <= 2*meant {
		t.Errorf("the second run looked at %d of %d messages", seen, 2*meant)
	}
	if done.Messages != 2*meant || done.Exported == 0 || done.Before == 0 || done.Exported+done.Present != done.Messages {
		t.Errorf("%+v", done)
	}
}

// Which of several servers has a key is up to their names.
//
// Broken once by a server that is taken by its place in the list.
func TestExportServers(t *testing.T) {
	a, b, s := startOld(t), startOld(t), newStore(t)
	for _, key := range []push.Key{"Terry-Mao", "a", "c", "user:3"} { // on node1, node2, node1, node1
		save(t, s, key, "1")
	}
	if _, err := NewExporter(Config{Servers: []string{a.addr, b.addr}}, s, time.Now); err == nil {
		t.Error("servers without names")
	}
	servers := []string{"node2:1=" + b.addr, "node1:1=" + a.addr}
	if done := export(t, Config{Servers: servers}, s); done.Exported != 4 {
		t.Errorf("%+v", done)
	}
	for _, at := range []struct {
		*old
		has, not string
	}{{a, "Terry-Mao c user:3", "a"}, {b, "a", "Terry-Mao c user:3"}} {
		for key := range strings.FieldsSeq(at.has) {
			if got, _ := at.offline(key, 0); len(got) != 1 {
				t.Errorf("%s is not where it belongs", key)
			}
		}
		for key := range strings.FieldsSeq(at.not) {
			if got, _ := at.offline(key, 0); len(got) != 0 {
				t.Errorf("%s is where it does not belong", key)
			}
		}
	}
	swapped := []string{"node1:1=" + b.addr, "node2:1=" + a.addr}
	if _, err := exporter(t, Config{Servers: swapped}, s).Run(t.Context()); !push.Is(err, push.KindConflict) {
		t.Errorf("servers whose names are swapped: %v", err)
	}
	if r := run(t, Config{Servers: servers}, s); r.Present != 4 || r.Failures() != 0 {
		t.Errorf("%+v", r)
	}
}

// An import takes the keys of its groups alone.
//
// Broken once by a Part that has every key.
func TestImportPart(t *testing.T) {
	o, s := startOld(t), newStore(t)
	for _, key := range []string{"Terry-Mao", "a", "b", "c", "f"} {
		o.push(key, begin, member(`1`, hence))
	}
	cfg := Config{Servers: []string{o.addr}, Ring: []string{"node1=1", "node2=1"}, Groups: []string{"node1"}}
	if r := run(t, cfg, s); r.Imported != 3 || r.Failures() != 0 {
		t.Errorf("%+v", r)
	}
	for key, want := range map[push.Key]int{"Terry-Mao": 1, "a": 0, "b": 0, "c": 1, "f": 1} {
		if got, _ := bodies(t, s, key, 0); len(got) != want {
			t.Errorf("%s has %v", key, got)
		}
	}
	for _, bad := range [][2][]string{
		{nil, {"node1"}},
		{{"node1"}, nil},
		{{"node1=x"}, {"node1"}},
		{{"node1=0"}, {"node1"}},
		{{"node1"}, {"node3"}},
	} {
		if _, err := NewPart(bad[0], bad[1]); err == nil {
			t.Errorf("%v passes", bad)
		}
	}
}
