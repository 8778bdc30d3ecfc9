package embedded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/push"
)

// smallDisk is a disk in memory that says how much room it has.
type smallDisk struct {
	vfs.FS
	free  atomic.Uint64
	fails atomic.Bool
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if d.fails.Load() {
		return vfs.DiskUsage{}, errors.New("no such disk")
	}
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

func saveOne(s *Store, key push.Key, id push.ID, body string) error {
	m := push.Message{ID: id, Body: []byte(body), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	return s.Save(context.Background(), []push.Write{{Key: key, Messages: []push.Message{m}}})[0]
}

// TestAlmostFull: below the bound messages are refused as surely not stored, and say why;
// reading and removing go on; with room, messages are stored again, by itself.
//
// Broken once by not asking, once by refusing deletes too, and once by never resuming.
func TestAlmostFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		disk := &smallDisk{FS: vfs.NewMem()}
		disk.free.Store(1000 << 20)
		s, err := open(Config{Dir: "store", MinFree: 64 << 20}, disk, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		later := func() { <-time.After(lookEvery); synctest.Wait() } // of the bubble
		if err := saveOne(s, "a", 16, "1"); err != nil {
			t.Fatal(err)
		}
		disk.free.Store(64<<20 - 1)
		later()
		err = saveOne(s, "a", 32, "2")
		if !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "almost full") {
			t.Errorf("a message on a full disk: %v", err)
		}
		if free, full := s.Room(); free != 64<<20-1 || !full {
			t.Errorf("it says %d bytes, full %v", free, full)
		}
		page, err := s.Read(t.Context(), "a", push.Span{Limit: 10, Bytes: 1 << 20})
		if err != nil || len(page.Messages) != 1 {
			t.Errorf("reading: %v, %v", page, err)
		}
		if err := errors.Join(s.Recall(t.Context(), "a", 16), s.Discard(t.Context(), "a", 32), s.Delete(t.Context(), "a", 16)); err != nil {
			t.Errorf("removing: %v", err)
		}
		disk.free.Store(65 << 20)
		later()
		if saveOne(s, "a", 48, "3") == nil {
			t.Error("it resumes at the bound, and would alternate")
		}
		disk.free.Store(80 << 20)
		later()
		if err := saveOne(s, "a", 64, "4"); err != nil {
			t.Errorf("with room again: %v", err)
		}
		disk.fails.Store(true)
		later()
		later()
		if err := saveOne(s, "a", 80, "5"); err != nil {
			t.Errorf("a disk that cannot be asked: %v", err)
		}
		for _, line := range []string{"is almost full", "has room again", "cannot be read"} {
			if got := strings.Count(log.String(), line); got != 1 {
				t.Errorf("%d lines say %q:\n%s", got, line, log.String())
			}
		}
	})
}

// TestFastWriter: much that is written within a second has the disk asked in between.
//
// Broken once by asking once a second only.
func TestFastWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &smallDisk{FS: vfs.NewMem()}
		disk.free.Store(1 << 30)
		s, err := open(Config{Dir: "store", MinFree: 1 << 20}, disk, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		body := `"` + strings.Repeat("x", 64<<10) + `"`
		disk.free.Store(100)
		var refused error
		for id := push.ID(16); id < 16*100 && refused == nil; id += 16 {
			refused = saveOne(s, "a", id, body)
		}
		if !push.Is(refused, push.KindStoreUnavailable) {
			t.Errorf("6 MiB were stored on a disk with 100 bytes: %v", refused)
		}
	})
}

// TestNoReserve: without a bound the disk is not asked.
//
// Broken once by asking it all the same.
func TestNoReserve(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(7)
	s, err := open(Config{Dir: "store"}, disk, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(saveOne(s, "a", 16, "1"), s.Close()); err != nil {
		t.Error(err)
	}
	if free, full := s.Room(); free != 0 || full {
		t.Errorf("it says %d bytes, full %v", free, full)
	}
}
