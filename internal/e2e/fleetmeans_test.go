package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/coord/zk/zktest"
	vocabulary "gopush/internal/push"
	"gopush/internal/ring"
	"gopush/internal/serve"
)

// The means by which a fleet is broken do what they say, as seen from outside, and
// whatever they break, acknowledged messages stay, in order.
//
// Broken once each by orders that change nothing: no cut, no step of the clock, no loss of
// the session, no weight; the scenario of that name has failed. And by not sending the
// cuts again when a part has restarted.
func TestFleetMeans(t *testing.T) {
	f := StartFleet(t, Topology{ZooKeepers: 3, Store: func(*config.Store) {}})
	for _, scenario := range []struct {
		name string
		do   func(*testing.T, *Fleet)
	}{
		{"cut from the store", cutFromStore},
		{"cut from web", cutFromWeb},
		{"cut from ZooKeeper", cutFromZooKeeper},
		{"clock", clockStepped},
		{"session", sessionLost},
		{"leader", leaderKilled},
		{"weight", weightSet},
		{"still or dead", brokenWhileAway},
		{"cut from each other", cutFromEachOther}, // last: what it pushes to all is in nobody's history
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

// keyOf is a key of a group, and no other scenario's.
func (f *Fleet) keyOf(group, prefix string) string {
	for _, key := range f.Keys(prefix) {
		if f.Owner(key) == group {
			return key
		}
	}
	f.tb.Fatalf("no key of %s", group)
	return ""
}

// unanswered pushes to a comet and expects that this comes to nothing in the time given: neither
// an ack nor a refusal before most of it is over.
func unanswered(t *testing.T, p *Part, key string, most time.Duration) {
	t.Helper()
	pool := dialComet(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	ended := make(chan error, 1)
	pool.Push(ctx, vocabulary.Push{
		Key: vocabulary.Key(key), Body: Text("in vain"), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(),
	}, func(_ vocabulary.Receipt, err error) { ended <- err })
	if err := <-ended; err == nil {
		t.Errorf("%s acknowledges a push", p.Name)
	}
}

// A primary that cannot reach the only message node acknowledges nothing until the mend.
// What was pushed meanwhile is late and nothing else: nobody is told of an error.
func cutFromStore(t *testing.T, f *Fleet) {
	primary, _ := f.Primary("node1")
	key := f.keyOf("node1", "vain")
	load := f.Load(t, true, f.Keys("store")...)
	load.Acked(3)
	began := time.Now()
	for _, cut := range []func(){
		func() { primary.Cut(f.Parts(serve.Message, "")...) },
		func() { f.Parts(serve.Message, "")[0].Cut(primary) }, // the same, from the other side
	} {
		cut()
		unanswered(t, primary, key, 2*time.Second)
		primary.Mend()
		load.Acked(3)
	}
	load.Log("cut for 2 s twice", began)

	// The message node comes back with another address, and is still cut off.
	began = time.Now()
	stores := f.Parts(serve.Message, "")[0]
	stores.Cut(primary)
	stores.Stop()
	stores.Restart()
	unanswered(t, primary, key, 2*time.Second)
	stores.Mend()
	load.Acked(3)
	load.Log("cut and restarted", began)
	load.Clean()
}

// What goes through a web node that cannot reach a primary waits; others go on.
func cutFromWeb(t *testing.T, f *Fleet) {
	primary, _ := f.Primary("node1")
	key := f.keyOf("node1", "vain")
	load := f.Load(t, true, f.Keys("web")...)
	load.Acked(3)
	webs := f.Parts(serve.Web, "")
	webs[0].Cut(primary)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if o := webs[0].API().Push(ctx, Message{Key: key, Data: Text("in vain")}); o.State != Unknown {
		t.Errorf("through the web node that is cut off: %+v", o)
	}
	if o := webs[1].API().Push(t.Context(), Message{Key: key, Data: Text("beside")}); o.State != Acked {
		t.Errorf("through the other: %s", o.Err)
	}
	webs[0].Mend()
	load.Acked(3)
	load.Clean()
}

// Broadcasts reach the clients of a comet that cannot reach the public stream's owner after the
// mend, each once and in order.
func cutFromEachOther(t *testing.T, f *Fleet) {
	division, err := ring.New([]ring.Node{{Name: "node1", Weight: 1}, {Name: "node2", Weight: 1}})
	if err != nil {
		t.Fatal(err)
	}
	owns := division.Owner(string(vocabulary.PublicKey))
	others := "node1"
	if owns == others {
		others = "node2"
	}
	owner, _ := f.Primary(owns)
	other, _ := f.Primary(others)
	near, far := f.listen(owner, f.keyOf(owns, "all")), f.listen(other, f.keyOf(others, "all"))
	heard := func(what string, s Stream, texts ...string) {
		t.Helper()
		for _, text := range texts {
			frames, err := ReadUntil(s, "message", fleetPatience)
			if err != nil || string(frames[len(frames)-1].Data) != strconv.Quote(text) {
				t.Fatalf("%s: %+v, %v; not %q", what, frames, err, text)
			}
		}
	}
	broadcast := func(text string) {
		t.Helper()
		if o := f.API.Push(t.Context(), Message{Data: Text(text), Idempotency: text}); o.State != Acked {
			t.Fatalf("%s: %s", text, o.Err)
		}
	}
	broadcast("before")
	heard("near", near, "before")
	heard("far", far, "before")
	other.Cut(owner)
	broadcast("first")
	broadcast("second")
	heard("near", near, "first", "second")
	if frame, err := far.Next(2 * time.Second); !Timeout(err) {
		t.Errorf("beyond the cut: %s, %v", frame.Raw, err)
	}
	other.Mend()
	broadcast("third")
	heard("near", near, "third")
	heard("far", far, "first", "second", "third")
}

// listen opens a stream at a comet and waits until it is live.
func (f *Fleet) listen(p *Part, key string) Stream {
	f.tb.Helper()
	s, err := DialStream(f.tb.Context(), p.Addrs().HTTP, Cursors{After: "0", Public: "0"}.Query(key))
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = s.Close() })
	if _, err := ReadUntil(s, "live", fleetPatience); err != nil {
		f.tb.Fatal(err)
	}
	return s
}

// A primary without ZooKeeper is succeeded after its session, and gets nothing
// acknowledged by then; it comes back as the last in line.
func cutFromZooKeeper(t *testing.T, f *Fleet) {
	primary, epoch := f.Primary("node1")
	key := f.keyOf("node1", "vain")
	load := f.Load(t, false, f.Keys("zk")...)
	load.Acked(3)
	began := time.Now()
	primary.CutZooKeeper()
	f.awaitEpoch("node1", epoch)
	t.Logf("web knows a successor after %s", time.Since(began).Round(10*time.Millisecond))
	unanswered(t, primary, key, 2*time.Second)
	load.Acked(3)
	load.Log("node1", began)
	primary.Mend()
	f.awaitStandby(primary)
	load.Clean()
}

// awaitEpoch waits until every web node knows a primary of a later epoch.
func (f *Fleet) awaitEpoch(group string, later int64) {
	f.tb.Helper()
	f.AwaitNodes("a successor in "+group, func(nodes []NodeState) bool {
		return slices.ContainsFunc(nodes, func(n NodeState) bool {
			return n.Group == group && n.State == "serving" && n.Epoch > later
		})
	})
}

// awaitStandby waits until a comet stands in line behind another one.
func (f *Fleet) awaitStandby(p *Part) {
	f.tb.Helper()
	f.AwaitNodes(p.Name+" stand by", func(nodes []NodeState) bool {
		return slices.ContainsFunc(nodes, func(n NodeState) bool {
			return n.Address == p.Addrs().Comets[0].RPC && n.State == "standby"
		})
	})
}

// Ids of a key ascend whatever the clock does: of a primary, its successor, and after a
// restart. The hour is seen in the first id, so the clock has indeed been stepped.
func clockStepped(t *testing.T, f *Fleet) {
	primary, _ := f.Primary("node1")
	key := f.keyOf("node1", "hour")
	load := f.Load(t, false, f.Keys("clock")...)
	load.Acked(3)
	var last int64
	ascends := func(what string) (by time.Duration) {
		t.Helper()
		o := f.API.Push(t.Context(), Message{Key: key, Data: Text(what), Idempotency: strings.ReplaceAll(what, " ", "-")})
		if o.State != Acked || o.ID <= last {
			t.Fatalf("%s: %+v after %d", what, o, last)
		}
		by = time.Until(vocabulary.ID(o.ID).Time())
		last = o.ID
		return by
	}
	ascends("before")
	primary.StepClock(time.Hour)
	if by := ascends("an hour ahead"); by < 50*time.Minute {
		t.Errorf("an id is only %s ahead", by)
	}
	load.Acked(3)
	primary.Stop()
	primary.Restart()
	ascends("after a restart")
	load.Acked(3)
	primary.StepClock(-2 * time.Hour)
	ascends("an hour behind")
	for _, p := range f.Parts(serve.Comet, "node1") {
		if p != primary {
			p.Stop()
			ascends("the successor, an hour behind")
			p.Restart()
		}
	}
	load.Acked(3)
	primary.StepClock(time.Hour)
	ascends("right again")
	load.Clean()
}

// A session that ZooKeeper ends by itself ends the term: the next in line serves, with
// a higher epoch. Message and web nodes just get another session.
func sessionLost(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("session")...)
	load.Acked(3)
	for _, group := range []string{"node1", "node2"} {
		primary, epoch := f.Primary(group)
		began := time.Now()
		if err := primary.LoseSession(); err != nil {
			t.Fatal(err)
		}
		f.awaitEpoch(group, epoch)
		t.Logf("%s: web knows a successor after %s", group, time.Since(began).Round(10*time.Millisecond))
		f.awaitStandby(primary)
		load.Acked(3)
		load.Log(group, began)
	}
	for _, p := range append(f.Parts(serve.Message, ""), f.Parts(serve.Web, "")...) {
		if err := p.LoseSession(); err != nil {
			t.Fatal(err)
		}
		load.Acked(3)
	}
	load.Clean()
}

