package bench

import (
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
)

// small is 100 pushes a second for two seconds after one.
func small() Config {
	return Config{
		Admin: "http://127.0.0.1:1", Web: "http://127.0.0.1:2", Rate: 100, Duration: 2 * time.Second, Warmup: time.Second,
		Size: 100, Keys: 5, Readers: 2, Connections: 10, InFlight: 50, Timeout: 5 * time.Second, Settle: 5 * time.Second, Run: "r",
	}
}

// outcomes runs a configuration against a fake, in a bubble of time.
func outcomes(t *testing.T, cfg Config, f *fake, check func(t *testing.T, r *Result)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, err := Run(t.Context(), cfg, Deps{HTTP: f, Listen: f.listen})
		if err != nil {
			t.Fatal(err)
		}
		p := r.Pushes
		if p.Scheduled != p.Acknowledged+p.Refused+p.Unknown+p.NotSent || p.Sent+p.NotSent != p.Scheduled {
			t.Errorf("the counts do not add up: %+v", p)
		}
		check(t, r)
	})
}

func wants[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestGoodServer(t *testing.T) {
	for name, batch := range map[string]bool{"single": false, "batch": true} {
		t.Run(name, func(t *testing.T) {
			f, cfg := newFake(), small()
			cfg.Batch, cfg.Fetchers, cfg.Public, cfg.Ops = batch, 2, 10, []string{"http://127.0.0.1:3"}
			f.work = func(int) time.Duration { return 3 * time.Millisecond }
			outcomes(t, cfg, f, func(t *testing.T, r *Result) {
				wants(t, "all", r.Pushes, Pushes{Scheduled: 330, Sent: 330, Acknowledged: 330})
				wants(t, "measured", r.Measured, Pushes{Scheduled: 220, Sent: 220, Acknowledged: 220})
				// 300 to 2 readers each, 2 of 5 keys to one that fetches, 30 to all 10 readers.
				wants(t, "received", r.Deliveries, Deliveries{Received: 600 + 120 + 300, Measured: 400 + 200})
				wants(t, "violations", r.Violations, Violations{First: []Violation{}})
				wants(t, "verdict", r.Verdict, OK)
				wants(t, "slowest ack in ms", math.Round(r.Ack.MaxMS), 3)
				wants(t, "acks", r.Ack.Count, 220)
				wants(t, "slowest delivery in ms", math.Round(r.EndToEnd.MaxMS), 3)
				wants(t, "deleted", len(f.deleted), 5)
				if r.Servers[0].CPUSeconds != 0.5 || r.Servers[0].CPUPerPush != 0.5e6/220 || r.Servers[0].Error != "" {
					t.Errorf("%+v", r.Servers)
				}
				if got := r.Throughput.AchievedPerS; got < 109 || got > 110 {
					t.Errorf("%g pushes/s", got)
				}
			})
		})
	}
}

// breakage is one way in which a server can break its promises, and what has to be
// found.
type breakage struct {
	breaks func(f *fake, cfg *Config)
	want   Violations
}

// of3 changes delivery n to each reader of the key number 3.
func of3(n int, change func(m stored) []stored) func(int, stored) []stored {
	return func(at int, m stored) []stored {
		if at == n && strings.Contains(string(m.data), `"s":3,`) {
			return change(m)
		}
		return []stored{m}
	}
}

// hide leaves one message out of pages.
func hide(id push.ID) func([]stored) []stored {
	return func(all []stored) []stored {
		return slices.DeleteFunc(all, func(m stored) bool { return m.id == id })
	}
}

func none(stored) []stored { return nil }

// brokenReading is what reaches readers otherwise than it was stored.
func brokenReading() map[string]breakage {
	var held stored
	return map[string]breakage{
		// The 8th of a key, for both readers: its successor names it, and it is in no page.
		"a message is lost":          {func(f *fake, _ *Config) { f.send, f.give = of3(7, none), hide((7*5+4)*push.Step) }, Violations{Lost: 2, Gaps: 2}},
		"the last message is lost":   {func(f *fake, _ *Config) { f.send, f.give = of3(59, none), hide((59*5+4)*push.Step) }, Violations{Lost: 2}},
		"it is stored, but too late": {func(f *fake, _ *Config) { f.send = of3(7, none) }, Violations{Lost: 2, Gaps: 2}}, // below where readers are
		"a message comes twice":      {func(f *fake, _ *Config) { f.send = of3(7, func(m stored) []stored { return []stored{m, m} }) }, Violations{Duplicate: 2}},
		"two messages change places": {func(f *fake, cfg *Config) {
			cfg.Readers = 1
			hold := of3(7, func(m stored) []stored { held = m; return nil })
			after := of3(8, func(m stored) []stored { return []stored{m, held} })
			f.send = func(n int, m stored) []stored {
				if n == 7 {
					return hold(n, m)
				}
				return after(n, m)
			}
		}, Violations{Reordered: 1, Gaps: 1}},
		"a page has a message twice": {func(f *fake, cfg *Config) {
			cfg.Readers, cfg.Fetchers = 0, 1
			f.give = func(all []stored) []stored {
				if len(all) > 0 && all[0].id == push.Step {
					return append(all[:1:1], all...)
				}
				return all
			}
		}, Violations{Duplicate: 1}},
		"a page lacks a message": {func(f *fake, cfg *Config) {
			cfg.Readers, cfg.Fetchers = 0, 1
			f.give = hide(6 * push.Step)
		}, Violations{Lost: 1, Gaps: 1}},
		"another key's message": {func(f *fake, cfg *Config) {
			cfg.Readers, cfg.Keys = 1, 1
			f.send = func(n int, m stored) []stored {
				if n == 299 {
					return []stored{m, {m.id + push.Step, m.id, appendBody(nil, "r", 9, 1, 100)}}
				}
				return []stored{m}
			}
		}, Violations{Phantom: 1}},
	}
}

// brokenStoring is what is stored otherwise than it was acknowledged.
func brokenStoring() map[string]breakage {
	answer20 := func(status int, code string) func(f *fake, cfg *Config) {
		return func(f *fake, cfg *Config) {
			cfg.Readers = 1
			f.answer = func(n int) (int, string, bool) {
				if n == 20 {
					return status, code, true
				}
				return 0, "", false
			}
		}
	}
	return map[string]breakage{
		// It comes again, and the ack names another id than came first.
		"one push is stored twice": {answer20(http.StatusGatewayTimeout, "outcome_unknown"), Violations{Duplicate: 2}},
		"what was refused comes":   {answer20(http.StatusRequestEntityTooLarge, "too_large"), Violations{Phantom: 1}},
		"what was refused comes later": {func(f *fake, cfg *Config) {
			answer20(http.StatusRequestEntityTooLarge, "too_large")(f, cfg)
			var held stored // push 20 is the fifth of the key number 0
			f.send = func(n int, m stored) []stored {
				switch {
				case !strings.Contains(string(m.data), `"s":0,`):
				case n == 4:
					held = m
					return nil
				case n == 5:
					return []stored{held, m}
				}
				return []stored{m}
			}
		}, Violations{Phantom: 1}},
		"an id goes back": {func(f *fake, cfg *Config) {
			cfg.Readers = 0
			f.name = func(n int, id push.ID) push.ID {
				if n == 20 {
					return push.Step
				}
				return id
			}
		}, Violations{Reordered: 1}},
	}
}

// TestBrokenServers: each way in which a server can break its promises is found, and
// called by its name.
func TestBrokenServers(t *testing.T) {
	all := brokenReading()
	maps.Copy(all, brokenStoring())
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			f, cfg := newFake(), small()
			c.breaks(f, &cfg)
			outcomes(t, cfg, f, func(t *testing.T, r *Result) {
				if len(r.Violations.First) == 0 {
					t.Error("none is named")
				}
				got := r.Violations
				got.First = nil
				wants(t, "violations", got, c.want)
				wants(t, "verdict", r.Verdict, Broken)
			})
		})
	}
}

