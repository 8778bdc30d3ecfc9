package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/ring"
	"gopush/internal/serve"
)

// What an operator does to the cluster, and what the cluster does by itself when a part of
// it is missing for long.
//
// Broken once by keeping the weight that a group had when it joined; by never giving a group
// up; by classing an empty list of message nodes as an error for good; and by storing what is
// for those who are online.
func TestFleetChanges(t *testing.T) {
	f := StartFleet(t, Topology{RemoveAfter: 3 * time.Second})
	for _, scenario := range []struct {
		name string
		do   func(*testing.T, *Fleet)
	}{
		{"a group's weight changes", weightChanges},
		{"a group is given up and returns", groupReturns},
		{"no message node is left", noMessageNode},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			defer f.Within(t)()
			scenario.do(t, f)
			f.StartAll()
			f.Settle()
		})
		if t.Failed() {
			return
		}
	}
}

// A weight is a setting of the nodes: the alternate is started with the new one, then takes
// over, and the old primary follows. More weight takes keys from others to this group and
// moves no other key; less gives back the very same ones. No push fails on the way.
func weightChanges(t *testing.T, f *Fleet) {
	const n = 200
	load := f.Load(t, true, f.Keys("weight")...)
	load.Acked(3)
	before := f.awaitRing(n, ring.Node{Name: "node1", Weight: 1}, ring.Node{Name: "node2", Weight: 1})
	began := time.Now()
	reweigh(t, f, "node1", 3)
	after := f.awaitRing(n, ring.Node{Name: "node1", Weight: 3}, ring.Node{Name: "node2", Weight: 1})
	if ownedBy(after, "node1") <= ownedBy(before, "node1") {
		t.Errorf("node1 has %d keys rather than %d", ownedBy(after, "node1"), ownedBy(before, "node1"))
	}
	for key, owner := range after {
		if owner != before[key] && owner != "node1" {
			t.Errorf("%s has gone from %s to %s, which has no more weight than before", key, before[key], owner)
		}
	}
	load.Acked(3)
	load.Log(fmt.Sprintf("node1 has three times the weight, and %d keys rather than %d", ownedBy(after, "node1"), ownedBy(before, "node1")), began)
	began = time.Now()
	reweigh(t, f, "node1", 1)
	f.awaitRing(n, ring.Node{Name: "node1", Weight: 1}, ring.Node{Name: "node2", Weight: 1})
	load.Acked(3)
	load.Log("node1 has its first weight again", began)
	load.Clean()
}

// reweigh gives all nodes of a group another weight, the alternates first.
func reweigh(t *testing.T, f *Fleet, group string, weight int) {
	t.Helper()
	primary, _ := f.Primary(group)
	restart := func(p *Part) {
		p.Tune(func(s *config.Serve) { s.Comet.Weight = weight })
		p.Stop()
		p.Restart()
	}
	for _, p := range f.Parts(serve.Comet, group) {
		if p != primary {
			restart(p)
		}
	}
	restart(primary) // its orderly stop hands over
}

// awaitRing waits until every web node sends n keys where these groups have them, and
// returns that division.
func (f *Fleet) awaitRing(n int, groups ...ring.Node) map[string]string {
	f.tb.Helper()
	r, err := ring.New(groups)
	if err != nil {
		f.tb.Fatal(err)
	}
	want := make(map[string]string, n)
	for i := range n {
		key := fmt.Sprintf("owned-%d", i)
		want[key] = r.Owner(key)
	}
	Until(f.tb, fleetPatience, fmt.Sprintf("the ring of %v", groups), func() (bool, string) {
		for range f.Parts(serve.Web, "") { // they are asked in turn
			for key, owner := range f.Owners(n) {
				if owner != want[key] {
					return false, fmt.Sprintf("%s has %s rather than %s", owner, key, want[key])
				}
			}
		}
		return true, ""
	})
	return want
}

// A group that has been without nodes for the configured time leaves by itself, and when a
// node of it comes back it has the same keys as before. Pushes to them wait meanwhile, and
// none that can be repeated fails, even if its nodes are killed.
func groupReturns(t *testing.T, f *Fleet) {
	const n = 200
	two := []ring.Node{{Name: "node1", Weight: 1}, {Name: "node2", Weight: 1}}
	three := append(two[:2:2], ring.Node{Name: "node3", Weight: 1})
	parts := f.AddGroup("node3")
	f.StartAll()
	load := f.Load(t, false, keysOf(f.awaitRing(n, three...), 2)...)
	load.Acked(3)
	for _, ended := range []func(*Part){(*Part).Stop, (*Part).Kill} {
		began := time.Now()
		for _, p := range parts {
			ended(p)
		}
		f.awaitRing(n, two...)
		load.Acked(3)
		load.Log("node3 is given up", began)
		began = time.Now()
		f.StartAll()
		f.awaitRing(n, three...)
		load.Acked(3)
		load.Log("node3 is back", began)
	}
	load.Clean()
	for _, p := range parts {
		p.Stop()
	}
	f.awaitRing(n, two...)
	f.Forget("node3")
}

