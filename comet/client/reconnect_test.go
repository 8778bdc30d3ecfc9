package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"gopush/comet/wire"
)

func TestTerminalCodesEndRun(t *testing.T) {
	for _, code := range []wire.CloseCode{
		wire.CloseBadRequest, wire.CloseUnauthenticated, wire.CloseTokenExpired,
		wire.CloseForbidden, wire.CloseTooMany, wire.CloseRevoked, 4150,
	} {
		synctest.Test(t, func(t *testing.T) {
			var r run
			r.start(t, func(p *peer) {
				p.send(wire.AppendError(nil, "some_code", "a sentence", false))
				p.close(code)
			})
			err := r.client.Run(t.Context())
			want := &CloseError{Code: code, Reason: code.Text(), ErrorCode: "some_code", Detail: "a sentence"}
			got, _ := errors.AsType[*CloseError](err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d: Run = %v (-want +got):\n%s", code, err, diff)
			}
			if len(r.events) > 0 {
				t.Errorf("%d: events %q", code, r.events)
			}
		})
	}
}

func TestOtherCodesReconnect(t *testing.T) {
	for _, code := range []wire.CloseCode{
		wire.CloseWrongNode, wire.CloseDraining, wire.CloseOverloaded, wire.CloseOwnershipLost, wire.CloseHeartbeat,
		4099, 1000, 1001, 1011, 1012,
	} {
		synctest.Test(t, func(t *testing.T) {
			var r run
			var got error
			r.cfg.OnEvent = func(_ context.Context, ev Event) error {
				if ev.Kind == KindDisconnected {
					got = ev.Err
				}
				return nil
			}
			r.start(t, func(p *peer) { p.ready(); p.close(code) })
			refused(t, r.client.Run(t.Context()))
			if e, ok := errors.AsType[*CloseError](got); !ok || e.Code != code {
				t.Errorf("disconnected with %v, want code %d", got, code)
			}
		})
	}
}

// at notes when connections come, since the first.
type at struct {
	begun time.Time
	times []time.Duration
}

func (a *at) then(s script) script {
	return func(p *peer) {
		if a.begun.IsZero() {
			a.begun = time.Now()
		}
		a.times = append(a.times, time.Since(a.begun))
		s(p)
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits []time.Duration
		r := run{
			cfg: Config{FirstBackoff: time.Second, MaxBackoff: 6 * time.Second},
			jitter: func(limit time.Duration) time.Duration {
				limits = append(limits, limit)
				return limit / 2
			},
		}
		var when at
		soon := when.then(func(p *peer) { p.ready() })
		// Six seconds are as long as the largest backoff: a new start.
		lasting := when.then(func(p *peer) {
			p.ready()
			<-time.After(6 * time.Second)
		})
		r.start(t, soon, soon, soon, soon, soon, lasting, soon)
		refused(t, r.client.Run(t.Context()))
		s := time.Second
		if diff := cmp.Diff([]time.Duration{s, 2 * s, 4 * s, 6 * s, 6 * s, s, 2 * s}, limits); diff != "" {
			t.Errorf("limits of the backoff (-want +got):\n%s", diff)
		}
		want := []time.Duration{0, s / 2, 3 * s / 2, 7 * s / 2, 13 * s / 2, 19 * s / 2, 16 * s}
		if diff := cmp.Diff(want, when.times); diff != "" {
			t.Errorf("times of the connections (-want +got):\n%s", diff)
		}
	})
}

func TestMoveIsObeyedToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		var when at
		r.start(t,
			when.then(func(p *peer) {
				p.ready()
				p.send(wire.AppendMove(nil, 1234*time.Millisecond))
				p.message(16, 0) // what was on its way still counts
				p.close(wire.CloseDraining)
			}),
			when.then(func(p *peer) { p.ready(); p.send(wire.AppendMove(nil, 0)); p.close(wire.CloseDraining) }),
			when.then(func(p *peer) { p.ready() }),
		)
		r.expect(t,
			"ready node1 resumed=false @0/0",
			"message 16 @16/0",
			"disconnected 4002, retry in 1.234s @16/0",
			"ready node1 resumed=true @16/0",
			"disconnected 4002, retry in 0s @16/0",
			"ready node1 resumed=true @16/0",
			"disconnected cut, retry in 500ms @16/0",
		)
		if want := []time.Duration{0, 1234 * time.Millisecond, 1234 * time.Millisecond}; !cmp.Equal(when.times, want) {
			t.Errorf("connections at %v, want %v", when.times, want)
		}
	})
}

func TestSilenceIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		r.start(t, func(p *peer) {
			p.ready() // the heartbeat is 30 s
			<-time.After(50 * time.Second)
			p.live()
			heard := time.Now()
			p.untilGone()
			if took := time.Since(heard); took != 60*time.Second {
				t.Errorf("the client left %s after it heard something, want 1m0s", took)
			}
		}, func(p *peer) {
			begun := time.Now() // not even ready
			p.untilGone()
			if took := time.Since(begun); took != 10*time.Second {
				t.Errorf("the client waited %s for ready, want 10s", took)
			}
		})
		refused(t, r.client.Run(t.Context()))
	})
}

func TestPingsAreAnsweredAndKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		r.start(t, func(p *peer) {
			p.ready()
			for range 200 { // 100 minutes
				<-time.After(30 * time.Second)
				_ = p.ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second))
				if got := <-p.said; got != "pong x" {
					t.Fatalf("the client says %q, want a pong", got)
				}
			}
			p.message(16, 0)
		})
		r.expect(t,
			"ready node1 resumed=false @0/0",
			"message 16 @16/0",
			"disconnected cut, retry in 500ms @16/0",
		)
	})
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bearer := func(p *peer, want string) {
			if got := p.header.Get("Authorization"); got != want {
				t.Errorf("Authorization is %q, want %q", got, want)
			}
			if strings.Contains(p.query.Encode(), "token") {
				t.Errorf("the URL holds the token: %s", p.query.Encode())
			}
			p.ready()
		}
		r := run{cfg: Config{Token: "first"}}
		r.start(t, func(p *peer) {
			bearer(p, "Bearer first")
			r.client.SetToken("second \" token")
			if got, want := <-p.said, `{"type":"token","token":"second \" token"}`; got != want {
				t.Errorf("the client says %s, want %s", got, want)
			}
		}, func(p *peer) {
			bearer(p, "Bearer second \" token")
			_ = p.ws.Close()
			p.untilGone()
			// There is no connection now; the next one brings the token along.
			<-time.After(100 * time.Millisecond)
			r.client.SetToken("third")
		}, func(p *peer) {
			bearer(p, "Bearer third")
			synctest.Wait()
			select {
			case got := <-p.said:
				t.Errorf("the client says %s, although the header had it", got)
			default:
			}
			r.client.SetToken("")
			<-p.said
		}, func(p *peer) { bearer(p, "") })
		refused(t, r.client.Run(t.Context()))
	})
}

func TestLookupFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		answers := []http.HandlerFunc{
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(`{"code":"no_node","detail":"nobody serves the key"}`))
			},
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "99999")
				w.WriteHeader(http.StatusTooManyRequests)
			},
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ws":"http://node/"}`)) },
			func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"ws":"` + strings.Repeat("x", 1<<20) + `"}`))
			},
			func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`{"ws":"ws://` + r.Host + `/nowhere"}`))
			},
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"code":"bad_key","detail":"no such key"}`))
			},
		}
		r := run{
			fake: &fake{lookup: func(w http.ResponseWriter, req *http.Request) {
				if got := req.URL.String(); got != "/v2/node?key=k" {
					t.Errorf("looked up with %s", got)
				}
				n++
				answers[n-1](w, req)
			}},
			cfg: Config{MaxBackoff: time.Minute},
		}
		r.start(t)
		err := r.client.Run(t.Context())
		e, ok := errors.AsType[*LookupError](err)
		if !ok || e.Code != "bad_key" || e.Detail != "no such key" || e.Status != 400 {
			t.Errorf("Run = %v, want the last refusal", err)
		}
		want := []string{
			"disconnected lookup 503 no_node, retry in 7.5s @0/0",
			"disconnected lookup 429 , retry in 1m1s @0/0",
			"disconnected lookup 502 , retry in 2s @0/0",
			"disconnected protocol, retry in 4s @0/0",
			"disconnected protocol, retry in 8s @0/0",
			"disconnected protocol, retry in 16s @0/0",
			"disconnected cut, retry in 32s @0/0",
			"disconnected cut, retry in 1m0s @0/0",
		}
		if diff := cmp.Diff(want, r.events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A node that accepts and then says nothing must hold up neither the client for
// ever nor the end of its context at all.
func TestHandshakeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var waits []time.Duration
		begun := time.Now()
		hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		web := &fake{t: t}
		mux := http.NewServeMux()
		mux.Handle("/v2/node", web)
		mux.HandleFunc("/v2/stream", hang)
		net := newNetwork()
		srv := &http.Server{Handler: mux}
		go func() { _ = srv.Serve(net) }()
		defer srv.Close()
		r := run{cfg: Config{OnEvent: func(_ context.Context, ev Event) error {
			waits = append(waits, time.Since(begun))
			time.AfterFunc(3*time.Second, cancel) // in the middle of the next one
			return nil
		}}}
		r.make(t, net.dial, "http://web")
		if err := r.client.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want Canceled", err)
		}
		if len(waits) != 1 || waits[0] != 10*time.Second || time.Since(begun) != 13*time.Second {
			t.Errorf("gave up after %v and ended after %s, want 10s and 13s", waits, time.Since(begun))
		}
	})
}
