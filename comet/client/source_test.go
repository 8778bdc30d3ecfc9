package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// tokenUntil makes a token that ends at a time. Who reads it here verifies nothing.
func tokenUntil(end time.Time) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end.Unix())) + ".x"
}

// source is a TokenSource that notes when it was called, since it was made.
type source struct {
	life time.Duration // of its tokens
	// answer replaces what it would do, unless it gives "" without an error; nil: never.
	answer func(ctx context.Context, call int) (string, error)
	began  time.Time
	mu     sync.Mutex
	calls  []time.Duration // guarded by mu
	given  []string        // guarded by mu
}

func newSource(life time.Duration) *source { return &source{life: life, began: time.Now()} }

func (s *source) get(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Since(s.began))
	call := len(s.calls)
	s.mu.Unlock()
	if s.answer != nil {
		if token, err := s.answer(ctx, call); token != "" || err != nil {
			return token, err
		}
	}
	token := tokenUntil(time.Now().Add(s.life))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, token)
	return token, nil
}

func (s *source) asked(t *testing.T, want ...time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := cmp.Diff(want, s.calls); d != "" {
		t.Errorf("the source was asked at (-want +got):\n%s", d)
	}
}

// token is the nth that it gave, from 1.
func (s *source) token(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[n-1]
}

// bearer checks the token that a connection came with.
func (p *peer) bearer(token string) {
	p.t.Helper()
	if got := p.header.Get("Authorization"); got != "Bearer "+token {
		p.t.Errorf("the connection came with %q, want %q", got, token)
	}
}

// silent checks that the client says nothing for a while, in which it hears something.
func (p *peer) silent(d time.Duration) {
	p.t.Helper()
	for end := time.Now().Add(d); ; {
		select {
		case got, open := <-p.said:
			p.t.Errorf("the client says %q (gone: %t)", got, !open)
			return
		case <-time.After(min(30*time.Second, time.Until(end))):
			p.live()
		}
		if !time.Now().Before(end) {
			return
		}
	}
}

// A source is asked before the first connection, then on the one that stands, in the last
// quarter of each token's life; a new connection uses what there is. Nothing is lost or
// doubled by any of it.
//
// Broken once by never planning a renewal, and once by asking for each connection.
func TestSourceRenewsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(40 * time.Second)
		var r run
		r.cfg.TokenSource = s.get
		r.start(t, func(p *peer) {
			p.bearer(s.token(1))
			p.ready()
			for i := range push.ID(6) {
				p.message(16*(i+1), 16*i)
				if got, want := <-p.said, string(wire.AppendToken(nil, s.token(int(i)+2))); got != want {
					t.Errorf("the client says %s, want %s", got, want)
				}
			}
		}, func(p *peer) {
			p.bearer(s.token(7))
			p.ready()
			p.silent(29 * time.Second)
		})
		r.expect(t,
			"ready node1 resumed=false @0/0", "message 16 @16/0", "message 32 @32/0", "message 48 @48/0",
			"message 64 @64/0", "message 80 @80/0", "message 96 @96/0",
			"disconnected cut, retry in 500ms @96/0", "ready node1 resumed=true @96/0", "live @96/0",
			"disconnected cut, retry in 1s @96/0", // after which the token's end is near
		)
		var want []time.Duration
		for i := range 7 {
			want = append(want, time.Duration(i)*30*time.Second)
		}
		s.asked(t, append(want, 210*time.Second+500*time.Millisecond)...)
	})
}

// Of a long token the last ten minutes are enough, and the moment is spread over half of them.
//
// Broken once by taking a quarter of any life, and once by no jitter.
func TestSourceIsAskedLateAndSpread(t *testing.T) {
	for jitter, want := range map[time.Duration]time.Duration{0: 115 * time.Minute, 5 * time.Minute: 110 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(2 * time.Hour)
			r := run{jitter: func(limit time.Duration) time.Duration { return min(jitter, limit) }}
			r.cfg.TokenSource = s.get
			r.start(t, func(p *peer) {
				p.ready()
				p.silent(want - time.Second)
				<-p.said
			})
			refused(t, r.client.Run(t.Context()))
			s.mu.Lock()
			s.calls = s.calls[:2]
			s.mu.Unlock()
			s.asked(t, 0, want)
		})
	}
}

