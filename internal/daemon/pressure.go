package daemon

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// measureEvery is how often the memory is measured: it is read in microseconds, and a flood
// takes some percent of a small limit in a second.
const measureEvery = 100 * time.Millisecond

// collectEvery is how many measurements without a collection have one made: a second of them.
// A collection of much memory takes long, and the runtime makes its own when there is more.
const collectEvery = int(time.Second / measureEvery)

// Meter tells how much memory cannot be freed, and the limit that it should stay below, in
// bytes; and how many collections there have been.
type Meter func() (used, limit, collections uint64)

// Pressure watches the memory of the process. It is high from 95 % of the limit in use
// until less than 90 % are, and extreme from 98 % until less than 95 % are.
type Pressure struct {
	meter   Meter        // immutable
	collect func()       // immutable; has the memory be collected
	log     *slog.Logger // immutable

	high    atomic.Bool
	extreme atomic.Bool
	limit   atomic.Uint64 // as measured last

	// Owned by Run:
	last  uint64 // collections until the last measurement
	still int    // measurements since the last one
}

// NewPressure makes a Pressure over the limit of the Go runtime. It is not high before Run.
func NewPressure(log *slog.Logger) *Pressure {
	return &Pressure{meter: runtimeMeter(), collect: runtime.GC, log: log}
}

// High says that nobody new should be let in, and that as little as possible should be
// held for those who are there.
func (p *Pressure) High() bool { return p.high.Load() }

// Extreme says that no work should be taken on either.
func (p *Pressure) Extreme() bool { return p.extreme.Load() }

// Limit is what the memory should stay below; without a limit it is close to 2^63.
func (p *Pressure) Limit() uint64 { return p.limit.Load() }

// Run measures until ctx ends.
func (p *Pressure) Run(ctx context.Context) {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		p.measure()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Pressure) measure() {
	used, limit, collections := p.meter()
	if p.still++; collections != p.last {
		p.last, p.still = collections, 0
	}
	p.limit.Store(limit)
	p.extreme.Store(used >= limit/100*98 || p.extreme.Load() && used >= limit/100*95)
	switch high := p.high.Load(); {
	case !high && used >= limit/100*95:
		p.high.Store(true)
		p.log.Error("memory is almost used up: new connections are refused until there is some, and pushes if it gets worse; give the process more, or lower comet.max_connections",
			slog.Uint64("used_bytes", used), slog.Uint64("limit_bytes", limit))
	case high && used < limit/100*90:
		p.high.Store(false)
		p.log.Info("there is memory again: connections are taken", slog.Uint64("used_bytes", used), slog.Uint64("limit_bytes", limit))
	case high && p.still >= collectEvery:
		// With nothing new nothing would be collected, and it would stay as it is.
		p.still = 0
		p.collect()
	}
}

// runtimeMeter counts what the last collection has left, and what is no heap. What has
// been allocated since is left out: it may be garbage, and with a limit as near as this
// one the next collection is not far.
func runtimeMeter() Meter {
	names := []string{
		"/memory/classes/total:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/released:bytes", "/memory/classes/heap/unused:bytes",
		"/gc/heap/live:bytes", "/gc/gomemlimit:bytes", "/gc/cycles/total:gc-cycles",
	}
	return func() (used, limit, collections uint64) {
		samples := make([]metrics.Sample, len(names))
		for i := range names {
			samples[i].Name = names[i]
		}
		metrics.Read(samples)
		used = samples[0].Value.Uint64() + samples[5].Value.Uint64()
		for _, part := range samples[1:5] {
			used -= part.Value.Uint64()
		}
		return used, samples[6].Value.Uint64(), samples[7].Value.Uint64()
	}
}
