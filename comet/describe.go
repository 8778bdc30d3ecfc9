package comet

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gopush/internal/push"
)

// Describe says what is known of a key that this node owns, or of its own part of the
// public stream. See rpc.CometService.
func (n *Node) Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error) {
	info := push.KeyInfo{Group: n.cfg.Member.Group, Newest: push.PrevUnknown}
	if srv := n.service(); srv.valid() {
		info.Epoch, info.Floor = srv.epoch(), srv.term.Floor()
	}
	var all []place
	look := func(ch *channel) {
		info.Newest, _ = ch.newest()
		all = ch.places()
	}
	if key.Public() {
		look(n.public)
	} else {
		if err := n.owns(key); err != nil {
			return push.KeyInfo{}, err
		}
		n.table.peek(key, look)
	}
	if info.Newest == push.PrevUnknown {
		var err error
		if info.Newest, err = n.deps.Messages.Newest(ctx, key); err != nil {
			return push.KeyInfo{}, err
		}
	}
	stand(&info, all, about)
	return info, nil
}

// stand counts the connections by where they are, and lists their cursors.
func stand(info *push.KeyInfo, all []place, about push.ID) {
	info.Connections = len(all)
	cursors := make([]push.ID, len(all))
	for i, p := range all {
		if cursors[i] = p.cursor; p.cursor == push.PrevUnknown {
			cursors[i] = info.Newest
		}
		if p.reads {
			info.Behind++
		}
		switch {
		case about == 0:
		case cursors[i] < about:
			info.Standing.Before++
		case cursors[i] == about:
			info.Standing.At++
		default:
			info.Standing.Past++
		}
	}
	slices.Sort(cursors)
	info.Cursors = cursors[:min(len(cursors), push.MaxCursors)]
}

// Connections is how many are open: of clients, in all protocols.
func (n *Node) Connections() int64 { return n.conns.Load() }

// Counts are what the metrics have counted: to read them costs the deliveries nothing.
func (n *Node) Counts() push.Counts {
	pushes := value(n.met.operations.WithLabelValues(opNames[opStore], "ok")) +
		value(n.met.operations.WithLabelValues(opNames[opTransient], "ok"))
	return push.Counts{Pushes: pushes, Deliveries: value(n.met.written), Behind: n.met.behind.Load()}
}

// value reads a counter.
func value(c prometheus.Counter) int64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0 // it has no label that could be wrong
	}
	return int64(m.GetCounter().GetValue())
}

// Top are the keys that were pushed to most of late.
func (n *Node) Top(limit int) []push.BusyKey {
	keys := n.busiest.top(time.Now(), limit)
	for i := range keys {
		if k := &keys[i]; k.Key.Public() {
			k.Connections = n.public.connections()
		} else {
			n.table.peek(k.Key, func(ch *channel) { k.Connections = ch.connections() })
		}
	}
	return keys
}

// place is where a connection is in a stream.
type place struct {
	cursor push.ID // push.PrevUnknown: at the newest, whatever that is
	reads  bool    // it is behind
}

// places lists the members that are connections.
func (ch *channel) places() []place {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	all := make([]place, 0, len(ch.members))
	for _, m := range ch.members {
		if f, ok := m.(*feed); ok {
			all = append(all, f.place())
		}
	}
	return all
}

func (f *feed) place() place {
	f.sub.mu.Lock()
	defer f.sub.mu.Unlock()
	if f.state == feedTip {
		return place{cursor: push.PrevUnknown}
	}
	return place{cursor: f.cursor, reads: f.state.reads()}
}
