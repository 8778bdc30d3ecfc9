package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// audience is many v2 clients, each of a key of its own that nobody pushes to: what counts is
// when they are told to move, and when they are back. Like any client they wait as long
// as they are told, and come back with their cursor.
type audience struct {
	tb     testing.TB
	api    *API
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu    sync.Mutex
	live  int      // guarded by mu
	moves []moved  // guarded by mu
	cuts  []string // guarded by mu; those that were not told anything
}

// moved is one client that had to find its node again.
type moved struct {
	group string // that it came from
	at    time.Time
	hint  time.Duration // how long it was told to wait
	asked time.Time     // when it connected again
	away  time.Duration // from the end to being live again
}

// audienceWait bounds one read of a client: it notices the end of the test that late.
const audienceWait = 2 * time.Second

// assemble connects n clients, every other one by SSE, and waits until all are live.
func assemble(tb testing.TB, f *Fleet, n int) *audience {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &audience{tb: tb, api: f.API, cancel: cancel}
	for i := range n {
		c.all.Go(func() { c.client(ctx, listenerKey(i), i%2 == 1) })
	}
	tb.Cleanup(c.disperse)
	c.Await(n, 0)
	return c
}

func listenerKey(i int) string { return fmt.Sprintf("listener-%d", i) }

// disperse ends the clients.
func (c *audience) disperse() {
	c.cancel()
	c.all.Wait()
}

// Await waits until all n clients are live, and so many have moved since the last time.
func (c *audience) Await(n, moves int) {
	c.tb.Helper()
	Until(c.tb, fleetPatience, fmt.Sprintf("%d clients to be live, and %d to have moved", n, moves), func() (bool, string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.live == n && len(c.moves) >= moves, fmt.Sprintf("%d and %d", c.live, len(c.moves))
	})
}

// client stays connected until ctx ends.
func (c *audience) client(ctx context.Context, key string, sse bool) {
	var last *moved
	for ctx.Err() == nil {
		if last != nil {
			Pause(ctx, last.hint)
			last.asked = time.Now()
		}
		s, group := c.connect(ctx, key, sse)
		if s == nil {
			return
		}
		c.arrived(last)
		m, err := c.stay(ctx, s)
		_ = s.Close()
		if ctx.Err() != nil {
			return
		}
		m.group = group
		last = &m
		c.left(key, m, err)
	}
}

// connect tries until the client is live; nil when ctx has ended.
func (c *audience) connect(ctx context.Context, key string, sse bool) (Stream, string) {
	for ctx.Err() == nil {
		node, err := c.api.Node(ctx, key)
		if err == nil {
			var s Stream
			if s, err = dialFor(ctx, node, key, sse); err == nil {
				if _, err = ReadUntil(s, "live", fleetPatience); err == nil {
					return s, node.Node
				}
				_ = s.Close()
			}
		}
		Pause(ctx, retryAfter)
	}
	return nil, ""
}

func dialFor(ctx context.Context, node Node, key string, sse bool) (Stream, error) {
	at, err := hostOf(node.WS)
	if err != nil {
		return nil, err
	}
	query := Cursors{After: "0"}.Query(key) + "&public=0"
	if sse {
		return DialEvents(ctx, at, query, "")
	}
	return DialStream(ctx, at, query)
}

// stay reads until the connection ends.
func (c *audience) stay(ctx context.Context, s Stream) (m moved, err error) {
	for ctx.Err() == nil {
		f, err := s.Next(audienceWait)
		switch {
		case Timeout(err):
		case err != nil:
			if m.at.IsZero() {
				m.at = time.Now()
			}
			return m, err
		case f.Type == "move":
			m.at, m.hint = time.Now(), time.Duration(f.RetryAfterMS)*time.Millisecond
		}
	}
	return m, ctx.Err()
}

func (c *audience) arrived(m *moved) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live++
	if m != nil {
		m.away = time.Since(m.at)
		c.moves = append(c.moves, *m)
	}
}

// left: whoever is sent away is told when to come back.
func (c *audience) left(key string, m moved, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live--
	if m.hint == 0 {
		c.cuts = append(c.cuts, fmt.Sprintf("%s at %s: %v", key, m.group, err))
	}
}

// Moves takes what has happened since the last time.
func (c *audience) Moves() (moves []moved, cuts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moves, cuts = c.moves, c.cuts
	c.moves, c.cuts = nil, nil
	return moves, cuts
}

// spreadOver judges how the clients of one stop were told to come back: none later than
// most, and over that time, rather than many at once: a fair share of them in each quarter
// of it. What is wrong is said in words.
func spreadOver(moves []moved, most time.Duration) error {
	var latest time.Duration
	for _, m := range moves {
		latest = max(latest, m.hint)
	}
	if latest > most {
		return fmt.Errorf("a client was told to come back after %s; with so many it is %s at most", latest, most)
	}
	var quarters [4]int
	for _, m := range moves {
		quarters[min(int(4*m.hint/(latest+1)), 3)]++
	}
	for _, n := range quarters {
		// A fourth is expected; a quarter of that does not happen by chance among a hundred.
		if n < len(moves)/16 {
			return fmt.Errorf("%d clients come back within %s, and in the quarters of that: %d", len(moves), latest, quarters)
		}
	}
	return nil
}

// atOnce is the highest number of clients that came back within any such time.
func atOnce(moves []moved, within time.Duration) (most int) {
	asked := make([]time.Time, len(moves))
	for i, m := range moves {
		asked[i] = m.asked
	}
	slices.SortFunc(asked, time.Time.Compare)
	first := 0
	for i, at := range asked {
		for at.Sub(asked[first]) > within {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// absence describes how long clients were away.
func absence(moves []moved) string {
	if len(moves) == 0 {
		return "no client moved"
	}
	away := make([]time.Duration, len(moves))
	told := make(map[string]int)
	for i, m := range moves {
		away[i] = m.away
		told[m.group]++
	}
	slices.Sort(away)
	var from []string
	for _, group := range slices.Sorted(maps.Keys(told)) {
		from = append(from, fmt.Sprintf("%d of %s", told[group], group))
	}
	return fmt.Sprintf("%s moved; away for %s (median), %s (worst); %d came back within 100 ms", strings.Join(from, ", "),
		away[len(away)/2].Round(time.Millisecond), away[len(away)-1].Round(time.Millisecond), atOnce(moves, 100*time.Millisecond))
}
