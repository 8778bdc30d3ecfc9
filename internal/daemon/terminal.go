package daemon

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Terminal looks at the terminal that controls this process. closed reports whether there
// was one then and it is closed now, which is what a SIGHUP is about in that case. If
// SIGHUP was ignored, as nohup has it, the process is meant to outlive its terminal, and
// closed is always false. It has to be called before Hangups, which takes the signal.
func Terminal() (closed func() bool) {
	if signal.Ignored(syscall.SIGHUP) || !controlled() {
		return func() bool { return false }
	}
	return func() bool { return !controlled() }
}

// controlled reports whether a terminal controls this process.
func controlled() bool {
	// The name stands for that terminal, and is no device once there is none. Any other
	// error, such as too many open files, says nothing about it.
	f, err := os.Open("/dev/tty")
	if err == nil {
		_ = f.Close()
	}
	return !errors.Is(err, syscall.ENXIO)
}
