package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// P8: one bad client costs one client. Readers of each protocol stall while their
// key is flooded. Meanwhile nobody else waits: not a neighbour at the same key, nor
// other keys, nor a newcomer; memory stays bounded. Then the stalled ones read, and
// get everything, in order.
//
// Broken once by writing to connections in the goroutine that publishes: the
// neighbour got nothing any more; and once by lifting the bound of the queue: the
// heap grew by 41 MiB instead of 1 to 4.
func TestP8AStalledReaderIsAlone(t *testing.T) {
	// The store keeps tens of megabytes in its buffers, or does not yet: they are made
	// small, so that what connections hold can be told.
	c := Start(t, Options{Child: true, MemTableBytes: 1 << 20})
	kinds := []ReaderKind{ReadWebsocket, ReadSSE, ReadV1TCP, ReadV1WS}
	slow := make([]*StalledReader, len(kinds))
	for i, kind := range kinds {
		slow[i] = stalled(t, c, kind, "hot")
	}
	awaitConnections(t, c, "hot", len(kinds))
	neighbour := listenV2(t, c, "websocket", "key=hot&public=0")
	other := listenV2(t, c, "sse", "key=cold&public=0")
	for _, s := range []Stream{neighbour, other} {
		if _, err := ReadUntil(s, "live", 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	before := heap(t, c)
	prev, cold := "0", "0"
	for i := range flooding {
		id := push(t, c, lasting("hot", string(big(i))))
		prompt(t, neighbour, id, prev)
		prev = id
		if i%20 == 0 {
			id := push(t, c, lasting("cold", `1`))
			prompt(t, other, id, cold)
			cold = id
			newcomer := listenV2(t, c, "websocket", "key=hot&public=0")
			if _, err := ReadUntil(newcomer, "live", 3*time.Second); err != nil {
				t.Fatalf("a newcomer: %v", err)
			}
			_ = newcomer.Close()
		}
	}
	grown := heap(t, c) - before
	t.Logf("the heap has grown by %d KiB", grown>>10)
	if grown > 16<<20 {
		t.Error("the heap has grown by more than 16 MiB while readers were stalled")
	}
	for i, kind := range kinds {
		t.Run(string(kind)+" catches up", func(t *testing.T) {
			t.Parallel()
			readAllBig(t, kind, slow[i])
		})
	}
}

// prompt: the message comes in good time, on a machine that does other things.
func prompt(t *testing.T, s Stream, id, prev string) {
	t.Helper()
	f, err := s.Next(3 * time.Second)
	if err != nil || f.ID != id || f.Prev != prev {
		t.Fatalf("got %.200s, %v; want the message %s behind %s", f.Raw, err, id, prev)
	}
}

// readAllBig reads what flood pushed, every message once and in order.
func readAllBig(t *testing.T, kind ReaderKind, r *StalledReader) {
	t.Helper()
	next := 0
	took := func(data []byte) {
		if got := numberOf(data); got != next {
			t.Fatalf("message %d came, want %d", got, next)
		}
		next++
	}
	if kind == ReadWebsocket || kind == ReadSSE {
		s, err := r.V2()
		for err == nil && next < flooding {
			var f StreamFrame
			if f, err = s.Next(20 * time.Second); err == nil && f.Type == "message" {
				took(f.Data)
			}
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", next, err)
		}
		return
	}
	conn, err := r.V1()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := conn.Next(10 * time.Second); err != nil || got != "+h" {
		t.Fatalf("the first reply is %q, %v", got, err)
	}
	for next < flooding {
		text, err := conn.Next(20 * time.Second)
		if err != nil {
			t.Fatalf("after %d messages: %v", next, err)
		}
		m, err := ParseV1(text)
		if err != nil {
			t.Fatal(err)
		}
		took(m.Msg)
	}
}

// heap is what the server's heap holds, in bytes, after a collection: garbage that
// waits for it is nobody's fault.
func heap(t *testing.T, c *Cluster) int64 {
	t.Helper()
	lowest := int64(1) << 62
	for range 10 {
		if _, err := c.API.Ops(t.Context(), "/debug/pprof/heap?gc=1"); err != nil {
			t.Fatal(err)
		}
		v, err := c.API.Metric(t.Context(), "go_memstats_heap_alloc_bytes")
		if err != nil {
			t.Fatal(err)
		}
		lowest = min(lowest, int64(v))
		Pause(t.Context(), 25*time.Millisecond)
	}
	return lowest
}

// P9: offline costs nothing. After many keys were pushed to, listened to and left,
// the node holds no channel, no connection and no goroutine for them.
//
// Broken once by not releasing channels when a connection leaves: as many channels
// as keys.
func TestP9OfflineCostsNothing(t *testing.T) {
	c := Start(t, Options{Child: true})
	warm := listenV2(t, c, "websocket", "key=warm")
	if _, err := ReadUntil(warm, "live", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	push(t, c, lasting("warm", `1`))
	_ = warm.Close()
	before := settled(t, c)
	const keys = 300
	for i := range keys {
		push(t, c, lasting(fmt.Sprint("p9-", i), `1`))
	}
	if got := settled(t, c); got.channels > before.channels {
		t.Errorf("after pushes to %d offline keys: %+v, before %+v", keys, got, before)
	}
	var open []interface{ Close() error }
	for i := range keys {
		key := fmt.Sprint("p9-", i)
		switch i % 3 {
		case 0:
			s := listenV2(t, c, "websocket", "key="+key)
			if _, err := ReadUntil(s, "live", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			open = append(open, s)
		case 1:
			s := listenV2(t, c, "sse", "key="+key)
			if _, err := ReadUntil(s, "live", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			open = append(open, s)
		default:
			conn, err := DialTCP(t.Context(), c.Addrs().TCP, V1Subscribe(key))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
	}
	Until(t, 10*time.Second, "all connections to count", func() (bool, string) {
		g := gauges(t, c)
		return g.connections == keys && g.channels == before.channels+keys, fmt.Sprintf("%+v", g)
	})
	for _, s := range open {
		_ = s.Close()
	}
	Until(t, 20*time.Second, "everything to be given back", func() (bool, string) {
		g := gauges(t, c)
		return g.connections == 0 && g.channels <= before.channels && g.goroutines <= before.goroutines+10, fmt.Sprintf("%+v, before %+v", g, before)
	})
}

// footprint is what a node holds for its clients.
type footprint struct{ channels, connections, goroutines int }

func gauges(t *testing.T, c *Cluster) footprint {
	t.Helper()
	var f footprint
	for name, v := range map[string]*int{
		"gopush_comet_channels": &f.channels, "gopush_comet_connections": &f.connections, "go_goroutines": &f.goroutines,
	} {
		x, err := c.API.Metric(t.Context(), name)
		if err != nil && (!errors.Is(err, errNoMetric) || v != &f.connections) { // nobody ever connected
			t.Fatal(err)
		}
		*v = int(x)
	}
	return f
}

// settled waits until nothing is connected, and until the goroutines are no longer
// going down.
func settled(t *testing.T, c *Cluster) footprint {
	t.Helper()
	c.API.client.CloseIdleConnections()
	last, same := footprint{}, 0
	Until(t, 45*time.Second, "the node to come to rest", func() (bool, string) {
		g := gauges(t, c)
		// Answering the question takes a goroutine or two by itself.
		same++
		if g.channels != last.channels || g.connections != last.connections || max(g.goroutines-last.goroutines, last.goroutines-g.goroutines) > 3 {
			same, last = 0, g
		}
		return same > 8 && g.connections == 0, fmt.Sprintf("%+v", g)
	})
	return last
}
