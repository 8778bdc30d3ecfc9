package client

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// asks compares what a connection asked for; parameters are those of the URL.
func asks(p *peer, want string) {
	if got := p.query.Encode(); got != want {
		p.t.Errorf("the client asks for %s, want %s", got, want)
	}
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		r.start(t, func(p *peer) {
			asks(p, "key=k")
			p.readyAt(160, 16)
			p.live()
			p.message(176, 160)
			p.publicMessage(32, 16)
			p.send(wire.AppendMessage(nil, &push.Message{ID: 192, Body: []byte("1"), Transient: true}, false))
			p.send([]byte(`{"type":"of a later version","id":208}`))
			p.message(208, 176)
		}, func(p *peer) {
			asks(p, "after=208&key=k&public_after=32")
			p.ready()
			p.message(224, 208)
			p.publicMessage(48, 32)
			p.live()
		})
		r.expect(t,
			"ready node1 resumed=false @160/16",
			"live @160/16",
			"message 176 @176/16",
			"message public 32 @176/32",
			"message transient 192 @176/32",
			"message 208 @208/32",
			"disconnected cut, retry in 500ms @208/32",
			"ready node1 resumed=true @208/32",
			"message 224 @224/32",
			"message public 48 @224/48",
			"live @224/48",
			"disconnected cut, retry in 1s @224/48",
		)
	})
}

func TestEventFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got Event
		r := run{cfg: Config{OnEvent: func(_ context.Context, ev Event) error {
			if ev.Kind == KindMessage {
				got = ev
			}
			return nil
		}}}
		r.start(t, func(p *peer) {
			p.ready()
			m := &push.Message{ID: 32, Prev: 16, ExpiresAt: 1795375100060, Body: []byte(` { "a" : [1] } `)}
			p.send(wire.AppendMessage(nil, m, true))
		})
		refused(t, r.client.Run(t.Context()))
		want := Event{
			Kind: KindMessage, PublicCursor: 32, ID: 32, Prev: 16, Data: []byte(`{"a":[1]}`),
			ExpiresAt: time.UnixMilli(1795375100060), Public: true,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
	})
}

func TestCursorsOfTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{After: id(160), PublicAfter: id(0)}}
		r.start(t, func(p *peer) {
			asks(p, "after=160&key=k&public_after=0")
			p.ready()
			p.message(160, 144)
			p.message(176, 160)
		})
		r.expect(t,
			"ready node1 resumed=true @160/0",
			"message 176 @176/0",
			"disconnected cut, retry in 500ms @176/0",
		)
	})
}

func TestNoPublic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{NoPublic: true}}
		look := func(want string) script {
			return func(p *peer) {
				asks(p, want)
				p.readyAt(16, 32)
			}
		}
		r.start(t, look("key=k&public=0"), look("after=16&key=k&public=0"))
		refused(t, r.client.Run(t.Context()))
	})
}

// The cursor that an application keeps is never ahead of what it dealt with.
func TestHandlerErrorEndsRunAndRepeatsTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errFull := errors.New("disk full")
		fail := true
		r := run{cfg: Config{OnEvent: func(_ context.Context, ev Event) error {
			if ev.ID == 32 && fail {
				fail = false
				return errFull
			}
			return nil
		}}}
		r.start(t, func(p *peer) {
			p.ready()
			p.message(16, 0)
			p.message(32, 16)
			if last := p.untilGone(); last != "close 1000" {
				t.Errorf("the client left with %q, want a close frame", last)
			}
		}, func(p *peer) {
			asks(p, "after=16&key=k&public_after=0")
			p.ready()
			p.message(32, 16)
		})
		if err := r.client.Run(t.Context()); !errors.Is(err, errFull) {
			t.Fatalf("Run = %v, want what the handler returned", err)
		}
		r.expect(t,
			"ready node1 resumed=false @0/0",
			"message 16 @16/0",
			"message 32 @32/0",
			"ready node1 resumed=true @16/0",
			"message 32 @32/0",
			"disconnected cut, retry in 500ms @32/0",
		)
	})
}

func TestCancelWhileListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var r run
		r.start(t, func(p *peer) {
			p.ready()
			synctest.Wait()
			cancel()
			if last := p.untilGone(); last != "close 1000" {
				t.Errorf("the client left with %q, want a close frame", last)
			}
		})
		begun := time.Now()
		if err := r.client.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want Canceled", err)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("Run ended only after %s", took)
		}
	})
}

func TestCancelWhilePausing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := run{cfg: Config{OnEvent: func(_ context.Context, ev Event) error {
			if ev.Kind == KindDisconnected {
				cancel()
			}
			return nil
		}}}
		r.start(t, func(p *peer) { p.ready() })
		begun := time.Now()
		if err := r.client.Run(ctx); !errors.Is(err, context.Canceled) || time.Since(begun) > 0 {
			t.Errorf("Run = %v after %s, want Canceled at once", err, time.Since(begun))
		}
	})
}

func TestOneRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		var second error
		r.cfg.OnEvent = func(ctx context.Context, _ Event) error {
			second = r.client.Run(ctx)
			return nil
		}
		r.start(t, func(p *peer) { p.ready() })
		refused(t, r.client.Run(t.Context()))
		if !errors.Is(second, ErrRunning) {
			t.Errorf("a second Run = %v, want ErrRunning", second)
		}
	})
}

// The same over a real socket, in real time.
func TestOverTCP(t *testing.T) {
	f := &fake{t: t, scripts: []script{
		func(p *peer) { p.ready(); p.message(16, 0); p.live() },
		func(p *peer) { p.ready(); p.message(32, 16); p.live() },
	}}
	srv := httptest.NewServer(f)
	defer srv.Close()
	defer f.peers.Wait()
	r := run{cfg: Config{After: id(0)}, jitter: func(time.Duration) time.Duration { return 0 }}
	r.make(t, nil, srv.URL)
	r.expect(t,
		"ready node1 resumed=true @0/0",
		"message 16 @16/0",
		"live @16/0",
		"disconnected cut, retry in 0s @16/0",
		"ready node1 resumed=true @16/0",
		"message 32 @32/0",
		"live @32/0",
		"disconnected cut, retry in 0s @32/0",
	)
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{NodeURL: "http://h:1", Key: "k", OnEvent: func(context.Context, Event) error { return nil }}
	}
	c := good()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.FirstBackoff != 500*time.Millisecond || c.MaxBackoff != 30*time.Second || c.Handshake != 10*time.Second ||
		c.WriteTimeout != 10*time.Second || c.MaxFrame != 1<<20 {
		t.Errorf("the defaults are %+v", c)
	}
	for want, change := range map[string]func(*Config){
		"NodeURL":      func(c *Config) { c.NodeURL = "ws://h" },
		"Key":          func(c *Config) { c.Key = "" },
		"After":        func(c *Config) { c.After = id(-1) },
		"PublicAfter":  func(c *Config) { c.PublicAfter = id(-1) },
		"Token":        func(c *Config) { c.Token = strings.Repeat("t", 4097) },
		"OnEvent":      func(c *Config) { c.OnEvent = nil },
		"FirstBackoff": func(c *Config) { c.FirstBackoff = -1 },
		"MaxBackoff":   func(c *Config) { c.MaxBackoff = time.Millisecond },
		"Handshake":    func(c *Config) { c.Handshake = -1 },
		"WriteTimeout": func(c *Config) { c.WriteTimeout = -1 },
		"MaxFrame":     func(c *Config) { c.MaxFrame = -1 },
	} {
		c := good()
		change(&c)
		if _, err := New(c, Deps{Log: discard()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a bad %s: %v", want, err)
		}
	}
	if _, err := New(good(), Deps{}); err == nil || !strings.Contains(err.Error(), "Log") {
		t.Errorf("no log: %v", err)
	}
}

func TestDefaultJitter(t *testing.T) {
	d := Deps{Log: discard()}
	if err := d.validate(); err != nil {
		t.Fatal(err)
	}
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		got := d.Jitter(time.Second)
		low, high = min(low, got), max(high, got)
	}
	if low < 0 || low > 100*time.Millisecond || high > time.Second || high < 900*time.Millisecond {
		t.Errorf("a thousand waits lie between %s and %s, want nearly all of 0 to 1s", low, high)
	}
	if got := d.Jitter(0); got != 0 {
		t.Errorf("no wait became %s", got)
	}
}
