package doctor

import (
	"context"
	"fmt"
	"time"

	"gopush/hbase"
)

// Bounds of the difference between clocks. Expiry is checked by this machine's
// clock and carried out by HBase's.
const (
	someSkew = time.Second
	badSkew  = 30 * time.Second
	// reportLag is how old the last report of a live server may be: three
	// seconds by HBase's default, and some more under load.
	reportLag = 15 * time.Second
)

// serverClocks compares clocks coarsely: a server's report carries the time of
// its clock, and is a little old.
func serverClocks(now time.Time, cluster hbase.Cluster) Finding {
	const check = about("clocks")
	for _, s := range cluster.Live {
		if s.Reported.IsZero() {
			continue
		}
		switch age := now.Sub(s.Reported); {
		case age < -someSkew:
			return skewed(check, -age, fmt.Sprintf("the clock of %s is at least %s ahead of this machine's", s.Addr(), (-age).Round(time.Millisecond)))
		case age > reportLag:
			return skewed(check, age-reportLag, fmt.Sprintf("the clock of %s is behind this machine's, or it has not reported to the master for %s", s.Addr(), age.Round(time.Second)))
		}
	}
	return check.ok("no region server's is far from this machine's")
}

func skewed(check about, by time.Duration, seen string) Finding {
	verdict := Note
	if by > badSkew {
		verdict = Wrong
	}
	return check.say(verdict, "Synchronise the clocks, with NTP or chrony.", "%s", seen)
}

// probe writes a row and reads it back: that it works, how long a synced write
// takes, and what time it is at the region server that took it.
func probe(ctx context.Context, c Cluster) []Finding {
	const check = about("a write")
	p, err := c.HBase.ProbeWrite(ctx, c.Target.Table)
	if err != nil {
		return []Finding{check.say(Wrong, "See the logs of the region servers.", "%s", err)}
	}
	took := p.Took.Round(100 * time.Microsecond)
	found := []Finding{check.ok("stored, synced and read back; it took %s", took)}
	if p.Took > time.Second {
		found[0] = check.say(Note, "Look at the disks of the data nodes, and for pauses of garbage collection.", "stored, synced and read back, but it took %s", took)
	}
	skew := p.Skew()
	if skew.Abs() <= someSkew {
		return append(found, about("clock").ok("the region server's agrees with this machine's to %s", p.Took.Round(time.Millisecond)))
	}
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	return append(found, skewed("clock", skew.Abs(), fmt.Sprintf("the region server's is %s %s this machine's", skew.Abs().Round(time.Millisecond), word)))
}
