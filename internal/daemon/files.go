package daemon

import (
	"fmt"
	"syscall"
)

// RaiseFileLimit lifts the soft limit of open files to the hard one, and
// returns what it is then. Each connection takes one descriptor, so this bounds
// the connections of the process. On an error the limit is as before.
func RaiseFileLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Cur >= limit.Max {
		return limit.Cur, nil
	}
	raised := syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return limit.Cur, fmt.Errorf("raising the limit of open files from %d to %d: %w", limit.Cur, limit.Max, err)
	}
	return raised.Cur, nil
}