// TestLateIsNotLost: what no stream brought but a fetch from the cursor gives is no loss.
func TestLateIsNotLost(t *testing.T) {
	f, cfg := newFake(), small()
	f.send = func(n int, m stored) []stored {
		if n >= 55 {
			return nil
		}
		return []stored{m}
	}
	outcomes(t, cfg, f, func(t *testing.T, r *Result) {
		wants(t, "verdict", r.Verdict, OK)
		wants(t, "fetched", r.Deliveries.FetchedAtEnd, 5*5*2)
	})
}

// TestStallIsSeen: a server that stands still for half a second shows in every push that
// was due meanwhile, not only in those that were under way.
func TestStallIsSeen(t *testing.T) {
	f, cfg := newFake(), small()
	cfg.Duration, cfg.Warmup, cfg.Connections = time.Second, 0, 1
	f.work = func(n int) time.Duration {
		if n == 0 {
			return 500 * time.Millisecond
		}
		return 0
	}
	outcomes(t, cfg, f, func(t *testing.T, r *Result) {
		// Half of the pushes waited, from 500 ms down to nothing, evenly.
		if a := r.Ack; a.MaxMS < 499 || a.MaxMS > 501 || a.P90MS < 380 || a.P90MS > 420 || a.P50MS > 10 {
			t.Errorf("%+v", a)
		}
		wants(t, "late", r.Measured.Late, 48) // those due 10 to 480 ms after the first
		wants(t, "verdict", r.Verdict, OK)
	})
}