var errAway = errors.New("the issuer is away")

// A source that fails is asked again with the client's backoff; the connection stays as long
// as its token holds, and messages come. Then the connection waits for a token.
//
// Broken once by ending the connection when the source failed, and once by asking again at once.
func TestSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(40 * time.Second)
		s.answer = func(_ context.Context, call int) (string, error) {
			if call > 1 && call < 9 {
				return "", errAway
			}
			return "", nil
		}
		r := run{cfg: Config{TokenSource: s.get, FirstBackoff: time.Second, MaxBackoff: 4 * time.Second}}
		r.start(t, func(p *peer) {
			p.ready()
			p.silent(39 * time.Second)
			p.message(16, 0)
			p.silent(time.Second)
			p.close(wire.CloseTokenExpired)
		}, func(p *peer) {
			p.bearer(s.token(2))
			p.ready()
		})
		r.expect(t, "ready node1 resumed=false @0/0", "live @0/0", "live @0/0", "message 16 @16/0", "live @16/0",
			"disconnected 4103, retry in 1s @16/0",
			"disconnected token: the issuer is away, retry in 2s @16/0",
			"disconnected token: the issuer is away, retry in 4s @16/0",
			"disconnected token: the issuer is away, retry in 4s @16/0",
			"ready node1 resumed=true @16/0",
			"disconnected cut, retry in 4s @16/0",
		)
		at := func(seconds ...int) (all []time.Duration) {
			for _, n := range seconds {
				all = append(all, time.Duration(n)*time.Second)
			}
			return all
		}
		s.asked(t, at(0, 30, 31, 33, 37, 41, 43, 47, 51)...)
	})
}

// A new connection is made with the old token as long as that holds, if the source fails.
//
// Broken once by taking any failure of the source for the end of the attempt.
func TestSourceFailsWhileTheTokenHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(0)
		s.answer = func(context.Context, int) (string, error) { return "", errAway }
		first := tokenUntil(time.Now().Add(40 * time.Second))
		r := run{cfg: Config{TokenSource: s.get, Token: first, FirstBackoff: time.Second, MaxBackoff: time.Minute}}
		r.start(t, func(p *peer) {
			p.bearer(first)
			p.ready()
			<-time.After(30500 * time.Millisecond) // the source has failed once, and rests until 31 s
		}, func(p *peer) {
			p.bearer(first)
			p.ready()
			<-time.After(time.Second)
		}, func(p *peer) {
			p.bearer(first)
			p.ready()
		})
		r.expect(t,
			"ready node1 resumed=false @0/0", "disconnected cut, retry in 1s @0/0",
			"ready node1 resumed=true @0/0", "disconnected cut, retry in 2s @0/0",
			"ready node1 resumed=true @0/0", "disconnected cut, retry in 4s @0/0",
		)
		s.asked(t, 30*time.Second, 31500*time.Millisecond, 34500*time.Millisecond, 38500*time.Millisecond)
	})
}

// A source that says there will be no token ends the client, before a connection and on one
// that stands, which is closed in order.
//
// Broken once by taking ErrDenied for any other error.
func TestSourceDenies(t *testing.T) {
	for _, calls := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(40 * time.Second)
			s.answer = func(_ context.Context, call int) (string, error) {
				if call > calls {
					return "", fmt.Errorf("signed out: %w", ErrDenied)
				}
				return "", nil
			}
			r := run{cfg: Config{TokenSource: s.get}}
			r.start(t, func(p *peer) {
				p.ready()
				if got := p.untilGone(); got != "close 1000" {
					t.Errorf("the client leaves with %q", got)
				}
			})
			err := r.client.Run(t.Context())
			if e, ok := errors.AsType[*TokenError](err); !ok || !errors.Is(err, ErrDenied) || !strings.Contains(e.Error(), "getting a token: signed out") {
				t.Errorf("Run = %v", err)
			}
			if len(r.events) != calls || time.Since(s.began) != time.Duration(calls)*30*time.Second {
				t.Errorf("ended after %s with %q", time.Since(s.began), r.events)
			}
		})
	}
}

