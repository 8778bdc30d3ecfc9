package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// diskSize is that of a disk that is filled up, in bytes: the store begins with some
// megabytes, and its logs are 16 MiB each.
const diskSize = 100 << 20

// TestFullDisk fills a real file system up, under a store that keeps some of it free.
// Pushes are refused then, so that they may be tried again; what is stored is read and
// delivered; and pushes are taken again once there is room. Nothing acknowledged is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t, diskSize)
	c := Start(t, Options{Begin: (&asBuilt{path: buildProgram(t), disk: d, set: []string{"store.min_free=24MiB"}}).begin})
	s := &siege{T: t, c: c, good: startHealthy(t, c, "127.0.7.2", nil, retryableOrUnknown)}
	l := newLedger(s)
	s.calm(3)
	d.fill(t, "ballast", 40<<20)
	l.until(t, "full", "store_unavailable")
	s.counted("gopush_store_full", 1)
	// Reading goes on, and so does what is not stored.
	if page, err := c.API.Messages(t.Context(), "full", "0", "", 1); err != nil || len(page.Messages) != 1 {
		t.Errorf("reading: %+v, %v", page, err)
	}
	stream := openStream(t, c, "full")
	if o := c.API.Push(t.Context(), Message{Key: "full", Data: []byte(`"passing"`), Transient: true}); o.State != Acked {
		t.Errorf("a transient push: %+v", o)
	}
	if f, err := stream.Next(time.Minute); err != nil || string(f.Data) != `"passing"` {
		t.Errorf("delivered %s, %v", f.Raw, err)
	}
	if err := os.Remove(d.path("ballast")); err != nil {
		t.Fatal(err)
	}
	s.counted("gopush_store_full", 0)
	l.until(t, "again", acked)
	s.calm(3)
	s.good.end(t)
	if s.good.refusals() == 0 {
		t.Error("no push to the healthy client was refused")
	}
	l.prove("full")
}

// TestNoSpaceAtAll meets the end of a disk for real: nothing of it is kept free. The store
// ends the process, as it cannot tell any more what is on disk; the log says what to do.
// On a larger disk it starts again, with all that was acknowledged.
func TestNoSpaceAtAll(t *testing.T) {
	t.Parallel()
	d := newDisk(t, diskSize)
	c := Start(t, Options{Begin: (&asBuilt{path: buildProgram(t), disk: d, set: []string{"store.min_free=0"}}).begin})
	l := newLedger(&siege{T: t, c: c})
	d.fill(t, "ballast", 24<<20)
	p, ok := c.take().(*child)
	if !ok {
		t.Fatal("it is no process of its own")
	}
	for n := 0; ; n++ {
		if _, err := l.push("full", fmt.Sprintf("end/%d", n), 50_000); err != nil {
			break // nobody answers any more
		}
	}
	if err := p.ended(func(s *os.ProcessState) bool { return s.ExitCode() == 2 }); err != nil {
		t.Fatalf("it should have panicked: %v", err)
	}
	log := filepath.Join(c.Dir(), "log")
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "free or replace the disk, then start again") || !strings.Contains(string(text), "no space left on device") {
		t.Errorf("the log does not say what to do: %v\n%.3000s", err, text)
	}
	if err := os.Rename(log, log+".first"); err != nil { // its panic was wanted
		t.Fatal(err)
	}
	d.resize(t, 2*diskSize)
	c.Start()
	if o := c.API.Push(t.Context(), lasting("other", `1`)); o.State != Acked {
		t.Errorf("on a larger disk: %+v", o)
	}
	l.prove("full")
}

// until pushes until that is the answer.
func (l *ledger) until(t *testing.T, token, want string) {
	t.Helper()
	for n := range 4000 {
		got, err := l.push("full", fmt.Sprintf("%s/%d", token, n), 50_000)
		if err != nil {
			t.Fatalf("push %d: %v", n, err)
		}
		if got == want {
			return
		}
		if want == acked {
			Pause(t.Context(), retryAfter)
		}
	}
	t.Fatalf("never answered %s", want)
}
