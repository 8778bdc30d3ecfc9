package bench

import (
	"time"

	"gopush/internal/daemon"
)

// Verdict is what a run means.
type Verdict string

// The verdicts.
const (
	OK Verdict = "ok"
	// Broken: something acknowledged is lost, came twice or out of order, or the chain
	// of ids has a hole.
	Broken Verdict = "broken"
	// TooSlow: nothing is broken, but more than one push in a hundred was not
	// acknowledged in its time.
	TooSlow Verdict = "too_slow"
)

// enough is the share of pushes that has to be acknowledged for the rate to be
// reached.
const enough = 0.99

// Result is what came of a run. Names and units of its JSON are stable; fields may be
// added.
type Result struct {
	Verdict     Verdict `json:"verdict"`
	Interrupted bool    `json:"interrupted"`
	Run         string  `json:"run"`
	Prefix      string  `json:"prefix"` // of its keys
	Load        Load    `json:"load"`
	// Pushes are of the whole run; Measured is the part after the warm-up.
	Pushes     Pushes     `json:"pushes"`
	Measured   Pushes     `json:"measured"`
	Throughput Throughput `json:"throughput"`
	// Ack is from when a push was due until its ack, EndToEnd until each delivery to a
	// websocket, SendDelay until it was sent; Fetch is one page, from when it was due.
	Ack        Times            `json:"ack"`
	EndToEnd   Times            `json:"end_to_end"`
	SendDelay  Times            `json:"send_delay"`
	Fetch      Times            `json:"fetch"`
	Deliveries Deliveries       `json:"deliveries"`
	Violations Violations       `json:"violations"`
	Errors     map[string]int64 `json:"errors"` // tries that failed, by code
	KeysLeft   int64            `json:"keys_left"`
	Servers    []Server         `json:"servers"`
	// ClientCPU is that of the load generator, per acknowledged push: where it is near
	// what the machine has, the generator is what is measured.
	ClientCPU float64      `json:"client_cpu_us_per_push"`
	Machine   Machine      `json:"machine"`
	Client    daemon.Build `json:"client"` // the load generator
	Nodes     []Node       `json:"nodes"`
}

// Node is a node of the cluster, as the admin API lists it.
type Node struct {
	ID      string `json:"id,omitempty"`
	Role    string `json:"role"`
	Group   string `json:"group,omitempty"`
	State   string `json:"state"`
	Version string `json:"version,omitempty"`
}

// Load is what was asked for.
type Load struct {
	RatePerS       int     `json:"rate_per_s"`
	Batch          bool    `json:"batch"`
	DurationS      float64 `json:"duration_s"`
	WarmupS        float64 `json:"warmup_s"`
	SizeBytes      int     `json:"size_bytes"`
	Keys           int     `json:"keys"`
	ReadersPerKey  int     `json:"readers_per_key"`
	FetchReaders   int     `json:"fetch_readers"`
	PublicRatePerS int     `json:"public_rate_per_s"`
	Connections    int     `json:"connections"`
	InFlight       int     `json:"in_flight"`
	Idempotency    bool    `json:"idempotency"`
	TimeoutS       float64 `json:"timeout_s"`
}

// Pushes counts pushes. Scheduled is Acknowledged, Refused, Unknown and NotSent
// together.
type Pushes struct {
	Scheduled    int64 `json:"scheduled"` // their time came
	Sent         int64 `json:"sent"`
	Late         int64 `json:"late"`     // of those sent: more than 10 ms after their time
	NotSent      int64 `json:"not_sent"` // there was no room for them in their time
	Acknowledged int64 `json:"acknowledged"`
	Refused      int64 `json:"refused"` // and surely not stored
	Unknown      int64 `json:"unknown"` // perhaps stored
	Retries      int64 `json:"retries"`
}

// Throughput is of the measured part, until the last ack of it.
type Throughput struct {
	AskedPerS    float64 `json:"asked_per_s"`
	AchievedPerS float64 `json:"achieved_per_s"`
	DeliveredPS  float64 `json:"delivered_per_s"`
	Seconds      float64 `json:"measured_s"`
}

// Deliveries are of the whole run. Late ones came by no stream in time, but were there
// when they were asked for.
type Deliveries struct {
	Received        int64 `json:"received"`
	FetchedAtEnd    int64 `json:"fetched_at_end"`
	Measured        int64 `json:"measured"`
	ExplainedGaps   int64 `json:"explained_gaps"`
	LostConnections int64 `json:"lost_connections"`
	ReadersEnded    int64 `json:"readers_ended"`
}

// Violations are broken promises, counted for each reader; First tells of some.
type Violations struct {
	Lost      int64       `json:"lost"`
	Duplicate int64       `json:"duplicate"`
	Reordered int64       `json:"reordered"`
	Gaps      int64       `json:"gaps"`
	Phantom   int64       `json:"phantom"`
	First     []Violation `json:"first"`
}

