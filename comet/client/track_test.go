package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"pgregory.net/rapid"

	"gopush/comet/wire"
	"gopush/internal/push"
)

func TestDuplicatesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		r.start(t, func(p *peer) {
			p.readyAt(16, 0)
			p.message(16, 0)
			p.message(32, 16)
			p.message(32, 16)
			p.message(16, 0)
			p.message(48, 32)
			p.gap(16, 32)
		})
		r.expect(t,
			"ready node1 resumed=false @16/0",
			"message 32 @32/0",
			"message 48 @48/0",
			"disconnected cut, retry in 500ms @48/0",
		)
	})
}

// Who wants to know of repeats is told; the cursor does not move for them.
func TestRepeatsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{Repeats: true}}
		r.start(t, func(p *peer) {
			p.readyAt(16, 0)
			p.message(32, 16)
			p.message(32, 16)
			p.message(16, 0)
			p.message(48, 32)
		})
		r.expect(t,
			"ready node1 resumed=false @16/0",
			"message 32 @32/0",
			"repeat 32 @32/0",
			"repeat 16 @32/0",
			"message 48 @48/0",
			"disconnected cut, retry in 500ms @48/0",
		)
	})
}

// A server may begin earlier than it was asked to; the client's cursor holds.
func TestServerThatBeginsEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{After: id(32)}}
		r.start(t, func(p *peer) {
			p.query.Set("after", "16")
			p.ready()
			p.message(32, 16)
			p.message(48, 32)
		})
		r.expect(t,
			"ready node1 resumed=true @32/0",
			"message 48 @48/0",
			"disconnected cut, retry in 500ms @48/0",
		)
	})
}

func TestMissingMessageIsResumedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		r.start(t, func(p *peer) {
			p.readyAt(16, 0)
			p.message(32, 16)
			p.message(64, 48)
			if last := p.untilGone(); last != "close 1000" {
				t.Errorf("the client left with %q", last)
			}
		}, func(p *peer) {
			asks(p, "after=32&key=k&public_after=0")
			p.ready()
			p.message(48, 32)
			p.message(64, 48)
			p.live()
		})
		r.expect(t,
			"ready node1 resumed=false @16/0",
			"message 32 @32/0",
			"disconnected chain public=false 48<-64 at 32, retry in 500ms @32/0",
			"ready node1 resumed=true @32/0",
			"message 48 @48/0",
			"message 64 @64/0",
			"live @64/0",
			"disconnected cut, retry in 1s @64/0",
		)
	})
}

// A server that can never mend the chain does not stop the stream: what is
// missing becomes a gap.
func TestBreakThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r run
		torn := func(p *peer) {
			p.readyAt(16, 16)
			p.publicMessage(64, 48)
			p.message(32, 16)
			p.untilGone()
		}
		r.start(t, torn, func(p *peer) {
			p.ready()
			p.publicMessage(64, 48)
			p.message(32, 16)
		})
		r.expect(t,
			"ready node1 resumed=false @16/16",
			"disconnected chain public=true 48<-64 at 16, retry in 500ms @16/16",
			"ready node1 resumed=true @16/16",
			"gap public 16-48 unexplained @16/48",
			"message public 64 @16/64",
			"message 32 @32/64",
			"disconnected cut, retry in 1s @32/64",
		)
	})
}

func TestGapsAndRecallsExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{After: id(16)}}
		r.start(t, func(p *peer) {
			p.ready()
			p.gap(16, 48)
			p.message(64, 48)
			p.recall(80) // never seen, nor to be seen
			p.recall(96)
			p.recall(96)
			p.message(112, 96)
			p.recall(64)       // seen before
			p.message(256, 64) // and a chain that goes on from it
			p.live()
		})
		r.expect(t,
			"ready node1 resumed=true @16/0",
			"gap 16-48 expired @48/0",
			"message 64 @64/0",
			"recall 80 @64/0",
			"recall 96 @64/0",
			"recall 96 @64/0",
			"message 112 @112/0",
			"recall 64 @112/0",
			"message 256 @256/0",
			"live @256/0",
			"disconnected cut, retry in 500ms @256/0",
		)
	})
}

// Who begins at 0 is told of no gap, until he is live.
func TestFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{After: id(0)}}
		r.start(t, func(p *peer) {
			p.ready()
			p.message(160, 144) // what was before has expired
			p.message(192, 176)
			p.live()
			p.message(224, 208)
			p.untilGone()
		})
		r.expect(t,
			"ready node1 resumed=true @0/0",
			"message 160 @160/0",
			"message 192 @192/0",
			"live @192/0",
			"disconnected chain public=false 208<-224 at 192, retry in 500ms @192/0",
		)
	})
}