// TestSlowServer: what cannot be sent in time is counted, and no more is under way than
// was allowed.
func TestSlowServer(t *testing.T) {
	for name, batch := range map[string]bool{"single": false, "batch": true} {
		t.Run(name, func(t *testing.T) {
			f, cfg := newFake(), small()
			cfg.Batch, cfg.Warmup, cfg.Duration = batch, 0, 10*time.Second
			f.work = func(int) time.Duration { return time.Second }
			outcomes(t, cfg, f, func(t *testing.T, r *Result) {
				wants(t, "due", r.Measured.Scheduled, 1000)
				if r.Measured.NotSent < 700 || r.Measured.Late == 0 || f.busiest > cfg.InFlight {
					t.Errorf("%+v, %d at once", r.Measured, f.busiest)
				}
				wants(t, "verdict", r.Verdict, TooSlow)
			})
		})
	}
}

func TestRetries(t *testing.T) {
	always := func(status int, code string) func(int) (int, string, bool) {
		return func(int) (int, string, bool) { return status, code, false }
	}
	thirdTime := func(status int, code string) func(int) (int, string, bool) {
		return func(n int) (int, string, bool) {
			if n%3 != 2 {
				return status, code, false
			}
			return 0, "", false
		}
	}
	for name, c := range map[string]struct {
		answer func(int) (int, string, bool)
		batch  bool
		bare   bool // without idempotency keys
		want   Pushes
		errors map[string]int64
	}{
		"refused twice":         {thirdTime(503, "busy"), false, false, Pushes{Acknowledged: 10, Retries: 20}, map[string]int64{"busy": 20}},
		"refused twice, bare":   {thirdTime(503, "busy"), false, true, Pushes{Acknowledged: 10, Retries: 20}, map[string]int64{"busy": 20}},
		"refused, in a batch":   {thirdTime(429, "rate_limited"), true, false, Pushes{Acknowledged: 10, Retries: 20}, map[string]int64{"rate_limited": 20}},
		"unknown twice":         {thirdTime(504, "outcome_unknown"), false, false, Pushes{Acknowledged: 10, Retries: 20}, map[string]int64{"outcome_unknown": 20}},
		"unknown, bare":         {always(504, "outcome_unknown"), false, true, Pushes{Unknown: 10}, map[string]int64{"outcome_unknown": 10}},
		"a fault of the server": {always(500, "internal"), false, false, Pushes{Unknown: 10}, map[string]int64{"internal": 10}},
		"refused for good":      {always(400, "bad_request"), false, false, Pushes{Refused: 10}, map[string]int64{"bad_request": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			f, cfg := newFake(), small()
			f.answer = c.answer
			cfg.Batch, cfg.NoIdempotency, cfg.Rate, cfg.Connections = c.batch, c.bare, 10, 1
			cfg.Warmup, cfg.Duration = 0, time.Second
			outcomes(t, cfg, f, func(t *testing.T, r *Result) {
				got := r.Pushes
				got.Scheduled, got.Sent, got.Late = 0, 0, 0
				wants(t, "pushes", got, c.want)
				wants(t, "errors", r.Errors, c.errors)
				wants(t, "violations", r.Violations, Violations{First: []Violation{}})
			})
		})
	}
}

