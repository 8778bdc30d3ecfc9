package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/hbase"
)

// patient is a fake HBase in good health, for tests to make ill.
type patient struct {
	cluster hbase.Cluster
	state   hbase.TableState
	d       *hbase.Descriptor
	mark    hbase.Mark
	probe   hbase.Probe

	clusterErr, stateErr, describeErr, markErr, probeErr error
}

var (
	table = hbase.TableName{Namespace: "gopush", Name: "messages"}
	noon  = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

func healthy() *patient {
	d := hbase.NewDescriptor(table)
	for name, value := range map[string]string{"VERSIONS": "1", "MIN_VERSIONS": "0", "KEEP_DELETED_CELLS": "FALSE", "COMPRESSION": "SNAPPY", "TTL": "2147483647"} {
		d.SetFamilyAttribute("m", name, value)
	}
	return &patient{
		cluster: hbase.Cluster{Version: "2.6.4", Master: hbase.Server{Host: "m", Port: 16000}, Live: []hbase.Server{
			{Host: "a", Port: 1, InfoPort: 2, Reported: noon.Add(-time.Second), Regions: map[string]int{"hbase:meta": 1}},
			{Host: "b", Port: 1, InfoPort: 2, Reported: noon.Add(-2 * time.Second)},
		}},
		state: hbase.TableEnabled, d: d, mark: hbase.Mark{Version: hbase.SchemaVersion, Oldest: 1},
		probe: hbase.Probe{Took: 3 * time.Millisecond, Sent: noon, Back: noon.Add(3 * time.Millisecond), Server: noon},
	}
}

func (p *patient) Cluster(context.Context) (hbase.Cluster, error) { return p.cluster, p.clusterErr }
func (p *patient) State(context.Context, hbase.TableName) (hbase.TableState, error) {
	return p.state, p.stateErr
}

func (p *patient) Describe(context.Context, hbase.TableName) (*hbase.Descriptor, error) {
	return p.d, p.describeErr
}

func (p *patient) ReadMark(context.Context, hbase.TableName) (hbase.Mark, error) {
	return p.mark, p.markErr
}

func (p *patient) ProbeWrite(context.Context, hbase.TableName) (hbase.Probe, error) {
	return p.probe, p.probeErr
}

// onHDFS is what a region server on HDFS was started with.
func onHDFS(context.Context, hbase.Server) (map[string]string, error) {
	return map[string]string{"hbase.rootdir": "hdfs://n/hbase", "hbase.wal.hsync": "true"}, nil
}

func serves(_ context.Context, addrs []string) (all []hbase.ZooKeeperServer) {
	for _, a := range addrs {
		all = append(all, hbase.ZooKeeperServer{Addr: a, Version: "3.8.4", Mode: "follower"})
	}
	return all
}

func clusterOf(p *patient) Cluster {
	return Cluster{
		Target:     hbase.Target{ZooKeeper: []string{"zk1:2181", "zk2:2181"}, Table: table},
		Durability: "fsync", Keep: 30 * 24 * time.Hour, LongestTTL: 30 * 24 * time.Hour,
		HBase: p, Ping: serves, Settings: onHDFS, Now: func() time.Time { return noon },
	}
}

func TestHealthy(t *testing.T) {
	found := hbaseChecks(t.Context(), clusterOf(healthy()))
	for _, f := range found {
		if f.Verdict != OK || f.Fix != "" || f.Seen == "" {
			t.Errorf("%+v", f)
		}
	}
	if len(found) != 11 {
		t.Errorf("%d checks: %+v", len(found), found)
	}
}

// TestIll breaks one thing at a time, and wants it found, with what to do.
func TestIll(t *testing.T) {
	down := errors.New("refused")
	for name, tt := range map[string]struct {
		ill     func(*patient, *Cluster)
		check   string
		verdict Verdict
		seen    string
		fix     string
	}{
		"no ZooKeeper": {func(_ *patient, c *Cluster) {
			c.Ping = func(context.Context, []string) []hbase.ZooKeeperServer {
				return []hbase.ZooKeeperServer{{Addr: "zk1", Err: down}, {Addr: "zk2", Err: down}}
			}
		}, "ZooKeeper", Wrong, "refused", "Start ZooKeeper"},
		"half a ZooKeeper": {func(_ *patient, c *Cluster) {
			c.Ping = func(context.Context, []string) []hbase.ZooKeeperServer {
				return []hbase.ZooKeeperServer{{Addr: "zk1", Err: down}, {Addr: "zk2"}}
			}
		}, "ZooKeeper", Note, "refused", "Start it"},
		"no master":     {func(p *patient, _ *Cluster) { p.clusterErr = down }, "HBase", Wrong, "refused", "Start HBase's master"},
		"no servers":    {func(p *patient, _ *Cluster) { p.cluster.Live = nil }, "region servers", Wrong, "none is live", "Start region"},
		"a dead server": {func(p *patient, _ *Cluster) { p.cluster.Dead = 1 }, "region servers", Note, "live: a:1, b:1; dead: 1", "Start"},
		"regions":       {func(p *patient, _ *Cluster) { p.cluster.Moving = 3 }, "regions", Note, "3 are served by nobody", "Look again"},
		"no table":      {func(p *patient, _ *Cluster) { p.state = hbase.TableMissing }, "table", Wrong, "HBase has no table gopush:messages", "Run: gopush migrate up --zookeeper zk1:2181,zk2:2181"},
		"disabled":      {func(p *patient, _ *Cluster) { p.state = hbase.TableDisabled }, "table", Wrong, "is disabled", "migrate up --enable"},
		"no mark":       {func(p *patient, _ *Cluster) { p.mark = hbase.Mark{} }, "table", Wrong, "does not say which schema", "migrate up"},
		"mark unread":   {func(p *patient, _ *Cluster) { p.markErr = down }, "table", Wrong, "refused", "logs"},
		"state unread":  {func(p *patient, _ *Cluster) { p.stateErr = down }, "table", Unknown, "refused", "master's log"},
		"undescribed":   {func(p *patient, _ *Cluster) { p.describeErr = down }, "family", Unknown, "refused", "master's log"},
		"versions":      {func(p *patient, _ *Cluster) { p.d.SetFamilyAttribute("m", "VERSIONS", "3") }, "family", Wrong, "VERSIONS is 3; it must be 1", "migrate up"},
		"deleted cells": {func(p *patient, _ *Cluster) { p.d.SetFamilyAttribute("m", "KEEP_DELETED_CELLS", "TRUE") }, "family", Wrong, "KEEP_DELETED_CELLS is TRUE", "migrate up"},
		"a short life":  {func(p *patient, _ *Cluster) { p.d.SetFamilyAttribute("m", "TTL", "86400") }, "family", Wrong, "drops every cell after 24h0m0s, but store.keep and messages.default_ttl need 900h0m0s", "--ttl forever"},
		"a write fails": {func(p *patient, _ *Cluster) { p.probeErr = down }, "a write", Wrong, "refused", "logs"},
		"a slow write":  {func(p *patient, _ *Cluster) { p.probe.Took = 2 * time.Second }, "a write", Note, "it took 2s", "disks"},
		"server ahead":  {func(p *patient, _ *Cluster) { p.probe.Server = noon.Add(5 * time.Second) }, "clock", Note, "4.997s ahead of", "NTP"},
		"server behind": {func(p *patient, _ *Cluster) { p.probe.Server = noon.Add(-time.Minute) }, "clock", Wrong, "1m0s behind", "NTP"},
		"report ahead":  {func(p *patient, _ *Cluster) { p.cluster.Live[1].Reported = noon.Add(time.Minute) }, "clocks", Wrong, "b:1 is at least 1m0s ahead", "NTP"},
		"report late":   {func(p *patient, _ *Cluster) { p.cluster.Live[0].Reported = noon.Add(-20 * time.Second) }, "clocks", Note, "a:1 is behind", "NTP"},
		"async":         {func(_ *patient, c *Cluster) { c.Durability = "async" }, "durability", Wrong, "async", "Set store.durability to fsync"},
		"on one disk":   {settings("hbase.rootdir", "file:///x"), "durability", Wrong, "a:1 keeps its log on file://", "HDFS"},
		"log on disk":   {settings("hbase.rootdir", "hdfs://n/x", "hbase.wal.dir", "/x"), "durability", Wrong, "file://", "HDFS"},
		"no settings":   {settings(), "durability", Wrong, "file://", "HDFS"},
		"hidden":        {func(p *patient, _ *Cluster) { p.cluster.Live[1].InfoPort = 0 }, "durability", Unknown, "what b:1 was started with cannot be read", "hbase.regionserver.info.port"},
		"unreadable": {func(_ *patient, c *Cluster) {
			c.Settings = func(context.Context, hbase.Server) (map[string]string, error) { return nil, down }
		}, "durability", Unknown, "a:1 (refused), b:1 (refused)", "hbase-site.xml"},
		"sync":       {sync, "durability", Note, "in the memory of several data nodes", "fsync"},
		"no hsync":   {settings("hbase.rootdir", "hdfs://n/x"), "durability", Note, "hbase.wal.hsync is not true on a:1, b:1", "hbase.wal.hsync"},
		"by default": {settings("hbase.rootdir", "/x", "fs.defaultFS", "hdfs://n", "hbase.wal.hsync", "true"), "durability", OK, "a:1, b:1", ""},
	} {
		p := healthy()
		c := clusterOf(p)
		tt.ill(p, &c)
		found := hbaseChecks(t.Context(), c)
		if !slices.ContainsFunc(found, func(f Finding) bool {
			return f.Check == tt.check && f.Verdict == tt.verdict && strings.Contains(f.Seen, tt.seen) && strings.Contains(f.Fix, tt.fix)
		}) {
			t.Errorf("%s is not found: %+v", name, found)
		}
		for _, f := range found {
			if f.Verdict != OK && (f.Check != tt.check || f.Fix == "") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func sync(_ *patient, c *Cluster) { c.Durability = "sync" }

// settings are what all region servers were started with.
func settings(pairs ...string) func(*patient, *Cluster) {
	all := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return func(_ *patient, c *Cluster) {
		c.Settings = func(context.Context, hbase.Server) (map[string]string, error) { return all, nil }
	}
}
