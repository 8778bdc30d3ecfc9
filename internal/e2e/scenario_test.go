package e2e

import (
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"
)

// The scenario's size can be changed from outside: a longer run, or the seed of
// one that failed.
const (
	seedEnv    = "GOPUSH_E2E_SEED"
	secondsEnv = "GOPUSH_E2E_SECONDS"
)

// Everybody at once, and the server killed in the middle of it, again and again:
// every acknowledged message is with every reader exactly once and in order.
//
// Broken once by giving a write whose outcome is unknown new ids when it is tried
// again: broken chains in the public stream.
func TestRandomScenario(t *testing.T) {
	t.Parallel() // it takes long, and its actors wait most of the time
	seed := uint64(time.Now().UnixNano())
	if text, ok := os.LookupEnv(seedEnv); ok {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedEnv, err)
		}
		seed = n
	}
	var sizes Sizes
	if text, ok := os.LookupEnv(secondsEnv); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 5 {
			t.Fatalf("%s is %q; give seconds, at least 5", secondsEnv, text)
		}
		sizes.Length = time.Duration(n) * time.Second
		sizes.Kills = n * 8 / 20
	}
	plan := MakePlan(seed, sizes)
	t.Logf("seed %d (set %s to play it again): %d keys, %d kills, %d readers, %d messages to push",
		seed, seedEnv, len(plan.Keys), len(plan.Kills), len(plan.Readers), len(plan.Tokens()))
	c := Start(t, Options{Child: true})
	Prove(t, c, plan, Run(t, c, plan))
}

func TestSameSeedSamePlan(t *testing.T) {
	a, b, other := MakePlan(7, Sizes{}), MakePlan(7, Sizes{}), MakePlan(8, Sizes{})
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives another plan")
	}
	if reflect.DeepEqual(a.Pushers, other.Pushers) || reflect.DeepEqual(a.Kills, other.Kills) || reflect.DeepEqual(a.Readers, other.Readers) {
		t.Error("another seed gives the same plan")
	}
}

// A plan holds what the scenario is for.
func TestPlanHasEverything(t *testing.T) {
	p := MakePlan(1, Sizes{})
	tokens := p.Tokens()
	for i := 1; i < len(tokens); i++ {
		if tokens[i] == tokens[i-1] {
			t.Fatalf("the token %s is not unique", tokens[i])
		}
	}
	var batches, broadcasts, recalls, repeats, idempotent, bare, mortal int
	for _, pusher := range p.Pushers {
		for i, step := range pusher.Steps {
			if i > 0 && step.At < pusher.Steps[i-1].At {
				t.Fatalf("%s goes back in time at step %d", pusher.Name, i)
			}
			count(&batches, step.Batch)
			count(&recalls, step.Recall)
			count(&repeats, step.Repeat)
			for _, push := range step.Pushes {
				count(&broadcasts, push.Key == "")
				count(&idempotent, push.Idempotent)
				count(&bare, !push.Idempotent)
				count(&mortal, push.TTL > 0)
			}
		}
	}
	kinds := make(map[ReaderKind]int)
	stalls := 0
	for _, r := range p.Readers {
		kinds[r.Kind]++
		for _, s := range r.Sessions {
			count(&stalls, s.Stall > 0)
		}
	}
	for name, n := range map[string]int{
		"batches": batches, "broadcasts": broadcasts, "recalls": recalls, "repeats": repeats, "idempotent pushes": idempotent,
		"bare pushes": bare, "short-lived messages": mortal, "stalls": stalls,
	} {
		if n < 10 {
			t.Errorf("only %d %s", n, name)
		}
	}
	if len(kinds) != 6 || len(p.Kills) != 8 || len(p.Keys) < 200 {
		t.Errorf("kinds of readers %v, %d kills, %d keys", kinds, len(p.Kills), len(p.Keys))
	}
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}

// What a batch's reply says, line by line.
func TestBatchOutcomes(t *testing.T) {
	body := `{"i":0,"id":"16"}` + "\n" +
		`{"i":1,"error":{"status":503,"code":"busy"}}` + "\n" +
		`{"i":2,"error":{"status":504,"code":"outcome_unknown"}}` + "\n" +
		`{"i":3,"error":{"status":409,"code":"conflict"}}` + "\n"
	got := batchOutcomes(5, Answer{Status: 200, Body: body}, nil)
	want := []OutcomeState{Acked, Refused, Unknown, Refused, Unknown}
	for i, o := range got {
		if o.State != want[i] {
			t.Errorf("line %d is %+v, want %s", i, o, want[i])
		}
	}
	if got[0].ID != 16 || got[1].Code != "busy" {
		t.Errorf("got %+v", got)
	}
	for _, o := range batchOutcomes(2, Answer{}, os.ErrDeadlineExceeded) {
		if o.State != Unknown {
			t.Errorf("without an answer a line is %+v", o)
		}
	}
}
