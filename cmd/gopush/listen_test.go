package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/comet/client"
	"gopush/internal/push"
)

// TestEvents shows each kind of event in both forms. Only messages are output;
// the rest is a note, or a line of the JSON stream.
func TestEvents(t *testing.T) {
	at := time.UnixMilli(1700000000000)
	tests := map[string]struct {
		ev              client.Event
		out, note, json string
	}{
		"ready": {
			client.Event{Kind: client.KindReady, Node: "node1", Cursor: 16},
			"", "-- connected to node1, after 16\n",
			`{"type":"ready","node":"node1","cursor":"16","public_cursor":"0"}`,
		},
		"message": {
			client.Event{Kind: client.KindMessage, ID: 32, Prev: 16, Data: json.RawMessage(`{"a":1}`), ExpiresAt: at, Cursor: 32},
			"32 {\"a\":1}\n", "",
			`{"type":"message","id":"32","prev":"16","data":{"a":1},"expires_at":1700000000000,"cursor":"32","public_cursor":"0"}`,
		},
		"public": {
			client.Event{Kind: client.KindMessage, ID: 48, Data: json.RawMessage(`1`), Public: true, PublicCursor: 48},
			"48 1 (public)\n", "",
			`{"type":"message","id":"48","prev":"0","data":1,"public":true,"cursor":"0","public_cursor":"48"}`,
		},
		"transient": {
			client.Event{Kind: client.KindMessage, ID: 64, Data: json.RawMessage(`1`), Transient: true},
			"64 1 (transient)\n", "",
			`{"type":"message","id":"64","prev":"0","data":1,"transient":true,"cursor":"0","public_cursor":"0"}`,
		},
		"public and transient": {
			client.Event{Kind: client.KindMessage, ID: 64, Data: json.RawMessage(`1`), Public: true, Transient: true},
			"64 1 (public, transient)\n", "",
			`{"type":"message","id":"64","prev":"0","data":1,"public":true,"transient":true,"cursor":"0","public_cursor":"0"}`,
		},
		"gap": {
			client.Event{Kind: client.KindGap, Gap: push.Gap{After: 16, Until: 96, Reason: push.GapExpired}, Cursor: 96},
			"", "-- gone for good (expired): after 16 up to 96\n",
			`{"type":"gap","gap":{"after":"16","until":"96","reason":"expired"},"cursor":"96","public_cursor":"0"}`,
		},
		"recall": {
			client.Event{Kind: client.KindRecall, ID: 32, Public: true},
			"", "-- recalled: 32 (public)\n",
			`{"type":"recall","id":"32","public":true,"cursor":"0","public_cursor":"0"}`,
		},
		"live": {
			client.Event{Kind: client.KindLive},
			"", "-- live\n",
			`{"type":"live","cursor":"0","public_cursor":"0"}`,
		},
		"disconnected": {
			client.Event{Kind: client.KindDisconnected, Err: errors.New("gone"), RetryIn: 1234567 * time.Microsecond},
			"", "-- disconnected (gone); again in 1.235s\n",
			`{"type":"disconnected","error":"gone","cursor":"0","public_cursor":"0"}`,
		},
		"of the future": {
			client.Event{Kind: "news"},
			"", "",
			`{"type":"news","cursor":"0","public_cursor":"0"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, note bytes.Buffer
			l := &listener{cmd: &listenCmd{}, s: streams{nil, &out, &note}, connected: true}
			if err := l.event(t.Context(), tt.ev); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.out, tt.note}, []string{out.String(), note.String()}); diff != "" {
				t.Error(diff)
			}
			out.Reset()
			l.json = true
			if err := l.event(t.Context(), tt.ev); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.json+"\n", out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestListenRefused: what ends a stream for good has the exit code and the form
// of any other refusal; an outage before the first connection can be retried.
func TestListenRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		gives answer
		code  int
		want  string
	}{
		"forbidden": {refuses(403, "forbidden", "D.", false), exitRefused, "gopush: D. (forbidden, HTTP 403)\n  The token is valid, but not for this.\n"},
		"no node":   {refuses(503, "no_node", "D.", true), exitRetry, "gopush: D. (no_node, HTTP 503)\n  Nothing was done; try again.\n"},
	} {
		a := fake(t, tt.gives)
		t.Run(name, func(t *testing.T) {
			gopush(t, "", "listen", "k", "--web", a.url).check(t, outcome{tt.code, "", tt.want})
		})
	}
}

// TestOutputGone: a pipe that was closed ends a listener instead of letting it
// run for nobody.
func TestOutputGone(t *testing.T) {
	l := &listener{cmd: &listenCmd{}, s: streams{nil, broken{}, broken{}}, connected: true}
	for _, asJSON := range []bool{false, true} {
		l.json = asJSON
		if err := l.event(t.Context(), client.Event{Kind: client.KindMessage, ID: 16}); !errors.Is(err, errBroken) {
			t.Errorf("json %t: %v", asJSON, err)
		}
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
