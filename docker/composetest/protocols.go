package composetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gopush/internal/e2e"
)

// protocolKeys are pushed to by both protocols. There are several, so that each group of
// comets has some.
const protocolKeys = 6

// patience bounds a message's way to a connection.
const patience = 30 * time.Second

// protocols pushes by v1 and v2, and gets the same messages by each way of each protocol:
// over HTTP, and over a connection to the address that a device is told.
func protocols(t *testing.T, c *e2e.Cluster) {
	t.Helper()
	ports := make(map[string]bool)
	for i := range protocolKeys {
		key := fmt.Sprintf("both-%d", i)
		node, err := c.API.Node(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		ports[node.WS] = true
		both(t, c.API, key, node)
	}
	if len(ports) < 2 {
		t.Errorf("all %d keys live on %v, and there are two groups", protocolKeys, ports)
	}
}

// both connects to a key by v1 and v2, and pushes to it by v2 and v1.
func both(t *testing.T, api *e2e.API, key string, node e2e.Node) {
	t.Helper()
	at, err := url.Parse(node.WS)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := e2e.DialStream(t.Context(), at.Host, e2e.Cursors{After: "0", Public: "0"}.Query(key))
	if err != nil {
		t.Fatalf("connect to %s, which is what %s was told: %v", at.Host, key, err)
	}
	defer func() { _ = stream.Close() }()
	v1 := v1Connect(t, api, key)
	defer func() { _ = v1.Close() }()

	first := api.Push(t.Context(), e2e.Message{Key: key, Data: json.RawMessage(`"by v2"`)})
	if first.State != e2e.Acked {
		t.Fatalf("push to %s by v2: %+v", key, first)
	}
	res, err := api.Admin(t.Context(), http.MethodPost, "/1/admin/push/private?expire=600&key="+key, `"by v1"`)
	if err != nil || !strings.Contains(res.Body, `"ret":0`) {
		t.Fatalf("push to %s by v1: %s, %v", key, res, err)
	}
	want := `["by v2" "by v1"]`
	for way, got := range map[string]func(context.Context) ([]string, error){
		"v2 live":  func(context.Context) ([]string, error) { return v2Live(stream) },
		"v1 live":  func(context.Context) ([]string, error) { return v1Live(v1) },
		"v2 fetch": func(ctx context.Context) ([]string, error) { return v2Fetch(ctx, api, key) },
		"v1 fetch": func(ctx context.Context) ([]string, error) { return v1Fetch(ctx, api, key) },
	} {
		bodies, err := got(t.Context())
		if fmt.Sprint(bodies) != want || err != nil {
			t.Errorf("%s of %s: %s, %v; want %s", way, key, bodies, err, want)
		}
	}
}

func v1Connect(t *testing.T, api *e2e.API, key string) e2e.V1Conn {
	t.Helper()
	addr, err := api.V1Server(t.Context(), key, 2)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := e2e.DialTCP(t.Context(), addr, e2e.V1Subscribe(key))
	if err != nil {
		t.Fatalf("connect to %s, which is what %s was told: %v", addr, key, err)
	}
	if got, err := conn.Next(patience); got != "+h" || err != nil {
		t.Fatalf("the first reply to a subscription by v1 is %q, %v", got, err)
	}
	return conn
}

func v2Live(s e2e.Stream) (bodies []string, err error) {
	for len(bodies) < 2 {
		f, err := s.Next(patience)
		if err != nil {
			return bodies, err
		}
		if f.Type == "message" && !f.Public {
			bodies = append(bodies, string(f.Data))
		}
	}
	return bodies, nil
}

func v1Live(c e2e.V1Conn) (bodies []string, err error) {
	for len(bodies) < 2 {
		text, err := c.Next(patience)
		if err != nil {
			return bodies, err
		}
		m, err := e2e.ParseV1(text)
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, string(m.Msg))
	}
	return bodies, nil
}

func v2Fetch(ctx context.Context, api *e2e.API, key string) (bodies []string, err error) {
	page, err := api.Messages(ctx, key, "0", "", 0)
	for _, m := range page.Messages {
		bodies = append(bodies, string(m.Data))
	}
	return bodies, err
}

func v1Fetch(ctx context.Context, api *e2e.API, key string) (bodies []string, err error) {
	list, _, err := api.V1Fetch(ctx, key, 0, -1)
	for _, m := range list {
		bodies = append(bodies, string(m.Msg))
	}
	return bodies, err
}
