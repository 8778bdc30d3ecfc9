package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"gopush/comet/client"
	"gopush/comet/wire"
	"gopush/internal/push"
)

// member listens with the Go client and tokens that a service of its own signs, each of which
// lives for three seconds at most.
type member struct {
	mu     sync.Mutex
	signed int      // guarded by mu; tokens so far
	here   int      // guarded by mu; tokens for the connection that stands, -1 without one
	renews int      // guarded by mu; renewals that did what they should
	revoke int      // guarded by mu; connections that ended as their token was revoked
	got    []string // guarded by mu
	odd    []string // guarded by mu; what should not have happened
}

// token signs the next one. Its name is its number.
func (m *member) token(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signed++
	if m.here >= 0 {
		m.here++
	}
	if m.here > 1 { // without the one before, the connection would be over
		m.renews++
	}
	claims := fmt.Sprintf(`{"key":"k","jti":"t-%d","exp":%d}`, m.signed, time.Now().Add(3*time.Second).Unix())
	return hs256(`{"alg":"HS256","kid":"s"}`, claims, tokenSecret), nil
}

func (m *member) event(_ context.Context, ev client.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch ev.Kind {
	case client.KindReady:
		m.here = 0
	case client.KindMessage:
		m.got = append(m.got, string(ev.Data))
	case client.KindDisconnected:
		m.here = -1
		// A machine that is very busy may renew too late: then the connection ends and is made again.
		e, ok := errors.AsType[*client.CloseError](ev.Err)
		switch {
		case ok && e.Code == wire.CloseRevoked:
			m.revoke++
		case !ok || e.Code != wire.CloseTokenExpired:
			m.odd = append(m.odd, ev.Err.Error())
		}
	case client.KindGap:
		m.odd = append(m.odd, "a gap")
	default:
	}
	return nil
}

// renewed is how often a connection went on with a new token, the name of the newest one, and
// how many connections ended as theirs was revoked.
func (m *member) renewed() (n int, newest string, revoked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.renews, fmt.Sprintf("t-%d", m.signed), m.revoke
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.got)
}

// A client whose tokens are short renews them again and again on one connection, gets another
// when one is revoked, and has every message once and in order.
//
// Broken once by not sending the new token, once by a comet that kept the first token's end,
// and once by ending at a refusal.
func TestRenewalEndToEnd(t *testing.T) {
	c := withKeys(t, keyLine("s", tokenSecret))
	m, from := &member{here: -1}, push.ID(0)
	stream, err := client.New(client.Config{
		NodeURL: c.public(), Key: "k", After: &from, TokenSource: m.token, OnEvent: m.event, FirstBackoff: 10 * time.Millisecond,
	}, client.Deps{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	ended := make(chan error, 1)
	running.Go(func() { ended <- stream.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	pushed := 0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	await := func(what string, done func() bool, meanwhile func()) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !done(); meanwhile() {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s", what)
			}
			select {
			case err := <-ended:
				t.Fatalf("Run = %v", err)
			case <-tick.C:
			}
		}
	}
	push := func() {
		c.push("k", strconv.Itoa(pushed))
		pushed++
	}
	await("five renewals", func() bool { n, _, _ := m.renewed(); return n >= 5 }, push)
	for revoked := 0; revoked == 0; {
		_, newest, _ := m.renewed()
		c.call(http.MethodDelete, c.admin()+"/v2/tokens/"+newest, "", new(struct{}))
		// One that was about to be replaced may be so before it is missed.
		await("another token", func() bool {
			var now string
			_, now, revoked = m.renewed()
			return revoked > 0 || now != newest
		}, push)
	}
	for range 3 {
		push()
	}
	await("all messages", func() bool { return m.count() >= pushed }, func() {})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	for i, got := range m.got {
		if got != strconv.Itoa(i) {
			t.Fatalf("message %d is %s", i, got)
		}
	}
	if len(m.got) != pushed || len(m.odd) > 0 {
		t.Errorf("%d of %d messages, and %q", len(m.got), pushed, m.odd)
	}
	t.Logf("%d messages, %d tokens, %d renewals, %d revoked", pushed, m.signed, m.renews, m.revoke)
}
