package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// settle bounds how long actors may need after the plan's end: the last retries,
// and reading everything.
const settle = 2 * time.Minute

// Run plays a plan on a cluster and returns the history: pushers, readers, and the
// kills between them; then, with the server up for good, the last retries; then
// every reader reads to the end. The cluster must be one that can be killed,
// unless the plan kills nothing.
func Run(tb testing.TB, c *Cluster, p Plan) *History {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), p.Length+settle)
	defer cancel()
	s := newScene(ctx, c)
	var pushers, readers sync.WaitGroup
	for _, plan := range p.Pushers {
		pushers.Go(func() { (&pusher{scene: s, plan: plan, rand: draw(p.Seed, plan.Name+" at work")}).run(ctx) })
	}
	for _, plan := range p.Readers {
		readers.Go(func() { s.read(ctx, plan) })
	}
	err := s.kills(ctx, p.Kills)
	pushers.Wait()
	s.end()
	readers.Wait()
	if err != nil {
		s.history.Add(Event{Kind: EvFault, Text: err.Error()})
	}
	return s.history
}

// scene is what all actors of a running scenario share.
type scene struct {
	cluster *Cluster
	api     *API
	history *History
	began   time.Time
	pushing context.Context // over when no push is to come any more
	end     context.CancelFunc
}

func newScene(ctx context.Context, c *Cluster) *scene {
	s := &scene{cluster: c, api: c.API, history: new(History), began: time.Now()}
	s.pushing, s.end = context.WithCancel(ctx)
	return s
}

// until waits for a time of the plan; false when ctx ended.
func (s *scene) until(ctx context.Context, at time.Duration) bool {
	return Pause(ctx, max(0, at-time.Since(s.began)))
}

func (s *scene) since() time.Duration { return time.Since(s.began) }

func (s *scene) note(format string, args ...any) {
	s.history.Add(Event{Kind: EvNote, Text: fmt.Sprintf(format, args...)})
}

func (s *scene) fault(who, format string, args ...any) {
	s.history.Add(Event{Kind: EvFault, Reader: who, Text: fmt.Sprintf(format, args...)})
}

// kills kills and starts the server as planned. When it returns without an error
// the server is up.
func (s *scene) kills(ctx context.Context, kills []Kill) error {
	for i, k := range kills {
		if !s.until(ctx, k.At) {
			return ctx.Err()
		}
		s.note("kill %d", i)
		if err := s.cluster.take().kill(); err != nil {
			return fmt.Errorf("kill %d: %w", i, err)
		}
		Pause(ctx, k.Down)
		if err := s.cluster.TryStart(); err != nil {
			return fmt.Errorf("start after kill %d: %w", i, err)
		}
		s.note("up again after kill %d", i)
	}
	return nil
}

// Prove checks a history. A failure keeps the history and says where.
func Prove(tb testing.TB, c *Cluster, p Plan, h *History) {
	tb.Helper()
	events := h.Events()
	found := Check(events)
	for i, v := range found {
		if i == 20 {
			tb.Errorf("and %d more violations", len(found)-i)
			break
		}
		tb.Errorf("%s", v)
	}
	if left := Unfinished(events); len(left) > 0 {
		tb.Errorf("%d readers never got to the end, such as the %s", len(left), left[0])
	}
	count := tally(events)
	if len(p.Kills) == 0 && count.Refusals+count.Unknowns > 0 {
		tb.Errorf("nothing was killed, and yet %d tries were refused and %d have an unknown outcome", count.Refusals, count.Unknowns)
	}
	tb.Logf("seed %d: %s", p.Seed, count)
	if !tb.Failed() {
		return
	}
	path := filepath.Join(c.Dir(), "history.jsonl")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(h.Write(f), f.Close())
	}
	tb.Logf("seed %d; the history is in %s (%v)", p.Seed, path, err)
}

// Tally counts what a history holds.
type Tally struct {
	Pushes, Acks, Unknowns, Refusals, Repeats, Recalls, Sessions, Deliveries, Gaps int
}

func (t Tally) String() string {
	return fmt.Sprintf("%d pushes, %d acks, %d unknown and %d refused tries, %d recalls; %d sessions, %d deliveries, %d gaps",
		t.Pushes, t.Acks, t.Unknowns, t.Refusals, t.Recalls, t.Sessions, t.Deliveries, t.Gaps)
}

func tally(events []Event) (t Tally) {
	tokens := make(map[string]bool)
	for _, e := range events {
		switch e.Kind {
		case EvTry:
			if tokens[e.Token] {
				t.Repeats++
			}
			tokens[e.Token] = true
		case EvOutcome:
			switch e.State {
			case Acked:
				t.Acks++
			case Refused:
				t.Refusals++
			default:
				t.Unknowns++
			}
		case EvWithdrawn:
			t.Recalls++
		case EvOpened:
			t.Sessions++
		case EvSeen:
			t.Deliveries++
		case EvGap:
			t.Gaps++
		default:
		}
	}
	t.Pushes = len(tokens)
	return t
}
