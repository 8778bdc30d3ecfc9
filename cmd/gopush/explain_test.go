package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
)

// TestExplain is the life of one message on a real server: with nobody connected, with
// connections at it and before it, when it is recalled, deleted, or was never there.
//
// Broken once by telling of connections that are past the message alone.
func TestExplain(t *testing.T) {
	serving(t)
	tool := func(args ...string) outcome { return gopushHere(t.Context(), "", args...) }
	pushed := func(args ...string) string {
		t.Helper()
		got := tool(append([]string{"push"}, args...)...)
		if got.code != exitOK {
			t.Fatalf("push: %+v", got)
		}
		return strings.TrimSpace(strings.TrimPrefix(got.out, "stored "))
	}
	tells := func(code int, args []string, parts ...string) outcome {
		t.Helper()
		got := tool(append([]string{"explain"}, args...)...)
		for _, part := range parts {
			if !strings.Contains(got.out, part) {
				t.Errorf("explain %v does not say %q:\n%s%s", args, part, got.out, got.err)
			}
		}
		if got.code != code {
			t.Errorf("explain %v ends with %d: %s", args, got.code, got.err)
		}
		return got
	}
	first := pushed("k", `"hello"`, "--ttl", "1h")
	tells(exitOK, []string{"k", first}, first+" to k\n", "given      20", "ms ago", "stored     7 bytes, after 0\n", "by node1 in epoch 1, which still serves",
		"the newest\n", "nobody is connected", "in 59m ", "node1 at 127.0.0.1:", ", epoch 1 with ids from 20")
	second := pushed("k", "2")
	listener := inBackground(t, "listen", "k", "--after", first)
	listener.out.until(t, second)
	tells(exitOK, []string{"k", first}, "1 newer, up to "+second, "1 of 1 connections are at it or past it\n")
	tells(exitOK, []string{"k", second}, "after "+first, "1 of 1 connections are at it or past it\n")
	listener.stop()

	n, err := push.ParseID(second)
	if err != nil {
		t.Fatal(err)
	}
	got := tells(exitRefused, []string{"k", (n + push.Step).String()}, "fate       unknown", "above the newest, "+second)
	if !strings.Contains(got.err, "(not_found, HTTP 404)") {
		t.Errorf("the error is %s", got.err)
	}
	tells(exitRefused, []string{"nobody", second}, "fate       unknown", "the stream has no message")
	tells(exitRefused, []string{"--public", second}, second+" to everybody\n", "fate       unknown")
	var e explanation
	got = tool("explain", "k", second, "--json")
	if err := json.Unmarshal([]byte(got.out), &e); err != nil || e.Fate != "stored" || e.Message.Bytes != 1 || e.Given != n.Time().UnixMilli() {
		t.Errorf("--json: %v %+v", err, got)
	}
	got = tool("explain", "k", first+"0", "--json")
	if err := json.Unmarshal([]byte(got.out), &e); err != nil || e.Fate != "unknown" || !strings.Contains(got.err, `"code":"not_found"`) || got.code != exitRefused {
		t.Errorf("--json of none: %v %+v", err, got)
	}
}

// TestExplainGone: what a real store says of messages that are gone.
//
// Broken once by asking for the page that begins at the message rather than before it.
func TestExplainGone(t *testing.T) {
	_, b := serving(t)
	push := func(args ...string) string {
		t.Helper()
		got := gopushHere(t.Context(), "", append([]string{"push", "k"}, args...)...)
		if got.code != exitOK {
			t.Fatalf("push: %+v", got)
		}
		return strings.TrimSpace(strings.TrimPrefix(got.out, "stored "))
	}
	remove := func(target string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+b.Addresses.Admin+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+b.Token)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != http.StatusNoContent {
			t.Fatalf("delete %s: %v %v", target, resp, err)
		}
		_ = resp.Body.Close()
	}
	tells := func(id, fate string) bool {
		got := gopushHere(t.Context(), "", "explain", "k", id)
		return got.code == exitOK && strings.Contains(got.out, "fate       "+fate)
	}
	brief, recalled, deleted := push("1", "--ttl", "1s"), push("2"), push("3")
	remove("/v2/messages/" + recalled + "?key=k")
	if !tells(recalled, "recalled") {
		t.Error("a recalled message is not told as that")
	}
	for end := time.Now().Add(time.Minute); !tells(brief, "expired"); {
		if time.Now().After(end) {
			t.Fatal("a message of a second has not expired in a minute")
		}
	}
	remove("/v2/messages?key=k")
	if !tells(deleted, "deleted") {
		t.Error("a deleted message is not told as that")
	}
}