// The loss of ZooKeeper's leader costs a pause at most.
func leaderKilled(t *testing.T, f *Fleet) {
	load := f.Load(t, false, f.Keys("leader")...)
	load.Acked(3)
	leads := (*zktest.Server).Leads
	was := slices.IndexFunc(f.ZooKeepers, leads)
	began := time.Now()
	back := f.KillZooKeeperLeader()
	Until(t, fleetPatience, "another leader", func() (bool, string) {
		is := slices.IndexFunc(f.ZooKeepers, leads)
		return is >= 0 && is != was, fmt.Sprintf("%d after %d", is, was)
	})
	load.Acked(3)
	back()
	load.Acked(3)
	load.Log("leader killed and back", began)
	load.Clean()
}

// A group of another weight gets another share of the keys, and gives it back.
func weightSet(t *testing.T, f *Fleet) {
	load := f.Load(t, true, f.Keys("weight")...)
	load.Acked(3)
	before := f.Owners(100)
	f.SetWeight("node2", 4)
	if was, is := ownedBy(before, "node2"), ownedBy(f.Owners(100), "node2"); is <= was {
		t.Errorf("node2 has %d keys of 100, and had %d", is, was)
	}
	load.Acked(3)
	f.SetWeight("node2", 1)
	if after := f.Owners(100); !maps.Equal(after, before) {
		t.Errorf("not every key is back: %v, not %v", after, before)
	}
	load.Acked(3)
	load.Clean()
}

