package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/comet/wire"
	vocabulary "gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/internal/serve"
)

// The roles as processes of their own: they start before ZooKeeper does and find each
// other; and whatever happens to one of them, acknowledged messages stay, in order.
//
// Broken once by having web not wait for a successor; by resigning before what is in flight
// has ended; and, as each of them is enough, by having a comet ignore its lease, its ceiling
// and the end of its term while message nodes forget epochs.
func TestFleet(t *testing.T) {
	f := NewFleet(t, Topology{})
	f.StartAll()
	f.ZooKeeper.Start()
	f.Settle()
	for _, scenario := range []struct {
		name string
		do   func(*testing.T, *Fleet)
	}{
		{"primary killed", primaryKilled},
		{"primary stopped in order", primaryStopped},
		{"primary frozen", primaryFrozen},
		{"drain", handedOver},
		{"a group joins and leaves", groupJoins},
		{"web nodes killed", websKilled},
		{"message nodes killed, stopped, frozen", messagesGone},
		{"ZooKeeper restarted", zooKeeperRestarted},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			defer f.Within(t)()
			scenario.do(t, f)
			f.StartAll()
			f.Settle()
		})
		if t.Failed() {
			return // what comes next would stand on its ruins
		}
	}
}

// A failover costs pushes with idempotency keys time, and no errors.
func primaryKilled(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("killed")...)
	load.Acked(3)
	for _, group := range []string{"node1", "node2"} {
		primary, epoch := f.Primary(group)
		began := time.Now()
		primary.Kill()
		successor, next := f.Primary(group)
		if successor == primary || next <= epoch {
			t.Errorf("%s with epoch %d follows %s with %d", successor.Name, next, primary.Name, epoch)
		}
		t.Logf("%s: web knows a successor after %s", group, time.Since(began).Round(10*time.Millisecond))
		load.Acked(3)
		load.Log(group, began)
	}
	load.Clean()
}

// An orderly stop fails no push, not even one that cannot be repeated.
func primaryStopped(t *testing.T, f *Fleet) {
	load := f.Load(t, true, f.Keys("stopped")...)
	load.Acked(3)
	for _, group := range []string{"node1", "node2"} {
		primary, _ := f.Primary(group)
		began := time.Now()
		primary.Stop()
		load.Acked(3)
		load.Log(group, began)
	}
	load.Clean()
}

// A primary that stood still past its session gets nothing acknowledged or delivered
// afterwards, and its clients are told.
func primaryFrozen(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("frozen")...)
	load.Acked(3)
	const key = "quiet"
	node, err := f.API.Node(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	primary, epoch := f.Primary(node.Node)
	comet := dialComet(t, primary)
	if err := <-pushTo(t, comet, key, "of the primary"); err != nil { // its stream is open now
		t.Fatal(err)
	}
	stream, err := DialStream(t.Context(), node.WS[len("ws://"):strings.Index(node.WS, "/v2")], Cursors{After: "0"}.Query(key)+"&public=0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if _, err := ReadUntil(stream, "live", fleetPatience); err != nil {
		t.Fatal(err)
	}
	primary.Freeze()
	began := time.Now()
	late := pushTo(t, comet, key, "of the deposed")
	f.AwaitNodes("a successor", func(nodes []NodeState) bool {
		for _, n := range nodes {
			if n.Group == node.Node && n.State == "serving" && n.Epoch > epoch {
				return true
			}
		}
		return false
	})
	load.Acked(3)
	load.Log(node.Node, began)
	o := f.API.Push(t.Context(), Message{Key: key, Data: Text("of the successor"), Idempotency: "successor"})
	if o.State != Acked {
		t.Fatalf("the successor: %s", o.Err)
	}
	primary.Thaw()
	err = <-late
	t.Logf("the deposed primary answers a push: %v", err)
	if err == nil {
		t.Error("it acknowledges it")
	}
	for {
		frame, err := stream.Next(fleetPatience)
		if err == nil {
			if frame.Type == "message" {
				t.Errorf("the deposed primary delivers %s", frame.Raw)
			}
			continue
		}
		if e, ok := errors.AsType[*CloseError](err); !ok || wire.CloseCode(e.Code).Terminal() || e.Code < 4000 {
			t.Errorf("the client of the deposed primary is told %v", err)
		}
		break
	}
	page, err := f.API.Messages(t.Context(), key, "0", "", 0)
	if err != nil || len(page.Messages) != 2 || string(page.Messages[1].Data) != `"of the successor"` {
		t.Errorf("stored: %+v, %v", page.Messages, err)
	}
	load.Clean()
}

// dialComet is a connection to a comet that stands.
func dialComet(t *testing.T, p *Part) *rpc.CometClient {
	t.Helper()
	pool, err := rpc.NewCometPool(rpc.CometPoolConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool.At(p.Addrs().Comets[0].RPC)
}

// pushTo pushes to a comet, which may stand still: it has long enough for that.
func pushTo(t *testing.T, comet *rpc.CometClient, key, text string) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), fleetPatience)
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	comet.Push(ctx, vocabulary.Push{
		Key: vocabulary.Key(key), Body: Text(text), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(),
	}, func(_ vocabulary.Receipt, err error) { ended <- err })
	return ended
}

