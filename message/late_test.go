package message_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// A frame that was given up and is handled late must not take anything from the
// retry that was acknowledged meanwhile, even when that is the newest.
func TestLateFrame(t *testing.T) {
	n := newNode(t, nil)
	if _, err := n.write(0, msg(16, `"first"`)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.write(16, msg(48, `"late"`, "i")); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]push.Status{`"late"`: push.Duplicate, `"other"`: push.Conflict} {
		w, err := n.write(16, msg(32, body, "i"))
		if err != nil || outcomes(w)[0] != (push.Outcome{Status: want, ID: 48}) {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	n.want("0<16", "16<48")
}

// A repeat finds its place although its first message was a duplicate, and so
// was never stored.
func TestRepeatOfDuplicateFirst(t *testing.T) {
	n := newNode(t, nil)
	if _, err := n.write(0, msg(16, `1`, "i")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w, err := n.write(push.PrevUnknown, msg(32, `1`, "i"), msg(48, `2`), msg(64, `3`))
		if err != nil || w.Prev != 16 || outcomes(w)[0].Status != push.Duplicate || outcomes(w)[2].Status != push.Stored {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	n.want("0<16", "16<48", "48<64")
}

func TestRefusesKeys(t *testing.T) {
	n := newNode(t, nil)
	for _, key := range []push.Key{"", "a\x00b", "\x01other", push.Key(strings.Repeat("x", push.MaxKeyBytes+1))} {
		var got error
		w := push.Write{Key: key, Messages: []push.Message{msg(16, `1`)}}
		n.Save(t.Context(), []push.Write{w}, func(_ int, _ push.Written, err error) { got = err })
		if !push.Is(got, push.KindBadKey) {
			t.Errorf("a write to %.10q was answered %v", key, got)
		}
	}
	for _, key := range []push.Key{push.PublicKey, push.RevokedKey} {
		var got error
		w := push.Write{Key: key, Messages: []push.Message{msg(16, `1`)}}
		n.Save(t.Context(), []push.Write{w}, func(_ int, _ push.Written, err error) { got = err })
		if got != nil {
			t.Errorf("a write to the roles' own %q was answered %v", key, got)
		}
	}
}

// hung is a store that never answers before its context ends.
type hung struct{ message.Store }

func (hung) Save(ctx context.Context, writes []push.Write) []error {
	<-ctx.Done()
	errs := make([]error, len(writes))
	for i := range errs {
		errs[i] = ctx.Err()
	}
	return errs
}

func (hung) Newest(ctx context.Context, _ push.Key) (push.ID, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// No call lasts for ever, whether it came with a deadline or not.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := message.NewService(message.Config{Timeout: time.Second}, hung{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var got error
		w := push.Write{Key: "k", Messages: []push.Message{msg(16, `1`)}}
		svc.Save(t.Context(), []push.Write{w}, func(_ int, _ push.Written, err error) { got = err })
		if !push.Is(got, push.KindOutcomeUnknown) || time.Since(start) != time.Second {
			t.Errorf("a save was answered %v after %s", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if _, err := svc.Newest(ctx, "k"); err == nil || time.Since(start) != time.Minute {
			t.Errorf("a call with a deadline was answered %v after %s", err, time.Since(start))
		}
	})
}

func TestServiceConfig(t *testing.T) {
	for _, cfg := range []message.Config{{Concurrency: -1}, {Waiting: -1}, {Timeout: -1}} {
		if _, err := message.NewService(cfg, nil); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	n := newNode(t, nil)
	if _, err := n.Read(t.Context(), "k", push.Span{}); !push.Is(err, push.KindBadRequest) {
		t.Errorf("a read of no messages was answered %v", err)
	}
}
