package client

import (
	"errors"
	"testing"
)

func FuzzStreamURL(f *testing.F) {
	for _, body := range []string{
		`{"key":"k","node":"node1","ws":"ws://127.0.0.1:6968/v2/stream","sse":"","tcp":"127.0.0.1:6969"}`,
		`{"ws":"wss://h/v2/stream?x=1"}`, `{"ws":"http://h/"}`, `{"ws":"ws:///path"}`, `{"ws":"ws://h:port"}`,
		`{"ws":5}`, `{"ws":null}`, `{}`, `[]`, `null`, ``, `<html>`, `{"ws":"ws://\u0000"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		u, err := streamURL(body)
		switch {
		case err != nil && (u != nil || !errors.Is(err, ErrProtocol)):
			t.Fatalf("%q gave %v, %v", body, u, err)
		case err == nil && (u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss"):
			t.Fatalf("%q gave %v", body, u)
		}
	})
}

func TestStreamURL(t *testing.T) {
	for body, want := range map[string]string{
		`{"ws":"ws://h:1/v2/stream","other":1}`: "ws://h:1/v2/stream",
		`{"ws":"wss://h/v2/stream?zone=a"}`:     "wss://h/v2/stream?zone=a",
	} {
		if u, err := streamURL([]byte(body)); err != nil || u.String() != want {
			t.Errorf("%s gave %v, %v; want %s", body, u, err, want)
		}
	}
}
