package e2e

import (
	"context"
	"sync"
	"testing"
	"time"
)

// stage is a scene in which one thing happens after the other: one pusher, a reader
// that is connected and one that polls, all of one key. It is used by one goroutine.
type stage struct {
	*scene
	t    *testing.T
	ctx  context.Context
	gate Gate
	// patience is how long a pusher waits for an ack that must not come yet.
	patience time.Duration
	pusher   *pusher
	live     *actor
	polled   *actor
	pushes   sync.WaitGroup // what begin has started
}

// stageKey is the key of every stage.
const stageKey = "k"

func newStage(t *testing.T, c *Cluster) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), fleetPatience)
	s := &stage{scene: newScene(ctx, c), t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		s.pushes.Wait()
	})
	s.pusher = &pusher{scene: s.scene, plan: PusherPlan{Name: "pusher"}, rand: draw(1, "pusher")}
	s.live = s.enter(ReadWebsocket)
	s.polled = s.enter(ReadPoll)
	t.Cleanup(s.live.hangUp)
	return s
}

func planned(token string) PlannedPush {
	return PlannedPush{Token: token, Key: stageKey, Idempotent: true}
}

// acked pushes until there is an ack.
func (s *stage) acked(token string) {
	s.t.Helper()
	s.settled(token, Outcome{State: Refused})
}

// settled goes on with a push of which o is known.
func (s *stage) settled(token string, o Outcome) {
	s.t.Helper()
	if o.State == Acked {
		return
	}
	if o = s.pusher.insist(s.ctx, planned(token), o); o.State != Acked {
		s.t.Fatalf("%s: %s", token, o.Err)
	}
}

// begin tries once to push. The outcome is in the history before it can be received.
func (s *stage) begin(token string, once func(context.Context, PlannedPush) Outcome) <-chan Outcome {
	ended := make(chan Outcome, 1)
	s.pusher.try(planned(token))
	s.pushes.Go(func() {
		o := once(s.ctx, planned(token))
		s.pusher.outcome(planned(token), o)
		ended <- o
	})
	return ended
}

func (s *stage) once(ctx context.Context, push PlannedPush) Outcome {
	return s.api.Push(ctx, asked(push))
}

// patiently gives up after a while.
func (s *stage) patiently(ctx context.Context, push PlannedPush) Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return s.once(ctx, push)
}

// finish has both readers read to the end.
func (s *stage) finish() {
	s.t.Helper()
	for _, a := range []*actor{s.live, s.polled} {
		a.toTheEnd()
		for _, stream := range []string{stageKey, ""} {
			s.history.Add(Event{Kind: EvFinished, Reader: a.plan.Name, Stream: stream, ID: a.at(stream)})
		}
	}
}

// actor is a reader that does what it is told.
type actor struct {
	*reader
	stage  *stage
	stream Stream // nil: it is not connected
}

func (s *stage) enter(kind ReaderKind) *actor {
	a := &actor{stage: s, reader: &reader{scene: s.scene, plan: ReaderPlan{Name: string(kind), Key: stageKey, Kind: kind, Limit: 100}}}
	for _, stream := range []string{stageKey, ""} {
		s.history.Add(Event{Kind: EvReader, Reader: a.plan.Name, Stream: stream})
	}
	return a
}

// sees reads until the message with the token has come.
func (a *actor) sees(token string) {
	a.stage.t.Helper()
	Until(a.stage.t, fleetPatience, a.plan.Name+" to see "+token, func() (bool, string) {
		err := a.more()
		return a.has(token), "missing; the last error is " + errorText(err)
	})
}

// more reads a page; or a frame, and connects if it has to.
func (a *actor) more() (err error) {
	if a.plan.Kind == ReadPoll {
		_, err = poller{a.reader}.page(a.stage.ctx)
		return err
	}
	if a.stream == nil {
		if a.stream, err = (v2Reader{a.reader}).dial(a.stage.ctx); err != nil {
			return err
		}
	}
	f, err := a.stream.Next(quietRead)
	if err == nil {
		err = v2Reader{a.reader}.frame(f)
	}
	if err != nil && !Timeout(err) {
		a.hangUp()
	}
	return err
}

func (a *actor) hangUp() {
	if a.stream != nil {
		_ = a.stream.Close()
		a.stream = nil
	}
}

func errorText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

func (a *actor) has(token string) bool {
	for _, e := range a.history.Events() {
		if e.Kind == EvSeen && e.Reader == a.plan.Name && e.Token == token {
			return true
		}
	}
	return false
}

// toTheEnd reads all that is stored; one that was connected connects anew.
func (a *actor) toTheEnd() {
	a.stage.t.Helper()
	a.hangUp()
	Until(a.stage.t, fleetPatience, a.plan.Name+" to read to the end", func() (bool, string) {
		err := a.source().toTheEnd(a.stage.ctx)
		return err == nil, errorText(err)
	})
}
