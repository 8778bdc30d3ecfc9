package e2e

import (
	"bytes"
	"context"
	"os"
	"testing"

	vocabulary "gopush/internal/push"
	"gopush/message"
)

// Gate is a file by which a test holds a message back on its way into the store of a
// child: as long as the file is there, nothing with the text in it is stored.
type Gate string

// Hold shuts the gate for what is pushed from now on with the text in its body.
func (g Gate) Hold(tb testing.TB, text string) {
	tb.Helper()
	if err := os.WriteFile(string(g), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// Await waits until something stands before the shut gate.
func (g Gate) Await(tb testing.TB) {
	tb.Helper()
	Until(tb, fleetPatience, "a message to reach the store", func() (bool, string) {
		_, err := os.Stat(g.bell())
		return err == nil, "not there"
	})
}

// Open lets everything through.
func (g Gate) Open(tb testing.TB) {
	tb.Helper()
	if err := os.Remove(string(g)); err != nil {
		tb.Fatal(err)
	}
}

// bell is the file that whoever stands before the gate makes.
func (g Gate) bell() string { return string(g) + ".bell" }

// gated is a store behind a gate.
type gated struct {
	message.Store
	gate Gate
}

// Save holds a whole frame back, until the gate opens or nobody waits any more. What a
// store of another kind would have had on its way is not there then.
func (s gated) Save(ctx context.Context, writes []vocabulary.Write) []error {
	for s.held(writes) {
		err := os.WriteFile(s.gate.bell(), nil, 0o600)
		if err == nil && Pause(ctx, pollEvery) {
			continue
		}
		errs := make([]error, len(writes))
		for i := range errs {
			errs[i] = vocabulary.E(vocabulary.KindStoreUnavailable, "the gate is shut (%v, %v)", err, ctx.Err())
		}
		return errs
	}
	return s.Store.Save(ctx, writes)
}

func (s gated) held(writes []vocabulary.Write) bool {
	text, err := os.ReadFile(string(s.gate))
	if err != nil || len(text) == 0 { // empty: it is being written
		return false
	}
	for _, w := range writes {
		for _, m := range w.Messages {
			if bytes.Contains(m.Body, text) {
				return true
			}
		}
	}
	return false
}
