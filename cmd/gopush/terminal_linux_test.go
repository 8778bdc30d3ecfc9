package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"
)

// newTerminal makes a terminal: closing the first file closes it, as closing a window
// does, and the second one is what the processes in it have.
func newTerminal(t *testing.T) (window, inside *os.File) {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = window.Close() })
	var locked, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, window.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	inside, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return window, inside
}

// startInTerminal starts gopush by a line of the shell, which has it as "$@".
func startInTerminal(t *testing.T, line string) (p *process, window *os.File) {
	t.Helper()
	t.Chdir(t.TempDir())
	window, inside := newTerminal(t)
	defer func() { _ = inside.Close() }()
	gopush := gopushCommand(t, "serve", "--ports-from", "0")
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", line, "sh"}, gopush.Args...)...)
	cmd.Env, cmd.Stdin = gopush.Env, inside
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p = start(t, cmd)
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // what the shell has started, too
		}
	})
	p.out.until(t, "is ready")
	return p, window
}

// TestTerminalCloses: with its terminal a process ends in order, whether the SIGHUP comes
// of the terminal or of the shell that ended before.
//
// Broken once by reloading at that signal, too.
func TestTerminalCloses(t *testing.T) {
	for name, line := range map[string]string{"alone": `exec "$@"`, "below a shell, as with make run": `"$@"; exit`} {
		t.Run(name, func(t *testing.T) {
			p, window := startInTerminal(t, line)
			_ = window.Close()
			p.err.until(t, "the terminal that this was started from is closed\n")
			p.err.until(t, "stopped in order")
			err := p.Wait()
			if alone := line[0] == 'e'; alone && err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// TestTerminalStays: as long as the terminal is there, a SIGHUP is from somebody who wants
// new settings; and so it is always where nohup has the process outlive its terminal.
//
// Broken once by taking any SIGHUP in a terminal for its end, and once by not asking
// whether the signal was ignored.
func TestTerminalStays(t *testing.T) {
	for name, line := range map[string]string{"open": `exec "$@"`, "nohup": `trap '' HUP; exec "$@"`} {
		t.Run(name, func(t *testing.T) {
			p, window := startInTerminal(t, line)
			if name == "nohup" {
				_ = window.Close()
			} else {
				p.signal(t, syscall.SIGHUP)
			}
			p.err.until(t, "settings reloaded")
			p.signal(t, syscall.SIGTERM)
			if err := p.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
