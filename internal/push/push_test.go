package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestParseKey(t *testing.T) {
	for _, c := range []struct {
		in string
		ok bool
	}{
		{"a", true},
		{"user:1", true},
		{"中文", true},
		{"with space", true},
		{strings.Repeat("x", MaxKeyBytes), true},
		{"", false},
		{strings.Repeat("x", MaxKeyBytes+1), false},
		{strings.Repeat("é", MaxKeyBytes/2+1), false},
		{"a\x00b", false},
		{"\x01public", false},
		{"\x01revoked", false},
		{"tab\there", false},
		{"del\x7f", false},
		{"c1\u0085", false},
		{"bad\xff", false},
	} {
		key, err := ParseKey(c.in)
		if (err == nil) != c.ok {
			t.Errorf("ParseKey(%q) = %v, want ok %v", c.in, err, c.ok)
		}
		if err != nil && !Is(err, KindBadKey) {
			t.Errorf("ParseKey(%q) has kind %s", c.in, KindOf(err))
		}
		if err == nil && string(key) != c.in {
			t.Errorf("ParseKey(%q) = %q", c.in, key)
		}
	}
}

// No key of a user can be the public stream's, or hold the row key's terminator.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"", "a", "中文", "\x01public", "a\x00", "\xff", "\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParseKey(s)
		if err != nil {
			return
		}
		if key.Public() || len(key) == 0 || len(key) > MaxKeyBytes || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Fatalf("%q was accepted", s)
		}
	})
}

func TestIDAt(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 150, time.UTC)
	id := IDAt(at)
	if id%Step != 0 {
		t.Fatalf("%d is not a multiple of %d", id, Step)
	}
	if back := id.Time(); back.Before(at.Truncate(100*time.Nanosecond)) || back.Sub(at) > 2*time.Microsecond {
		t.Fatalf("%s became %s", at, back)
	}
	if IDAt(time.Unix(0, 0)) != 0 || IDAt(time.Unix(0, 100)) != Step || IDAt(time.Unix(0, 1600)) != Step {
		t.Fatal("ids are not rounded up to a multiple of 16")
	}
	// An IEEE double holds it exactly, so JavaScript does not round it.
	late := IDAt(time.Date(2399, 12, 31, 0, 0, 0, 700, time.UTC))
	if ID(float64(late)) != late || ID(float64(late+Step)) != late+Step {
		t.Fatal("an id of 2399 is not exact as a double")
	}
}

func TestParseID(t *testing.T) {
	for in, want := range map[string]ID{"0": 0, "16": 16, "007": 7, "9223372036854775807": MaxID} {
		if got, err := ParseID(in); err != nil || got != want {
			t.Errorf("ParseID(%q) = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1e3", "9223372036854775808", strings.Repeat("9", 400), "１"} {
		if got, err := ParseID(in); !Is(err, KindBadRequest) {
			t.Errorf("ParseID(%.30q) = %d, %v; want a bad request", in, got, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"0", "16", "-1", "9223372036854775807", "9223372036854775808", "00000000000000000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		if back, err := ParseID(id.String()); err != nil || back != id || id < 0 {
			t.Fatalf("%q gave %d, and that %d, %v", s, id, back, err)
		}
	})
}

func TestExpired(t *testing.T) {
	m := Message{ExpiresAt: 1000}
	for now, want := range map[int64]bool{999: false, 1000: true, 1001: true} {
		if got := m.Expired(now); got != want {
			t.Errorf("Expired(%d) = %v", now, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	cause := errors.New("cause")
	wrapped := fmt.Errorf("outer: %w", Wrap(KindBusy, cause, "queue full"))
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{wrapped, KindBusy},
		{cause, KindInternal},
		{context.DeadlineExceeded, KindOutcomeUnknown},
		{fmt.Errorf("x: %w", context.Canceled), KindOutcomeUnknown},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %s, want %s", c.err, got, c.want)
		}
	}
	if !errors.Is(wrapped, cause) || Is(nil, KindInternal) {
		t.Error("the cause is lost, or nil has a kind")
	}
}

func TestRetryable(t *testing.T) {
	for kind, want := range map[Kind]bool{
		KindBusy: true, KindMoving: true, KindOutcomeUnknown: true, KindRateLimited: true, KindStoreUnavailable: true, KindNoNode: true,
		KindConflict: false, KindBadRequest: false, KindInternal: false, KindTooLarge: false,
	} {
		if kind.Retryable() != want {
			t.Errorf("%s.Retryable() = %v", kind, !want)
		}
	}
}
