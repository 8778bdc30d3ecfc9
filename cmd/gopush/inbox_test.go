package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"gopush/internal/daemon"
)

// closedPort is the URL of a port that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func pageOf(next string, more bool, gap string, ids ...int) answer {
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"id":"%d","prev":"%d","data":{"n":%d},"expires_at":1}`, id, id-16, id))
	}
	if gap != "" {
		gap = `,"gap":` + gap
	}
	return answer{200, nil, fmt.Sprintf(`{"messages":[%s],"next":"%s","more":%t%s}`, strings.Join(list, ","), next, more, gap)}
}

func TestInbox(t *testing.T) {
	const expired = `{"after":"5","until":"96","reason":"expired"}`
	tests := map[string]struct {
		args  string
		gives []answer
		asks  []string
		want  string
	}{
		"some": {
			"inbox k",
			[]answer{pageOf("112", false, "", 96, 112)},
			[]string{"after=0&key=k&limit=100"},
			"96 {\"n\":96}\n112 {\"n\":112}\n",
		},
		"nothing": {
			"inbox k --after 7",
			[]answer{pageOf("7", false, "")},
			[]string{"after=7&key=k&limit=100"},
			"-- nothing\n",
		},
		"three pages": {
			"inbox k --limit 2500",
			[]answer{pageOf("16", true, "", 16), pageOf("32", true, "", 32), pageOf("48", false, "", 48)},
			[]string{"after=0&key=k&limit=1000", "after=16&key=k&limit=1000", "after=32&key=k&limit=1000"},
			"16 {\"n\":16}\n32 {\"n\":32}\n48 {\"n\":48}\n",
		},
		"limit": {
			"inbox k --limit 2",
			[]answer{pageOf("16", true, "", 16), pageOf("32", true, "", 32)},
			[]string{"after=0&key=k&limit=2", "after=16&key=k&limit=1"},
			"16 {\"n\":16}\n32 {\"n\":32}\n-- there is more: --after 32\n",
		},
		"gap before": {
			"inbox k --after 5",
			[]answer{pageOf("112", false, expired, 112)},
			[]string{"after=5&key=k&limit=100"},
			"-- gone for good (expired): after 5 up to 96\n112 {\"n\":112}\n",
		},
		"gap between pages, then at the end": {
			"inbox k --after 1",
			[]answer{pageOf("112", true, `{"after":"96","until":"99","reason":"limit"}`, 80, 112), pageOf("200", false, `{"after":"112","until":"200","reason":"deleted"}`)},
			[]string{"after=1&key=k&limit=100", "after=112&key=k&limit=98"},
			"80 {\"n\":80}\n-- gone for good (limit): after 96 up to 99\n112 {\"n\":112}\n-- gone for good (deleted): after 112 up to 200\n",
		},
		"json": {
			"inbox k --json --after 5",
			[]answer{pageOf("112", false, expired, 112)},
			[]string{"after=5&key=k&limit=100"},
			`{"messages":[{"id":"112","prev":"96","data":{"n":112},"expires_at":1}],"gaps":[` + expired + `],"next":"112","more":false}` + "\n",
		},
		"json, nothing": {
			"inbox k --json",
			[]answer{pageOf("0", false, "")},
			[]string{"after=0&key=k&limit=100"},
			`{"messages":[],"next":"0","more":false}` + "\n",
		},
		"key to escape": {
			"inbox a&b=ü/?",
			[]answer{pageOf("0", false, "")},
			[]string{"after=0&key=a%26b%3D%C3%BC%2F%3F&limit=100"},
			"-- nothing\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := fake(t, tt.gives...)
			gopush(t, "", append(strings.Fields(tt.args), "--web", a.url)...).check(t, outcome{exitOK, tt.want, ""})
			var want []asked
			for _, q := range tt.asks {
				want = append(want, asked{line: "GET /v2/messages?" + q})
			}
			a.check(t, want...)
		})
	}
}

// TestInboxStuck: a server that never gets on is not asked for ever.
func TestInboxStuck(t *testing.T) {
	a := fake(t, pageOf("0", true, ""))
	got := gopush(t, "", "inbox", "k", "--web", a.url)
	if got.code != exitFailure || !strings.Contains(got.err, "gives nothing") {
		t.Errorf("%d %s", got.code, got.err)
	}
}

func TestWhere(t *testing.T) {
	const node = `{"key":"k","node":"node1","ws":"ws://h:1/v2/stream","sse":"http://h:1/v2/events","tcp":"h:2"}`
	a := fake(t, answer{200, nil, node})
	gopush(t, "", "where", "k", "--web", a.url+"/").check(t, outcome{
		exitOK, "node       node1\nwebsocket  ws://h:1/v2/stream\nsse        http://h:1/v2/events\ntcp        h:2\n", "",
	})
	gopush(t, "", "where", "k", "--json", "--web", a.url).check(t, outcome{exitOK, node + "\n", ""})
	a.check(t, asked{line: "GET /v2/node?key=k"}, asked{line: "GET /v2/node?key=k"})

	a = fake(t, refuses(503, "no_node", "No node serves the key.", true))
	if got := gopush(t, "", "where", "k", "--web", a.url); got.code != exitRetry {
		t.Errorf("%d %s", got.code, got.err)
	}
}

func TestVersion(t *testing.T) {
	got := gopush(t, "", "version")
	if got.code != exitOK || !strings.HasPrefix(got.out, "gopush development") || !strings.Contains(got.out, "go1.") {
		t.Errorf("%+v", got)
	}
	got = gopush(t, "", "version", "--json")
	var b daemon.Build
	if err := json.Unmarshal([]byte(got.out), &b); err != nil || b.Version != "development" || b.Go == "" {
		t.Errorf("%+v %v", got, err)
	}
}
