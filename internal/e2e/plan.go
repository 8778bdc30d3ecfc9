package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Plan is what everybody does in a random scenario, and when, counted from its
// start. It is made from a seed alone: the same seed, the same plan.
type Plan struct {
	Seed    uint64
	Length  time.Duration
	Keys    []string
	Kills   []Kill
	Pushers []PusherPlan
	Readers []ReaderPlan
}

// Kill ends the server without warning, and starts it again after a while.
type Kill struct {
	At, Down time.Duration
}

// PusherPlan is one pusher's work, in order.
type PusherPlan struct {
	Name  string
	Steps []Step
}

// Step is one request: a push, or a batch of them.
type Step struct {
	At     time.Duration
	Pushes []PlannedPush
	Batch  bool
	// Recall withdraws the (first) message once it is acknowledged; Repeat pushes it
	// again, as a pusher that lost the answer would. Only one of them.
	Recall, Repeat bool
}

// PlannedPush is one message: its token is unique in the scenario.
type PlannedPush struct {
	Token string
	Key   string // empty: to everybody
	// Idempotent pushes are tried until they are acknowledged, the others only as
	// long as the answer says that nothing was stored.
	Idempotent bool
	TTL        time.Duration // 0: longer than the scenario
	Pad        int           // extra bytes of body
}

// ReaderPlan is one reader: which key, by which protocol, and when it is there.
type ReaderPlan struct {
	Name     string
	Key      string
	Kind     ReaderKind
	Sessions []Session
	// Limit is the page size of a poller.
	Limit int
}

// ReaderKind is a way to read.
type ReaderKind string

// The kinds of readers.
const (
	ReadWebsocket ReaderKind = "v2 websocket"
	ReadSSE       ReaderKind = "v2 sse"
	ReadV1TCP     ReaderKind = "v1 tcp"
	ReadV1WS      ReaderKind = "v1 websocket"
	ReadPoll      ReaderKind = "poll"
	ReadV1Poll    ReaderKind = "v1 poll"
)

// Session is when a reader is online. It does not read for the first Stall of it.
type Session struct {
	From, To, Stall time.Duration
}

// Sizes say how much a plan holds. The zero value is the usual test.
type Sizes struct {
	Length                        time.Duration // default 20 s
	Keys, Pushers, Readers, Kills int           // defaults 240, 16, 240, 8
}

func (s *Sizes) defaults() {
	s.Length = cmp.Or(s.Length, 20*time.Second)
	s.Keys = cmp.Or(s.Keys, 240)
	s.Pushers = cmp.Or(s.Pushers, 16)
	s.Readers = cmp.Or(s.Readers, 240)
	s.Kills = cmp.Or(s.Kills, 8)
}

// MakePlan draws a plan.
func MakePlan(seed uint64, s Sizes) Plan {
	s.defaults()
	p := Plan{Seed: seed, Length: s.Length}
	for i := range s.Keys {
		p.Keys = append(p.Keys, fmt.Sprintf("key-%d", i))
	}
	p.Kills = makeKills(draw(seed, "kills"), s)
	for i := range s.Pushers {
		name := fmt.Sprintf("pusher-%d", i)
		p.Pushers = append(p.Pushers, makePusher(draw(seed, name), name, p.Keys, s.Length))
	}
	for i := range s.Readers {
		name := fmt.Sprintf("reader-%d", i)
		p.Readers = append(p.Readers, makeReader(draw(seed, name), name, p.Keys[i%len(p.Keys)], s.Length))
	}
	return p
}

// draw gives each actor its own source, so that a change to one of them does not
// change the others.
func draw(seed uint64, name string) *rand.Rand {
	h := seed
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return rand.New(rand.NewPCG(seed, h))
}

// makeKills spreads the kills evenly, with jitter; none in the last tenth.
func makeKills(r *rand.Rand, s Sizes) []Kill {
	if s.Kills < 0 {
		return nil
	}
	every := s.Length * 9 / 10 / time.Duration(s.Kills)
	kills := make([]Kill, s.Kills)
	for i := range kills {
		kills[i] = Kill{
			At:   every*time.Duration(i) + every/4 + upTo(r, every/2),
			Down: upTo(r, 300*time.Millisecond),
		}
	}
	return kills
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d) + 1)) }

func makePusher(r *rand.Rand, name string, keys []string, length time.Duration) PusherPlan {
	p := PusherPlan{Name: name}
	n := 0
	one := func(key string) PlannedPush {
		n++
		push := PlannedPush{Token: fmt.Sprintf("%s/%d", name, n), Key: key, Idempotent: r.IntN(2) == 0}
		switch r.IntN(20) {
		case 0:
			push.TTL = time.Duration(1+r.IntN(3)) * time.Second
		case 1:
			push.Pad = r.IntN(4000)
		}
		return push
	}
	for at := upTo(r, time.Second); at < length; at += upTo(r, 250*time.Millisecond) {
		step := Step{At: at}
		switch k := r.IntN(100); {
		case k < 4:
			step.Pushes = []PlannedPush{one("")}
		case k < 14:
			step.Batch = true
			// Half of a batch goes to one key, so that it becomes a burst.
			hot := pick(r, keys)
			for i := range 5 + r.IntN(20) {
				key := hot
				if i%2 == 1 {
					key = pick(r, keys)
				}
				step.Pushes = append(step.Pushes, one(key))
			}
		default:
			step.Pushes = []PlannedPush{one(pick(r, keys))}
			step.Recall = k < 20
			step.Repeat = k >= 20 && k < 26 && step.Pushes[0].Idempotent
		}
		p.Steps = append(p.Steps, step)
	}
	return p
}

// pick prefers the first keys: a tenth of them gets half of the pushes.
func pick(r *rand.Rand, keys []string) string {
	if r.IntN(2) == 0 {
		return keys[r.IntN(max(1, len(keys)/10))]
	}
	return keys[r.IntN(len(keys))]
}

func makeReader(r *rand.Rand, name, key string, length time.Duration) ReaderPlan {
	kinds := []ReaderKind{ReadWebsocket, ReadWebsocket, ReadSSE, ReadV1TCP, ReadV1WS, ReadPoll, ReadV1Poll}
	p := ReaderPlan{Name: name, Key: key, Kind: kinds[r.IntN(len(kinds))], Limit: 1 + r.IntN(200)}
	for at := upTo(r, 3*time.Second); at < length; at += 50*time.Millisecond + upTo(r, 2*time.Second) {
		s := Session{From: at, To: at + 100*time.Millisecond + upTo(r, 4*time.Second)}
		if r.IntN(8) == 0 {
			s.Stall = upTo(r, s.To-s.From)
		}
		at = s.To
		p.Sessions = append(p.Sessions, s)
	}
	return p
}

// Tokens lists everything that the plan pushes.
func (p Plan) Tokens() []string {
	var all []string
	for _, pusher := range p.Pushers {
		for _, step := range pusher.Steps {
			for _, push := range step.Pushes {
				all = append(all, push.Token)
			}
		}
	}
	slices.Sort(all)
	return all
}