// A source that hangs holds up no message, and is given up after Handshake.
//
// Broken once by holding a lock that events need during the call, and once by no limit.
func TestSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(40 * time.Second)
		s.answer = func(ctx context.Context, call int) (string, error) {
			if call == 1 {
				return "", nil
			}
			<-ctx.Done()
			return "", ctx.Err()
		}
		r := run{cfg: Config{TokenSource: s.get, Handshake: 5 * time.Second}}
		var heard []time.Duration
		r.cfg.OnEvent = func(_ context.Context, ev Event) error {
			if ev.Kind == KindMessage {
				heard = append(heard, time.Since(s.began))
			}
			return nil
		}
		r.start(t, func(p *peer) {
			p.ready()
			for i := range push.ID(4) {
				<-time.After(8500 * time.Millisecond)
				p.message(16*(i+1), 16*i)
			}
			<-time.After(6 * time.Second)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.client.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v", err)
		}
		if want := []time.Duration{8500 * time.Millisecond, 17 * time.Second, 25500 * time.Millisecond, 34 * time.Second}; !cmp.Equal(want, heard) {
			t.Errorf("messages after %v", heard)
		}
		if last := r.events[len(r.events)-1]; !strings.Contains(last, "token: context deadline exceeded") {
			t.Errorf("the last event is %s", last)
		}
	})
}

// A refused token is replaced once; if the next one is refused as well, Run ends. A connection
// that stood between makes it a first refusal again.
//
// Broken once by coming back as long as the source gives tokens, and once by never forgetting
// a refusal.
func TestSourceAfterARefusal(t *testing.T) {
	for _, code := range []wire.CloseCode{wire.CloseUnauthenticated, wire.CloseTokenExpired, wire.CloseForbidden, wire.CloseRevoked} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(time.Hour)
			r := run{cfg: Config{TokenSource: s.get, Token: "not a token"}}
			refuse := func(p *peer) { p.close(code) }
			r.start(t, func(p *peer) { p.bearer("not a token"); p.close(code) },
				func(p *peer) { p.bearer(s.token(1)); p.ready(); p.message(16, 0); p.close(code) },
				func(p *peer) {
					p.bearer(s.token(2))
					if got := p.query.Get("after"); got != "16" {
						t.Errorf("it goes on after %q", got)
					}
					refuse(p)
				},
				func(*peer) { t.Error("it comes back though two tokens were refused") })
			err := r.client.Run(t.Context())
			if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != code {
				t.Errorf("%d: Run = %v", code, err)
			}
			want := []string{
				fmt.Sprintf("disconnected %d, retry in 500ms @0/0", code), "ready node1 resumed=false @0/0", "message 16 @16/0",
				fmt.Sprintf("disconnected %d, retry in 1s @16/0", code),
			}
			if d := cmp.Diff(want, r.events); d != "" {
				t.Errorf("%d: %s", code, d)
			}
			s.asked(t, 500*time.Millisecond, 1500*time.Millisecond)
		})
	}
}

// What counts is the servers' clock: a machine whose own is wrong renews in time all the same.
//
// Broken once by leaving the Date of the lookup alone.
func TestSourceWithAWrongClock(t *testing.T) {
	for _, ahead := range []time.Duration{-9 * time.Hour, 0, 9 * time.Hour} { // the servers
		synctest.Test(t, func(t *testing.T) {
			s := newSource(0)
			s.answer = func(context.Context, int) (string, error) {
				return tokenUntil(time.Now().Add(ahead + 40*time.Second)), nil
			}
			f := &fake{}
			f.lookup = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				fmt.Fprintf(w, `{"ws":"ws://%s/v2/stream"}`, r.Host)
			}
			r := run{fake: f, cfg: Config{TokenSource: s.get}}
			r.start(t, func(p *peer) {
				p.ready()
				<-p.said
				<-p.said
			})
			refused(t, r.client.Run(t.Context()))
			s.asked(t, 0, 30*time.Second, 60*time.Second)
		})
	}
}