// TestBrokenBatch: what a batch had no reply for is pushed one by one.
func TestBrokenBatch(t *testing.T) {
	f, cfg := newFake(), small()
	cfg.Batch, cfg.Connections, f.cut = true, 2, 20
	outcomes(t, cfg, f, func(t *testing.T, r *Result) {
		wants(t, "acknowledged", r.Pushes.Acknowledged, 300)
		if r.Pushes.Retries == 0 || r.Errors["connection"] != r.Pushes.Retries {
			t.Errorf("%+v %v", r.Pushes, r.Errors)
		}
		wants(t, "verdict", r.Verdict, OK)
	})
}

// TestSilentBatch: a batch that answers nothing for too long is given up, one that has
// nothing to answer is not.
func TestSilentBatch(t *testing.T) {
	f, cfg := newFake(), small()
	cfg.Batch, cfg.Connections, cfg.Rate, cfg.Timeout, cfg.Warmup, cfg.Duration = true, 1, 1, 500*time.Millisecond, 0, 4*time.Second
	f.work = func(n int) time.Duration {
		if n == 2 {
			return time.Hour
		}
		return 0
	}
	outcomes(t, cfg, f, func(t *testing.T, r *Result) {
		wants(t, "pushes", r.Pushes, Pushes{Scheduled: 4, Sent: 4, Acknowledged: 3, Unknown: 1})
		wants(t, "errors", r.Errors, map[string]int64{"timeout": 1})
		wants(t, "requests", f.batches, 2)
		<-time.After(2 * time.Hour) // until the server is done, too
	})
}

// TestInterrupted: an interrupted run ends what it has begun, and tells what it has done.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cfg := newFake(), small()
		f.work = func(int) time.Duration { return 100 * time.Millisecond }
		ctx, cancel := context.WithTimeout(t.Context(), 1505*time.Millisecond)
		defer cancel()
		began := time.Now()
		r, err := Run(ctx, cfg, Deps{HTTP: f, Listen: f.listen})
		if err != nil {
			t.Fatal(err)
		}
		wants(t, "interrupted", r.Interrupted, true)
		wants(t, "pushes", r.Pushes, Pushes{Scheduled: 151, Sent: 151, Acknowledged: 151})
		wants(t, "deleted", len(f.deleted), 5)
		wants(t, "verdict", r.Verdict, OK)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestInterruptedBetweenPushes: nobody waits for the next push to be due.
func TestInterruptedBetweenPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cfg := newFake(), small()
		cfg.Rate, cfg.Warmup, cfg.Duration = 1, 0, 10*time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		began := time.Now()
		r, err := Run(ctx, cfg, Deps{HTTP: f, Listen: f.listen})
		if err != nil || r.Pushes.Scheduled != 2 {
			t.Fatalf("%v %+v", err, r)
		}
		wants(t, "it took", time.Since(began), 1200*time.Millisecond)
	})
}

// TestInterruptedWhileConnecting: nothing was pushed, so there is nothing to tell.
func TestInterruptedWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(ctx, small(), Deps{HTTP: newFake(), Listen: newFake().listen}); err != context.Canceled || r != nil {
		t.Errorf("%v %v", r, err)
	}
}

func TestProgress(t *testing.T) {
	f, cfg := newFake(), small()
	var lines []string
	cfg.ProgressEvery = time.Second
	cfg.Progress = func(p Progress) { lines = append(lines, p.String()) }
	f.work = func(int) time.Duration { return 4 * time.Millisecond }
	cfg.Duration = 3 * time.Second
	outcomes(t, cfg, f, func(t *testing.T, r *Result) {
		if len(lines) < 3 || !strings.Contains(lines[0], "acks/s  ack p99      4ms") || !strings.Contains(lines[1], "measuring       100 acks/s") {
			t.Errorf("%q", lines)
		}
	})
}

func TestKeep(t *testing.T) {
	f, cfg := newFake(), small()
	cfg.Keep = true
	outcomes(t, cfg, f, func(t *testing.T, _ *Result) { wants(t, "deleted", len(f.deleted), 0) })
}
