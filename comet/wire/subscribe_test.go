package wire

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/push"
)

func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q
}

func TestParseSubscribeQuery(t *testing.T) {
	for _, c := range []struct {
		name string
		q    url.Values
		want Subscribe
	}{
		{"least", query("key", "k", "heartbeat", "30"), Subscribe{Key: "k", Heartbeat: 30 * time.Second}},
		{"all", query("key", "k", "heartbeat", "86400", "token", "t", "ver", "1"), Subscribe{"k", 24 * time.Hour, "t", true}},
		{"any version", query("key", "k", "heartbeat", "60", "ver", "x y"), Subscribe{Key: "k", Heartbeat: time.Minute, Versioned: true}},
		{"empty token and version", query("key", "k", "heartbeat", "60", "token", "", "ver", ""), Subscribe{Key: "k", Heartbeat: time.Minute}},
		{"first of two", query("key", "k", "key", "l", "heartbeat", "60"), Subscribe{Key: "k", Heartbeat: time.Minute}},
		{"longest key", query("key", strings.Repeat("k", 255), "heartbeat", "60"), Subscribe{Key: push.Key(strings.Repeat("k", 255)), Heartbeat: time.Minute}},
		{"longest token", query("key", "k", "heartbeat", "60", "token", strings.Repeat("t", 4096)), Subscribe{Key: "k", Heartbeat: time.Minute, Token: strings.Repeat("t", 4096)}},
		{"unknown parameter", query("key", "k", "heartbeat", "60", "other", "1"), Subscribe{Key: "k", Heartbeat: time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := ParseSubscribeQuery(c.q); err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseSubscribeQueryRefuses(t *testing.T) {
	for name, q := range map[string]url.Values{
		"nothing":           {},
		"no key":            query("heartbeat", "30"),
		"empty key":         query("key", "", "heartbeat", "30"),
		"long key":          query("key", strings.Repeat("k", 256), "heartbeat", "30"),
		"control character": query("key", "a\nb", "heartbeat", "30"),
		"public stream":     query("key", string(push.PublicKey), "heartbeat", "30"),
		"invalid UTF-8":     query("key", "a\xff", "heartbeat", "30"),
		"no heartbeat":      query("key", "k"),
		"empty heartbeat":   query("key", "k", "heartbeat", ""),
		"short heartbeat":   query("key", "k", "heartbeat", "29"),
		"long heartbeat":    query("key", "k", "heartbeat", "86401"),
		"negative":          query("key", "k", "heartbeat", "-30"),
		"no integer":        query("key", "k", "heartbeat", "30.0"),
		"underscore":        query("key", "k", "heartbeat", "3_000"),
		"space":             query("key", "k", "heartbeat", " 30"),
		"overflows int64":   query("key", "k", "heartbeat", "9223372036854775808"),
		"overflows seconds": query("key", "k", "heartbeat", "9223372036854775807"),
		"long token":        query("key", "k", "heartbeat", "30", "token", strings.Repeat("t", 4097)),
		"long version":      query("key", "k", "heartbeat", "30", "ver", strings.Repeat("v", 256)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSubscribeQuery(q)
			if !errors.Is(err, ErrParameter) || got != (Subscribe{}) {
				t.Errorf("got %+v, %v; want ErrParameter", got, err)
			}
		})
	}
}

// Every number of seconds gives itself or an error, never another time.
func TestHeartbeatIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 100_000)).Draw(t, "seconds")
		got, err := parseHeartbeat(strconv.FormatInt(n, 10))
		if valid := n >= 30 && n <= 86400; valid != (err == nil) {
			t.Fatalf("%d s: %v", n, err)
		}
		if err == nil && int64(got/time.Second) != n {
			t.Fatalf("%d s became %s", n, got)
		}
	})
}
