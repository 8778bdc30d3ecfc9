package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gopush/hbase"
	"gopush/internal/coord/zk"
)

// Coordination is what is known of ZooKeeper by the settings, where the processes of a
// cluster find each other.
type Coordination struct {
	Servers []string
	Root    string
	User    string        // empty: without authentication
	Session time.Duration // as it is asked for
	Shared  bool          // the same servers as HBase's, which have been looked at
	// Ping asks each server for its state, and Look begins a session and reads.
	Ping func(ctx context.Context, addrs []string) []hbase.ZooKeeperServer
	Look func(ctx context.Context) (Sight, error)
}

// Sight is what is seen in ZooKeeper.
type Sight = zk.Sight

// slowLatency is what ZooKeeper's requests may take on average, in milliseconds.
const slowLatency = 100

// coordination looks at the servers, at what they are together, and at what is kept there.
func coordination(ctx context.Context, c Coordination) []Finding {
	all := c.Ping(ctx, c.Servers)
	var found []Finding
	reachable := false
	for _, s := range all {
		reachable = reachable || s.Err == nil
		if !c.Shared {
			found = append(found, coordServer(s))
		}
	}
	if !reachable {
		return append(found, about("coordination").say(Wrong, "Start ZooKeeper, or name where it is with coordination.servers.",
			"no server of %s serves", strings.Join(c.Servers, ", ")))
	}
	found = append(found, ensemble(all))
	if slow, yes := latency(all); yes {
		found = append(found, slow)
	}
	s, err := c.Look(ctx)
	if err != nil {
		return append(found, about("session").say(Wrong,
			"Look at ZooKeeper's log; if it is about rights, give coordination.user and its password.", "%s", err))
	}
	found = append(found, session(c, s), rights(c, s))
	return append(found, groups(s)...)
}

func coordServer(s hbase.ZooKeeperServer) Finding {
	const check = about("coordination")
	if s.Err != nil {
		return check.say(Note, "Start it, or take it out of coordination.servers.", "%s", s.Err)
	}
	return check.ok("%s serves%s", s.Addr, told(s))
}

// ensemble judges what the servers are together. One that keeps its mode to itself is left
// out; with none that tells, nothing can be said.
func ensemble(all []hbase.ZooKeeperServer) Finding {
	const check = about("ensemble")
	modes := map[string]int{}
	for _, s := range all {
		if s.Err == nil && s.Mode != "" {
			modes[s.Mode]++
		}
	}
	told := modes["leader"] + modes["follower"] + modes["observer"]
	switch {
	case modes["standalone"] > 0 && len(all) > 1:
		return check.say(Wrong, "Configure the servers as one ensemble, or name one of them alone.",
			"%d of %d servers stand alone, so that processes would not find each other", modes["standalone"], len(all))
	case modes["standalone"] == 1:
		return check.say(Note, "Run three servers, on three machines.", "one server alone: while it is away no group gets another node, and no lease is renewed")
	case modes["leader"] > 1:
		return check.say(Wrong, "Name the servers of one ensemble alone.", "there are %d leaders: the servers are of several ensembles", modes["leader"])
	case told == 0:
		return check.say(Unknown, "Allow srvr with 4lw.commands.whitelist, or look at ZooKeeper's log.", "the servers keep to themselves what they are")
	case modes["leader"] == 0 && told == len(all):
		return check.say(Wrong, "Look at ZooKeeper's log.", "none of the %d servers leads", told)
	case modes["leader"] == 0:
		return check.say(Note, "Name all servers of the ensemble, so that each can take the place of another.", "the leader is not among the servers that answer and are named")
	}
	return check.ok("a leader and %d more; it goes on without %d of %d", told-1, (len(all)-1)/2, len(all))
}

// latency finds the slowest server, if it is slow.
func latency(all []hbase.ZooKeeperServer) (Finding, bool) {
	var worst hbase.ZooKeeperServer
	for _, s := range all {
		if s.Err == nil && s.Latency > worst.Latency {
			worst = s
		}
	}
	if worst.Latency < slowLatency {
		return Finding{}, false
	}
	return about("ensemble").say(Note, "Give ZooKeeper's log a disk of its own, and look for pauses of its garbage collection.",
		"requests of %s take %.0f ms on average", worst.Addr, worst.Latency), true
}

func session(c Coordination, s Sight) Finding {
	const check = about("session")
	took := s.Took.Round(time.Millisecond)
	switch {
	case s.Timeout != c.Session:
		return check.say(Note, "Set minSessionTimeout and maxSessionTimeout of ZooKeeper so that it is granted: minSessionTimeout is twice tickTime by default.",
			"began in %s; coordination.session is %s, but ZooKeeper grants %s", took, c.Session, s.Timeout)
	case s.Took > c.Session/2:
		return check.say(Note, "Look at the network to ZooKeeper, and at its disk.", "began after %s, of a session of %s", took, s.Timeout)
	}
	return check.ok("began in %s; it lasts %s without a word", took, s.Timeout)
}

// rights judges who may change what is kept.
func rights(c Coordination, s Sight) Finding {
	const check = about("coordination.root")
	switch {
	case !s.Began:
		return check.ok("%s does not exist yet; the first process makes it", c.Root)
	case s.Open && c.User != "":
		return check.say(Wrong, fmt.Sprintf("Give it to the user alone, with setAcl -R %s in ZooKeeper's own shell, or start with a new root.", c.Root),
			"%s was made without coordination.user: anybody who reaches ZooKeeper may change who serves what", c.Root)
	case s.Open:
		return check.say(Note, "Set coordination.user and its password, or keep ZooKeeper to a network that nobody else is in.",
			"anybody who reaches ZooKeeper may change %s, and with it who serves what", c.Root)
	}
	return check.ok("%s is the user's alone", c.Root)
}

// groups judges who is there to serve.
func groups(s Sight) []Finding {
	const check = about("groups")
	if len(s.Groups) == 0 {
		return []Finding{check.ok("no comet has served yet")}
	}
	var found []Finding
	var fine []string
	for _, g := range s.Groups {
		switch g.Nodes {
		case 0:
			found = append(found, check.say(Wrong, fmt.Sprintf("Start a node of it, or give its keys to others: DELETE /v2/nodes/%s.", g.Name), "%s has no node, and its keys wait", g.Name))
		case 1:
			found = append(found, check.say(Note, "Start another comet with the same comet.group.", "%s has one node and no alternate: its keys wait when that ends", g.Name))
		default:
			fine = append(fine, fmt.Sprintf("%s (%d nodes)", g.Name, g.Nodes))
		}
	}
	if len(fine) > 0 {
		found = append(found, check.ok("with an alternate: %s", strings.Join(fine, ", ")))
	}
	switch s.Messages {
	case 0:
		return append(found, about("message nodes").say(Wrong, "Start one.", "there is none: nothing can be stored or read"))
	case 1:
		return append(found, about("message nodes").say(Note, "Start another one.", "there is one; when it ends, nothing can be stored or read"))
	}
	return append(found, about("message nodes").ok("%d", s.Messages))
}
