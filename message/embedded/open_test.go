package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
)

var quiet = slog.New(slog.DiscardHandler)

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Dir: "x", CacheBytes: -1}, {Dir: "x", SweepEvery: -1}, {Dir: "x", IdempotencyLife: -1}} {
		if s, err := Open(cfg, quiet, time.Now); err == nil {
			t.Errorf("%+v was accepted", cfg)
			_ = s.Close()
		}
	}
	var cfg Config
	cfg.Dir = "x"
	if err := cfg.validate(); err != nil || cfg.CacheBytes != 64<<20 || cfg.SweepEvery != time.Minute || cfg.IdempotencyLife != 24*time.Hour {
		t.Errorf("the defaults are %+v, %v", cfg, err)
	}
}

func TestOpenTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when missing")
	first := openAt(t, dir, time.Now)
	_, err := Open(Config{Dir: dir}, quiet, time.Now)
	if err == nil || !strings.Contains(err.Error(), "another process") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("the second one got %v", err)
	}
	save(t, first, "k", 16)
}

func TestOpenOtherVersion(t *testing.T) {
	for what, records := range map[string]map[string]string{
		"a later version": {"v": "gopush 2"},
		"something else":  {"a key": "a value"},
	} {
		dir := t.TempDir()
		db, err := pebble.Open(dir, &pebble.Options{Logger: logger{quiet}})
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range records {
			err = errors.Join(err, db.Set([]byte(k), []byte(v), pebble.Sync))
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the refusal leaves it as it is, and unlocked
			_, err = Open(Config{Dir: dir}, quiet, time.Now)
			if err == nil || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "another process") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// save stores one message with a body that names it.
func save(t testing.TB, s *Store, key push.Key, id push.ID) {
	t.Helper()
	m := push.Message{ID: id, Prev: id - push.Step, Body: body(key, id), ExpiresAt: s.millis() + 3600_000}
	if err := s.Save(t.Context(), []push.Write{{Key: key, Messages: []push.Message{m}}})[0]; err != nil {
		t.Fatal(err)
	}
}

// Everything is there after an orderly end, too.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		s := openAt(t, dir, time.Now)
		for i := range 10 {
			save(t, s, "k", push.ID(round*10+i+1)*push.Step)
		}
		page, err := s.Read(t.Context(), "k", push.Span{Limit: 100})
		if err != nil || len(page.Messages) != (round+1)*10 {
			t.Fatalf("round %d: %d messages, %v", round, len(page.Messages), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A damaged file is an error of Open or of Read, never a panic, and never a
// message that silently is not there.
func TestDamage(t *testing.T) {
	const n = 1200
	whole := t.TempDir()
	for part := range 2 { // some of it in a table, some in the log
		s := openAt(t, whole, time.Now)
		for i := range n / 2 {
			save(t, s, "k", push.ID(part*n/2+i+1)*push.Step)
		}
		if part == 0 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(map[string]bool)
	for _, f := range files {
		for what, damage := range map[string]func([]byte) []byte{
			"flipped": func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b },
			"zeroed":  func(b []byte) []byte { clear(b[len(b)/3 : 2*len(b)/3]); return b },
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"garbage": func(b []byte) []byte { return []byte(strings.Repeat("garbage", 1+len(b)/7)) },
		} {
			if strings.HasSuffix(f.Name(), ".log") && (what == "cut" || what == "garbage") {
				continue // no write that follows tells that there was more
			}
			t.Run(f.Name()+" "+what, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				if !damaged(t, filepath.Join(dir, f.Name()), damage) {
					return
				}
				if readAll(t, dir, n) != nil {
					refused[filepath.Ext(f.Name())+strings.Split(f.Name(), "-")[0]] = true
				}
			})
		}
	}
	if len(refused) < 3 {
		t.Errorf("only %v were noticed", refused)
	}
}

func damaged(t *testing.T, path string, damage func([]byte) []byte) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return false
	}
	if err := os.WriteFile(path, damage(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}

// readAll wants all n messages, or an error, which it returns.
func readAll(t *testing.T, dir string, n int) error {
	t.Helper()
	s, err := Open(Config{Dir: dir}, quiet, time.Now)
	if err != nil {
		return err
	}
	page, err := s.Read(t.Context(), "k", push.Span{Limit: 2 * n})
	if err == nil && len(page.Messages) != n {
		t.Errorf("%d of %d messages are there, and nothing was said", len(page.Messages), n)
	}
	if err != nil && !push.Is(err, push.KindStoreUnavailable) {
		t.Errorf("the error is %v", err)
	}
	return errors.Join(err, s.Close())
}

// Values that are not what they should be are errors, not panics.
func TestCorruptValues(t *testing.T) {
	for what, record := range map[string][2][]byte{
		"row":      {rowKey("k", 16), []byte("short")},
		"long row": {append(rowKey("k", 16), 1, 2, 3), []byte("x")},
		"marks":    {marksKey("k"), []byte("short")},
		"receipt":  {idempotencyKey("k", "i"), nil},
		"marker":   {markerKey("k", 16), nil},
	} {
		t.Run(what, func(t *testing.T) {
			s := openAt(t, t.TempDir(), time.Now)
			if what == "marker" {
				save(t, s, "k", 16)
			}
			if err := s.db.Set(record[0], record[1], pebble.Sync); err != nil {
				t.Fatal(err)
			}
			_, read := s.Read(t.Context(), "k", push.Span{Limit: 10})
			_, cut := s.Read(t.Context(), "k", push.Span{Limit: 10, Newest: 1})
			_, newest := s.Newest(t.Context(), "k")
			_, find := s.Find(t.Context(), "k", "i")
			_, sweep := s.Sweep(t.Context())
			some := errors.Join(read, cut, newest, find, sweep, s.Recall(t.Context(), "k", 16), s.Delete(t.Context(), "k", 16))
			if !errors.Is(some, errCorrupt) && !strings.Contains(fmt.Sprint(some), "not an envelope") {
				t.Errorf("nobody noticed: %v", some)
			}
			for _, err := range []error{read, cut, newest, find, sweep} {
				if err != nil && !push.Is(err, push.KindStoreUnavailable) {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
}

// Close waits for the calls under way; those that come later are refused.
func TestCloseInFlight(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, time.Now)
	type result struct {
		id  push.ID
		err error
	}
	var wg sync.WaitGroup
	results := make([][]result, 16)
	begun := make(chan struct{}, len(results))
	for i := range results {
		wg.Go(func() {
			key := push.Key(fmt.Sprintf("k%d", i))
			for id := push.Step; ; id += push.Step {
				m := push.Message{ID: id, ExpiresAt: s.millis() + 3600_000}
				err := s.Save(t.Context(), []push.Write{{Key: key, Messages: []push.Message{m}}})[0]
				results[i] = append(results[i], result{id, err})
				if err != nil {
					return
				}
				if id == 3*push.Step {
					begun <- struct{}{}
				}
			}
		})
	}
	for range results {
		<-begun
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	again := openAt(t, dir, time.Now)
	for i, rs := range results {
		last := rs[len(rs)-1]
		if !push.Is(last.err, push.KindStoreUnavailable) {
			t.Errorf("after the end: %v", last.err)
		}
		newest, err := again.Newest(t.Context(), push.Key(fmt.Sprintf("k%d", i)))
		if err != nil || newest != last.id-push.Step {
			t.Errorf("newest is %d, %v; %d was acknowledged last, and the next one refused", newest, err, last.id-push.Step)
		}
	}
}

// More than fits into memory: tables are written while writers go on.
func TestManyMemoryTables(t *testing.T) {
	const memTable = 2 << 20
	s, err := Open(Config{Dir: t.TempDir(), MemTableBytes: memTable}, quiet, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := bytes.Repeat([]byte("x"), 64<<10)
	const count = 6 * memTable / (64 << 10)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range count {
		m := push.Message{ID: push.ID(i+1) * push.Step, Prev: push.ID(i) * push.Step, ExpiresAt: 1 << 60, Body: body}
		if errs := s.Save(ctx, []push.Write{{Key: "big", Messages: []push.Message{m}}}); errs[0] != nil {
			t.Fatalf("message %d: %v", i, errs[0])
		}
	}
	page, err := s.Read(ctx, "big", push.Span{Limit: count + 1})
	if err != nil || len(page.Messages) != count || page.More {
		t.Fatalf("%d of %d messages are there, more %v, %v", len(page.Messages), count, page.More, err)
	}
}