// Server is what one of Config.Ops used in the measured part.
type Server struct {
	Ops            string  `json:"ops"`
	CPUSeconds     float64 `json:"cpu_s"`
	CPUPerPush     float64 `json:"cpu_us_per_push"`     // acknowledged
	CPUPerDelivery float64 `json:"cpu_us_per_delivery"` // to any reader
	MemoryBytes    float64 `json:"memory_bytes"`        // resident, at the end
	Error          string  `json:"error,omitempty"`
}

// result puts it all together.
func (b *bench) result(interrupted bool, u *use, machine Machine) *Result {
	all, counted, errors, lastAck := b.meter.look()
	r := &Result{
		Interrupted: interrupted, Run: b.cfg.Run, Prefix: b.cfg.prefix(), Load: b.cfg.load(),
		Pushes: all, Measured: counted, Errors: errors, KeysLeft: b.left.Load(),
		Ack: b.meter.ack.times(), EndToEnd: b.meter.delivery.times(), SendDelay: b.meter.delay.times(), Fetch: b.meter.fetch.times(),
		Deliveries: Deliveries{
			Received: b.found.received.Load(), FetchedAtEnd: b.fetched.Load(), Measured: b.deliveries.Load(),
			ExplainedGaps: b.found.explained.Load(), LostConnections: b.lostConnections.Load(), ReadersEnded: b.ended.Load(),
		},
		Violations: b.found.violations(), Servers: u.servers(), ClientCPU: u.perPush(u.mine.Seconds()),
		Machine: machine, Client: daemon.ThisBuild(), Nodes: append([]Node{}, b.cfg.Nodes...),
	}
	r.Throughput = b.throughput(counted, lastAck)
	r.Verdict = r.verdict()
	return r
}

func (c *Config) load() Load {
	return Load{
		RatePerS: c.Rate, Batch: c.Batch, DurationS: c.Duration.Seconds(), WarmupS: c.Warmup.Seconds(), SizeBytes: c.Size,
		Keys: c.Keys, ReadersPerKey: c.Readers, FetchReaders: c.Fetchers, PublicRatePerS: c.Public,
		Connections: c.Connections, InFlight: c.InFlight, Idempotency: !c.NoIdempotency, TimeoutS: c.Timeout.Seconds(),
	}
}

// throughput is over the time for which pushes were due, or until the last ack if
// that came later.
func (b *bench) throughput(counted Pushes, lastAck time.Time) Throughput {
	t := Throughput{AskedPerS: float64(b.cfg.Rate + b.cfg.Public)}
	due := float64(counted.Scheduled) / t.AskedPerS
	t.Seconds = max(due, lastAck.Sub(b.began.Add(b.cfg.Warmup)).Seconds())
	if t.Seconds > 0 {
		t.AchievedPerS = float64(counted.Acknowledged) / t.Seconds
		t.DeliveredPS = float64(b.deliveries.Load()) / t.Seconds
	}
	return t
}

func (r *Result) verdict() Verdict {
	v := r.Violations
	switch {
	case v.Lost+v.Duplicate+v.Reordered+v.Gaps+v.Phantom > 0:
		return Broken
	case float64(r.Measured.Acknowledged) < enough*float64(r.Measured.Scheduled):
		return TooSlow
	default:
		return OK
	}
}

func (f *findings) violations() Violations {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Violations{
		Lost: f.count[Lost], Duplicate: f.count[Duplicate], Reordered: f.count[Reordered], Gaps: f.count[Gap], Phantom: f.count[Phantom],
		First: append([]Violation{}, f.first...),
	}
}

// perPush spreads seconds over the acknowledged pushes, in microseconds.
func (u *use) perPush(seconds float64) float64 {
	if u.began.IsZero() || u.pushes == 0 {
		return 0
	}
	return seconds * 1e6 / float64(u.pushes)
}

func (u *use) servers() []Server {
	all := []Server{}
	for i, base := range u.cfg.Ops {
		s := Server{Ops: base, MemoryBytes: u.after[i].memory}
		switch {
		case u.before == nil:
			s.Error = "the run ended within the warm-up"
		case u.before[i].err != nil:
			s.Error = u.before[i].err.Error()
		case u.after[i].err != nil:
			s.Error = u.after[i].err.Error()
		default:
			s.CPUSeconds = u.after[i].cpu - u.before[i].cpu
			s.CPUPerPush = u.perPush(s.CPUSeconds)
			if u.reads > 0 {
				s.CPUPerDelivery = s.CPUSeconds * 1e6 / float64(u.reads)
			}
		}
		all = append(all, s)
	}
	return all
}
