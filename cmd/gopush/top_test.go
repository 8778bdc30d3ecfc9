package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// said is an answer of the fake server.
func said(body string) answer { return answer{status: 200, body: body} }

const (
	nodesBefore = `{"nodes":[
{"id":"g.1","name":"g","role":"comet","group":"g","address":"c:1","epoch":3,"state":"serving","version":"v1","load":{"connections":7,"in_flight":1},"counts":{"pushes":10,"deliveries":100,"behind":2}},
{"id":"h.1","name":"h","role":"comet","group":"h","address":"c:2","epoch":4,"state":"serving","unreachable":true},
{"id":"i.1","name":"i","role":"comet","group":"i","address":"c:3","epoch":4,"state":"serving","version":"v0","load":{"connections":3,"in_flight":0}},
{"name":"m:1","role":"message","group":"","address":"m:1","epoch":0,"state":"serving","version":"v1","load":{"connections":0,"in_flight":4},"counts":{"saves":10,"save_seconds":1,"reads":5,"read_seconds":1}}]}`
	nodesAfter = `{"nodes":[
{"id":"g.1","name":"g","role":"comet","group":"g","address":"c:1","epoch":3,"state":"serving","version":"v1","load":{"connections":8,"in_flight":0},"counts":{"pushes":1010,"deliveries":100,"behind":1}},
{"id":"h.1","name":"h","role":"comet","group":"h","address":"c:2","epoch":4,"state":"serving","version":"v1","load":{"connections":1,"in_flight":0},"counts":{"pushes":9,"deliveries":9,"behind":0}},
{"id":"i.1","name":"i","role":"comet","group":"i","address":"c:3","epoch":4,"state":"serving","version":"v0","load":{"connections":3,"in_flight":0}},
{"name":"m:1","role":"message","group":"","address":"m:1","epoch":0,"state":"serving","version":"v1","load":{"connections":0,"in_flight":0},"counts":{"saves":14,"save_seconds":1.01,"reads":5,"read_seconds":1}}]}`
	someKeys = `{"keys":[{"key":"terry","node":"g","least":12,"most":12,"connections":2},{"public":true,"node":"g","least":1.5,"most":20,"connections":8}],"silent":["c:2"]}`
)

// TestTopOnce: rates are of two looks, and what a node does not tell is a dash.
//
// Broken once by making a rate of a node that was not counted before, and once by taking
// the mean of all saves for that of the interval.
func TestTopOnce(t *testing.T) {
	a := fake(t, said(nodesBefore), said(someKeys), said(nodesAfter), said(someKeys))
	got := gopush(t, "", "top", "--once", "--interval", "100ms", "--json", "--admin", a.url)
	var s sight
	if err := json.Unmarshal([]byte(got.out), &s); err != nil || got.code != exitOK || len(s.Nodes) != 4 || len(s.Keys) != 2 {
		t.Fatalf("%v %+v", err, got)
	}
	comet, stranger, older, message := s.Nodes[0].Rates, s.Nodes[1].Rates, s.Nodes[2].Rates, s.Nodes[3].Rates
	if comet == nil || *comet.Pushes <= 0 || *comet.Pushes > 10_000 || *comet.Deliveries != 0 || comet.Save != nil {
		t.Errorf("of a comet: %+v", comet)
	}
	if stranger != nil || older != nil {
		t.Errorf("of nodes that were not counted twice: %+v %+v", stranger, older)
	}
	if message == nil || message.Pushes != nil || *message.Save < 0.0024 || *message.Save > 0.0026 || message.Read != nil {
		t.Errorf("of a message node: %+v", message)
	}
	if a.asked[1].line != "GET /v2/top?limit=10" {
		t.Errorf("asked for %s", a.asked[1].line)
	}
}

