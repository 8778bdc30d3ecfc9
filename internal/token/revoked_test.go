package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/push"
)

// stored is a stream of messages in memory, which may fail to answer.
type stored struct {
	mu sync.Mutex
	// guarded by mu:
	messages []push.Message
	away     bool
	reads    int
}

// add does what a push that is acknowledged does.
func (s *stored) add(bodies ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bodies {
		s.messages = append(s.messages, push.Message{ID: push.ID(16 * (1 + len(s.messages))), Body: []byte(b)})
	}
}

func (s *stored) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *stored) Read(_ context.Context, key push.Key, span push.Span) (push.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.away || key != push.RevokedKey {
		return push.Page{}, errors.New("the store is away")
	}
	page := push.Page{Next: span.After}
	for _, m := range s.messages {
		if m.ID <= span.After {
			continue
		}
		if len(page.Messages) == span.Limit {
			page.More = true
			break
		}
		page.Messages, page.Next = append(page.Messages, m), m.ID
	}
	return page, nil
}

// following is an authority that follows a store, in a bubble whose clock begins where the
// other tests' does not: now is the bubble's.
func following(t *testing.T, s *stored, log *slog.Logger) (a *Authority, mint func(id string) string) {
	t.Helper()
	keys, err := ParseKeys(secretLine)
	if err != nil {
		t.Fatal(err)
	}
	a, err = New(Config{Follows: true}, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	tried := make(chan struct{})
	running.Go(func() { a.Follow(ctx, s, time.Now, log, sync.OnceFunc(func() { close(tried) })) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-tried
	return a, func(id string) string {
		t.Helper()
		text, _, err := a.Mint(push.Grant{Keys: []push.Key{"k"}, Expires: time.Now().Add(24 * time.Hour), ID: id}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// verified is the kind of what is wrong with a token; empty: nothing.
func verified(a *Authority, token string) push.Kind {
	_, err := a.Verify(token, time.Now())
	if err == nil {
		return ""
	}
	return push.KindOf(err)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// What is stored as revoked is refused: what was there at the start before any token is
// accepted, and what comes later within three seconds. Others go on.
//
// Broken once by reading one page alone, once by never going on from the first (which did not end), and
// once by not telling who waits for Changed.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(stored)
		for i := range 3*pageEntries + 1 {
			s.add(fmt.Sprintf(`{"id":"old-%d","until":%d,"of":"a later version"}`, i, time.Now().Add(time.Hour).UnixMilli()))
		}
		a, mint := following(t, s, quiet())
		last := fmt.Sprintf("old-%d", 3*pageEntries)
		token, other := mint("new"), mint("other")
		for text, want := range map[string]push.Kind{mint("old-0"): push.KindTokenRevoked, mint(last): push.KindTokenRevoked, token: "", other: ""} {
			if got := verified(a, text); got != want {
				t.Errorf("a token is %q, want %q", got, want)
			}
		}
		g, err := a.Verify(token, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		changed := a.Changed()
		p, _, err := a.Revoke(push.Revocation{ID: "new"}, time.Now())
		if err != nil || p.Key != push.RevokedKey {
			t.Fatalf("%+v, %v", p, err)
		}
		s.add(string(p.Body))
		select {
		case <-changed:
		case <-time.After(3 * time.Second):
			t.Error("nobody is told")
		}
		if !a.Withdrawn(&g) || verified(a, token) != push.KindTokenRevoked || verified(a, other) != "" {
			t.Errorf("withdrawn %t, then %q; another %q", a.Withdrawn(&g), verified(a, token), verified(a, other))
		}
		if n, _ := a.Revoked(); n != 3*pageEntries+2 {
			t.Errorf("%d are known", n)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.reads > 8 {
			t.Errorf("%d reads", s.reads)
		}
	})
}

// Without the store: at the start no token that could be revoked is accepted, and that is no
// fault of the token; later what is known stays in force, and the rest as it was. The log
// says both once.
//
// Broken once by accepting tokens before the first answer, once by forgetting what was known
// at a failure, and once by logging every failure.
func TestFollowWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stored{away: true}
		var log bytes.Buffer
		a, mint := following(t, s, slog.New(slog.NewTextHandler(&log, nil)))
		token, other := mint("x"), mint("other")
		if got := verified(a, token); got != push.KindStoreUnavailable {
			t.Errorf("before anything is known: %q", got)
		}
		nameless := hs(t, fmt.Sprintf(`{"key":"k","exp":%d}`, time.Now().Add(time.Hour).Unix()))
		if got := verified(a, nameless); got != "" {
			t.Errorf("a token that cannot be revoked: %q", got)
		}
		if got := verified(a, "x.y.z"); got != push.KindUnauthenticated {
			t.Errorf("what is no token: %q", got)
		}
		s.add(fmt.Sprintf(`{"id":"x","until":%d}`, time.Now().Add(24*time.Hour).UnixMilli()))
		s.set(false)
		<-time.After(followEvery)
		if verified(a, token) != push.KindTokenRevoked || verified(a, other) != "" {
			t.Errorf("with the store: %q and %q", verified(a, token), verified(a, other))
		}
		s.set(true)
		<-time.After(time.Hour)
		_, read := a.Revoked()
		if verified(a, token) != push.KindTokenRevoked || verified(a, other) != "" || time.Since(read) < 59*time.Minute {
			t.Errorf("after an hour without: %q and %q, read %s", verified(a, token), verified(a, other), read)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 || strings.Count(log.String(), "read again") != 1 {
			t.Errorf("%d warnings in %s", n, log.String())
		}
	})
}

// A revocation outlives the token, on whatever clock, and is forgotten then; what cannot be
// read as one is overlooked.
//
// Broken once by forgetting it at its end.
func TestRevocationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(stored)
		s.add(`null`, `{"id":"a b","until":1}`, `{"id":"x"}`, fmt.Sprintf(`{"id":"x","until":%d}`, time.Now().Add(time.Hour).UnixMilli()))
		a, mint := following(t, s, quiet())
		if got := verified(a, mint("x")); got != push.KindTokenRevoked {
			t.Errorf("revoked: %q", got)
		}
		<-time.After(time.Hour + outlives/2)
		if got := verified(a, mint("x")); got != push.KindTokenRevoked {
			t.Errorf("on a clock that is behind: %q", got)
		}
		<-time.After(outlives)
		if n, _ := a.Revoked(); n != 0 || verified(a, mint("x")) != "" {
			t.Errorf("%d are kept for ever", n)
		}
	})
}

// What can be revoked and until when; repeating it stores nothing, and there is an end to how
// many there are.
//
// Broken once by storing every repetition, and once by taking more than there can be.
func TestRevoke(t *testing.T) {
	a, _, _ := authority(t)
	p, r, err := a.Revoke(push.Revocation{ID: "x"}, now)
	longest := now.Add(30*24*time.Hour + leeway)
	if err != nil || !r.Until.Equal(longest) || p.ExpiresAt != longest.Add(outlives).UnixMilli() || p.Key != push.RevokedKey {
		t.Fatalf("%+v, %+v, %v", p, r, err)
	}
	if back, err := parseEntry(p.Body); err != nil || back.ID != "x" || !back.Until.Equal(longest) {
		t.Errorf("%s is read as %+v, %v", p.Body, back, err)
	}
	changed := a.Changed()
	a.Learn(r)
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	for until, again := range map[time.Time]bool{{}: false, now.Add(time.Second): false, longest.Add(outlives): false, longest.Add(outlives + 1): true} {
		if p, _, err := a.Revoke(push.Revocation{ID: "x", Until: until}, now); err != nil || (p != nil) != again {
			t.Errorf("again until %s: %+v, %v", until, p, err)
		}
	}
	a.Learn(push.Revocation{ID: "x", Until: now.Add(time.Second)}) // an earlier one, read late
	if p, _, err := a.Revoke(push.Revocation{ID: "x"}, now); err != nil || p != nil {
		t.Errorf("it was shortened: %+v, %v", p, err)
	}
	for name, r := range map[string]push.Revocation{
		"none": {}, "a token": {ID: strings.Repeat("x", 65)}, "space": {ID: "a b"},
		"over": {ID: "y", Until: now}, "far": {ID: "y", Until: now.Add(furthest + 1)},
	} {
		if p, _, err := a.Revoke(r, now); p != nil || !push.Is(err, push.KindBadRequest) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	var all []push.Revocation
	for i := range MaxRevoked - 1 {
		all = append(all, push.Revocation{ID: fmt.Sprint(i), Until: longest})
	}
	a.Learn(all...)
	if p, _, err := a.Revoke(push.Revocation{ID: "y"}, now); p != nil || !push.Is(err, push.KindConflict) {
		t.Errorf("one too many: %+v, %v", p, err)
	}
	if _, _, err := a.Revoke(push.Revocation{ID: "0"}, now); err != nil {
		t.Errorf("one that is revoked already: %v", err)
	}
}
