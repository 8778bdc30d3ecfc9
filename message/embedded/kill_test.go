package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/push"
)

// childDir names the folder that this process is to write to, if it is the child
// of a test that will kill it.
const childDir = "GOPUSH_TEST_EMBEDDED_CHILD"

// becomeChild makes this process a writer that never ends by itself, if a test
// started it for that.
func becomeChild() {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	failing := newFailingFS(os.Getenv(childDisk))
	s, err := open(Config{Dir: dir, SweepEvery: time.Millisecond}, failing, slog.New(slog.NewTextHandler(os.Stderr, nil)), time.Now)
	failing.opened.Store(true)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { err = writeForever(s, push.Key(fmt.Sprintf("key%d", i)), &out) })
	}
	wg.Wait()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// writeForever saves bursts of one to four messages, recalls some, and prints
// what was acknowledged, as soon as it was.
func writeForever(s *Store, key push.Key, out *sync.Mutex) error {
	newest, err := s.Newest(context.Background(), key)
	if err != nil {
		return err
	}
	for id := max(newest, push.IDAt(time.Now())); ; {
		w := push.Write{Key: key}
		var acks strings.Builder
		for range 1 + rand.IntN(4) {
			id += push.Step
			w.Messages = append(w.Messages, push.Message{
				ID: id, Prev: newest, Body: body(key, id), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: id.String(),
			})
			newest = id
			fmt.Fprintf(&acks, "%s %d saved\n", key, id)
		}
		if err := s.Save(context.Background(), []push.Write{w})[0]; err != nil {
			return err
		}
		if id/push.Step%7 == 0 {
			if err := s.Recall(context.Background(), key, id); err != nil {
				return err
			}
			fmt.Fprintf(&acks, "%s %d recalled\n", key, id)
		}
		out.Lock()
		_, err := io.WriteString(os.Stdout, acks.String())
		out.Unlock()
		if err != nil {
			return err
		}
	}
}

func body(key push.Key, id push.ID) []byte { return fmt.Appendf(nil, "%s/%d/%0100d", key, id, id) }

type ack struct {
	key push.Key
	id  push.ID
}

// What was acknowledged is there after the process was killed, at any moment.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[ack]string)
	for range 5 {
		before := len(acked)
		killChild(t, dir, 20+rand.IntN(600), acked)
		if len(acked) == before {
			t.Fatal("the child acknowledged nothing")
		}
		checkAcked(t, dir, acked)
	}
	t.Logf("%d acknowledged messages survived", len(acked))
}

// killChild lets a child write, kills it after about n acks, and notes the acks.
func killChild(t *testing.T, dir string, n int, acked map[ack]string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		note(lines.Text(), acked)
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the child ended by itself: %v %s", err, stderr.String())
	}
}

// note reads a line of a child's. The last one may be torn: then it has no last
// word.
func note(line string, acked map[ack]string) {
	var a ack
	var what string
	if k, _ := fmt.Sscan(line, &a.key, &a.id, &what); k == 3 && (what == "saved" || what == "recalled") {
		acked[a] = what
	}
}

// checkAcked opens the folder and looks for every acknowledged message.
func checkAcked(t *testing.T, dir string, acked map[ack]string) {
	t.Helper()
	s, err := Open(Config{Dir: dir}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[ack]push.Message)
	for i := range 8 {
		key := push.Key(fmt.Sprintf("key%d", i))
		page, err := s.Read(t.Context(), key, push.Span{After: 1, Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Gaps) > 0 {
			t.Errorf("%s has the gap %+v", key, page.Gaps[0])
		}
		for _, m := range page.Messages {
			got[ack{key, m.ID}] = m
		}
	}
	for a, what := range acked {
		m, ok := got[a]
		if !ok || m.Recalled != (what == "recalled") && what == "recalled" || (!m.Recalled && string(m.Body) != string(body(a.key, a.id))) {
			t.Fatalf("%s %d was %s, and now it is %+v", a.key, a.id, what, m)
		}
		if found, err := s.Find(t.Context(), a.key, a.id.String()); err != nil || found.ID != a.id {
			t.Fatalf("the idempotency key of %s %d leads to %+v, %v", a.key, a.id, found, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
