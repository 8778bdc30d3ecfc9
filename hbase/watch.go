package hbase

import (
	"context"
	"log/slog"
	"time"

	"github.com/tsuna/gohbase/hrpc"
)

// A region server that hangs (stopped, or behind a network that swallows
// everything) takes calls and never answers, and no error tells. The watchdog
// goes by silence: nothing at all came back for a while although something is
// waited for. Then the connection is given up. Its calls look their regions up
// again and go where HBase has moved them meanwhile; if they are where they
// were, they try that server once more, and this time its silence is cut short.
// So an outage lasts for as long as HBase itself needs, and calls to other
// servers do not notice.

const (
	// watchEvery is how often the watchdog looks.
	watchEvery = 100 * time.Millisecond
	// suspectStall is the patience with a server that hung before.
	suspectStall = time.Second
	// suspectTime is for how long it stays a suspect.
	suspectTime = time.Minute
)

func (r *router) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

// look gives up the servers that have been silent for too long, and probes those
// that are halfway there.
func (r *router) look(ctx context.Context) {
	now := r.now()
	for s, patience := range r.patience(now) {
		switch silent := s.silent(now); {
		case silent > patience:
			r.log.WarnContext(ctx, "a region server answers nothing", slog.String("server", s.addr), slog.Duration("for", silent))
			r.suspect(s.addr, now)
			r.drop(s, "silent")
		case silent > patience/2:
			r.probe(ctx, s)
		}
	}
}

// patience lists the connections, each with how long it may be silent.
func (r *router) patience(now time.Time) map[*server]time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[*server]time.Duration, len(r.servers))
	for addr, s := range r.servers {
		all[s] = r.cfg.Stall
		if hung, ok := r.suspects[addr]; ok && now.Sub(hung) < suspectTime {
			all[s] = min(suspectStall, r.cfg.Stall)
		} else if ok {
			delete(r.suspects, addr)
		}
	}
	return all
}

func (r *router) suspect(addr string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspects[addr] = now
}

// probe asks the server whether a row exists.
func (r *router) probe(ctx context.Context, s *server) {
	at := r.tables.at(s.addr)
	if at == nil {
		at = r.meta.at(s.addr)
	}
	if at == nil {
		return
	}
	get, err := hrpc.NewGet(ctx, tableOf(at.region), probeRow(at.region), hrpc.SkipBatch())
	if err != nil {
		return // it is made of constants
	}
	get.ExistsOnly()
	get.SetRegion(at.region)
	s.probe(get, r.now)
}

// probeRow lies in the region and is nobody's.
func probeRow(region hrpc.RegionInfo) []byte {
	start := region.StartKey()
	return append(append(make([]byte, 0, len(start)+1), start...), 0)
}
