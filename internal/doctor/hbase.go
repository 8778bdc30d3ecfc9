package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopush/hbase"
)

// HBase is what is asked of it; *hbase.Admin is one.
type HBase interface {
	Cluster(ctx context.Context) (hbase.Cluster, error)
	State(ctx context.Context, table hbase.TableName) (hbase.TableState, error)
	Describe(ctx context.Context, table hbase.TableName) (*hbase.Descriptor, error)
	ReadMark(ctx context.Context, table hbase.TableName) (hbase.Mark, error)
	ProbeWrite(ctx context.Context, table hbase.TableName) (hbase.Probe, error)
}

// Cluster is what is known of HBase by the settings.
type Cluster struct {
	Target     hbase.Target
	Durability string // fsync, sync, async
	Keep       time.Duration
	LongestTTL time.Duration // of messages whose pusher does not say

	HBase HBase
	// Ping asks the servers of ZooKeeper.
	Ping func(ctx context.Context, addrs []string) []hbase.ZooKeeperServer
	// Settings reads what a region server was started with, from its web pages.
	Settings func(ctx context.Context, s hbase.Server) (map[string]string, error)
	// Now is the clock of this machine.
	Now func() time.Time
}

// hbaseChecks end early where the next one could only repeat what is known.
func hbaseChecks(ctx context.Context, c Cluster) []Finding {
	found, reachable := zooKeeper(c.Ping(ctx, c.Target.ZooKeeper))
	if !reachable {
		return found
	}
	cluster, err := c.HBase.Cluster(ctx)
	if err != nil {
		return append(found, about("HBase").say(Wrong,
			"Start HBase's master, or name the right ZooKeeper and znode with --zookeeper and --znode-parent.", "%s", err))
	}
	found = append(found, servers(cluster)...)
	if len(cluster.Live) == 0 {
		return found
	}
	table, serves := tableChecks(ctx, c)
	found = append(found, table...)
	found = append(found, durability(ctx, c, cluster))
	found = append(found, serverClocks(c.Now(), cluster))
	if serves {
		found = append(found, probe(ctx, c)...)
	}
	return found
}

// zooKeeper judges the servers: one that serves is enough to work, but those
// that are named should all be there.
func zooKeeper(all []hbase.ZooKeeperServer) (found []Finding, reachable bool) {
	const check = about("ZooKeeper")
	for _, s := range all {
		reachable = reachable || s.Err == nil
	}
	for _, s := range all {
		switch {
		case s.Err == nil:
			found = append(found, check.ok("%s serves%s", s.Addr, told(s)))
		case reachable:
			found = append(found, check.say(Note, "Start it, or take it out of store.zookeeper.", "%s", s.Err))
		default:
			found = append(found, check.say(Wrong, "Start ZooKeeper, or name where it is with --zookeeper or store.zookeeper.", "%s", s.Err))
		}
	}
	return found, reachable
}

func told(s hbase.ZooKeeperServer) string {
	if s.Version == "" {
		return ""
	}
	return fmt.Sprintf(" (%s, version %s)", s.Mode, s.Version)
}

// servers judges the master and the region servers.
func servers(cluster hbase.Cluster) []Finding {
	found := []Finding{about("HBase master").ok("%s, version %s, %d more stand by", cluster.Master.Addr(), cluster.Version, cluster.Backups)}
	const check = about("region servers")
	var live []string
	meta := ""
	for _, s := range cluster.Live {
		live = append(live, s.Addr())
		if s.Regions["hbase:meta"] > 0 {
			meta = s.Addr()
		}
	}
	slices.Sort(live)
	switch {
	case len(live) == 0:
		return append(found, check.say(Wrong, "Start region servers.", "none is live, %d are dead", cluster.Dead))
	case cluster.Dead > 0:
		found = append(found, check.say(Note, "Start the dead ones again, or let the master forget them.", "live: %s; dead: %d", strings.Join(live, ", "), cluster.Dead))
	default:
		found = append(found, check.ok("%s", strings.Join(live, ", ")))
	}
	if cluster.Moving > 0 {
		found = append(found, about("regions").say(Note, "Look again in a minute; if they stay, see the master's log.", "%d are served by nobody at the moment", cluster.Moving))
	}
	if meta != "" {
		found = append(found, about("hbase:meta").ok("at %s", meta))
	}
	return found
}

// tableChecks judge the table and its schema.
func tableChecks(ctx context.Context, c Cluster) (found []Finding, serves bool) {
	const check = about("table")
	state, err := c.HBase.State(ctx, c.Target.Table)
	if err != nil {
		return []Finding{check.say(Unknown, "See the master's log.", "%s", err)}, false
	}
	var mark hbase.Mark
	if state == hbase.TableEnabled {
		if mark, err = c.HBase.ReadMark(ctx, c.Target.Table); err != nil {
			return []Finding{check.say(Wrong, "Is it the table of gopush? If so, see the logs of HBase.", "%s", err)}, false
		}
	}
	if err := c.Target.Usable(state, mark); err != nil {
		if e, ok := err.(*hbase.SchemaError); ok { //nolint:errorlint // Usable returns it unwrapped
			return []Finding{check.say(Wrong, e.Remedy, "%s", e.Problem)}, false
		}
		return []Finding{check.say(Wrong, "", "%s", err)}, false
	}
	found = []Finding{check.ok("%s, schema %s", c.Target.Table, mark)}
	return append(found, family(ctx, c)...), true
}

// family judges the attributes that promises rest on.
func family(ctx context.Context, c Cluster) []Finding {
	const check = about("family")
	d, err := c.HBase.Describe(ctx, c.Target.Table)
	if err != nil || d == nil {
		return []Finding{check.say(Unknown, "See the master's log.", "the table cannot be described: %v", err)}
	}
	var found []Finding
	for name, want := range map[string]string{"VERSIONS": "1", "MIN_VERSIONS": "0", "KEEP_DELETED_CELLS": "FALSE"} {
		if is := d.FamilyAttribute(hbase.SchemaFamily, name); !strings.EqualFold(is, want) {
			found = append(found, check.say(Wrong, "Run: "+c.Target.Command("migrate up"), "%s is %s; it must be %s", name, is, want))
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Seen, b.Seen) })
	if f, short := lives(c, d.FamilyAttribute(hbase.SchemaFamily, "TTL")); short {
		found = append(found, f)
	}
	if len(found) == 0 {
		found = append(found, check.ok("compression %s, as it has to be", d.FamilyAttribute(hbase.SchemaFamily, "COMPRESSION")))
	}
	return found
}

// lives compares how long HBase keeps a cell with how long it is needed.
func lives(c Cluster, ttl string) (Finding, bool) {
	var seconds int64
	if _, err := fmt.Sscan(ttl, &seconds); err != nil {
		return Finding{}, false // HBase's default is for ever
	}
	// The store keeps places a quarter longer than it says.
	need := max(c.Keep+c.Keep/4, c.LongestTTL)
	if is := time.Duration(seconds) * time.Second; is < need {
		return about("family").say(Wrong, "Run: "+c.Target.Command("migrate up --ttl forever"),
			"HBase drops every cell after %s, but store.keep and messages.default_ttl need %s", is, need), true
	}
	return Finding{}, false
}
