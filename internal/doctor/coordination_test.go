package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gopush/hbase"
	"gopush/internal/coord/zk"
)

// finds checks that there is a finding of a check with a verdict that says something, and
// that whatever is not fine has something to do.
func finds(t *testing.T, found []Finding, check string, v Verdict, seen string) {
	t.Helper()
	for _, f := range found {
		if f.Verdict != OK && f.Fix == "" {
			t.Errorf("nothing to do about %+v", f)
		}
		if f.Check == check && f.Verdict == v && strings.Contains(f.Seen, seen) {
			return
		}
	}
	t.Errorf("no %s %s %q in %+v", check, v, seen, found)
}

// TestCoordination: the servers alone and together, the session, the rights and the groups.
//
// Broken once by calling two leaders one ensemble, once by taking a group without nodes for
// one without an alternate, and once by leaving out the latency.
func TestCoordination(t *testing.T) {
	server := func(addr, mode string) hbase.ZooKeeperServer {
		return hbase.ZooKeeperServer{Addr: addr, Version: "3.9", Mode: mode, Latency: 0.5}
	}
	away := hbase.ZooKeeperServer{Addr: "c:1", Err: errors.New("ZooKeeper at c:1: refused")}
	three := []hbase.ZooKeeperServer{server("a:1", "follower"), server("b:1", "leader"), server("c:1", "follower")}
	slow := server("a:1", "leader")
	slow.Latency = 250
	whole := Sight{
		Took: time.Millisecond, Timeout: 4 * time.Second, Began: true, Messages: 2,
		Groups: []zk.GroupSight{{Name: "g", Nodes: 2}, {Name: "h", Nodes: 1}, {Name: "i"}},
	}
	with := func(change func(*Sight)) Sight { s := whole; change(&s); return s }
	for name, tt := range map[string]struct {
		servers []hbase.ZooKeeperServer
		sight   Sight
		err     error
		change  func(*Coordination)
		check   string
		verdict Verdict
		seen    string
	}{
		"server":         {servers: three, sight: whole, check: "coordination", verdict: OK, seen: "b:1 serves (leader, version 3.9)"},
		"one away":       {servers: append(three[:2:2], away), sight: whole, check: "coordination", verdict: Note, seen: "c:1: refused"},
		"all away":       {servers: []hbase.ZooKeeperServer{away}, check: "coordination", verdict: Wrong, seen: "no server of x:1 serves"},
		"ensemble":       {servers: three, sight: whole, check: "ensemble", verdict: OK, seen: "a leader and 2 more; it goes on without 1 of 3"},
		"alone":          {servers: []hbase.ZooKeeperServer{server("a:1", "standalone")}, sight: whole, check: "ensemble", verdict: Note, seen: "one server alone"},
		"not together":   {servers: []hbase.ZooKeeperServer{server("a:1", "standalone"), server("b:1", "standalone")}, sight: whole, check: "ensemble", verdict: Wrong, seen: "2 of 2 servers stand alone"},
		"two leaders":    {servers: []hbase.ZooKeeperServer{server("a:1", "leader"), server("b:1", "leader")}, sight: whole, check: "ensemble", verdict: Wrong, seen: "2 leaders"},
		"no leader":      {servers: []hbase.ZooKeeperServer{server("a:1", "follower"), server("b:1", "follower")}, sight: whole, check: "ensemble", verdict: Wrong, seen: "none of the 2"},
		"leader unnamed": {servers: []hbase.ZooKeeperServer{server("a:1", "follower"), server("b:1", "")}, sight: whole, check: "ensemble", verdict: Note, seen: "the leader is not"},
		"silent":         {servers: []hbase.ZooKeeperServer{server("a:1", "")}, sight: whole, check: "ensemble", verdict: Unknown, seen: "keep to themselves"},
		"slow":           {servers: []hbase.ZooKeeperServer{slow}, sight: whole, check: "ensemble", verdict: Note, seen: "take 250 ms"},
		"no session":     {servers: three, err: errors.New("no rights"), check: "session", verdict: Wrong, seen: "no rights"},
		"session":        {servers: three, sight: whole, check: "session", verdict: OK, seen: "began in 1ms"},
		"shorter":        {servers: three, sight: with(func(s *Sight) { s.Timeout = time.Second }), check: "session", verdict: Note, seen: "grants 1s"},
		"late":           {servers: three, sight: with(func(s *Sight) { s.Took = 3 * time.Second }), check: "session", verdict: Note, seen: "after 3s"},
		"new root":       {servers: three, sight: with(func(s *Sight) { s.Began = false }), check: "coordination.root", verdict: OK, seen: "/g does not exist yet"},
		"open":           {servers: three, sight: with(func(s *Sight) { s.Open = true }), check: "coordination.root", verdict: Note, seen: "anybody"},
		"made open":      {servers: three, sight: with(func(s *Sight) { s.Open = true }), change: func(c *Coordination) { c.User = "u" }, check: "coordination.root", verdict: Wrong, seen: "without coordination.user"},
		"closed":         {servers: three, sight: whole, check: "coordination.root", verdict: OK, seen: "the user's alone"},
		"alternate":      {servers: three, sight: whole, check: "groups", verdict: OK, seen: "g (2 nodes)"},
		"no alternate":   {servers: three, sight: whole, check: "groups", verdict: Note, seen: "h has one node"},
		"no node":        {servers: three, sight: whole, check: "groups", verdict: Wrong, seen: "i has no node"},
		"no group":       {servers: three, sight: with(func(s *Sight) { s.Groups = nil }), check: "groups", verdict: OK, seen: "no comet has served"},
		"messages":       {servers: three, sight: whole, check: "message nodes", verdict: OK, seen: "2"},
		"one message":    {servers: three, sight: with(func(s *Sight) { s.Messages = 1 }), check: "message nodes", verdict: Note, seen: "there is one"},
		"no message":     {servers: three, sight: with(func(s *Sight) { s.Messages = 0 }), check: "message nodes", verdict: Wrong, seen: "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Coordination{
				Servers: []string{"x:1"}, Root: "/g", Session: 4 * time.Second,
				Ping: func(context.Context, []string) []hbase.ZooKeeperServer { return tt.servers },
				Look: func(context.Context) (Sight, error) { return tt.sight, tt.err },
			}
			if tt.change != nil {
				tt.change(&c)
			}
			finds(t, coordination(t.Context(), c), tt.check, tt.verdict, tt.seen)
		})
	}
	shared := Coordination{
		Shared: true, Ping: func(context.Context, []string) []hbase.ZooKeeperServer { return three },
		Look: func(context.Context) (Sight, error) { return whole, nil },
	}
	for _, f := range coordination(t.Context(), shared) {
		if f.Check == "coordination" {
			t.Errorf("servers that have been looked at are looked at again: %+v", f)
		}
	}
}