// keysOf are so many keys of each group.
func keysOf(owners map[string]string, each int) (keys []string) {
	owned := make(map[string]int)
	for key, group := range owners {
		if owned[group] < each {
			owned[group]++
			keys = append(keys, key)
		}
	}
	return keys
}

// Without any message node a push that is to be stored is refused for now, and says so. What
// is for those who are online still reaches them. When a node is there again, all goes on by
// itself, the push that still waits too.
func noMessageNode(t *testing.T, f *Fleet) {
	hasty := f.Parts(serve.Web, "")[0]
	hasty.Tune(func(s *config.Serve) { s.Web.PushTimeout = 2 * time.Second })
	hasty.Stop()
	hasty.Restart()
	api, patient := hasty.API(), f.Parts(serve.Web, "")[1].API()
	const key = "nobody-stores"
	stored := func(text string) Message { return Message{Key: key, Data: Text(text), Idempotency: text} }
	wantPush(t, api, stored("before"))
	node, err := api.Node(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := DialStream(t.Context(), strings.TrimSuffix(strings.TrimPrefix(node.WS, "ws://"), "/v2/stream"), Cursors{After: "0"}.Query(key)+"&public=0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if _, err := ReadUntil(stream, "live", fleetPatience); err != nil {
		t.Fatal(err)
	}
	nodes := f.Parts(serve.Message, "")
	for _, p := range nodes {
		p.Kill()
	}
	f.AwaitNodes("no message node", func(all []NodeState) bool {
		for _, n := range all {
			if n.Role == "message" {
				return false
			}
		}
		return true
	})
	for range 2 { // nothing has got used to it
		res, err := api.Admin(t.Context(), http.MethodPost, "/v2/messages", stored("refused").JSON(), "Content-Type", "application/json")
		wantLater(t, "a push that is to be stored", res, err)
		wantPush(t, api, Message{Key: key, Data: Text("online only"), Transient: true})
		wantDelivery(t, stream, "online only")
	}
	res, err := api.Public(t.Context(), http.MethodGet, "/v2/messages?after=0&key="+key)
	wantLater(t, "reading", res, err)

	waiting := make(chan Outcome, 1)
	go func() { waiting <- patient.Push(t.Context(), stored("waited")) }()
	// As soon as one is there again.
	nodes[0].Restart()
	if o := <-waiting; o.State != Acked {
		t.Errorf("the push that waited: %s", o.Err)
	}
	wantDelivery(t, stream, "waited")
	wantPush(t, api, stored("after"))
	wantDelivery(t, stream, "after")
	page, err := api.Messages(t.Context(), key, "0", "", 0)
	if err != nil || len(page.Messages) != 3 {
		t.Errorf("stored: %+v, %v; want what was acknowledged", page.Messages, err)
	}
	hasty.Tune(nil)
	hasty.Stop()
	hasty.Restart()
}

func wantPush(t *testing.T, api *API, m Message) {
	t.Helper()
	if o := api.Push(t.Context(), m); o.State != Acked {
		t.Fatalf("push %s: %s %s", m.Data, o.State, o.Err)
	}
}

// wantLater: refused, in a way that a client can act on.
func wantLater(t *testing.T, what string, res Answer, err error) {
	t.Helper()
	after, atoi := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || res.Status != http.StatusServiceUnavailable || problemCode(res.Body) != "store_unavailable" || atoi != nil || after < 1 {
		t.Errorf("%s: %s, Retry-After %q, %v", what, res, res.Header.Get("Retry-After"), err)
	}
}

// wantDelivery: it is the next message of the stream.
func wantDelivery(t *testing.T, s Stream, text string) {
	t.Helper()
	frames, err := ReadUntil(s, "message", fleetPatience)
	if err != nil || string(frames[len(frames)-1].Data) != string(Text(text)) {
		t.Fatalf("got %+v, %v; want %q", frames, err, text)
	}
}
