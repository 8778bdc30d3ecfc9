package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// screen is where a person looks and presses keys. Without one, there is only an
// interval to wait for.
type screen struct {
	err io.Writer // for what went wrong, if nobody looks

	in, out *os.File      // nil: no terminal
	before  *unix.Termios // how it was
}

// What a terminal understands.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// openTerminal takes the terminal over, if both streams are one, until close. Keys come
// one by one and are not shown; Ctrl-C stays a signal.
func openTerminal(s streams) (*screen, error) {
	in, isIn := s.in.(*os.File)
	out, isOut := s.out.(*os.File)
	if !isIn || !isOut {
		return &screen{err: s.err}, nil
	}
	before, err := unix.IoctlGetTermios(int(in.Fd()), readTermios)
	if _, outErr := unix.IoctlGetTermios(int(out.Fd()), readTermios); err != nil || outErr != nil {
		return &screen{err: s.err}, nil //nolint:nilerr // it is a file or a pipe
	}
	t := &screen{err: s.err, in: in, out: out, before: before}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	if err := unix.IoctlSetTermios(int(in.Fd()), writeTermios, &keys); err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	if _, err := out.WriteString(enterScreen); err != nil {
		t.close()
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	return t, nil
}

// live reports whether somebody looks.
func (t *screen) live() bool { return t.out != nil }

// close leaves the terminal as it was.
func (t *screen) close() {
	if t.live() {
		_, _ = t.out.WriteString(leaveScreen)
		_ = unix.IoctlSetTermios(int(t.in.Fd()), writeTermios, t.before)
	}
}

// show puts a text on the screen, as far as it fits.
func (t *screen) show(text string) error {
	rows, columns := 24, 80
	if size, err := unix.IoctlGetWinsize(int(t.out.Fd()), unix.TIOCGWINSZ); err == nil && size.Row > 0 && size.Col > 0 {
		rows, columns = int(size.Row), int(size.Col)
	}
	var b bytes.Buffer
	b.WriteString(home)
	for line := range bytes.Lines([]byte(text)) {
		if rows--; rows <= 0 {
			break // the last row stays empty, or the screen would scroll
		}
		b.Write(cut(bytes.TrimRight(line, "\n"), columns))
		b.WriteString(clearLine + "\n")
	}
	b.WriteString(clearRest)
	_, err := t.out.Write(b.Bytes())
	return err
}

// cut keeps the first n characters.
func cut(line []byte, n int) []byte {
	for i := range string(line) {
		if n--; n < 0 {
			return line[:i]
		}
	}
	return line
}

// fail tells why there is nothing new to show.
func (t *screen) fail(err error, title string) error {
	if t.live() {
		return t.show(title + sentence(err) + "\n" + hint(err) + "\n")
	}
	_, err = fmt.Fprintf(t.err, "gopush: %s\n", sentence(err))
	return err
}

// pollFor is how long a key is waited for at a time, so that the end of the command is
// seen soon.
const pollFor = 100 * time.Millisecond

// wait reports whether to end: ctx has, or somebody pressed q.
func (t *screen) wait(ctx context.Context, until time.Time) (end bool) {
	if !t.live() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		return ctx.Err() != nil
	}
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		keys := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
		n, err := unix.Poll(keys, int(min(left, pollFor).Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && n == 0:
		case err != nil || t.quits():
			return true
		}
	}
	return true
}

// quits reads the keys that were pressed. A terminal that cannot be read has gone.
func (t *screen) quits() bool {
	var keys [64]byte
	n, err := unix.Read(int(t.in.Fd()), keys[:])
	return err != nil || n <= 0 || bytes.ContainsAny(keys[:n], "qQ")
}
