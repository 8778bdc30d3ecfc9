package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/serve"
)

// metByNext is what processes of the later version have to meet, each from older ones and from
// their own: so there was every mixture at every hop, and in the store.
var metByNext = []string{
	"received PushFrame",             // web to comet
	"received PushAnswers",           // and back
	"received SaveFrame",             // comet to message
	"received SaveAnswers",           // and back
	"received ReadFrame",             // web and comet to message
	"received ReadAnswers",           // and back
	"received EventFrame",            // comet to comet
	"asked comet for the new verb",   // by web
	"asked message for the new verb", // by web and comet
	"read an envelope",               // by message
	"read a record",                  // of ZooKeeper, by all
}

// Two versions side by side: every process of a cluster under load is replaced by one of a later
// version, one after the other and in any order, and then again by the older version, in the
// same order. So each process has been older than each other for a while, and newer. No
// push fails, nothing is lost, and each version reads what the other one has stored.
//
// Broken once, each by itself: by an envelope of version 2, by extensions that are not passed
// over, by unknown kinds of events that end the public stream, by unknown fields of records,
// and of pushes, that are errors.
func TestFleetUpgrades(t *testing.T) {
	next := Program{Path: buildNext(t)}
	f, b := deployable(t)
	seed, order := faultSeed(t, 1), f.Parts(0, "")
	draw(seed, "upgrades").Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	names := make([]string, len(order))
	for i, p := range order {
		names[i] = p.Name
	}
	t.Logf("in this order, as with every %s=%d: %s", seedEnv, seed, strings.Join(names, ", "))
	load := f.FullLoad(t, f.Keys("upgrade")...)
	load.Acked(3)
	for _, version := range []struct {
		name string
		Program
	}{{"later", next}, {"older", Program{}}} {
		for _, p := range order {
			b.replace(t, p, version.Program)
			load.Acked(3)
			f.exercise(t, fmt.Sprintf("%s with the %s version", p.Name, version.name))
		}
	}
	load.Clean()
	var met strings.Builder
	for _, p := range order {
		text, err := os.ReadFile(p.log())
		if err != nil {
			t.Fatal(err)
		}
		met.Write(text)
	}
	for _, what := range metByNext {
		for _, origin := range []string{"old", "new"} {
			if !strings.Contains(met.String(), "next: "+what+", "+origin+"\n") {
				t.Errorf("no process of the later version has %s, %s", what, origin)
			}
		}
	}
}

// exercise goes over every hop there is now: each web node pushes to a key of each group and
// reads it, and asks all nodes how they are; and clients of each group hear a broadcast.
func (f *Fleet) exercise(t *testing.T, when string) {
	t.Helper()
	for _, w := range f.Parts(serve.Web, "") {
		api := w.API()
		for _, group := range []string{"node1", "node2"} {
			key := f.keyOf(group, "exercise")
			data := Text(when + " through " + w.Name)
			if o := api.Push(t.Context(), Message{Key: key, Data: data}); o.State != Acked {
				t.Errorf("%s, through %s to %s: %s", when, w.Name, group, o.Err)
			}
			page, err := api.Messages(t.Context(), key, "0", "0", 0)
			if err != nil || !slices.ContainsFunc(page.Messages, func(m StreamFrame) bool { return string(m.Data) == string(data) }) {
				t.Errorf("%s, read through %s: %+v, %v", when, w.Name, page.Messages, err)
			}
		}
		if _, err := api.Nodes(t.Context()); err != nil {
			t.Errorf("%s, nodes of %s: %v", when, w.Name, err)
		}
	}
	for _, group := range []string{"node1", "node2"} {
		f.hears(t, f.keyOf(group, "exercise"), when)
	}
}

// hears waits until a broadcast of the load has come to a client of the key that was live
// before: its comet has that from the owner of the public stream.
func (f *Fleet) hears(t *testing.T, key, when string) {
	t.Helper()
	node, err := f.API.Node(t.Context(), key)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	at, err := hostOf(node.WS)
	if err != nil {
		t.Fatal(err)
	}
	s, err := DialStream(t.Context(), at, Cursors{After: "0"}.Query(key))
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer func() { _ = s.Close() }()
	if _, err := ReadUntil(s, "live", fleetPatience); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	for end := time.Now().Add(fleetPatience); ; {
		frame, err := s.Next(time.Until(end))
		if err != nil {
			t.Fatalf("%s: a client of %s hears of no broadcast: %v", when, key, err)
		}
		if frame.Type == "message" && frame.Public {
			return
		}
	}
}