// Run waits for a call of the source that is under way when it is told to end, and for nothing
// more.
//
// Broken once by not waiting for the renewal.
func TestSourceWhenRunEnds(t *testing.T) {
	for _, calls := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := newSource(40 * time.Second)
			returned := false
			s.answer = func(ctx context.Context, call int) (string, error) {
				if call < calls {
					return "", nil
				}
				time.AfterFunc(time.Second, cancel)
				<-ctx.Done()
				<-time.After(time.Second) // it has something to put in order
				returned = true
				return "", ctx.Err()
			}
			r := run{cfg: Config{TokenSource: s.get}}
			r.start(t, func(p *peer) { p.ready(); p.untilGone() })
			err := r.client.Run(ctx)
			if took := time.Since(s.began) - time.Duration(calls-1)*30*time.Second; !errors.Is(err, context.Canceled) || !returned || took != 2*time.Second {
				t.Errorf("Run = %v after %s, the source returned: %t", err, took, returned)
			}
		})
	}
}

// A source may give the token again that it has already: that is not shown twice, and asked
// about again as its end comes nearer, without haste. An empty or huge one is a failure. A
// token that was set is used, and planned for.
//
// Broken once by showing whatever came, once by planning by the text of a token, and once by
// not looking at what SetToken gave.
func TestSourceGivesOddThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(0)
		same := tokenUntil(time.Now().Add(64 * time.Second))
		s.answer = func(_ context.Context, call int) (string, error) {
			switch call {
			case 3:
				return strings.Repeat("x", wire.MaxToken+1), nil
			case 7:
				return "without an end", nil
			default:
				return same, nil
			}
		}
		r := run{cfg: Config{TokenSource: s.get}}
		r.start(t, func(p *peer) {
			p.bearer(same)
			p.ready()
			p.silent(65 * time.Second)
			if got := <-p.said; got != `{"type":"token","token":"without an end"}` {
				t.Errorf("the client says %s", got)
			}
			p.silent(time.Hour)
			set := tokenUntil(time.Now().Add(40 * time.Second))
			for range 2 { // the second time it is no news
				r.client.SetToken(set)
			}
			if got := <-p.said; got != string(wire.AppendToken(nil, set)) {
				t.Errorf("the client says %s", got)
			}
			<-p.said
		})
		refused(t, r.client.Run(t.Context()))
		var want []time.Duration
		for _, seconds := range []float64{0, 48, 60, 61, 63.25, 64.25, 65.25, 3665.25 + 29.8125, 3665.25 + 29.8125 + 0.5} {
			want = append(want, time.Duration(seconds*float64(time.Second)))
		}
		s.asked(t, want...)
	})
}

func TestEndOf(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	for claims, want := range map[string]int64{
		`{"exp":1800003600}`: 1800003600, `{"exp":1800003600.9,"key":"k"}`: 1800003600, `{"EXP":1}`: 0, `{"exp":1,"EXP":2}`: 1,
		`{"exp":"1"}`: 0, `{"exp":null}`: 0, `{"exp":-1}`: 0, `{"exp":1e300}`: 0, `[]`: 0, `null`: 0, ``: 0,
	} {
		got := endOf("e30." + b64([]byte(claims)) + ".c2ln")
		if got.IsZero() != (want == 0) || want != 0 && got.Unix() != want {
			t.Errorf("%s ends at %s", claims, got)
		}
	}
	for _, token := range []string{"", "..", "opaque", "a.b.c", "e30." + b64([]byte(`{"exp":1}`)), "e30." + b64([]byte(`{"exp":1}`)) + "=.x"} {
		if got := endOf(token); !got.IsZero() {
			t.Errorf("%q ends at %s", token, got)
		}
	}
}