// Parts that stand still or are dead hold nobody up; they bear everything as soon as they
// go on.
func brokenWhileAway(t *testing.T, f *Fleet) {
	nodes := f.Parts(serve.Comet, "node1")
	primary, epoch := f.Primary("node1")
	key := f.keyOf("node1", "vain")
	alternate := nodes[0]
	if alternate == primary {
		alternate = nodes[1]
	}
	primary.Freeze()
	alternate.Kill()
	began := time.Now()
	for _, p := range nodes {
		p.Cut(f.Parts(serve.Message, "")...)
		p.CutZooKeeper()
		p.StepClock(time.Hour)
		if err := p.LoseSession(); err == nil {
			t.Errorf("%s has lost its session, though it does not run", p.Name)
		}
	}
	if took := time.Since(began); took > orderTime/2 {
		t.Errorf("all that took %s", took)
	}
	primary.Thaw()
	unanswered(t, primary, key, time.Second)
	if err := alternate.Start(); err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		res, err := alternate.API().Ops(t.Context(), "/readyz")
		return err == nil && res.Status == http.StatusOK
	}
	// Without the cut that would take it a fraction of this.
	if Pause(t.Context(), 2*time.Second); ready() {
		t.Error("a comet that has started without ZooKeeper is ready")
	}
	for _, p := range nodes {
		p.Mend()
		p.StepClock(-time.Hour)
	}
	f.awaitEpoch("node1", epoch)
	Until(t, fleetPatience, "the alternate to be ready", func() (bool, string) { return ready(), "not" })
}
