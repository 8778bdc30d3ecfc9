package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTopAtTerminal: the table is drawn over the one before, as far as the screen goes; q
// and Ctrl-C end it, and the terminal is as it was.
//
// Broken once by not looking at the keys, once by leaving the terminal without its echo, and
// once by writing lines that are longer than the screen.
func TestTopAtTerminal(t *testing.T) {
	for name, end := range map[string]func(person *os.File, interrupt func()){
		"q":      func(person *os.File, _ func()) { _, _ = person.WriteString("xq") },
		"Ctrl-C": func(_ *os.File, interrupt func()) { interrupt() },
	} {
		t.Run(name, func(t *testing.T) {
			a := fake(t, said(nodesBefore), said(someKeys), said(nodesAfter), said(someKeys))
			t.Chdir(t.TempDir())
			person, program := newTerminal(t)
			if err := unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 6, Col: 30}); err != nil {
				t.Fatal(err)
			}
			before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			screen := newTail()
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(screen, person) })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, []string{"top", "--interval", "100ms", "--admin", a.url}, streams{program, program, newTail()})
			}()
			screen.until(t, "comet    h")
			end(person, cancel)
			select {
			case code := <-ended:
				if code != exitOK {
					t.Errorf("it ends with %d", code)
				}
			case <-time.After(time.Minute):
				t.Fatal("it does not end")
			}
			text := screen.until(t, leaveScreen)
			after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is not as it was: %+v, %v", after, err)
			}
			_, _ = program.Close(), person.Close()
			reading.Wait()
			if !strings.HasPrefix(text, enterScreen+home+"gopush top") || strings.Contains(text, "CONNECTIONS") || strings.Contains(text, "message") {
				t.Errorf("on a screen of 6 lines of 30: %q", text)
			}
		})
	}
}
