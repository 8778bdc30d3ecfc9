package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// end is one end of a connection whose reads are gathered.
type end struct {
	net.Conn
	mu   sync.Mutex
	got  bytes.Buffer // guarded by mu
	over error        // guarded by mu; what reading ended with
}

func gather(conn net.Conn) *end {
	e := &end{Conn: conn}
	go func() {
		b := make([]byte, 7)
		for {
			n, err := e.Read(b)
			e.mu.Lock()
			e.got.Write(b[:n])
			e.over = err
			e.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return e
}

// saw waits until nothing moves any more.
func (e *end) saw() (string, error) {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got.String(), e.over
}

func (e *end) expect(t *testing.T, what, text string, over error) {
	t.Helper()
	if got, err := e.saw(); got != text || !errors.Is(err, over) {
		t.Errorf("%s: read %.40q, %d bytes, and %v, not %.40q, %d bytes, and %v", what, got, len(got), err, text, len(text), over)
	}
}

func say(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if n, err := to.Write([]byte(text)); err != nil || n != len(text) {
		t.Errorf("write %q: %d, %v", text, n, err)
	}
}

// holed are the two ends of a connection; the near one can be cut.
func holed() (near *holeConn, far net.Conn, done func()) {
	var work sync.WaitGroup
	inner, far := net.Pipe()
	near = newHoleConn(inner, "there", work.Go)
	return near, far, func() {
		near.drop()
		_ = far.Close()
		work.Wait()
	}
}

// While it is cut nothing passes, neither what was under way; after the mend everything
// does, once and in order. Broken once each by delivering what a read that had begun before brings, and by
// sending what was held after what was written later.
func TestHoleHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer, done := holed()
		defer done()
		near, far := gather(conn), gather(peer)
		say(t, near, "a")
		say(t, far, "1")
		far.expect(t, "before", "a", nil)
		near.expect(t, "before", "1", nil)

		conn.setCut(true) // near is inside of a read
		say(t, near, "bcdefghijkl")
		said := make(chan bool)
		go func() { say(t, far, "23456789012"); close(said) }()
		far.expect(t, "cut", "a", nil)
		near.expect(t, "cut", "1", nil)

		conn.setCut(false)
		say(t, near, "m")
		far.expect(t, "mended", "abcdefghijklm", nil)
		near.expect(t, "mended", "123456789012", nil)
		<-said
		conn.setCut(true)
		say(t, near, "n")
		far.expect(t, "cut again", "abcdefghijklm", nil)
		conn.setCut(false)
		far.expect(t, "mended again", "abcdefghijklmn", nil)
	})
}

// A writer is let go for a little, and then waits, until its deadline or the mend.
// Broken once by taking as much as is written.
func TestHoleIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer, done := holed()
		defer done()
		far := gather(peer)
		conn.setCut(true)
		much := bytes.Repeat([]byte("x"), holdBytes+10)
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := conn.Write(much); n != holdBytes || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", n, err)
		}
		_ = conn.SetWriteDeadline(time.Time{})
		wrote := make(chan error, 1)
		go func() {
			_, err := conn.Write([]byte("yz"))
			wrote <- err
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Errorf("the second write does not wait: %v", err)
		default:
		}
		conn.setCut(false)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		far.expect(t, "mended", string(much[:holdBytes])+"yz", nil)
	})
}

// A reader is told of its deadline, one that is set late as well, and of nothing else.
// Broken once by not waking the reader for a new deadline.
func TestHoleKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer, done := holed()
		defer done()
		conn.setCut(true)
		read := make(chan error, 1)
		begin := func() {
			go func() {
				_, err := conn.Read(make([]byte, 1))
				read <- err
			}()
			synctest.Wait()
		}
		began := time.Now()
		begin()
		_ = conn.SetReadDeadline(began.Add(time.Minute))
		_ = conn.SetReadDeadline(began.Add(time.Hour))
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		_ = conn.SetReadDeadline(time.Time{})
		begin()
		_ = peer.Close() // a hole lets that through as little as anything else
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatalf("the reader is told %v", err)
		default:
		}
		conn.setCut(false)
		if err := <-read; !errors.Is(err, io.EOF) {
			t.Errorf("after the mend: %v", err)
		}
	})
}

// Close ends this end at once; the peer hears of it after the mend, behind what was
// written. Broken once by closing the real connection at once.
func TestHoleCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer, done := holed()
		defer done()
		near, far := gather(conn), gather(peer)
		synctest.Wait() // near is inside of a read
		conn.setCut(true)
		say(t, conn, "last words")
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		near.expect(t, "closed", "", net.ErrClosed)
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		far.expect(t, "closed beyond the hole", "", nil)
		conn.setCut(false)
		far.expect(t, "mended", "last words", io.EOF)
		if !conn.over() {
			t.Error("the real connection is still open")
		}
	})
}

// What nobody reads at the other end does not keep a closed connection for ever.
// Broken once by flushing without a deadline.
func TestHoleLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _, done := holed()
		defer done()
		conn.setCut(true)
		say(t, conn, "to nobody")
		conn.setCut(false)
		synctest.Wait()
		_ = conn.Close()
		<-time.After(2 * lingers) // of the fake clock
		synctest.Wait()
		if !conn.over() {
			t.Error("the real connection is still open")
		}
	})
}

// Who dials what is cut off goes on when that is mended, and not when another address
// is. Broken once by not telling of changes.
func TestNetworkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.set([]string{"there"})
		passed := make(chan error, 1)
		go func() { passed <- n.passable(t.Context(), "there") }()
		synctest.Wait()
		n.set([]string{"there", "elsewhere"})
		synctest.Wait()
		select {
		case err := <-passed:
			t.Fatalf("it goes on before the mend: %v", err)
		default:
		}
		n.set([]string{"elsewhere"})
		if err := <-passed; err != nil {
			t.Errorf("after the mend: %v", err)
		}
	})
}

// echo answers everybody on an address of its own.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				_, _ = io.Copy(conn, conn) // until the other end closes
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return l.Addr().String()
}

// Only what goes to a cut address is cut: connections that there are, and those to come.
// Broken once by leaving old connections alone.
func TestNetworkCuts(t *testing.T) {
	here, there := echo(t), echo(t)
	n := newNetwork()
	t.Cleanup(n.Close)
	dial := func(ctx context.Context, addr string) net.Conn {
		t.Helper()
		conn, err := n.Dial(ctx, "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	answers := func(conn net.Conn, patience time.Duration) error {
		say(t, conn, "x")
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	cut, kept := dial(t.Context(), there), dial(t.Context(), here)
	n.set([]string{there})
	if err := answers(kept, time.Minute); err != nil {
		t.Errorf("what is not cut: %v", err)
	}
	if err := answers(dial(t.Context(), here), time.Minute); err != nil {
		t.Errorf("a new connection to what is not cut: %v", err)
	}
	if err := answers(cut, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what is cut: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if conn, err := n.Dial(ctx, "tcp", there); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial of what is cut: %v, %v", conn, err)
	}
	n.set([]string{here})
	conn := dial(t.Context(), there)
	for _, mended := range []net.Conn{conn, cut} {
		if err := answers(mended, time.Minute); err != nil {
			t.Errorf("after the mend: %v", err)
		}
	}
	if err := answers(kept, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what is cut now: %v", err)
	}
}
