package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/push"
)

// disk is a file system in memory that fills up when it is told to.
type disk struct {
	mem  *vfs.MemFS
	full atomic.Bool
	fs   vfs.FS
}

// newDisk makes a disk whose operations fail, once it is full, where hits says.
func newDisk(hits func(errorfs.Op) bool) *disk {
	d := &disk{mem: vfs.NewCrashableMem()}
	d.fs = errorfs.Wrap(d.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.full.Load() && hits(op) {
			return syscall.ENOSPC
		}
		return nil
	}))
	return d
}

// crashed is what a power cut leaves of the disk: what was synced.
func (d *disk) crashed() vfs.FS { return d.mem.CrashClone(vfs.CrashCloneCfg{}) }

// small flushes often, so that files of every kind are written.
func small(fs vfs.FS) engine { return engine{fs: fs, memTable: 256 << 10} }

func log(op errorfs.Op) bool { return isLog(op.Path) }

func write(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

// Whatever of the disk fails: nothing is acknowledged that is not there after a
// power cut, every call is answered, and all later ones are refused.
func TestDiskFails(t *testing.T) {
	for what, hits := range map[string]func(errorfs.Op) bool{
		"every write": write,
		"the log":     func(op errorfs.Op) bool { return write(op) && log(op) },
		"syncs of the log": func(op errorfs.Op) bool {
			return log(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo)
		},
		"a new log": func(op errorfs.Op) bool {
			return log(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		},
		"tables":       func(op errorfs.Op) bool { return write(op) && isTable(op.Path) },
		"the manifest": func(op errorfs.Op) bool { return write(op) && isManifest(op.Path) },
		"the folder": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && !strings.Contains(filepath.Base(op.Path), "0")
		},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDisk(hits)
			s, err := open(Config{Dir: "d"}, small(d.fs), quiet, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			acked := d.writeUntilItFails(t, s)
			wantRefusals(t, s)
			if err := s.Close(); err == nil {
				t.Error("closing says nothing of the failure")
			}
			d.wantAll(t, acked)
		})
	}
}

// writeUntilItFails lets writers of different keys go on until each of them was
// refused, with the disk failing in the middle of it, and returns the newest
// acknowledged id of each.
func (d *disk) writeUntilItFails(t *testing.T, s *Store) []push.ID {
	t.Helper()
	acked := make([]push.ID, 32)
	var wg sync.WaitGroup
	var saves atomic.Int64
	for i := range acked {
		wg.Go(func() {
			for id := push.Step; ; id += push.Step {
				if saves.Add(1) == 300 {
					d.full.Store(true)
				}
				m := push.Message{ID: id, Body: make([]byte, 4<<10), ExpiresAt: s.millis() + 3600_000}
				if id%(3*push.Step) == 0 {
					m.IdempotencyKey = id.String()
				}
				err := s.Save(t.Context(), []push.Write{{Key: failKey(i), Messages: []push.Message{m}}})[0]
				if err == nil {
					acked[i] = id
					continue
				}
				if kind := push.KindOf(err); kind != push.KindOutcomeUnknown && kind != push.KindStoreUnavailable {
					t.Errorf("the failure is %v", err)
				}
				return
			}
		})
	}
	wg.Wait()
	return acked
}

func failKey(i int) push.Key { return push.Key(fmt.Sprintf("key%d", i)) }

func wantRefusals(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	_, read := s.Read(ctx, "key1", push.Span{Limit: 1})
	_, newest := s.Newest(ctx, "key1")
	_, find := s.Find(ctx, "key1", "x")
	_, sweep := s.Sweep(ctx)
	for what, err := range map[string]error{
		"read": read, "newest": newest, "find": find, "sweep": sweep,
		"save":    s.Save(ctx, []push.Write{{Key: "key1", Messages: []push.Message{{ID: 1 << 40}}}})[0],
		"recall":  s.Recall(ctx, "key1", 16),
		"discard": s.Discard(ctx, "key1", 16),
		"delete":  s.Delete(ctx, "key1", 16),
	} {
		if !push.Is(err, push.KindStoreUnavailable) || !strings.Contains(err.Error(), "disk") {
			t.Errorf("a %s after the failure gave %v", what, err)
		}
	}
}

// wantAll opens what a power cut leaves, and looks for what was acknowledged.
func (d *disk) wantAll(t *testing.T, acked []push.ID) {
	t.Helper()
	s, err := open(Config{Dir: "d"}, small(d.crashed()), quiet, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for i, last := range acked {
		page, err := s.Read(t.Context(), failKey(i), push.Span{Limit: 1 << 20, Until: last})
		if err != nil || len(page.Messages) != int(last/push.Step) {
			t.Errorf("%d of %d acknowledged messages are there, %v", len(page.Messages), last/push.Step, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A disk that fails from the start is an error of Open.
func TestDiskFailsOnOpen(t *testing.T) {
	for n := range 40 {
		var left atomic.Int64
		left.Store(int64(n))
		d := newDisk(func(op errorfs.Op) bool { return write(op) && left.Add(-1) < 0 })
		d.full.Store(true)
		s, err := open(Config{Dir: "d"}, small(d.fs), quiet, time.Now)
		if err != nil {
			continue
		}
		if n < 5 {
			t.Errorf("a store was opened with %d writes", n)
		}
		_ = s.Close() // with what is left of the disk, that may fail too
	}
}

// Writers wait for a slow disk no longer than their deadline.
func TestBacklog(t *testing.T) {
	f := newFault(quiet)
	b := newBacklog(f)
	wait := func() chan error {
		got := make(chan error, 1)
		go func() { got <- b.wait(t.Context()) }()
		return got
	}
	b.add(maxBacklog - 1)
	if err := <-wait(); err != nil {
		t.Fatalf("there is room: %v", err)
	}
	b.add(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.wait(ctx); !push.Is(err, push.KindStoreUnavailable) {
		t.Errorf("without room: %v", err)
	}
	waiting := wait()
	b.add(-2)
	if err := <-waiting; err != nil {
		t.Errorf("room came, and the answer is %v", err)
	}
	b.add(-100)
	b.add(maxBacklog - 1)
	if err := <-wait(); err != nil {
		t.Errorf("the count fell below zero: %v", err)
	}
	b.add(1)
	waiting = wait()
	f.set(syscall.EIO)
	if err := <-waiting; !errors.Is(err, syscall.EIO) {
		t.Errorf("the disk failed, and the answer is %v", err)
	}
}

// What was counted in is counted out, or writers would wait for ever some day.
func TestBacklogReturns(t *testing.T) {
	s, err := open(Config{Dir: "d"}, small(vfs.NewMem()), quiet, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for id := push.Step; id <= 500*push.Step; id += push.Step {
		n := 4 << 10
		if id%(50*push.Step) == 0 {
			n = 300 << 10 // more than a memory table holds
		}
		m := push.Message{ID: id, Body: make([]byte, n), ExpiresAt: s.millis() + 3600_000}
		if err := s.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{m}}})[0]; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	s.flush.mu.Lock()
	if s.flush.n > 1 {
		t.Errorf("nothing is left to flush, but the backlog is %d", s.flush.n)
	}
	s.flush.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
