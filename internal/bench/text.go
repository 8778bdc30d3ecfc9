package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// String is one line for a person who waits.
func (p Progress) String() string {
	return fmt.Sprintf("%6s  %-9s  %8.0f acks/s  ack p99 %8s  undelivered %d  not sent %d  broken %d",
		p.Since.Round(time.Second), p.Phase, p.RatePerS, p.AckP99.Round(10*time.Microsecond), p.Undelivered, p.NotSent, p.Broken)
}

// WriteText is the result for a person.
func (r *Result) WriteText(w io.Writer) error {
	var t strings.Builder
	r.writeLoad(&t)
	r.writeTimes(&t)
	r.writeProof(&t)
	for _, s := range r.Servers {
		fmt.Fprintf(&t, "server       %s: %.1f µs of CPU per push, %.1f µs per delivery, %.1f s in all; %.0f MB\n",
			s.Ops, s.CPUPerPush, s.CPUPerDelivery, s.CPUSeconds, s.MemoryBytes/1e6)
		if s.Error != "" {
			fmt.Fprintf(&t, "             no figures: %s\n", s.Error)
		}
	}
	r.writeMachine(&t)
	_, err := io.WriteString(w, t.String())
	return err
}

func (r *Result) writeLoad(t *strings.Builder) {
	l, m := r.Load, r.Measured
	how := "one request each"
	if l.Batch {
		how = "in batches"
	}
	fmt.Fprintf(t, "load         %d pushes/s %s of %d bytes to %d keys, %d readers each, %d fetch, %d broadcasts/s; %g s after %g s\n",
		l.RatePerS, how, l.SizeBytes, l.Keys, l.ReadersPerKey, l.FetchReaders, l.PublicRatePerS, l.DurationS, l.WarmupS)
	fmt.Fprintf(t, "throughput   %.1f pushes/s of %.0f asked, %.1f deliveries/s\n", r.Throughput.AchievedPerS, r.Throughput.AskedPerS, r.Throughput.DeliveredPS)
	fmt.Fprintf(t, "pushes       %d due, %d acknowledged, %d refused, %d unknown, %d not sent; %d late, %d retries\n",
		m.Scheduled, m.Acknowledged, m.Refused, m.Unknown, m.NotSent, m.Late, m.Retries)
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(t, "             %d tries failed: %s\n", r.Errors[code], code)
	}
}

func (r *Result) writeTimes(t *strings.Builder) {
	fmt.Fprintf(t, "%-12s %9s %9s %9s %9s %9s\n", "ms", "p50", "p90", "p99", "p99.9", "max")
	line := func(name string, s Times) {
		if s.Count > 0 {
			fmt.Fprintf(t, "%-12s %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, s.P50MS, s.P90MS, s.P99MS, s.P999MS, s.MaxMS)
		}
	}
	line("sent", r.SendDelay)
	line("ack", r.Ack)
	line("end to end", r.EndToEnd)
	line("fetch", r.Fetch)
}

func (r *Result) writeProof(t *strings.Builder) {
	v, d := r.Violations, r.Deliveries
	fmt.Fprintf(t, "proof        lost %d, duplicate %d, reordered %d, gaps %d, phantom %d; of %d deliveries %d were fetched at the end\n",
		v.Lost, v.Duplicate, v.Reordered, v.Gaps, v.Phantom, d.Received, d.FetchedAtEnd)
	for _, f := range v.First {
		key := f.Key
		if key == "" {
			key = "the public messages"
		}
		fmt.Fprintf(t, "             %s: %s %s: %s\n", f.Kind, key, f.Reader, f.Text)
	}
	if d.LostConnections > 0 || d.ReadersEnded > 0 || d.ExplainedGaps > 0 {
		fmt.Fprintf(t, "             readers lost %d connections, %d were sent away for good; the server explained %d gaps\n",
			d.LostConnections, d.ReadersEnded, d.ExplainedGaps)
	}
	verdict := string(r.Verdict)
	switch r.Verdict {
	case Broken:
		verdict = "BROKEN: keep the log of the servers, and the lines above"
	case TooSlow:
		verdict = "too slow: more than 1 push in 100 was not acknowledged in its time"
	default:
	}
	if r.Interrupted {
		verdict += " (ended early)"
	}
	fmt.Fprintf(t, "verdict      %s\n", verdict)
	if r.KeysLeft > 0 {
		fmt.Fprintf(t, "             %d keys %s… could not be deleted; their messages expire\n", r.KeysLeft, r.Prefix)
	}
}

func (r *Result) writeMachine(t *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(t, "generator    %.1f µs of CPU per push; %s\n", r.ClientCPU, r.Client)
	fmt.Fprintf(t, "machine      %d × %s, %d MB, %s, %s; load %.2f before; %s\n",
		m.Cores, m.CPU, m.MemoryMB, m.Kernel, m.OS, m.Load, m.Time.Format(time.RFC3339))
	versions := make(map[string]int)
	for _, n := range r.Nodes {
		if n.Version != "" {
			versions[n.Role+" "+n.Version]++
		}
	}
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		fmt.Fprintf(t, "nodes        %d × %s\n", versions[v], v)
	}
}