// TestTopText is the table.
//
// Broken once by showing a zero where nothing is known.
func TestTopText(t *testing.T) {
	read := func(text string) *sight {
		s := &sight{asked: time.Now()}
		if err := json.Unmarshal([]byte(text), s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before, after := read(nodesBefore), read(nodesAfter)
	after.asked = before.asked.Add(2 * time.Second)
	after.compare(before)
	if err := json.Unmarshal([]byte(someKeys), after); err != nil {
		t.Fatal(err)
	}
	after.Keys = append(after.Keys, busyKey{Key: strings.Repeat("é", 60), Least: 0.5, Most: 0.5, Node: "i"})
	const want = `
ROLE     GROUP  STATE    VERSION  CONNECTIONS  BEHIND  IN-FLIGHT  PUSHES/S  DELIVERIES/S  SAVE   READ  ADDRESS
comet    g      serving  v1       8            1       0          500       0             -      -     c:1
comet    h      serving  v1       1            0       0          -         -             -      -     c:2
comet    i      serving  v0       3            -       0          -         -             -      -     c:3
message  -      serving  v1       -            -       0          -         -             2.5ms  -     m:1

KEY                                       PUSHES/S      CONNECTIONS  NODE
terry                                     12.0          2            g
(public messages)                         1.50 to 20.0  8            g
ééééééééééééééééééééééééééééééééééééééé…  0.50          0            i

without the keys of c:2, which did not answer
`
	if got := "\n" + after.text(); got != want {
		t.Errorf("got%swant%s", got, want)
	}
	if got := before.text(); !strings.Contains(got, "comet    h      serving  unreachable  -            -       -          -         -             -     -     c:2\n") {
		t.Errorf("one that does not answer: %s", got)
	}
	again := read(nodesBefore)
	again.asked = after.asked.Add(time.Second)
	again.compare(after)
	if again.Nodes[0].Rates != nil {
		t.Errorf("of a comet that has begun anew: %+v", again.Nodes[0].Rates)
	}
}

// TestTopGoesOn: without a terminal there is a table for each interval and no escape code;
// a server that is away is waited for, one that never answered is not.
//
// Broken once by ending at the first refusal, and once by writing to a pipe as to a terminal.
func TestTopGoesOn(t *testing.T) {
	a := fake(t, said(nodesBefore), said(someKeys), said(nodesAfter), said(someKeys),
		refuses(503, "no_node", "nobody is there", true), said(nodesBefore), refuses(404, "not_found", "what is that", false), said(nodesAfter), said(someKeys))
	t.Chdir(t.TempDir())
	c := inBackground(t, "top", "--interval", "100ms", "--admin", a.url)
	c.err.until(t, "gopush: nobody is there")
	text := c.out.until(t, "v0")
	for end := time.Now().Add(time.Minute); strings.Count(text, "ROLE") < 3; text, _ = c.out.look() {
		_, changed := c.out.look()
		select {
		case <-changed:
		case <-time.After(time.Until(end)):
			t.Fatalf("it does not go on:\n%s", text)
		}
	}
	if code := c.stop(); code != exitOK {
		t.Errorf("Ctrl-C ends it with %d", code)
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("escape codes: %q", text)
	}
	gopush(t, "", "top", "--admin", "127.0.0.1:1").check(t, outcome{exitRetry, "", gopush(t, "", "nodes", "--admin", "127.0.0.1:1").err})
}

// TestTopOfServer: a real server counts what it does, and knows its busiest key.
//
// Broken once by not counting pushes.
func TestTopOfServer(t *testing.T) {
	serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := inBackground(t, "top", "--json", "--interval", "100ms")
	timeout := time.After(time.Minute)
	for {
		if got := gopushHere(ctx, "", "push", "busy", "1"); got.code != exitOK {
			t.Fatalf("push: %+v", got)
		}
		text, changed := c.out.look()
		if shows(text) {
			break
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("after a minute: %s", text)
		}
	}
	c.stop()
}

// shows reports whether the last line has all that is measured of one process.
func shows(text string) bool {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var s sight
	if json.Unmarshal([]byte(lines[len(lines)-1]), &s) != nil || len(s.Nodes) != 2 || len(s.Keys) != 1 {
		return false
	}
	comet, message := s.Nodes[0].Rates, s.Nodes[1].Rates
	return comet != nil && message != nil && *comet.Pushes > 0 && message.Save != nil && *message.Save > 0 &&
		s.Keys[0].Key == "busy" && s.Keys[0].Least > 0
}