func TestBrokenServers(t *testing.T) {
	for name, do := range map[string]script{
		"message before ready": func(p *peer) { p.message(16, 0) },
		"live before ready":    func(p *peer) { p.live() },
		"ready twice":          func(p *peer) { p.ready(); p.ready() },
		"another key":          func(p *peer) { p.query.Set("key", "other"); p.ready() },
		"begins later":         func(p *peer) { p.query.Set("after", "32"); p.ready() },
		"begins from now":      func(p *peer) { p.query.Del("after"); p.ready() },
		"public later":         func(p *peer) { p.query.Set("public_after", "32"); p.ready() },
		"no JSON":              func(p *peer) { p.ready(); p.send([]byte("+h\r\n")) },
		"no type":              func(p *peer) { p.ready(); p.send([]byte("{}")) },
		"binary":               func(p *peer) { p.ready(); _ = p.ws.WriteMessage(websocket.BinaryMessage, wire.AppendLive(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got error
				r := run{cfg: Config{After: id(16), PublicAfter: id(16), OnEvent: func(_ context.Context, ev Event) error {
					if ev.Kind == KindDisconnected {
						got = ev.Err
					}
					return nil
				}}}
				r.start(t, func(p *peer) {
					do(p)
					if last := p.untilGone(); last != "close 1002" {
						t.Errorf("the client left with %q, want a protocol error", last)
					}
				})
				refused(t, r.client.Run(t.Context()))
				if !errors.Is(got, ErrProtocol) {
					t.Errorf("disconnected with %v, want ErrProtocol", got)
				}
			})
		})
	}
}

func TestFrameTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run{cfg: Config{MaxFrame: 256}}
		r.start(t, func(p *peer) {
			p.ready()
			p.send(make([]byte, 257))
			p.untilGone()
		})
		r.expect(t, "ready node1 resumed=false @0/0", "disconnected cut, retry in 500ms @0/0")
	})
}

// A node that keeps its messages, cuts connections where it likes, repeats some
// and loses some the first time: every message arrives once and in order.
func TestExactlyOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 300
		var lost sync.Map // what was left out once is not left out again
		flaky := func(p *peer, random *rand.Rand) {
			s, err := wire.ParseStreamQuery(p.query.Encode())
			if err != nil {
				t.Error(err)
			}
			p.ready()
			for n := max(int(s.After/16)-2, 0) + 1; n <= total; n++ {
				switch random.IntN(20) {
				case 0:
					return
				case 1:
					if _, before := lost.LoadOrStore(n, true); !before {
						continue // the chain must tell
					}
				case 2:
					p.message(push.ID(n)*16, push.ID(n-1)*16)
				}
				p.message(push.ID(n)*16, push.ID(n-1)*16)
			}
			p.live()
			p.untilGone()
		}
		scripts := make([]script, 10*total)
		for i := range scripts {
			scripts[i] = func(p *peer) { flaky(p, rand.New(rand.NewPCG(1, uint64(i)))) }
		}
		errDone := errors.New("done")
		var got []push.ID
		r := run{cfg: Config{After: id(16), OnEvent: func(_ context.Context, ev Event) error {
			switch {
			case ev.Kind == KindMessage:
				got = append(got, ev.ID)
			case ev.Kind == KindGap:
				return fmt.Errorf("a gap: %+v", ev.Gap)
			case ev.Kind == KindLive && ev.Cursor == total*16:
				return errDone
			}
			return nil
		}}, jitter: func(time.Duration) time.Duration { return 0 }}
		r.start(t, scripts...)
		if err := r.client.Run(t.Context()); !errors.Is(err, errDone) {
			t.Fatalf("Run = %v", err)
		}
		for i, have := range got {
			if want := push.ID(i+2) * 16; have != want {
				t.Fatalf("message %d is %d, want %d", i, have, want)
			}
		}
		if len(got) != total-1 {
			t.Errorf("%d messages arrived, want %d", len(got), total-1)
		}
	})
}

// Whatever comes in whatever order: what is delivered ascends, and nothing that
// the chain names was left out without a refusal or an explanation.
func TestTrackProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr track
		tr.begin(push.ID(rapid.IntRange(1, 5).Draw(t, "start")))
		delivered := map[push.ID]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at := push.ID(rapid.IntRange(1, 20).Draw(t, "id"))
			before := tr.cursor
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				tr.recall(at)
				delivered[at] = true // told, which is all that can be done
				continue
			}
			prev := push.ID(rapid.IntRange(0, int(at)-1).Draw(t, "prev"))
			switch tr.judge(at, prev) {
			case drop:
				if at > before {
					t.Fatalf("dropped %d above %d", at, before)
				}
			case deliver:
				if at <= before || prev > before && !delivered[prev] {
					t.Fatalf("delivered %d after %d at %d", at, prev, before)
				}
				tr.advance(at)
			case refuse:
				if prev <= before {
					t.Fatalf("refused %d, which follows %d, at %d", at, prev, before)
				}
			case explain:
				tr.advance(at)
			}
			if tr.cursor < before {
				t.Fatalf("the cursor sank from %d to %d", before, tr.cursor)
			}
		}
	})
}

func TestRecalledIsBounded(t *testing.T) {
	var tr track
	tr.begin(1)
	for n := range push.ID(10 * maxRecalled) {
		tr.recall(16 * (n + 1))
	}
	if len(tr.recalled) != maxRecalled {
		t.Errorf("%d places are remembered, want %d", len(tr.recalled), maxRecalled)
	}
	tr.advance(push.MaxID)
	if len(tr.recalled) != 0 {
		t.Errorf("%d places below the cursor are remembered", len(tr.recalled))
	}
}