// A hand-over that an operator asks for fails no push.
func handedOver(t *testing.T, f *Fleet) {
	load := f.Load(t, true, f.Keys("drain")...)
	load.Acked(3)
	for _, group := range []string{"node1", "node2"} {
		primary, epoch := f.Primary(group)
		began := time.Now()
		res, err := f.API.Admin(t.Context(), http.MethodPost, "/v2/nodes/"+group+"/drain", "")
		if err != nil || res.Status != http.StatusOK {
			t.Fatalf("drain: %s, %v", res, err)
		}
		f.AwaitNodes("the other one serve", func(nodes []NodeState) bool {
			serving, standby := false, false
			for _, n := range nodes {
				own := n.Address == primary.Addrs().Comets[0].RPC
				serving = serving || n.Group == group && n.State == "serving" && n.Epoch > epoch && !own
				standby = standby || n.State == "standby" && own
			}
			return serving && standby
		})
		load.Acked(3)
		load.Log(group, began)
	}
	load.Clean()
}

// A group that joins takes keys from the others, and gives them back when it leaves; no
// other key moves.
func groupJoins(t *testing.T, f *Fleet) {
	load := f.Load(t, true, f.Keys("join")...)
	load.Acked(3)
	before := f.Owners(100)
	began := time.Now()
	joined := f.AddGroup("node3")
	f.StartAll()
	serves := func(nodes []NodeState) bool {
		for _, n := range nodes {
			if n.Group == "node3" && n.State == "serving" {
				return true
			}
		}
		return false
	}
	f.AwaitNodes("node3 serve", serves)
	for _, p := range joined {
		p.AwaitReady()
	}
	var during map[string]string
	Until(t, fleetPatience, "node3 to own keys", func() (bool, string) {
		during = f.Owners(100)
		return ownedBy(during, "node3") > 0, "none is its own"
	})
	for key, owner := range during {
		if owner != before[key] && owner != "node3" {
			t.Errorf("%s has gone from %s to %s", key, before[key], owner)
		}
	}
	load.Acked(3)
	load.Log(fmt.Sprintf("node3 has joined with %d keys of 100", ownedBy(during, "node3")), began)

	began = time.Now()
	for _, p := range joined {
		p.Stop()
	}
	f.AwaitNodes("node3 without nodes", func(nodes []NodeState) bool {
		for _, n := range nodes {
			if n.Group == "node3" && n.State != "waiting" {
				return false
			}
		}
		return true
	})
	res, err := f.API.Admin(t.Context(), http.MethodDelete, "/v2/nodes/node3", "")
	if err != nil || res.Status != http.StatusNoContent {
		t.Fatalf("remove: %s, %v", res, err)
	}
	for key, owner := range f.Owners(100) {
		if owner != before[key] {
			t.Errorf("%s has not come back from %s to %s", key, owner, before[key])
		}
	}
	load.Acked(3)
	load.Log("node3 has left", began)
	load.Clean()
	f.Forget("node3")
}

func ownedBy(owners map[string]string, group string) (n int) {
	for _, owner := range owners {
		if owner == group {
			n++
		}
	}
	return n
}

// What was under way at a web node that is killed has no answer; any other web node will do.
func websKilled(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("web")...)
	load.Acked(3)
	for _, w := range f.Parts(serve.Web, "") {
		w.Kill()
		load.Acked(3)
		w.Restart()
	}
	load.Acked(3)
	load.Prove()
}

// A message node that shares its store is not missed, however it goes. The only one of an
// embedded store is, until it is back, but no push with time to wait fails.
func messagesGone(t *testing.T, f *Fleet) {
	nodes := f.Parts(serve.Message, "")
	load := f.Load(t, true, f.Keys("message")...)
	load.Acked(3)
	if len(nodes) > 1 {
		began := time.Now()
		nodes[0].Freeze()
		load.Acked(3)
		nodes[0].Thaw()
		load.Log(nodes[0].Name+" frozen", began)
	}
	for _, gone := range []func(*Part){(*Part).Kill, (*Part).Stop} {
		for _, p := range nodes {
			began := time.Now()
			gone(p)
			if len(nodes) > 1 {
				load.Acked(3)
			}
			p.Restart()
			load.Acked(3)
			load.Log(p.Name, began)
		}
	}
	load.Clean()
}

// Without ZooKeeper nobody serves for long; when it is back, everything goes on by itself.
func zooKeeperRestarted(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("zk")...)
	load.Acked(3)
	for _, away := range []time.Duration{200 * time.Millisecond, 6 * time.Second} {
		began := time.Now()
		f.ZooKeeper.Kill()
		Pause(t.Context(), away)
		f.ZooKeeper.Start()
		load.Acked(3)
		load.Log("away for "+away.String(), began)
	}
	load.Clean()
}
