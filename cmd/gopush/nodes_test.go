package main

import (
	"encoding/json"
	"strings"
	"testing"

	"gopush/internal/daemon"
)

// TestNodeColumns: why there is no version is said in its place.
func TestNodeColumns(t *testing.T) {
	for _, tt := range []struct {
		node node
		want string
	}{
		{node{Role: "comet", Group: "g", State: "serving", Epoch: 3, Address: "a:1", ID: "g.1", Version: "v1", Load: &load{7, 8}}, "comet g serving 3 7 8 v1 a:1 g.1"},
		{node{Role: "message", State: "serving", Address: "m:1", Unreachable: true}, "message - serving - - - unreachable m:1 -"},
		{node{Role: "message", State: "serving", Address: "m:1"}, "message - serving - - - unknown m:1 -"},
		{node{Role: "comet", Group: "g", State: "waiting", Epoch: 3}, "comet g waiting 3 - - - - -"},
	} {
		if got := strings.Join(tt.node.columns(), " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.node, got, tt.want)
		}
	}
}

// TestNodes lists a real server's nodes, and has its only comet hand over to itself.
func TestNodes(t *testing.T) {
	_, b := serving(t)
	tool := func(args ...string) outcome { return gopushHere(t.Context(), "", args...) }
	got := tool("nodes")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != exitOK || len(lines) != 3 || !strings.Contains(lines[1], b.Addresses.Comets[0].RPC) || !strings.Contains(lines[2], b.Addresses.Message) {
		t.Fatalf("nodes: %+v", got)
	}
	if fields := strings.Fields(lines[1]); fields[0] != "comet" || fields[1] != "node1" || fields[2] != "serving" {
		t.Errorf("the comet: %s", lines[1])
	}
	version := daemon.ThisBuild().Short()
	if fields := strings.Fields(lines[1]); fields[4] != "0" || fields[5] != "0" || fields[6] != version {
		t.Errorf("what the comet says of itself: %s", lines[1])
	}
	if fields := strings.Fields(lines[2]); fields[4] != "-" || fields[5] != "0" || fields[6] != version {
		t.Errorf("what the message node says of itself: %s", lines[2])
	}
	if got := tool("drain", "node9"); got.code != exitRefused || !strings.Contains(got.err, `no group "node9"`) {
		t.Errorf("nobody: %+v", got)
	}
	if got := tool("drain", "node1"); got.code != exitRefused || !strings.Contains(got.err, "no other node to hand over to") || strings.Contains(got.err, "--idempotency-key") {
		t.Errorf("alone: %+v", got)
	}
	if got := tool("drain", "node1", "--force"); got.code != exitOK || !strings.Contains(got.out, "hands node1 over") {
		t.Errorf("forced: %+v", got)
	}
	if got := tool("push", "k", "1"); got.code != exitOK {
		t.Errorf("a push afterwards: %+v", got)
	}
	var list struct{ Nodes []node }
	got = tool("nodes", "--json")
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Nodes) != 2 || list.Nodes[0].Epoch != 2 {
		t.Errorf("nodes --json: %+v, %v", got, err)
	}
}
