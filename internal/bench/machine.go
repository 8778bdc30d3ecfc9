package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is where the load came from. A result without it compares with nothing.
type Machine struct {
	Time     time.Time `json:"time"`
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	MemoryMB int64     `json:"memory_mb"`
	Kernel   string    `json:"kernel"`
	OS       string    `json:"os"`
	Go       string    `json:"go"`
	// Load is the load average of the last minute before the run: above 0, somebody
	// else works here. -1: unknown.
	Load float64 `json:"load_1m"`
}

// thisMachine has empty fields where the system does not tell.
func thisMachine() Machine {
	m := Machine{
		Time: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Load: -1, Kernel: firstLine("/proc/sys/kernel/osrelease"),
		CPU: field("/proc/cpuinfo", "model name"),
	}
	if kb, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.MemoryMB = kb / 1024
	}
	first, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	if load, err := strconv.ParseFloat(first, 64); err == nil {
		m.Load = load
	}
	return m
}

func firstLine(path string) string {
	b, _ := os.ReadFile(path) // elsewhere than on Linux there is none
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// field is the first value of a file with lines like "name : value".
func field(path, name string) string {
	b, _ := os.ReadFile(path) // as above
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
