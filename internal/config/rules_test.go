package config

import (
	"strings"
	"testing"
	"time"
)

func TestRules(t *testing.T) {
	tests := map[string]struct {
		rule      func(string) error
		good, bad []string
	}{
		"bindable": {
			bindable,
			[]string{"127.0.0.1:0", "localhost:80", ":65535", "[::1]:80", "0.0.0.0:80", "[fe80::1%eth0]:80"},
			[]string{"", "127.0.0.1", "80", "a:b", "a:65536", "a:-1", "a:+1", "a:080", "::1:80", "a b:80", "a/b:80", "http://a:80"},
		},
		"advertised": {
			advertised,
			[]string{"", "push.example.org:80", "10.0.0.1:65535"},
			[]string{"a", "a:0", "a:", ":80", "[::1]:80", "a:1:2", "0.0.0.0:80", "a:http", "ü:80"},
		},
		"dialable": {
			dialable,
			[]string{"zk1.example.org:2181", "127.0.0.1:1", "[::1]:65535"},
			[]string{"", "zk1", ":2181", "zk1:0", "zk1:65536", "zk1:02181", "a b:2181", "zk1:2181/hbase"},
		},
		"znode": {
			znode,
			[]string{"/hbase", "/a/b-secure"},
			[]string{"", "/", "hbase", "/hbase/", "//hbase", "/a/../b"},
		},
		"tableName": {
			tableName,
			[]string{"gopush:messages", "messages", "a_1:b.c-d", "_x"},
			[]string{"", ":", "a:", ":b", "a:b:c", "a-b:c", ".a", "-a", "a b", "ü", "hbase:meta"},
		},
		"groupName": {
			groupName,
			[]string{"node1", "a", "A-b_c.1", strings.Repeat("x", 64)},
			[]string{"", ".a", "a/b", "a b", "ü", "a\n", strings.Repeat("x", 65)},
		},
		"collector": {
			collector,
			[]string{"http://127.0.0.1:4318", "https://otel.example.org", "http://[::1]:4318/otel"},
			[]string{"", "127.0.0.1:4318", "otel.example.org", "ftp://a", "http://", "http://a b", "http://a?b=c", "http://a#b", "http://a:b@c"},
		},
		"origin": {
			origin,
			[]string{"*", "https://app.example", "http://localhost:3000"},
			[]string{"", "app.example", "https://app.example/", "https://app.example/x", "https://", "//app.example", "https://a b"},
		},
	}
	for name, tt := range tests {
		for _, s := range tt.good {
			if err := tt.rule(s); err != nil {
				t.Errorf("%s refuses %q: %v", name, s, err)
			}
		}
		for _, s := range tt.bad {
			if tt.rule(s) == nil {
				t.Errorf("%s allows %q", name, s)
			}
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h",
		10 * time.Minute: "10m", 20 * time.Hour: "20h", time.Hour + time.Second: "1h0m1s", 30 * day: "30d", day + time.Hour: "25h",
	} {
		got := durationText(d)
		var back time.Duration
		if err := (&duration{&back, 0, 100 * day}).set(got); got != want || err != nil || back != d {
			t.Errorf("%s shows as %s, want %s; read back as %s, %v", d, got, want, back, err)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"abc", "abc", 0},
		{"abc", "adc", 1},
		{"kye", "key", 2},
		{"kitten", "sitting", 3},
		{strings.Repeat("x", 65), "x", 64},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