// TestExplainText: each thing that can be known has its words.
//
// Broken once by counting the connections that read from the store as those that have it,
// and once by showing the expiry of what is gone.
func TestExplainText(t *testing.T) {
	given := time.Date(2026, 11, 22, 19, 16, 57, 898_000_000, time.UTC).UnixMilli()
	whole := explanation{
		Key: "k", ID: "160", Fate: "stored", Given: given, Now: given + 3*60_000 + 12_000 + 5,
		Message: &storedMessage{Prev: "144", Bytes: 7, ExpiresAt: given + 90_000_000}, Newest: "192", Newer: &newer{Count: 2},
		Owner:       &owner{Node: "node1", Address: "a:1", Epoch: 3, Since: "176"},
		Connections: &standings{Total: 5, Before: 2, At: 1, Past: 2, Reading: 1},
	}
	for name, tt := range map[string]struct {
		change func(*explanation)
		parts  []string
	}{
		"whole": {func(*explanation) {}, []string{
			"160 to k\n", "2026-11-22 19:16:57.898 UTC, 3m 12s ago\n", "7 bytes, after 144\n", "before the present term",
			"2 newer, up to 192\n", "3 of 5 connections are at it or past it; 2 not yet; 1 read from the store\n",
			"expires    2026-11-23 20:16:57.898 UTC, in 1d 0h\n", "node1 at a:1, epoch 3 with ids from 1970-01-01 00:00:00.000 UTC",
		}},
		"written":  {func(e *explanation) { e.WrittenBy = &owner{Node: "node1", Epoch: 3} }, []string{"by node1 in epoch 3, which still serves"}},
		"recalled": {func(e *explanation) { e.Fate = "recalled" }, []string{"fate       recalled: its place is kept"}},
		"deleted":  {func(e *explanation) { e.Fate, e.Message = "deleted", nil }, []string{"fate       deleted, if there was one"}},
		"expired":  {func(e *explanation) { e.Fate, e.Message = "expired", nil }, []string{"fate       expired, if there was one"}},
		"limit":    {func(e *explanation) { e.Fate, e.Message = "limit", nil }, []string{"fate       out of reach"}},
		"new":      {func(e *explanation) { e.Fate, e.Message = "hidden", nil }, []string{"fate       hidden\n"}},
		"silent":   {func(e *explanation) { e.Connections, e.Owner.Since = &standings{Silent: 1}, "" }, []string{"its node does not answer", "by whom cannot be told", "epoch 3\n"}},
		"some":     {func(e *explanation) { e.Connections.Silent = 2 }, []string{"2 nodes do not answer"}},
		"old":      {func(e *explanation) { e.Connections = &standings{Total: 2} }, []string{"of 2 connections, its node is too old"}},
		"nobody":   {func(e *explanation) { e.Owner, e.Connections = nil, nil }, []string{"nobody serves it right now", "delivered  unknown: no node"}},
		"moving":   {func(e *explanation) { e.Owner, e.Moving = nil, true }, []string{"moving to another group"}},
		"newest":   {func(e *explanation) { e.Newest = "160" }, []string{"place      the newest\n"}},
		"many":     {func(e *explanation) { e.Newer = &newer{100, true} }, []string{"more than 100 newer ones, up to 192"}},
		"hidden":   {func(e *explanation) { e.Newer = &newer{} }, []string{"nothing above it can be read; ids went up to 192"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := whole
			o, c := *whole.Owner, *whole.Connections
			e.Owner, e.Connections = &o, &c
			tt.change(&e)
			var b strings.Builder
			if err := e.print(&b); err != nil {
				t.Fatal(err)
			}
			for _, part := range tt.parts {
				if !strings.Contains(b.String(), part) {
					t.Errorf("it does not say %q:\n%s", part, b.String())
				}
			}
			if gone := e.Fate != "stored"; gone == strings.Contains(b.String(), "expires") {
				t.Errorf("gone %v, and:\n%s", gone, b.String())
			}
		})
	}
}

// TestInWords: two units, and none that is nothing.
func TestInWords(t *testing.T) {
	for ms, want := range map[int64]string{0: "0ms", 5: "5ms", 1005: "1s 5ms", 61_000: "1m 1s", 3_600_000: "1h 0m", 90_061_001: "1d 1h", 30 * 86_400_000: "30d 0h"} {
		if got := inWords(ms); got != want {
			t.Errorf("%s: %s, want %s", fmt.Sprint(ms), got, want)
		}
	}
}
