package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// TestCgroupMemory: both versions of cgroups, with limits at any height.
//
// Broken once by looking at the process's own group alone.
func TestCgroupMemory(t *testing.T) {
	const gigabyte = 1 << 30
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":                 {nil, 0},
		"version 2":            {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, gigabyte},
		"version 2, above":     {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, gigabyte},
		"version 2, container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gigabyte},
		"version 2, host path": {map[string]string{"proc/self/cgroup": "0::/../host/path\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gigabyte},
		"version 2, no limit":  {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, gigabyte},
		"version 1, no limit": {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range tt.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := cgroupMemory(root); err != nil || got != tt.want {
				t.Errorf("%d, %v; want %d", got, err, tt.want)
			}
		})
	}
}

// TestVariableDecides: who has set GOMEMLIMIT knows better.
func TestVariableDecides(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	if got, err := LimitMemory(); err != nil || got != 0 || debug.SetMemoryLimit(-1) != before {
		t.Errorf("%d, %v, and the limit is %d instead of %d", got, err, debug.SetMemoryLimit(-1), before)
	}
}

// TestPressure: it rises at 95 % and falls below 90 %, each said once, and is extreme from
// 98 % until below 95 %; while it is high and nothing else has the memory collected, it does.
//
// Broken once by one bound for both, once by never collecting, and once by an extreme that
// ended below 98 %.
func TestPressure(t *testing.T) {
	var used, collections uint64
	var log strings.Builder
	asked := 0
	p := &Pressure{
		meter:   func() (uint64, uint64, uint64) { return used, 1000, collections },
		collect: func() { asked++ }, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	for i, step := range []struct {
		used          uint64
		high, extreme bool
	}{
		{949, false, false},
		{950, true, false},
		{979, true, false},
		{980, true, true},
		{1200, true, true},
		{950, true, true},
		{949, true, false},
		{979, true, false},
		{900, true, false},
		{899, false, false},
		{949, false, false},
	} {
		used, collections = step.used, collections+1
		if p.measure(); p.High() != step.high || p.Extreme() != step.extreme {
			t.Errorf("step %d: with %d of 1000 it is high: %v, extreme: %v", i, used, p.High(), p.Extreme())
		}
	}
	if asked != 0 {
		t.Errorf("it asked for %d collections beside those there were", asked)
	}
	used = 960
	p.measure()
	for range 3 * collectEvery {
		p.measure()
	}
	if asked != 3 { // one in a second
		t.Errorf("it asked for %d collections, want 3", asked)
	}
	if got := log.String(); strings.Count(got, "almost used up") != 2 || strings.Count(got, "memory again") != 1 {
		t.Errorf("it says\n%s", got)
	}
}

// TestRuntimeMeter: it follows what is held, not what was thrown away.
func TestRuntimeMeter(t *testing.T) {
	meter := runtimeMeter()
	measure := func() uint64 { runtime.GC(); used, _, _ := meter(); return used }
	before := measure()
	held := make([]byte, 64<<20)
	if got := measure(); got < before+60<<20 {
		t.Errorf("%d bytes, and 64 MiB less before: %d", got, before)
	}
	runtime.KeepAlive(held)
	if got := measure(); got > before+16<<20 {
		t.Errorf("%d bytes after it was thrown away, %d before", got, before)
	}
}
