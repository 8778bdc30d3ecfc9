package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// use is what the run costs the servers, and this process.
type use struct {
	*bench
	before, after []sample // of each of Config.Ops; nil: not taken
	mine          time.Duration
	began         time.Time // of what is measured
	pushes, reads int64     // acknowledged and delivered meanwhile
}

// sample is what one server has used.
type sample struct {
	cpu, memory float64 // seconds, bytes
	err         error
}

// begin takes the first samples when the warm-up is over; never, if ctx ends before.
func (u *use) begin(ctx context.Context) {
	if !pause(ctx, u.cfg.Warmup) {
		return
	}
	all, _, _, _ := u.meter.look()
	u.pushes, u.reads = all.Acknowledged, u.found.received.Load()
	u.mine, u.began = ownCPU(), time.Now()
	u.before = u.samples(ctx)
}

// end takes the last ones, and leaves the differences.
func (u *use) end(ctx context.Context) {
	all, _, _, _ := u.meter.look()
	u.after = u.samples(ctx)
	u.pushes, u.reads = all.Acknowledged-u.pushes, u.found.received.Load()-u.reads
	u.mine = ownCPU() - u.mine
}

func (u *use) samples(ctx context.Context) []sample {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.Timeout)
	defer cancel()
	all := make([]sample, len(u.cfg.Ops))
	for i, base := range u.cfg.Ops {
		body, err := u.api.get(ctx, base+"/metrics")
		if err == nil {
			all[i].cpu, err = metric(string(body), "process_cpu_seconds_total")
		}
		if err == nil {
			all[i].memory, err = metric(string(body), "process_resident_memory_bytes")
		}
		all[i].err = err
	}
	return all
}

// metric reads one without labels from the text format.
func metric(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, name+" ")
		if !ok {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		return strconv.ParseFloat(first, 64)
	}
	return 0, fmt.Errorf("%s: %w", name, errNoMetric)
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
