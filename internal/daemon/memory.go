package daemon

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// LimitMemory has the garbage collector work harder before the process reaches the limit of
// its cgroup, at nine tenths of that, and returns what it has set; 0: nothing, as the
// variable GOMEMLIMIT decides or there is no limit.
func LimitMemory() (int64, error) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0, nil
	}
	most, err := cgroupMemory("/")
	if err != nil || most == 0 {
		return 0, err
	}
	limit := most / 10 * 9
	debug.SetMemoryLimit(limit)
	return limit, nil
}

// cgroupMemory is the lowest memory limit of the cgroups that this process is in, as the
// file system at root shows them; 0: there is none.
func cgroupMemory(root string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if os.IsNotExist(err) {
		return 0, nil // not Linux
	}
	if err != nil {
		return 0, fmt.Errorf("memory limit: %w", err)
	}
	lowest := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) {
		// Each line is a number, the controllers and the path; version 2 names no controller.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		folder, file := "sys/fs/cgroup", "memory.max"
		switch {
		case strings.Contains(","+parts[1]+",", ",memory,"):
			folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[0] != "0" || parts[1] != "":
			continue
		}
		// A group above may have less. Inside a container the path may be that of the host;
		// then only the root of the mount is there.
		for path := filepath.Clean("/" + parts[2]); ; path = filepath.Dir(path) {
			lowest = min(lowest, readLimit(filepath.Join(root, folder, path, file)))
			if path == "/" {
				break
			}
		}
	}
	// Version 1 says "none" with a number near the largest.
	if lowest >= math.MaxInt64/2 {
		return 0, nil
	}
	return lowest, nil
}

// readLimit is the number in a file; without one there is no limit.
func readLimit(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64 // "max"
	}
	return n
}
